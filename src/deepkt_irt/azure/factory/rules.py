"""Rules that the factory's documents keep, by themselves and beside the jobs they start.

Each rule is a function from the factory and the resolved bundle to findings.
"""

import re
from collections.abc import Callable, Iterator, Mapping

from deepkt_irt.azure.factory.documents import Document, Factory, texts
from deepkt_irt.azure.factory.expressions import references
from deepkt_irt.azure.factory.global_parameters import global_parameters
from deepkt_irt.azure.factory.publishing import (
    every_activity,
    literal_defaults,
    pipeline_problems,
    template_problems,
    trigger_problems,
)
from deepkt_irt.azure.factory.types import type_problems
from deepkt_irt.bundle.document import Tree
from deepkt_irt.bundle.resolve import Resolved
from deepkt_irt.bundle.rules import Finding
from deepkt_irt.sources.catalogue import SOURCES

Problems = Iterator[tuple[str, str]]  # place and what is wrong there

_JOB = "DatabricksJob"
_IDENTITY = "data_factory_identity"
# linked services that need no identity, because a secret of the vault or nothing opens them
_BY_SECRET = ("SqlServer", "RestService")
_SECRET_KEY = re.compile(r"password|secret|token|accountkey|connectionstring|auth", re.IGNORECASE)
_NOT_SECRET = {"authentication", "authenticationType", "secretName", "secureInput", "secureOutput"}


def _kinds(factory: Factory) -> dict[str, Mapping[str, Document]]:
    """Documents by folder, which is called as the service calls their kind."""
    return {
        "pipelines": factory.pipelines,
        "datasets": factory.datasets,
        "linkedServices": factory.linked_services,
        "triggers": factory.triggers,
    }


def document_has_its_type(factory: Factory, _: Resolved) -> Problems:
    """Every key is one that the service knows, required ones are there, values are in range."""
    for folder, documents in _kinds(factory).items():
        for name, document in documents.items():
            for where, problem in type_problems(folder, document):
                yield f"{folder}/{name}: {where}", problem


def reference_leads_somewhere(factory: Factory, bundle: Resolved) -> Problems:
    """Activities, variables, parameters, datasets, linked services and pipelines named exist."""
    known = _global_names(factory, bundle)
    for name in factory.pipelines:
        for where, problem in pipeline_problems(factory, name, known):
            yield f"pipelines/{name}: {where}", problem
    for folder, kind, documents in (
        ("datasets", "dataset", factory.datasets),
        ("linkedServices", "linkedService", factory.linked_services),
    ):
        for name, document in documents.items():
            for where, problem in template_problems(kind, document):
                yield f"{folder}/{name}: {where}", problem
    for name in factory.triggers:
        for where, problem in trigger_problems(factory, name):
            yield f"triggers/{name}: {where}", problem


def default_is_literal(factory: Factory, _: Resolved) -> Problems:
    """A default that looks like an expression would arrive as text."""
    for folder, documents in _kinds(factory).items():
        for name, document in documents.items():
            for where, problem in literal_defaults(document):
                yield f"{folder}/{name}: {where}", problem


def job_gets_its_parameters(factory: Factory, bundle: Resolved) -> Problems:
    """A pipeline starts the job of its own name, by a global id, with just the job's parameters."""
    jobs = bundle.resources["jobs"]
    for name, activity in _job_activities(factory):
        where, properties = f"pipelines/{name}: {activity['name']}", activity["typeProperties"]
        if name not in jobs:
            yield where, f"the bundle has no job {name}"
            continue
        if references(_text(properties.get("jobId"))) != {("globalParameter", f"{name}_job_id")}:
            yield where, f"jobId must be the global parameter {name}_job_id"
        declared = {each["name"] for each in jobs[name].get("parameters", [])}
        given = set(properties.get("jobParameters", {}))
        if declared != given:
            wrong = ", ".join(sorted(declared ^ given))
            yield where, f"jobParameters differ from the job's parameters: {wrong}"


def trigger_is_the_jobs_schedule(factory: Factory, bundle: Resolved) -> Problems:
    """Either may be the scheduler, so the factory's trigger and the job's cron name one time.

    A job without a pipeline, as the one that pulls without the factory, is scheduled there alone.
    """
    jobs = bundle.resources["jobs"]
    for name, trigger in factory.triggers.items():
        schedule = jobs.get(name, {}).get("schedule")
        if schedule is None:
            yield f"triggers/{name}", "no job of this name has a schedule"
            continue
        recurrence = trigger["properties"]["typeProperties"]["recurrence"]
        crons = set(_crons(recurrence))
        if crons != {schedule["quartz_cron_expression"]}:
            times = ", ".join(sorted(crons)) or "never"
            yield f"triggers/{name}", f"fires {times}; the job {schedule['quartz_cron_expression']}"
        if recurrence.get("timeZone") != schedule["timezone_id"]:
            yield f"triggers/{name}", f"its time zone is not {schedule['timezone_id']}"
    for name in factory.pipelines:
        if "schedule" in jobs.get(name, {}) and name not in factory.triggers:
            yield f"triggers/{name}", "is missing, but the job has a schedule"


def scheduled_time_is_passed_on(factory: Factory, _: Resolved) -> Problems:
    """A run speaks of the time it was due, so that a late or repeated one does the same."""
    for name, trigger in factory.triggers.items():
        for each in trigger["properties"].get("pipelines", []):
            given = each.get("parameters", {})
            if given.get("scheduled_time") != "@trigger().scheduledTime":
                yield f"triggers/{name}", "scheduled_time must be @trigger().scheduledTime"
    for name, activity in _job_activities(factory):
        given = activity["typeProperties"].get("jobParameters", {})
        if "as_of" not in given:  # the job has none, or job_gets_its_parameters finds it
            continue
        if references(_text(given["as_of"])) != {("parameter", "scheduled_time")}:
            where = f"pipelines/{name}: {activity['name']}"
            yield where, "as_of must come from the parameter scheduled_time"


def failure_is_reported(factory: Factory, _: Resolved) -> Problems:
    """One run at a time; one whose job failed or was not started ends as failed, with words."""
    for name, pipeline in factory.pipelines.items():
        properties = pipeline["properties"]
        if properties.get("concurrency") != 1:
            yield f"pipelines/{name}", "concurrency must be 1"
        for activity in properties["activities"]:
            if activity["type"] == _JOB and not _is_watched(activity, properties["activities"]):
                problem = "no Fail activity depends on it with Failed and Skipped"
                yield f"pipelines/{name}: {activity['name']}", problem


def secret_is_in_the_vault(factory: Factory, _: Resolved) -> Problems:
    """Nothing secret stands in a document; what can use the factory's identity does."""
    for folder, documents in _kinds(factory).items():
        for name, document in documents.items():
            for where, problem in _bare_secrets(document["properties"], ""):
                yield f"{folder}/{name}: {where}", problem
    for name, service in factory.linked_services.items():
        properties = service["properties"]
        credential = properties["typeProperties"].get("credential", {}).get("referenceName")
        if properties["type"] not in _BY_SECRET and credential != _IDENTITY:
            yield f"linkedServices/{name}", f"must use the credential {_IDENTITY}"


def dropped_source_exists(factory: Factory, _: Resolved) -> Problems:
    """Files are dropped only for sources that ingest reads."""
    for name, pipeline in factory.pipelines.items():
        declared = pipeline["properties"].get("parameters", {}).get("file_drop", {})
        for source in declared.get("defaultValue", []):
            if source not in SOURCES:
                yield f"pipelines/{name}: file_drop", f"there is no source {source}"


Rule = Callable[[Factory, Resolved], Problems]
RULES: tuple[Rule, ...] = (
    document_has_its_type,
    reference_leads_somewhere,
    default_is_literal,
    job_gets_its_parameters,
    trigger_is_the_jobs_schedule,
    scheduled_time_is_passed_on,
    failure_is_reported,
    secret_is_in_the_vault,
    dropped_source_exists,
)


def factory_findings(factory: Factory, bundle: Resolved) -> Iterator[Finding]:
    """What breaks a rule; a document whose shape is wrong is not looked at further.

    Args:
        factory: The documents.
        bundle: The target of the bundle whose jobs they start.
    """
    for rule in RULES:
        found = [Finding(rule.__name__, "factory", *each) for each in rule(factory, bundle)]
        yield from found
        if found and rule is document_has_its_type:
            return


def _global_names(factory: Factory, bundle: Resolved) -> dict[str, str]:
    """Global parameters that the deployment sets, as one of this bundle would."""
    jobs: Tree = {
        key: job for key, job in bundle.resources["jobs"].items() if key in factory.pipelines
    }
    made = global_parameters(jobs, dict.fromkeys(jobs, 1))["properties"]
    return {name: each["value"] for name, each in made.items()}


def _job_activities(factory: Factory) -> Iterator[tuple[str, Document]]:
    for name, pipeline in factory.pipelines.items():
        for activity in every_activity(pipeline["properties"]["activities"]):
            if activity["type"] == _JOB:
                yield name, activity


def _is_watched(job: Document, beside: list[Document]) -> bool:
    wanted = {"activity": job["name"], "dependencyConditions": ["Failed", "Skipped"]}
    return any(each["type"] == "Fail" and each.get("dependsOn") == [wanted] for each in beside)


def _text(value: object) -> str:
    """The one expression in a value; empty if there is none."""
    found = [text for _, text in texts(value)]
    return found[0] if found else ""


def _crons(recurrence: Document) -> Iterator[str]:
    """The Quartz expressions of a recurrence at fixed hours of each day, or of days of the week."""
    schedule = recurrence.get("schedule", {})
    if recurrence.get("interval") != 1 or recurrence.get("frequency") not in {"Day", "Week"}:
        return
    days = [day[:3].upper() for day in schedule.get("weekDays", [])]
    when = [f"? * {day}" for day in days] if recurrence["frequency"] == "Week" else ["* * ?"]
    for hour in schedule.get("hours", []):
        for minute in schedule.get("minutes", []):
            yield from (f"0 {minute} {hour} {day}" for day in when)


def _bare_secrets(value: object, where: str) -> Problems:
    """Places whose name speaks of a secret and which hold text rather than a vault's reference."""
    if isinstance(value, list):
        for index, each in enumerate(value):
            yield from _bare_secrets(each, f"{where}[{index}]")
    if not isinstance(value, dict):
        return
    for key, each in value.items():
        place = f"{where}.{key}".lstrip(".")
        is_text = isinstance(each, str) or (
            isinstance(each, dict) and each.get("type") == "SecureString"
        )
        if is_text and key not in _NOT_SECRET and _SECRET_KEY.search(key):
            yield place, "a secret stands here; take it from the Key Vault"
        yield from _bare_secrets(each, place)
