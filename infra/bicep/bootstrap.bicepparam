using 'bootstrap.bicep'

// ENVIRONMENT: dev, staging or prod
param environmentName = readEnvironmentVariable('ENVIRONMENT', 'dev')
// LOCATION: region, as `az account list-locations` names it
param location = readEnvironmentVariable('LOCATION', 'eastus2')
// REPOSITORY: <owner>/<name> on GitHub
param repository = readEnvironmentVariable('REPOSITORY', '')
// ALERT_EMAIL: addresses, separated by commas
param alertEmails = readEnvironmentVariable('ALERT_EMAIL', '')
// BUDGET_START: first day of this month at the first run, and the same day ever after
param budgetStart = readEnvironmentVariable('BUDGET_START', '')
// BUDGET_AMOUNT: a month, in the currency of the subscription; docs/cost.md says what to expect
param budgetAmount = int(readEnvironmentVariable('BUDGET_AMOUNT', '1000'))
