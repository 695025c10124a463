"""The steps that Azure leaves to a person: scripts, run against stand-ins, and their guide."""

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass

import pytest
import yaml

from conftest import REPOSITORY
from deepkt_irt.azure.bicep.template import read_template
from deepkt_irt.sources.responses_csv import COPIED_COLUMNS

FOLDER = REPOSITORY / "infra" / "first_time"
BICEP = REPOSITORY / "infra" / "bicep"
PIPELINES = {path.stem: path for path in sorted((BICEP / "adf" / "pipelines").glob("*.json"))}
WORKFLOWS = REPOSITORY / ".github" / "workflows"
SCRIPTS = sorted(FOLDER.glob("*.sh"))
STEPS = [path for path in SCRIPTS if path.name != "common.sh"]
GUIDE = (REPOSITORY / "docs" / "deployment.md").read_text()
CHOICES = (REPOSITORY / "docs" / "choices.md").read_text()

# Stands for `az` and `databricks`: keeps how it was called, and gives the first answer that fits.
# Arguments end with \x1f, what came on the standard input follows \x1d, a call ends with \x1e.
STAND_IN = r"""#!/usr/bin/env bash
line="${0##*/} $*"
{
  printf '%s\x1f' "${0##*/}" "$@"
  printf '\x1d'
  [[ " $* " != *" /dev/stdin "* ]] || cat
  printf '\x1e'
} >> "$CALLS"
while IFS=$'\t' read -r pattern answer; do
  if [[ "$line" =~ $pattern ]]; then
    [ "$answer" != REFUSED ] || exit 1
    printf '%s\n' "$answer"
    break
  fi
done < "$ANSWERS"
"""
REFUSED = "REFUSED"
GROUP = "/subscriptions/s/resourceGroups/rg-deepkt-staging/providers"
LAKE = f"{GROUP}/Microsoft.Storage/storageAccounts/deepktlake"
OUTPUTS = {
    "accessConnectorId": f"{GROUP}/Microsoft.Databricks/accessConnectors/dbac",
    "approvalTargets": [LAKE, f"{GROUP}/Microsoft.KeyVault/vaults/kv"],
    "chatDeployment": "gpt-4o",
    "dataFactoryId": f"{GROUP}/Microsoft.DataFactory/factories/adf",
    "dataFactoryName": "adf",
    "dataFactoryPrincipal": "factory-application",
    "databricksHost": "https://adb-1.2.azuredatabricks.net",
    "databricksWorkspaceId": "12",
    "embeddingDeployment": "text-embedding-3-large",
    "keyVaultDnsName": "https://kv.vault.azure.net/",
    "keyVaultResourceId": f"{GROUP}/Microsoft.KeyVault/vaults/kv",
    "openAiEndpoint": "https://oai.openai.azure.com/",
    "storageAccountName": "deepktlake",
}
BOOTSTRAP = {
    "resourceGroupName": "rg-deepkt-staging",
    "deployClientId": "deploy-application",
    "planClientId": "plan-application",
}
SETTINGS = {
    "REPOSITORY": "district/deepkt",
    "LOCATION": "eastus2",
    "ALERT_EMAIL": "it@example.org",
    "BUDGET_START": "2026-12-01",
    "DATABRICKS_ACCOUNT_ID": "account-1",
}


@dataclass(frozen=True)
class Call:
    """How a program was called, and what came on its standard input."""

    arguments: tuple[str, ...]
    given: str

    @classmethod
    def read(cls, text):
        words, _, given = text.partition("\x1d")
        return cls(tuple(words.split("\x1f")[:-1]), given)

    @property
    def line(self):
        return " ".join(self.arguments)


def deployed(outputs):
    return {name: {"type": "String", "value": value} for name, value in outputs.items()}


AZURE = [
    ("az deployment sub create", deployed(BOOTSTRAP)),
    ("az deployment group show", deployed(OUTPUTS)),
    ("az identity list .*-deploy'", "deploy-application"),
    ("az identity list .*-plan'", "plan-application"),
    ("az resource list .*Storage/storageAccounts", LAKE),
    ("az resource list .*Databricks/workspaces", f"{GROUP}/Microsoft.Databricks/workspaces/dbw"),
    ("az resource list .*CognitiveServices", f"{GROUP}/Microsoft.CognitiveServices/accounts/oai"),
    ("az account show --query tenantId", "tenant-1"),
    ("az account show --query id", "subscription-1"),
    ("az ad sp show --id 2ff814a6", "databricks-object"),
    ("az group show", "eastus2"),
]


@pytest.fixture
def run(tmp_path):
    """Runs a script with the stand-ins; returns how it ended and the calls made."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("az", "databricks"):
        (programs / name).write_text(STAND_IN)
        (programs / name).chmod(0o755)

    def start(script, *arguments, answers=(), typed="", settings=SETTINGS):
        calls, table = tmp_path / "calls", tmp_path / "answers"
        calls.write_text("")
        lines = (
            f"{pattern}\t{answer if isinstance(answer, str) else json.dumps(answer)}\n"
            for pattern, answer in (*answers, *AZURE)
        )
        table.write_text("".join(lines))
        path = f"{programs}:{os.environ['PATH']}"
        known = {key: os.environ[key] for key in ("HOME", "TMPDIR") if key in os.environ}
        environment = {**known, "PATH": path, "CALLS": str(calls), "ANSWERS": str(table)}
        ended = subprocess.run(
            [str(FOLDER / script), *arguments],
            input=typed,
            capture_output=True,
            text=True,
            env={**environment, **settings},
            check=False,
        )
        return ended, [Call.read(text) for text in calls.read_text().split("\x1e")[:-1]]

    return start


def bodies(calls):
    """Method, path and parsed JSON body of each request to Databricks that has one."""
    found = []
    for call in calls:
        if "--json" in call.arguments:
            _, _, method, path, _, body = call.arguments
            found.append((method, path, json.loads(body)))
    return found


# ---- what holds for every script


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_script_is_bash(script):
    checked = subprocess.run(["bash", "-n", script], capture_output=True, text=True, check=False)

    assert (checked.returncode, checked.stderr) == (0, "")


def test_scripts_pass_shellcheck():
    if shutil.which("shellcheck") is None:
        pytest.skip("shellcheck is not installed")
    command = ["shellcheck", "--external-sources", "--source-path", FOLDER, *SCRIPTS]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)

    assert checked.stdout == ""


@pytest.mark.parametrize("script", STEPS, ids=lambda path: path.name)
def test_script_stops_at_the_first_failure_and_says_how_it_is_called(script, run):
    ended, calls = run(script.name, "production")

    assert "set -euo pipefail" in script.read_text()
    assert (ended.returncode, calls) == (2, [])
    assert ended.stderr.startswith("usage: ")


@pytest.mark.parametrize("script", STEPS, ids=lambda path: path.name)
def test_script_ends_where_azure_refuses(script, run):
    ended, _ = run(script.name, "staging", answers=[("az ", REFUSED)])

    assert ended.returncode == 1


def test_outputs_that_scripts_read_are_those_of_the_templates():
    text = "\n".join(path.read_text() for path in SCRIPTS)
    main = {each.name for each in read_template(BICEP / "main.bicep").outputs}
    bootstrap = {each.name for each in read_template(BICEP / "bootstrap.bicep").outputs}

    assert set(re.findall(r"\$\(output (\w+)\)", text)) == set(OUTPUTS)
    assert set(OUTPUTS) <= main
    assert set(re.findall(r"\(value (\w+)\)", text)) == set(BOOTSTRAP)
    assert set(BOOTSTRAP) <= bootstrap


def test_names_that_scripts_use_are_those_of_templates_and_bundle():
    text = "\n".join(path.read_text() for path in sorted(BICEP.rglob("*.bicep")))
    bundle = yaml.safe_load((REPOSITORY / "databricks.yml").read_text())
    common = f"source {FOLDER / 'common.sh'}"

    def said(command):
        done = subprocess.run(
            ["bash", "-c", f"{common}; {command}"], capture_output=True, text=True, check=True
        )
        return done.stdout.split()

    for name in ("-deploy", "-plan", "-data-factory"):
        assert f"'id-${{suffix}}{name}'" in text
    assert "'rg-${suffix}'" in text
    assert "name: 'self_hosted'" in text
    groups = ("engineers", "analysts", "teachers", "privacy_officers")
    assert said("groups") == [bundle["variables"][name]["default"] for name in groups]
    for target, declared in bundle["targets"].items():
        assert said(f"catalog_of {target}") == [declared["variables"]["catalog"]]


# ---- 01


def test_bootstrap_registers_what_the_templates_use_and_deploys_once(run):
    ended, calls = run("01_bootstrap.sh", "staging")
    lines = [call.line for call in calls]
    registered = {line.split()[4] for line in lines if "provider register" in line}
    used = {
        each.type.split("/")[0]
        for path in BICEP.rglob("*.bicep")
        for each in read_template(path).resources
    }

    assert ended.returncode == 0, ended.stderr
    assert registered == used
    (deployment,) = [line for line in lines if "deployment sub create" in line]
    assert str(BICEP / "bootstrap.bicepparam") in deployment


def test_bootstrap_prints_the_variables_that_workflows_read(run):
    ended, _ = run("01_bootstrap.sh", "staging")
    printed = dict(re.findall(r"gh variable set (\w+) .*--body '(.*)'", ended.stdout))
    by_hand = set(re.findall(r"gh variable set (\w+)", GUIDE + CHOICES))
    read = {
        name
        for path in WORKFLOWS.glob("*.yml")
        for name in re.findall(r"\bvars\.(\w+)", path.read_text())
    }

    assert printed["AZURE_CLIENT_ID"] == printed["RUN_PRINCIPAL"] == "deploy-application"
    assert printed["PLAN_CLIENT_ID_STAGING"] == "plan-application"
    assert printed["RESOURCE_GROUP_PREFIX"] == "rg-deepkt"
    told = " ".join([*printed, *by_hand, GUIDE])
    assert [name for name in sorted(read) if name not in told] == []


def test_bootstrap_asks_for_what_it_needs(run):
    ended, calls = run("01_bootstrap.sh", "staging", settings={})

    assert (ended.returncode, calls) == (1, [])
    assert "set REPOSITORY" in ended.stderr


# ---- 02, 03

CONFIGURATION = {"name": "deepkt-staging", "network_connectivity_config_id": "n-1"}
MODELS = f"{GROUP}/Microsoft.CognitiveServices/accounts/oai"
RULES = [
    {"resource_id": LAKE.upper(), "group_id": "dfs", "connection_state": "PENDING"},
    {"resource_id": f"{MODELS}-of-another", "group_id": "account", "connection_state": "REJECTED"},
]


def test_serverless_network_reaches_lake_and_models_and_is_used_by_the_workspace(run):
    answers = [
        ("databricks api get .*/private-endpoint-rules", {"items": RULES}),
        ("databricks api get .*/network-connectivity-configs$", {"items": [CONFIGURATION]}),
    ]
    ended, calls = run("02_serverless_network.sh", "staging", answers=answers)

    assert ended.returncode == 0, ended.stderr
    account = "/api/2.0/accounts/account-1"
    assert bodies(calls) == [
        (
            "post",
            f"{account}/network-connectivity-configs/n-1/private-endpoint-rules",
            {"resource_id": LAKE, "group_id": "blob"},
        ),
        (
            "post",
            f"{account}/network-connectivity-configs/n-1/private-endpoint-rules",
            {"resource_id": MODELS, "group_id": "account"},
        ),
        (
            "patch",
            f"{account}/workspaces/12?update_mask=network_connectivity_config_id",
            {"network_connectivity_config_id": "n-1"},
        ),
    ]
    assert "PENDING dfs" in ended.stdout


@pytest.mark.parametrize("script", ["02_serverless_network.sh", "03_private_endpoints.sh"])
def test_where_all_is_public_no_connection_is_made_or_approved(script, run):
    public = [("az deployment group show", deployed(OUTPUTS | {"approvalTargets": []}))]
    ended, calls = run(script, "dev", answers=public)

    assert ended.returncode == 0, ended.stderr
    assert "dev answers publicly" in ended.stdout
    assert len(calls) == 1


@pytest.mark.parametrize(("arguments", "approved"), [((), 0), (("approve",), 2)])
def test_connections_are_approved_only_when_told_to(arguments, approved, run):
    answers = [
        ("connection list .*Pending", "/connection/1"),
        ("connection list", "Pending\t/endpoints/adf.data_lake_dfs"),
    ]
    ended, calls = run("03_private_endpoints.sh", "staging", *arguments, answers=answers)

    assert ended.returncode == 0, ended.stderr
    assert "Pending adf.data_lake_dfs" in ended.stdout
    assert sum("approve --id /connection/1" in call.line for call in calls) == approved


# ---- 04, 05

MADE = [("api post .*/scim/v2/(Groups|ServicePrincipals)", {"id": "7"})]
SUBJECT = "repo:district/deepkt:environment:staging"


def test_principals_are_made_and_let_in(run):
    ended, calls = run("04_principals.sh", "staging", answers=[*MADE, ("databricks api get", {})])

    assert ended.returncode == 0, ended.stderr
    asked = bodies(calls)
    made = [body for method, path, body in asked if method == "post" and "/scim/" in path]
    assert [body["displayName"] for body in made] == [
        *("deepkt-engineers", "deepkt-analysts", "deepkt-teachers", "deepkt-privacy-officers"),
        *("id-deepkt-staging-deploy", "id-deepkt-staging-data-factory"),
    ]
    assert [body.get("applicationId") for body in made[4:]] == [
        *("deploy-application", "factory-application")
    ]
    assert [body for method, _, body in asked if method == "put"] == [{"permissions": ["USER"]}] * 6
    entitled = [body["Operations"][0]["value"] for method, _, body in asked if method == "patch"]
    assert entitled[1] == [{"value": "workspace-access"}]
    policy = asked[-1]
    assert policy[1].endswith("/servicePrincipals/7/federationPolicies")
    assert policy[2]["oidc_policy"] == {
        "issuer": "https://token.actions.githubusercontent.com",
        "audiences": ["account-1"],
        "subject": SUBJECT,
    }


def test_principals_that_are_there_are_not_made_again(run):
    answers = [
        ("api get .*/scim/v2/", {"Resources": [{"id": "7"}]}),
        ("api get .*/federationPolicies", {"policies": [{"oidc_policy": {"subject": SUBJECT}}]}),
        ("databricks api get", {}),
    ]
    ended, calls = run("04_principals.sh", "staging", answers=answers)

    assert ended.returncode == 0, ended.stderr
    assert [method for method, _, _ in bodies(calls)].count("post") == 0
    assert SUBJECT in ended.stdout


UNITY = "/api/2.1/unity-catalog"
NOTHING_THERE = [
    ("api get .*current-metastore", {"metastore_id": "m"}),
    (f"api get {UNITY}/(storage-credentials|credentials|external-locations|catalogs)/", REFUSED),
    ("databricks api get", {}),
]


def test_catalog_rests_on_the_containers_of_the_lake(run):
    ended, calls = run("05_unity_catalog.sh", "staging", answers=NOTHING_THERE)

    assert ended.returncode == 0, ended.stderr
    made = {body["name"]: body for method, _, body in bodies(calls) if method == "post"}
    lake = "deepktlake.dfs.core.windows.net"
    assert made["deepkt_staging"]["storage_root"] == f"abfss://silver@{lake}/tables"
    assert {body["url"] for body in made.values() if "url" in body} == {
        *(f"abfss://{container}@{lake}/tables" for container in ("bronze", "silver", "gold")),
        f"abfss://bronze@{lake}/uploads",
    }
    credentials = [
        body for _, path, body in bodies(calls) if path == f"{UNITY}/storage-credentials"
    ]
    assert credentials == [
        {
            "name": "deepkt_staging",
            "azure_managed_identity": {"access_connector_id": OUTPUTS["accessConnectorId"]},
        }
    ]


def test_jobs_and_nobody_else_sign_in_to_models_by_a_service_credential(run):
    ended, calls = run("05_unity_catalog.sh", "staging", answers=NOTHING_THERE)
    asked = [(m, path, body) for m, path, body in bodies(calls) if "/credential" in path]

    assert ended.returncode == 0, ended.stderr
    assert asked == [
        (
            "post",
            f"{UNITY}/credentials",
            {
                "name": "deepkt_staging_openai",
                "purpose": "SERVICE",
                "azure_managed_identity": {"access_connector_id": OUTPUTS["accessConnectorId"]},
            },
        ),
        (
            "patch",
            f"{UNITY}/permissions/credential/deepkt_staging_openai",
            {"changes": [{"principal": "deploy-application", "add": ["ACCESS"]}]},
        ),
    ]


def test_landing_location_is_the_one_of_the_bundle(run):
    _, calls = run("05_unity_catalog.sh", "staging", answers=NOTHING_THERE)
    bundle = yaml.safe_load((REPOSITORY / "databricks.yml").read_text())
    landing = bundle["variables"]["landing_location"]["default"]

    expected = landing.replace("${var.storage_account}", "deepktlake")
    assert expected in {body.get("url") for _, _, body in bodies(calls)}


@pytest.mark.parametrize(("target", "more"), [("dev", 1), ("prod", 0)])
def test_rights_on_the_catalog_are_no_more_than_needed(target, more, run):
    there = [("databricks api get", {})]
    ended, calls = run("05_unity_catalog.sh", target, answers=there)
    changes = [
        (path.rpartition("/")[2], *body["changes"][0].values())
        for method, path, body in bodies(calls)
        if method == "patch" and "/permissions/catalog/" in path
    ]

    assert ended.returncode == 0, ended.stderr
    assert not [method for method, _, _ in bodies(calls) if method == "post"]
    catalog = "deepkt_dev" if target == "dev" else "deepkt"
    assert changes[0] == (catalog, "deploy-application", ["USE_CATALOG", "CREATE_SCHEMA"])
    assert [privileges for _, _, privileges in changes[1:5]] == [["USE_CATALOG"]] * 4
    assert changes[5:] == [(catalog, "deepkt-engineers", ["CREATE_SCHEMA"])] * more


def test_without_a_metastore_nothing_is_made(run):
    ended, calls = run("05_unity_catalog.sh", "staging", answers=[("current-metastore", REFUSED)])

    assert (ended.returncode, bodies(calls)) == (1, [])
    assert "step 6 of docs/deployment.md" in ended.stderr


# ---- 07, 08

TYPED = 'Bearer not/for$everybody\'s "eyes" '
SECRETS = ["rest-api-authorization", "sql-server-password"]


def test_secrets_reach_the_vault_and_no_argument(run):
    ended, calls = run("07_secrets.sh", "staging", typed=f"{TYPED}\nsecond\n")
    kept = {
        call.arguments[call.arguments.index("--name") + 1]: call.given
        for call in calls
        if "secret set" in call.line
    }

    assert ended.returncode == 0, ended.stderr
    assert kept == {"rest-api-authorization": TYPED, "sql-server-password": "second"}
    said = ended.stdout + ended.stderr + "".join(call.line for call in calls)
    assert "Bearer" not in said
    assert "second" not in said


def test_secret_without_an_answer_stays(run):
    ended, calls = run("07_secrets.sh", "staging", typed="\n")

    assert ended.returncode == 0, ended.stderr
    assert not [call for call in calls if "secret set" in call.line]


def test_secrets_are_those_of_the_linked_services(run):
    documents = sorted((BICEP / "adf" / "linkedServices").glob("*.json"))
    asked = re.findall(r'"secretName": "([\w-]+)"', "".join(d.read_text() for d in documents))
    ended, calls = run("07_secrets.sh", "staging", "sql-server-pasword")

    assert sorted(asked) == SECRETS
    assert (ended.returncode, calls) == (1, [])
    assert all(name in ended.stderr for name in SECRETS)


@pytest.mark.parametrize(("state", "code"), [("Online", 0), ("NeedRegistration", 1)])
def test_runtime_is_there_when_it_is_online(state, code, run):
    status = {"properties": {"state": state, "typeProperties": {"version": "5.52.1.0"}}}
    ended, _ = run("08_self_hosted_runtime.sh", "staging", answers=[("getStatus", status)])

    assert ended.returncode == code
    assert f"{state} 5.52.1.0" in ended.stdout


def test_key_of_the_runtime_is_printed_alone(run):
    answers = [("listAuthKeys", {"authKey1": "IR@1", "authKey2": "IR@2"})]
    ended, _ = run("08_self_hosted_runtime.sh", "staging", "key", answers=answers)

    assert ended.stdout == "IR@1\n"


# ---- check.sh

ALL_THERE = [
    (
        "accounts/oai/deployments",
        {"value": [{"name": "gpt-4o"}, {"name": "text-embedding-3-large"}]},
    ),
    ("api get .*/accounts/account-1/workspaces/12", {"network_connectivity_config_id": "n-1"}),
    ("api get .*/scim/v2/", {"Resources": [{"id": "7"}]}),
    ("api get .*/federationPolicies", {"policies": [{"oidc_policy": {"subject": SUBJECT}}]}),
    (
        "pipelines/daily_ingestion",
        {
            "properties": {
                "parameters": {
                    "rest_api": {"defaultValue": True},
                    "sql_server": {"defaultValue": True},
                }
            }
        },
    ),
    ("getStatus", {"properties": {"state": "Online"}}),
    (
        "globalParameters/default",
        {"properties": {f"{name}_job_id": {} for name in PIPELINES}},
    ),
    ("/triggers/", {"properties": {"runtimeState": "Started"}}),
]


def changes_made(calls):
    changing = (
        r"\b(create|set|approve|register|delete|put|patch)\b|api post|method post(?!.*getStatus)"
    )
    return [call.line for call in calls if re.search(changing, call.line)]


def test_check_of_a_whole_environment_finds_nothing_missing_and_changes_nothing(run):
    ended, calls = run("check.sh", "staging", answers=ALL_THERE)

    assert ended.returncode == 0, ended.stdout + ended.stderr
    lines = ended.stdout.splitlines()
    assert [line for line in lines if not line.startswith("ok ")] == []
    assert len(lines) > 20
    assert changes_made(calls) == []


@pytest.mark.parametrize(
    ("absent", "said"),
    [
        ("getStatus", "missing  self-hosted runtime: 08_self_hosted_runtime.ps1"),
        ("unity-catalog/catalogs", "missing  catalog deepkt_staging: 05_unity_catalog.sh"),
        (
            "unity-catalog/credentials/",
            "missing  service credential deepkt_staging_openai: 05_unity_catalog.sh",
        ),
        ("displayName.*teachers", "missing  group deepkt-teachers: 04_principals.sh"),
        ("globalParameters", "missing  job ids in Data Factory: the deploy workflow"),
        ("secrets/sql-server", "missing  secret sql-server-password: 07_secrets.sh"),
        ("federationPolicies", "missing  trust in GitHub: 04_principals.sh"),
    ],
)
def test_check_says_what_is_missing_and_goes_on(absent, said, run):
    ended, _ = run("check.sh", "staging", answers=[(absent, REFUSED), *ALL_THERE])

    assert ended.returncode == 1
    assert [line for line in ended.stdout.splitlines() if not line.startswith("ok ")] == [said]


@pytest.mark.parametrize("unknown", PIPELINES)
def test_check_asks_for_the_id_of_every_job_that_a_pipeline_starts(unknown, run):
    ids = {f"{name}_job_id": {} for name in PIPELINES if name != unknown}
    ended, _ = run(
        "check.sh",
        "staging",
        answers=[("globalParameters/default", {"properties": ids}), *ALL_THERE],
    )

    assert "missing  job ids in Data Factory: the deploy workflow" in ended.stdout


def test_check_shows_a_connection_that_waits(run):
    answers = [("connection list .*Pending", "/connection/1"), *ALL_THERE]
    ended, _ = run("check.sh", "staging", answers=answers)

    assert "missing  private connections: 03_private_endpoints.sh" in ended.stdout


@pytest.mark.parametrize(
    ("scheduler", "state", "code"),
    [("workflows", "Stopped", 0), ("workflows", "Started", 1), ("data_factory", "Stopped", 1)],
)
def test_check_wants_triggers_stopped_where_workflows_drives(scheduler, state, code, run):
    answers = [("/triggers/", {"properties": {"runtimeState": state}}), *ALL_THERE]
    settings = {**SETTINGS, "SCHEDULER": scheduler}
    ended, _ = run("check.sh", "staging", answers=answers, settings=settings)
    missing = [line for line in ended.stdout.splitlines() if not line.startswith("ok ")]

    assert ended.returncode == code
    assert len(missing) == code * len(PIPELINES)
    assert all(
        f"factory_triggers.sh {'stop' if scheduler == 'workflows' else 'start'}" in line
        for line in missing
    )


# ---- what the documentation says


def test_files_named_in_the_guide_exist():
    places = (
        r"\b((?:infra|scripts|resources|docs|tests|src)/[\w./-]*\w|\.github/[\w./-]*\w)(?![\w$])"
    )
    named = set(re.findall(places, GUIDE))
    linked = {f"docs/{path}" for path in re.findall(r"\]\(([\w./-]+)\)", GUIDE)}

    assert len(named) > 10
    assert [path for path in sorted(named | linked) if not (REPOSITORY / path).exists()] == []
    targets = {"dev", "staging", "prod"}
    assert "infra/bicep/$TARGET.bicepparam" in GUIDE
    assert all((BICEP / f"{target}.bicepparam").exists() for target in targets)


def test_guide_names_every_step_and_is_short():
    assert [path.name for path in FOLDER.iterdir() if path.name not in GUIDE] == ["common.sh"]
    assert len([line for line in GUIDE.splitlines() if "```" not in line]) < 300


def test_guide_and_view_have_the_columns_that_are_copied():
    guide = re.findall(r"^\| `(\w+)` \|", GUIDE.partition("| column |")[2], re.MULTILINE)
    view = (FOLDER / "06_sql_server_source.sql").read_text().partition("FROM dbo.answers")[0]

    assert tuple(guide[: len(COPIED_COLUMNS)]) == COPIED_COLUMNS
    assert tuple(re.findall(r" AS (\w+),?$", view, re.MULTILINE)) == (
        *COPIED_COLUMNS,
        "recorded_at",
    )


def test_guide_explains_every_alert():
    alerts = (BICEP / "modules" / "alerts.bicep").read_text()
    rules = alerts.partition("var rules = [")[2].partition("resource alerts")[0]
    names = re.findall(r"^    name: '([a-z-]+)'", rules, re.MULTILINE)

    assert len(names) >= 6
    assert [name for name in names if f"| `{name}` |" not in GUIDE] == []


def test_guide_names_what_parameter_files_read():
    read = {
        name
        for path in BICEP.glob("*.bicepparam")
        for name in re.findall(r"readEnvironmentVariable\('(\w+)'", path.read_text())
    }
    told = GUIDE + (FOLDER / "01_bootstrap.sh").read_text()

    assert [name for name in sorted(read) if name not in told] == []


def test_bodies_of_commands_in_the_guide_are_json():
    texts = re.findall(r"(?:--body|--data) '(\{.*?\})'", GUIDE)
    texts += [text.replace('\\"', '"') for text in re.findall(r'--body "(\{.*?\})"$', GUIDE, re.M)]

    assert len(texts) >= 4
    assert all(isinstance(json.loads(text), dict) for text in texts)


def test_parameters_that_the_guide_gives_a_run_are_those_of_the_pipeline():
    pipelines = {
        name: json.loads(path.read_text())["properties"]["parameters"]
        for name, path in PIPELINES.items()
    }
    started = re.findall(r"pipelines/(\w+)/createRun.*\n\s+--body ['\"](\{.*\})['\"]", GUIDE)

    assert {name for name, _ in started} == set(pipelines)
    for name, text in started:
        assert json.loads(text.replace('\\"', '"')).keys() <= pipelines[name].keys()
