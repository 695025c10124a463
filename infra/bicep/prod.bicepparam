using 'main.bicep'

// Private, replicated to a second region, and locked.
param environmentName = 'prod'
param publicAccess = false
param locks = true
param addressPrefix = '10.42'
param storageSku = 'Standard_RAGZRS'
param softDeleteDays = 30
param logDays = 365
param logQuotaGb = 10
// students' work stays in the data zone
param deploymentSku = 'DataZoneStandard'
param chatCapacity = 100
param embeddingCapacity = 150
param fileDropSources = ['responses_csv', 'edm_cup']

// What only a deployment knows; empty leaves out what it stands for.
// ALERT_EMAIL: addresses, separated by commas
param alertEmails = readEnvironmentVariable('ALERT_EMAIL', '')
// OPENAI_LOCATION: region that offers the models, if that of all else does not
param openAiLocation = readEnvironmentVariable('OPENAI_LOCATION', '')
// REST_API_URL: interface of the learning system, such as https://lms.example.org/api
param restApiUrl = readEnvironmentVariable('REST_API_URL', '')
// SQL_SERVER_HOST, SQL_SERVER_DATABASE, SQL_SERVER_USER: as the self-hosted runtime sees it
param sqlServerHost = readEnvironmentVariable('SQL_SERVER_HOST', '')
param sqlServerDatabase = readEnvironmentVariable('SQL_SERVER_DATABASE', '')
param sqlServerUser = readEnvironmentVariable('SQL_SERVER_USER', '')
// DATABRICKS_SERVICE_OBJECT_ID: service principal AzureDatabricks of the tenant
param databricksServicePrincipalId = readEnvironmentVariable('DATABRICKS_SERVICE_OBJECT_ID', '')
// RECOVER_DELETED: true at the first deployment after the environment was destroyed
param recoverDeleted = bool(readEnvironmentVariable('RECOVER_DELETED', 'false'))
