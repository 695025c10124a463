using 'main.bicep'

// To try things out: answers on the internet, small, and free to delete.
param environmentName = 'dev'
param publicAccess = true
param locks = false
param addressPrefix = '10.40'
param storageSku = 'Standard_GRS'
param softDeleteDays = 7
param logDays = 30
param logQuotaGb = 1
param deploymentSku = 'GlobalStandard'
param chatCapacity = 10
param embeddingCapacity = 20
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
