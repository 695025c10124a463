"""Each check of Azure notices what breaks it: mistakes planted in copies of the real files."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from bundle.test_workflows import needs_trust, unpinned, zizmor
from conftest import REPOSITORY
from deepkt_irt.azure import checks, deployment_rules, template_rules
from deepkt_irt.azure.factory import rules as factory_rules
from deepkt_irt.azure.template_rules import read_templates
from deepkt_irt.bundle.resolve import Choices, resolve
from deepkt_irt.cli import main

BICEP, ADF = "infra/bicep", "infra/bicep/adf"
MODULES, DAILY = f"{BICEP}/modules", f"{ADF}/pipelines/daily_ingestion.json"
DEPLOY = ".github/workflows/deploy.yml"
STORAGE, NETWORK = f"{MODULES}/data_lake.bicep", f"{MODULES}/network.bicep"

# by name: the rule that finds it, the file, a text in it, and what a careless change makes of it
MISTAKES = {
    # templates
    "brace left out": ("template_is_bicep", STORAGE, "    name: sku\n  }\n", "    name: sku\n"),
    "undescribed parameter": (
        "parameter_is_described",
        STORAGE,
        "@description('Required. Tags.')\n",
        "",
    ),
    "required said to be optional": (
        "parameter_is_described",
        STORAGE,
        "'Required. Tags.'",
        "'Optional. Tags.'",
    ),
    "parameter of no use": (
        "parameter_is_described",
        STORAGE,
        "@description('Required. Tags.')",
        "@description('Required. Nothing.')\nparam nothing bool\n\n@description('Required. Tags.')",
    ),
    "output of no use": (
        "output_is_used",
        f"{BICEP}/main.bicep",
        "output databricksHost string",
        "output elsewhere string = location\n\n@description('Host.')\noutput databricksHost string",
    ),
    "variable of no use": (
        "symbol_is_used",
        f"{MODULES}/access.bicep",
        "var governed",
        "var nobody = 1\nvar governed",
    ),
    "another API version": (
        "api_version_is_listed",
        f"{MODULES}/key_vault.bicep",
        "Microsoft.KeyVault/vaults@2024-11-01",
        "Microsoft.KeyVault/vaults@2021-10-01",
    ),
    "module nobody calls": (
        "module_is_called",
        f"{BICEP}/bootstrap.bicep",
        "modules/budget.bicep",
        "modules/identity.bicep",
    ),
    "skip without reason": (
        "skip_has_a_reason",
        STORAGE,
        "CKV_AZURE_35: by parameter: 'Deny' unless publicAccess, which only dev sets",
        "CKV_AZURE_35: no",
    ),
    # what they come to
    "misspelt output of a module": (
        "template_evaluates",
        f"{BICEP}/main.bicep",
        "dataLake.outputs.blobUrl",
        "dataLake.outputs.blobsUrl",
    ),
    "dangling reference": (
        "template_evaluates",
        f"{MODULES}/data_factory.bicep",
        "dependsOn: [daily]",
        "dependsOn: [dayly]",
    ),
    "name by the clock": (
        "template_evaluates",
        f"{BICEP}/main.bicep",
        "uniqueString(resourceGroup().id, workload, environmentName)",
        "uniqueString(resourceGroup().id, utcNow())",
    ),
    "value that is not allowed": (
        "template_evaluates",
        f"{BICEP}/prod.bicepparam",
        "'Standard_RAGZRS'",
        "'Standard_LRS'",
    ),
    "untagged": ("resource_is_tagged", STORAGE, "  tags: tags\n  kind", "  kind"),
    "no diagnostics": (
        "resource_is_diagnosed",
        f"{MODULES}/data_factory.bicep",
        "  scope: factory\n",
        "  scope: credential\n",
    ),
    "one wide table of runs": (
        "resource_is_diagnosed",
        f"{MODULES}/data_factory.bicep",
        "'Dedicated'",
        "'AzureDiagnostics'",
    ),
    "public storage": (
        "access_is_private",
        STORAGE,
        "publicNetworkAccess: publicAccess ? 'Enabled' : 'Disabled'",
        "publicNetworkAccess: 'Enabled'",
    ),
    "endpoint left out": ("access_is_private", STORAGE, "['blob', 'dfs']", "['blob']"),
    "public prod": (
        "access_is_private",
        f"{BICEP}/prod.bicepparam",
        "publicAccess = false",
        "publicAccess = true",
    ),
    "shared keys": (
        "storage_is_closed",
        STORAGE,
        "allowSharedKeyAccess: false",
        "allowSharedKeyAccess: true",
    ),
    "old TLS": ("storage_is_closed", STORAGE, "'TLS1_2'", "'TLS1_0'"),
    "vault that can be purged": (
        "secrets_and_models_take_identities",
        f"{MODULES}/key_vault.bicep",
        "    enablePurgeProtection: true\n",
        "",
    ),
    "missing delegation": (
        "databricks_is_in_the_network",
        NETWORK,
        "serviceName: 'Microsoft.Databricks/workspaces'",
        "serviceName: 'Microsoft.Web/serverFarms'",
    ),
    "public addresses": (
        "databricks_is_in_the_network",
        f"{MODULES}/databricks.bicep",
        "enableNoPublicIp: {\n        value: true",
        "enableNoPublicIp: {\n        value: false",
    ),
    "wrong role id": (
        "role_is_listed",
        f"{MODULES}/access.bicep",
        "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1",
        "b7e6dc6d-f1e8-4753-8033-0f276bb0955b",
    ),
    "role on the whole account": (
        "role_is_listed",
        f"{MODULES}/access.bicep",
        "  scope: bronze\n",
        "  scope: account\n",
    ),
    "right to give any right": (
        "role_is_listed",
        f"{MODULES}/deployer_access.bicep",
        "4633458b-17de-408a-b874-0445c86b69e6",
        "8e3af657-a8ff-443c-a75c-2fe8c4bcb635",
    ),
    "name that is too long": (
        "name_is_allowed",
        f"{BICEP}/main.bicep",
        "'kv-${environmentName}-${seed}'",
        "'kv-${workload}-${environmentName}-${seed}'",
    ),
    "prod without locks": (
        "prod_is_locked",
        f"{BICEP}/prod.bicepparam",
        "locks = true",
        "locks = false",
    ),
    "alert that misses one failure": (
        "failure_raises_an_alert",
        f"{MODULES}/alerts.bicep",
        "threshold: 0",
        "threshold: 1",
    ),
    "address forgotten": (
        "address_is_set",
        f"{MODULES}/data_factory.bicep",
        "      baseUrl: keyVaultDnsName\n",
        "",
    ),
    "models all at once": (
        "models_are_deployed_one_by_one",
        f"{MODULES}/openai.bicep",
        "  dependsOn: [chat]\n",
        "",
    ),
    "document not loaded": (
        "document_is_deployed",
        f"{MODULES}/data_factory.bicep",
        "  loadJsonContent('../adf/datasets/sql_responses.json')\n",
        "",
    ),
    "drop for no source": (
        "dropped_source_exists",
        f"{BICEP}/prod.bicepparam",
        "'edm_cup'",
        "'gradebook'",
    ),
    # the factory's documents
    "no JSON": ("document_is_json", DAILY, '"concurrency": 1,', '"concurrency": 1'),
    "unknown activity field": (
        "document_has_its_type",
        DAILY,
        '"jobId": {',
        '"jobPath": "x",\n          "jobId": {',
    ),
    "jobID": ("document_has_its_type", DAILY, '"jobId": {', '"jobID": {'),
    "Sun": (
        "document_has_its_type",
        f"{ADF}/triggers/weekly_training.json",
        '"Sunday"',
        '"Sun"',
    ),
    "retry too soon": (
        "document_has_its_type",
        DAILY,
        '"retryIntervalInSeconds": 300',
        '"retryIntervalInSeconds": 5',
    ),
    "unknown dataset": (
        "reference_leads_somewhere",
        DAILY,
        '"referenceName": "rest_responses"',
        '"referenceName": "rest_answers"',
    ),
    "expression that is none": (
        "reference_leads_somewhere",
        DAILY,
        "@equals(variables('copied'), 'yes')",
        "@equals(variables('copied'), 'yes'",
    ),
    "literal expression as default": (
        "default_is_literal",
        DAILY,
        '"2000-01-01T00:00:00Z"',
        '"@utcNow()"',
    ),
    "job parameter left out": (
        "job_gets_its_parameters",
        f"{ADF}/pipelines/weekly_training.json",
        '"experiments": {',
        '"experiment": {',
    ),
    "job number in the document": (
        "job_gets_its_parameters",
        DAILY,
        "@pipeline().globalParameters.daily_ingestion_job_id",
        "17",
    ),
    "another hour": (
        "trigger_is_the_jobs_schedule",
        f"{ADF}/triggers/daily_ingestion.json",
        '"hours": [\n            2',
        '"hours": [\n            3',
    ),
    "time of now": (
        "scheduled_time_is_passed_on",
        f"{ADF}/triggers/daily_ingestion.json",
        "@trigger().scheduledTime",
        "@trigger().startTime",
    ),
    "as of now": (
        "scheduled_time_is_passed_on",
        f"{ADF}/pipelines/weekly_training.json",
        "pipeline().parameters.scheduled_time, 'yyyy-MM-ddTHH:mm:ssZ'",
        "utcNow(), 'yyyy-MM-ddTHH:mm:ssZ'",
    ),
    "as of left out": (
        "job_gets_its_parameters",
        f"{ADF}/pipelines/weekly_training.json",
        '"as_of": {',
        '"asof": {',
    ),
    "failure nobody hears of": (
        "failure_is_reported",
        DAILY,
        '"Failed",\n              "Skipped"',
        '"Failed"',
    ),
    "two runs at once": ("failure_is_reported", DAILY, '"concurrency": 1', '"concurrency": 5'),
    "password in the document": (
        "secret_is_in_the_vault",
        f"{ADF}/linkedServices/sql_server.json",
        '"server": "sql-server.invalid"',
        '"server": "sql-server.invalid", "connectionString": "Password=x"',
    ),
    # workflows
    "action by tag": (
        "action_is_pinned",
        DEPLOY,
        "azure/login@532459ea530d8321f2fb9bb10d1e0bcf23869a43 # v3.0.0",
        "azure/login@v3",
    ),
    "checkout that keeps its token": (
        "zizmor",
        DEPLOY,
        "        with:\n          persist-credentials: false\n",
        "",
    ),
    "stored secret": (
        "no_secret_is_stored",
        DEPLOY,
        "${{ vars.AZURE_CLIENT_ID }}",
        "${{ secrets.AZURE_CLIENT_ID }}",
    ),
    "secret for a fork": (
        "fork_needs_no_trust",
        ".github/workflows/checks.yml",
        "          persist-credentials: false\n",
        "          persist-credentials: false\n          token: ${{ secrets.TOKEN }}\n",
    ),
}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """The files that the checks read, in a folder of the tests' own."""
    folder = tmp_path_factory.mktemp("project")
    for name in ("infra", "resources", ".github"):
        shutil.copytree(REPOSITORY / name, folder / name)
    shutil.copy(REPOSITORY / "databricks.yml", folder)
    return folder


@pytest.fixture
def plant(project):
    """Writes a careless text in place of another one, until the test is over."""
    sound = {}

    def change(file: str, text: str, careless: str) -> None:
        path = project / file
        sound[path] = path.read_text()
        assert text in sound[path], "the mistake no longer fits the file"
        path.write_text(sound[path].replace(text, careless))

    yield change
    for path, text in sound.items():
        path.write_text(text)


def rules_broken(folder: Path, changed: str) -> Iterator[str]:
    """Names of the rules that find something, of those the changed file can break."""
    if changed.startswith(".github"):
        yield from workflow_rules_broken(folder)
        return
    bundle = resolve(folder, "prod", Choices(placeholders=True))
    factory, found = checks.read_factory_findings(folder, bundle)
    if not changed.startswith(ADF):
        templates = read_templates(folder)
        found = list(checks.template_findings(templates))
        if not templates.broken:
            prod, more = checks.environment_findings(folder, "prod")
            found += more
            if prod:
                found += checks.rights_findings(folder, prod)
                found += checks.deployed_factory_findings(prod, factory, bundle)
    yield from (finding.rule for finding in found)


def workflow_rules_broken(folder: Path) -> Iterator[str]:
    workflows = folder / ".github" / "workflows"
    if unpinned(workflows):
        yield "action_is_pinned"
    for name in ("pull_request.yml", "checks.yml"):
        if needs_trust(yaml.safe_load((workflows / name).read_text())):
            yield "fork_needs_no_trust"
    if any(re.search(r"secrets[.:\[]", path.read_text()) for path in workflows.glob("*.yml")):
        yield "no_secret_is_stored"
    if zizmor(folder / ".github").returncode:
        yield "zizmor"


@pytest.mark.parametrize("name", MISTAKES)
def test_planted_mistake_is_found(project, plant, name):
    rule, file, text, careless = MISTAKES[name]
    plant(file, text, careless)

    assert rule in set(rules_broken(project, file))


def test_every_rule_has_a_planted_mistake():
    planted = {rule for rule, *_ in MISTAKES.values()}
    rules = (*template_rules.RULES, *deployment_rules.RULES, *factory_rules.RULES)

    assert {rule.__name__ for rule in rules} <= planted


def test_project_as_it_is_breaks_no_rule():
    seen = checks.examine_azure(REPOSITORY)

    assert [str(finding) for finding in seen.findings] == []
    assert [each.name for each in seen.environments] == ["dev", "staging", "prod"]


def test_infra_check_elsewhere_says_where_to_run_it(tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["infra-check", "--folder", str(tmp_path)])

    assert ended.value.code == 1
    assert "run this where the project is" in capsys.readouterr().err


def test_infra_check_says_what_is_wrong_and_where(project, capsys):
    path = project / STORAGE
    path.write_text(
        path.read_text().replace("allowSharedKeyAccess: false", "allowSharedKeyAccess: true")
    )

    with pytest.raises(SystemExit) as ended:
        main(["infra-check", "--folder", str(project)])

    assert ended.value.code == 1
    said = capsys.readouterr().err
    found = r"prod: \S+data_lake.bicep:\d+: dataLake/account: allowSharedKeyAccess must be false"
    assert re.search(rf"{found} \[storage_is_closed\]", said)
