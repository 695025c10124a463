import copy

import pytest

from adf_documents import activity, pipeline, reference
from deepkt_irt.azure.factory.types import type_problems
from deepkt_irt.errors import UsageError

JOB = activity(
    "job",
    "DatabricksJob",
    jobId={"value": "@pipeline().globalParameters.id", "type": "Expression"},
    jobParameters={"as_of": {"value": "@utcNow()", "type": "Expression"}},
    linkedServiceName=reference("LinkedService", "workspace"),
    policy={"timeout": "0.01:00:00", "retry": 1, "retryIntervalInSeconds": 30},
)
WEB = activity(
    "web",
    "WebActivity",
    method="PUT",
    url={"value": "@concat('a', 'b')", "type": "Expression"},
    body={"value": "@string('')", "type": "Expression"},
    headers={"x-ms-version": "2023-11-03", "a": {"value": "@utcNow()", "type": "Expression"}},
    authentication={"type": "MSI", "resource": "https://storage.azure.com/"},
)
COPY = activity(
    "copy",
    "Copy",
    inputs=[reference("Dataset", "a", x={"value": "@item()", "type": "Expression"})],
    outputs=[reference("Dataset", "b")],
    source={
        "type": "BinarySource",
        "storeSettings": {"type": "AzureBlobFSReadSettings", "recursive": True},
    },
    sink={"type": "BinarySink", "storeSettings": {"type": "AzureBlobFSWriteSettings"}},
)
GOOD = pipeline(
    "good",
    JOB,
    activity(
        "if",
        "IfCondition",
        after={"job": ["Failed", "Skipped"]},
        expression={"value": "@equals(1, 1)", "type": "Expression"},
        ifTrueActivities=[WEB, COPY],
    ),
    parameters={"n": ("Int", 1)},
    variables={"v": ("Array", [])},
)
TRIGGER = {
    "name": "weekly",
    "properties": {
        "type": "ScheduleTrigger",
        "pipelines": [{"pipelineReference": reference("Pipeline", "good"), "parameters": {}}],
        "typeProperties": {
            "recurrence": {
                "frequency": "Week",
                "interval": 1,
                "startTime": "2026-01-04T04:00:00Z",
                "timeZone": "UTC",
                "schedule": {"hours": [4], "minutes": [0], "weekDays": ["Sunday"]},
            }
        },
    },
}
DATASET = {
    "name": "csv",
    "properties": {
        "type": "DelimitedText",
        "linkedServiceName": reference("LinkedService", "lake"),
        "parameters": {"file": {"type": "String"}},
        "typeProperties": {
            "location": {
                "type": "AzureBlobFSLocation",
                "fileSystem": "bronze",
                "fileName": {"value": "@dataset().file", "type": "Expression"},
            },
            "columnDelimiter": ",",
        },
    },
}
SERVICE = {
    "name": "sql",
    "properties": {
        "type": "SqlServer",
        "connectVia": {"referenceName": "own", "type": "IntegrationRuntimeReference"},
        "typeProperties": {
            "server": "s",
            "database": "d",
            "authenticationType": "SQL",
            "userName": "u",
            "password": {
                "type": "AzureKeyVaultSecret",
                "store": reference("LinkedService", "vault"),
                "secretName": "p",
            },
        },
    },
}
CREDENTIAL = {
    "name": "identity",
    "properties": {"type": "ManagedIdentity", "typeProperties": {"resourceId": "/x"}},
}
RUNTIME = {
    "name": "managed",
    "properties": {
        "type": "Managed",
        "managedVirtualNetwork": {
            "referenceName": "default",
            "type": "ManagedVirtualNetworkReference",
        },
        "typeProperties": {"computeProperties": {"location": "AutoResolve"}},
    },
}
DOCUMENTS = {
    "pipelines": GOOD,
    "triggers": TRIGGER,
    "datasets": DATASET,
    "linkedServices": SERVICE,
    "credentials": CREDENTIAL,
    "integrationRuntimes": RUNTIME,
}


@pytest.mark.parametrize("kind", DOCUMENTS)
def test_type_problems_of_a_sound_document_are_none(kind):
    assert list(type_problems(kind, DOCUMENTS[kind])) == []


JOB_AT = "properties.activities[job]"
INNER = "properties.activities[if].typeProperties.ifTrueActivities"
RECURRENCE = "properties.typeProperties.recurrence"
MISTAKES = [  # kind, path into the document, value (None deletes), place, problem
    (
        "pipelines",
        "activities.0.typeProperties.bogus",
        1,
        f"{JOB_AT}.typeProperties.bogus",
        "not known",
    ),
    (
        "pipelines",
        "activities.0.typeProperties.jobId",
        None,
        f"{JOB_AT}.typeProperties.jobId",
        "missing",
    ),
    ("pipelines", "activities.0.type", "DatabricksJobX", JOB_AT, "no Activity of a known type"),
    ("pipelines", "activities.0.policy.bogus", 1, f"{JOB_AT}.policy.bogus", "not known"),
    (
        "pipelines",
        "activities.0.policy.retryIntervalInSeconds",
        5,
        f"{JOB_AT}.policy.retryIntervalInSeconds",
        "breaks minimum 30",
    ),
    (
        "pipelines",
        "activities.1.dependsOn.0.dependencyConditions",
        ["Success"],
        "properties.activities[if].dependsOn[0].dependencyConditions",
        "'Success' is none of Succeeded",
    ),
    (
        "pipelines",
        "activities.1.typeProperties.ifTrueActivities.1.typeProperties.source.bogus",
        1,
        f"{INNER}[copy].typeProperties.source.bogus",
        "not known",
    ),
    (
        "pipelines",
        "activities.1.typeProperties.ifTrueActivities.1.typeProperties.sink.storeSettings.type",
        "Nowhere",
        f"{INNER}[copy].typeProperties.sink.storeSettings",
        "no StoreWriteSettings of a known type",
    ),
    (
        "pipelines",
        "activities.1.typeProperties.ifTrueActivities.0.typeProperties.method",
        "PATCHY",
        f"{INNER}[web].typeProperties.method",
        "none of GET",
    ),
    ("pipelines", "parameters.n.type", "int", "properties.parameters.n.type", "none of Object"),
    ("pipelines", "variables.v.type", "List", "properties.variables.v.type", "none of String"),
    ("pipelines", "concurrency", 0, "properties.concurrency", "breaks minimum 1"),
    ("pipelines", "concurrency", "one", "properties", "Unable to deserialize"),
    ("pipelines", "bogus", {"a": 1}, "properties.bogus.a", "not known"),
    (
        "triggers",
        "runtimeState",
        "Started",
        "properties.runtimeState",
        "only read from the service",
    ),
    (
        "triggers",
        "typeProperties.recurrence.schedule.weekDays",
        ["Sun"],
        f"{RECURRENCE}.schedule.weekDays",
        "'Sun' is none of Sunday",
    ),
    (
        "triggers",
        "typeProperties.recurrence.frequency",
        "Weekly",
        f"{RECURRENCE}.frequency",
        "none of",
    ),
    (
        "datasets",
        "typeProperties.location.bogus",
        1,
        "properties.typeProperties.location.bogus",
        "not known",
    ),
    ("datasets", "linkedServiceName", None, "properties.linkedServiceName", "missing"),
    ("linkedServices", "typeProperties.bogus", 1, "properties.typeProperties.bogus", "not known"),
    (
        "linkedServices",
        "typeProperties.password.secretName",
        None,
        "properties.typeProperties.password.secretName",
        "missing",
    ),
    ("credentials", "type", "Identity", "properties", "no Credential of a known type"),
    (
        "integrationRuntimes",
        "managedVirtualNetwork.type",
        "Network",
        "properties.managedVirtualNetwork.type",
        "none of ManagedVirtualNetworkReference",
    ),
]


@pytest.mark.parametrize(
    ("kind", "path", "value", "where", "problem"),
    MISTAKES,
    ids=lambda each: each if isinstance(each, str) and "." in each else "",
)
def test_type_problems_finds_a_mistake_where_it_is(kind, path, value, where, problem):
    document = copy.deepcopy(DOCUMENTS[kind])
    *steps, last = path.split(".")
    place = document["properties"]
    for step in steps:
        place = place[int(step) if isinstance(place, list) else step]
    if value is None:
        del place[last]
    else:
        place[last] = value

    found = list(type_problems(kind, document))

    assert [text for at, text in found if at == where and problem in text] != []


def test_type_problems_takes_other_spellings_of_the_same_time():
    document = copy.deepcopy(TRIGGER)
    document["properties"]["typeProperties"]["recurrence"]["startTime"] = (
        "2026-01-04T04:00:00+00:00"
    )

    assert list(type_problems("triggers", document)) == []


def test_type_problems_refuses_an_unknown_kind():
    with pytest.raises(UsageError, match="no documents are called dataflows"):
        list(type_problems("dataflows", GOOD))
