"""Rules that a resolved target of the bundle must keep; each is a function from it to findings."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

from deepkt_irt.bundle.cron import cron_problem
from deepkt_irt.bundle.document import Tree
from deepkt_irt.bundle.jobs import JobTask, reduced, tasks_of
from deepkt_irt.bundle.resolve import Resolved
from deepkt_irt.bundle.wheel import Wheel
from deepkt_irt.governance.access import Role, readers_of
from deepkt_irt.jobs.pipeline import TASKS
from deepkt_irt.jobs.task import lineage
from deepkt_irt.tables.contract import Layer
from deepkt_irt.tables.registry import TABLES

_PARAMETER = re.compile(r"\{\{\s*job\.parameters\.([\w-]+)\s*\}\}")
_SECRET = re.compile(r"\{\{\s*secrets/([^/}]+)/([^}]+?)\s*\}\}")
_PRINCIPALS = ("user_name", "group_name", "service_principal_name")
_ROLES = {  # the variable that names each role's group
    Role.ENGINEER: "engineers",
    Role.ANALYST: "analysts",
    Role.TEACHER: "teachers",
    Role.PRIVACY_OFFICER: "privacy_officers",
}
_KINDS_OF_TASK = re.compile(r".*_task$")

Problems = Iterator[tuple[str, str]]  # place and what is wrong there


@dataclass(frozen=True)
class Finding:
    """A rule that is broken somewhere."""

    rule: str
    target: str
    where: str
    problem: str

    def __str__(self) -> str:
        return f"{self.target}: {self.where}: {self.problem} [{self.rule}]"


def _text(tree: object) -> str:
    """A tree as text to search in; YAML has dates, which JSON has not."""
    return json.dumps(tree, default=str)


def reference_exists(bundle: Resolved, _: Wheel) -> Problems:
    """Every ${…} and {{job.parameters.…}} leads somewhere."""
    for where, path in bundle.missing:
        yield where, f"${{{path}}} leads nowhere"
    for key, job in bundle.resources.get("jobs", {}).items():
        declared = {each.get("name") for each in job.get("parameters", [])}
        used = set(_PARAMETER.findall(_text(job.get("tasks"))))
        for name in sorted(used - declared):
            yield f"jobs.{key}", f"job parameter {name} is not declared"


def secret_exists(bundle: Resolved, _: Wheel) -> Problems:
    """Every secret is taken from a scope the bundle declares."""
    scopes = {each["name"] for each in bundle.resources.get("secret_scopes", {}).values()}
    for scope, name in sorted(set(_SECRET.findall(_text(bundle.tree)))):
        if scope not in scopes:
            yield f"secrets/{scope}/{name}", f"there is no secret scope {scope}"


def graph_is_acyclic(bundle: Resolved, _: Wheel) -> Problems:
    """Task keys stand once, depends_on names tasks of the job, and there is an order."""
    for key, job in bundle.resources.get("jobs", {}).items():
        tasks = [JobTask(key, job, task) for task in job.get("tasks", [])]
        names = [each.key for each in tasks]
        for name in sorted({name for name in names if names.count(name) > 1}):
            yield f"jobs.{key}.{name}", "the task key stands twice"
        for each in tasks:
            for name in set(each.dependencies) - set(names):
                yield each.where, f"depends on {name}, which the job does not have"
        try:
            TopologicalSorter({each.key: each.dependencies for each in tasks}).prepare()
        except CycleError as error:
            yield f"jobs.{key}", f"depends_on runs in a circle: {' > '.join(error.args[1])}"


def depends_on_is_lineage(bundle: Resolved, _: Wheel) -> Problems:
    """A task waits for those of its job that write what it reads, and for no other."""
    whole = lineage(TASKS)
    for key, job in bundle.resources.get("jobs", {}).items():
        tasks = [JobTask(key, job, task) for task in job.get("tasks", [])]
        inside = {each.key for each in tasks if each.key in TASKS}
        expected = reduced({name: whole[name] & inside for name in inside})
        for each in tasks:
            found = set(each.dependencies) & TASKS.keys()
            if each.key in TASKS and found != expected[each.key]:
                wanted = ", ".join(sorted(expected[each.key])) or "nothing"
                yield each.where, f"depends_on must name {wanted}, by what it reads"


def task_is_deployed(bundle: Resolved, wheel: Wheel) -> Problems:
    """Every registered task and every other script for jobs stands in one, under its own name."""
    called, known = set(), dict.fromkeys([*TASKS, *sorted(wheel.flags)])
    for each in tasks_of(bundle.resources):
        entry_point = (each.wheel_task or {}).get("entry_point")
        called.add(entry_point)
        if entry_point in known and entry_point != each.key:
            yield each.where, f"calls {entry_point}, so its key must be {entry_point}"
    for name in known:
        if name not in called:
            yield f"tasks.{name}", "is registered, but no job runs it"


def entry_point_is_in_wheel(bundle: Resolved, wheel: Wheel) -> Problems:
    """Package and entry point are those of the built wheel."""
    for each in tasks_of(bundle.resources):
        call = each.wheel_task
        if call is None:
            continue
        if call.get("package_name") != wheel.package:
            yield each.where, f"package_name must be {wheel.package}"
        if call.get("entry_point") not in wheel.scripts:
            yield each.where, f"the wheel has no entry point {call.get('entry_point')}"


def parameters_are_accepted(bundle: Resolved, wheel: Wheel) -> Problems:
    """A task gets just the parameters its entry point takes, as text."""
    for each in tasks_of(bundle.resources):
        call = each.wheel_task
        if call is None or call.get("entry_point") not in wheel.flags:
            continue
        if "parameters" in call:
            yield each.where, "parameters and named_parameters exclude each other: use the named"
        named = call.get("named_parameters", {})
        given, taken = {f"--{name}" for name in named}, wheel.flags[call["entry_point"]]
        for flag in sorted(given - taken):
            yield each.where, f"{call['entry_point']} takes no {flag}"
        for flag in sorted(taken - given):
            yield each.where, f"{flag} is not handed to {call['entry_point']}"
        for name, value in named.items():
            if not isinstance(value, str):
                yield each.where, f"--{name} is {value!r}: write it in quotes"


def compute_is_defined(bundle: Resolved, wheel: Wheel) -> Problems:
    """A wheel task has one place to run, that place is defined, and gets extras by need."""
    for each in tasks_of(bundle.resources):
        kinds = [name for name in each.task if _KINDS_OF_TASK.match(name)]
        if len(kinds) != 1:
            yield each.where, f"has {len(kinds)} kinds of work where one is needed"
        if each.wheel_task is None:
            continue
        places = [name for name in ("environment_key", "job_cluster_key") if name in each.task]
        if len(places) != 1:
            yield each.where, "needs either environment_key or job_cluster_key"
        for place in places:
            yield from _compute_problems(each, place, wheel)


def _compute_problems(each: JobTask, place: str, wheel: Wheel) -> Problems:
    lists = {"environment_key": "environments", "job_cluster_key": "job_clusters"}
    key = each.task[place]
    defined = {other.get(place): other for other in each.job.get(lists[place], [])}
    if key not in defined:
        yield each.where, f"{place} {key} is not defined in the job"
        return
    spec = defined[key].get("spec", {})
    if "client" in spec:
        yield each.where, "client is deprecated: write environment_version"
    wheels = [text for text in spec.get("dependencies", []) if ".whl" in text]
    wheels += [lib["whl"] for lib in each.task.get("libraries", []) if "whl" in lib]
    if not wheels:
        yield each.where, f"{place} {key} does not install the wheel"
    extras = {name for text in wheels for name in re.findall(r"\[(.*)\]", text)}
    for name in sorted(extras - wheel.extras):
        yield each.where, f"the wheel has no extra {name}"
    task = TASKS.get(each.key)
    if task and place == "environment_key":
        needs = {"train"} if task.uses_models or task.trains else set()
        needs |= {task.extra} - {""}
        if extras != needs:
            yield each.where, f"installs extras {sorted(extras)}, needs {sorted(needs)}"


def cluster_is_sound(bundle: Resolved, _: Wheel) -> Problems:
    """Job clusters are what they seem: a single node says so in the way that works."""
    for key, job in bundle.resources.get("jobs", {}).items():
        for each in job.get("job_clusters", []):
            cluster, where = each.get("new_cluster", {}), f"jobs.{key}.{each['job_cluster_key']}"
            single = cluster.get("is_single_node") is True
            if single and cluster.get("kind") != "CLASSIC_PREVIEW":
                yield where, "is_single_node needs kind: CLASSIC_PREVIEW"
            if not single and not cluster.get("num_workers") and "autoscale" not in cluster:
                yield where, "has no workers, and is not declared a single node"


def cron_fires(bundle: Resolved, _: Wheel) -> Problems:
    """Schedules can be parsed and are in UTC."""
    for key, job in bundle.resources.get("jobs", {}).items():
        schedule = job.get("schedule")
        if schedule is None:
            continue
        problem = cron_problem(str(schedule.get("quartz_cron_expression", "")))
        if problem:
            yield f"jobs.{key}.schedule", problem
        if schedule.get("timezone_id") != "UTC":
            yield f"jobs.{key}.schedule", "timezone_id must be UTC"


def one_scheduler(bundle: Resolved, _: Wheel) -> Problems:
    """Either Data Factory starts the jobs or their own schedules do; in development neither."""
    driver = bundle.tree.get("variables", {}).get("scheduler", {}).get("value")
    if driver not in {"data_factory", "workflows"}:
        yield "variables.scheduler", f"is {driver!r}, must be data_factory or workflows"
    live = driver == "workflows" and bundle.tree.get("mode") != "development"
    expected = "UNPAUSED" if live else "PAUSED"
    for key, job in bundle.resources.get("jobs", {}).items():
        for trigger in ("schedule", "trigger"):
            if trigger in job and job[trigger].get("pause_status") != expected:
                yield f"jobs.{key}.{trigger}", f"must be {expected} while {driver} drives"


def stream_is_alone(bundle: Resolved, _: Wheel) -> Problems:
    """Nothing but itself starts a continuous job; it runs in time-limited turns, in dev not at all.

    Its tasks are not retried unless task_retry_mode says so: the job is begun anew.
    """
    in_development = bundle.tree.get("mode") == "development"
    for key, job in bundle.resources.get("jobs", {}).items():
        if "continuous" not in job:
            continue
        where = f"jobs.{key}"
        status = job["continuous"].get("pause_status")
        if status not in {"PAUSED", "UNPAUSED"} or (in_development and status != "PAUSED"):
            allowed = "PAUSED" if in_development else "PAUSED or UNPAUSED"
            yield f"{where}.continuous", f"pause_status must be {allowed}"
        for other in ("schedule", "trigger"):
            if other in job:
                yield f"{where}.{other}", "a continuous job starts itself"
        metrics = {rule.get("metric", "") for rule in job.get("health", {}).get("rules", [])}
        if not any(metric.startswith("STREAMING_BACKLOG_") for metric in metrics):
            yield where, "needs a health rule on its backlog"
        for task in job.get("tasks", []):
            if task.get("max_retries") != 0:
                yield f"{where}.{task.get('task_key')}", "needs max_retries: 0, the job begins anew"


def job_can_be_operated(bundle: Resolved, _: Wheel) -> Problems:
    """A job ends, waits its turn, is watched and tells somebody."""
    for key, job in bundle.resources.get("jobs", {}).items():
        where = f"jobs.{key}"
        if job.get("max_concurrent_runs") != 1 or job.get("queue", {}).get("enabled") is not True:
            yield where, "needs max_concurrent_runs: 1 and a queue: two runs at once write the same"
        if not job.get("timeout_seconds"):
            yield where, "needs timeout_seconds"
        if not job.get("health", {}).get("rules"):
            yield where, "needs a health rule on its duration"
        if "on_failure" not in job.get("email_notifications", {}):
            yield where, "tells nobody of a failure: email_notifications.on_failure"
        for each in job.get("tasks", []):
            works = "condition_task" not in each  # a condition needs no compute and no time
            if works and not (each.get("timeout_seconds") and "max_retries" in each):
                yield f"{where}.{each.get('task_key')}", "needs timeout_seconds and max_retries"


def alert_is_heard(bundle: Resolved, _: Wheel) -> Problems:
    """An alert tells more than once while it lasts, and is well where nothing is known yet."""
    for key, each in bundle.resources.get("alerts", {}).items():
        evaluation = each.get("evaluation", {})
        if evaluation.get("empty_result_state") != "OK":
            yield f"alerts.{key}", "needs empty_result_state: OK, UNKNOWN is to be withdrawn"
        if not evaluation.get("notification", {}).get("retrigger_seconds"):
            yield f"alerts.{key}", "needs retrigger_seconds, else a second failure is silent"


def alerts_tell_somebody(bundle: Resolved, _: Wheel) -> Problems:
    """An alert that is asked has somebody to tell: each question wakes the SQL warehouse."""
    for key, alert in bundle.resources.get("alerts", {}).items():
        notification = alert.get("evaluation", {}).get("notification", {})
        asked = alert.get("schedule", {}).get("pause_status") != "PAUSED"
        if asked and not notification.get("subscriptions"):
            yield f"alerts.{key}", "tells nobody: set alert_subscriptions, or leave it PAUSED"


def rights_name_somebody(bundle: Resolved, _: Wheel) -> Problems:
    """Permissions have one principal, grants a principal and privileges."""
    named = [("target", bundle.tree)] + [
        (f"{kind}.{key}", each)
        for kind, resources in bundle.resources.items()
        for key, each in resources.items()
    ]
    for where, each in named:
        for permission in each.get("permissions", []):
            if sum(bool(permission.get(name)) for name in _PRINCIPALS) != 1:
                yield where, "a permission needs one of user, group and service principal"
        for grant in each.get("grants", []):
            if not grant.get("principal") or not grant.get("privileges"):
                yield where, "a grant needs principal and privileges"


def principal_is_named_once(bundle: Resolved, _: Wheel) -> Problems:
    """Nobody has rights of the target and of a resource: the CLI warns, and --strict then fails."""
    everywhere = _named_in(bundle.tree)
    for kind, resources in bundle.resources.items():
        for key, each in resources.items():
            for principal in sorted(_named_in(each) & everywhere):
                yield f"{kind}.{key}", f"{principal} has rights on all that the target deploys"


def _named_in(holder: Tree) -> set[str]:
    """Whom its permissions name."""
    return {
        str(permission[name])
        for permission in holder.get("permissions", [])
        for name in _PRINCIPALS
        if permission.get(name)
    }


def viewers_can_ask(bundle: Resolved, _: Wheel) -> Problems:
    """Whoever may open a dashboard that embeds no credentials may use its warehouse.

    To look at the warehouse, which is what a right of the target gives, is not to use it.
    """
    users = {
        f"<id of {key}>": _groups(warehouse, {"CAN_USE", "CAN_MANAGE"})
        for key, warehouse in bundle.resources.get("sql_warehouses", {}).items()
    }
    for key, dashboard in bundle.resources.get("dashboards", {}).items():
        where = f"dashboards.{key}"
        if dashboard.get("embed_credentials") is not False:
            yield where, "needs embed_credentials: false, or all see one person's rows"
        allowed = users.get(dashboard.get("warehouse_id"), set())
        viewers = _groups(dashboard) | _groups(bundle.tree)
        for group in sorted(viewers - allowed):
            yield where, f"{group} may open it, but not use its warehouse: CAN_USE"


def _groups(holder: Tree, levels: set[str] | None = None) -> set[str]:
    """Groups that its permissions name, at all or with one of some levels."""
    return {
        str(each["group_name"])
        for each in holder.get("permissions", [])
        if each.get("group_name") and (levels is None or each.get("level") in levels)
    }


def schemas_are_open_to_readers(bundle: Resolved, _: Wheel) -> Problems:
    """A schema lets in just the roles that read a table in it, and the jobs do what they need."""
    values = {key: each.get("value") for key, each in bundle.tree.get("variables", {}).items()}
    for layer in Layer:
        where = f"schemas.{layer.value}"
        schema = bundle.resources.get("schemas", {}).get(layer.value)
        if schema is None:
            yield where, "is not declared, but tables lie in it"
            continue
        given = {each.get("principal"): each.get("privileges") for each in schema.get("grants", [])}
        wanted = {values.get(_ROLES[role]): ["USE_SCHEMA"] for role in readers_of(layer, TABLES)}
        wanted[values.get("run_principal")] = ["ALL_PRIVILEGES"]
        for principal in sorted(map(str, given.keys() ^ wanted.keys())):
            missing = principal in map(str, wanted)
            yield where, f"{principal} {'must be let in' if missing else 'reads no table in it'}"
        for principal in given.keys() & wanted.keys():
            if given[principal] != wanted[principal]:
                yield where, f"{principal} needs {wanted[principal]}, not {given[principal]}"


def target_is_safe(bundle: Resolved, _: Wheel) -> Problems:
    """What is shared is deployed once, by a service principal, from the main branch.

    Whoever has a right on all that a target deploys may read its secrets: nobody but the principal.
    """
    tree: Tree = bundle.tree
    if tree.get("bundle", {}).get("engine") != "direct":
        yield "bundle.engine", "must be direct, the other engine is being withdrawn"
    if "host" in tree.get("workspace", {}):
        yield "workspace.host", "is not filled in from variables: give DATABRICKS_HOST"
    if tree.get("mode") == "development":
        return
    principal = tree.get("run_as", {}).get("service_principal_name")
    if not principal:
        yield "run_as", "must be a service principal"
    if not tree["workspace"]["root_path"].startswith(f"/Workspace/Users/{principal}/"):
        problem = "must lie in the principal's folder: what lies there runs with its rights"
        yield "workspace.root_path", problem
    if not tree.get("permissions"):
        yield "permissions", "must say who may manage"
    for other in sorted(_named_in(tree) - {str(principal)}):
        yield "permissions", f"{other} could read the secrets: give rights at each resource"
    if not tree.get("git", {}).get("branch"):
        yield "git.branch", "must name the branch that is deployed"


RULES: tuple[Callable[[Resolved, Wheel], Problems], ...] = (
    reference_exists,
    secret_exists,
    graph_is_acyclic,
    depends_on_is_lineage,
    task_is_deployed,
    entry_point_is_in_wheel,
    parameters_are_accepted,
    compute_is_defined,
    cluster_is_sound,
    cron_fires,
    one_scheduler,
    stream_is_alone,
    job_can_be_operated,
    alert_is_heard,
    alerts_tell_somebody,
    rights_name_somebody,
    principal_is_named_once,
    viewers_can_ask,
    schemas_are_open_to_readers,
    target_is_safe,
)
