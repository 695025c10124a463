"""The Power BI project: a semantic model over the marts, and a report of three pages.

Like the AI/BI dashboards, each page is there for one decision.
"""

from deepkt_irt.dashboards import pbir, semantic_model
from deepkt_irt.dashboards.ai_bi import DASHBOARDS
from deepkt_irt.dashboards.connecting import CATALOG, HOST, HTTP_PATH, SCHEMA, guid
from deepkt_irt.dashboards.measures import measure
from deepkt_irt.dashboards.pbir import TEXT, Field, Page, Row, Visual

NAME = "deepkt"
FOLDER = "dashboards/power_bi"
_FABRIC = "https://developer.microsoft.com/json-schemas/fabric"
SCHEMAS = {
    "pbip": f"{_FABRIC}/pbip/pbipProperties/1.0.0/schema.json",
    "pbism": f"{_FABRIC}/item/semanticModel/definitionProperties/1.0.0/schema.json",
    "pbir": f"{_FABRIC}/item/report/definitionProperties/2.0.0/schema.json",
    "platform": f"{_FABRIC}/gitIntegration/platformProperties/2.0.0/schema.json",
}
_TOP, _CARDS, _MIDDLE, _BOTTOM = 72, 88, 264, 212  # heights of rows
_TODAY, _ITEM, _RUN, _MODEL = "student_today", "item_watchlist", "operations", "model_quality"
_CLASS, _SKILL = Field("Class", "class", "Class"), Field("Skill", "skill", "Skill")
_DAY = Field(semantic_model.CALENDAR, "date", "Day")
_MONTH = Field(semantic_model.CALENDAR, "month", "Month")


def _fields(table: str, **titles: str) -> tuple[Field, ...]:
    return tuple(Field(table, name, title) for name, title in titles.items())


_WHO = (_CLASS, *_fields(
    _TODAY, student="Student", skill="On", n_signs="Signs", why="Why", mastery="Mastery",
    mastery_low="at least", mastery_high="at most",
    next_item="Practise next", next_p_correct="Expected success", next_reason="Because",
))  # fmt: skip
_FLAGGED = _fields(
    _ITEM, item="Item", skill="Skill", status="Status", reasons="What was found",
    suggested_action="What to do", drift_status="Drift", n_responses="First attempts",
    p_value="Right",
)  # fmt: skip
_LAST_RUNS = _fields(
    _RUN, task="Task", outcome="Outcome", ended_at="Ended", seconds="Seconds",
    rows_out="Rows written",
)  # fmt: skip
_EVALUATIONS = _fields(
    _MODEL, model_name="Model", model_version="Version", protocol="How", split="On", auc="AUC",
    auc_low="at least", auc_high="at most", ece="Calibration error",
)  # fmt: skip


def files() -> dict[str, str]:
    """The text of each file, by its path in the repository."""
    model, report = f"{NAME}.SemanticModel", f"{NAME}.Report"
    documents: dict[str, dict[str, object]] = {
        f"{NAME}.pbip": {
            "$schema": SCHEMAS["pbip"],
            "version": "1.0",
            "artifacts": [{"report": {"path": report}}],
            "settings": {"enableAutoRecovery": True},
        },
        f"{NAME}.pbids": _connection(),
        f"{model}/definition.pbism": {
            "$schema": SCHEMAS["pbism"], "version": "4.2", "settings": {},
        },
        f"{model}/.platform": _platform("SemanticModel"),
        f"{report}/definition.pbir": {
            "$schema": SCHEMAS["pbir"],
            "version": "4.0",
            "datasetReference": {"byPath": {"path": f"../{model}"}},
        },
        f"{report}/.platform": _platform("Report"),
    }  # fmt: skip
    made = {path: pbir.as_text(document) for path, document in documents.items()}
    made |= {f"{model}/definition/{path}": text for path, text in semantic_model.files().items()}
    made |= {f"{report}/definition/{path}": text for path, text in pbir.files(pages()).items()}
    return {f"{FOLDER}/{path}": text for path, text in made.items()}


def _connection() -> dict[str, object]:
    """What opens a new report on the same warehouse, without the model."""
    connection = {
        "details": {
            "protocol": "databricks-sql",
            "address": {"host": HOST, "path": HTTP_PATH},
            "authentication": None,
            "query": None,
        },
        "options": {"Catalog": CATALOG, "Database": SCHEMA},
        "mode": "DirectQuery",
    }
    return {"version": "0.1", "connections": [connection]}


def _platform(kind: str) -> dict[str, object]:
    return {
        "$schema": SCHEMAS["platform"],
        "metadata": {"type": kind, "displayName": NAME},
        "config": {"version": "2.0", "logicalId": guid("item", kind)},
    }


def pages() -> tuple[Page, ...]:
    """All pages, in order."""
    return (_teaching(), _items(), _operations())


def _teaching() -> Page:
    behind = _measure("class_skill_mastery", "Students surely behind", "Students")
    mastery = {
        "Rows": (_CLASS,),
        "Columns": (_SKILL,),
        "Values": (_measure("class_skill_mastery", "Mean mastery"),),
    }
    return Page("teaching", "Teaching", (
        _top("teaching", _slicer("teaching_class", _CLASS)),
        _cards("teaching", "students", "students_needing_help", "students_without_item"),
        Row(_MIDDLE, ((12, _table(
            "who_needs_help", "Who needs help, on what and why", _WHO, "needs_help",
            {"n_signs": True, "mastery": False}, "Help the topmost first.")),)),
        Row(_BOTTOM, (
            (7, Visual("mean_mastery", "pivotTable", "Mean mastery; empty below ten students",
                       mastery)),
            (5, _bars("behind", "Students surely below what the next skill needs", _SKILL, behind,
                      "Teach the topmost again before going on. With no class chosen, a student of "
                      "two classes counts in each.")),
        )),
    ))  # fmt: skip


def _items() -> Page:
    coverage = {
        "Rows": (_SKILL,),
        "Columns": (Field(_ITEM, "band", "Difficulty"),),
        "Values": (_measure(_ITEM, "Items"),),
    }
    return Page("items", "Items", (
        _top("items", _slicer("items_skill", _SKILL)),
        _cards("items", "items_to_mend", "items_to_watch", "items_drifting"),
        Row(_MIDDLE, ((12, _table(
            "flagged_items", "Items that need attention, worst first", _FLAGGED, "needs_attention",
            {"status": False, "n_responses": True},
            "Mend what is to be mended before writing anew.")),)),
        Row(_BOTTOM, (
            (7, Visual("coverage", "pivotTable", "Items by skill and difficulty", coverage,
                       does="Write items where a skill has none of a band.")),
            (5, _bars("item_status", "Items by status", Field(_ITEM, "status", "Status"),
                      _measure(_ITEM, "Items"), "Look at what grows.")),
        )),
    ))  # fmt: skip


def _operations() -> Page:
    held_back = _measure("explanation_quality", "Explanations held back")
    return Page("operations", "Operations", (
        _top("operations", _slicer("operations_month", _MONTH)),
        _cards("operations", "tasks_failed", "success_rate", "quarantine_share", "auc",
               "mean_reward", "cost_usd"),
        Row(_MIDDLE, (
            (6, _table("last_runs", "Last run of each task", _LAST_RUNS, "is_last",
                       {"outcome": False, "ended_at": False},
                       "Look at failed ones first, then at the oldest.")),
            (6, _table("last_evaluations", "Last evaluation of each model", _EVALUATIONS,
                       "is_latest", {"model_name": False, "auc": True},
                       "Compare a model with the baselines.")),
        )),
        Row(_BOTTOM, (
            (4, _bars("success_by_task", "Success rate of each task", Field(_RUN, "task", "Task"),
                      _shared("success_rate"), "Look at the lowest.")),
            (4, _by_day("cost_by_day", "clusteredColumnChart", "Cost of language models",
                        _measure("llm_usage", "Cost by day", "Cost"))),
            (4, _by_day("held_back", "lineChart", "Explanations held back", held_back)),
        )),
    ))  # fmt: skip


def _table(
    name: str, title: str, shown: tuple[Field, ...], where: str, order: dict[str, bool], does: str
) -> Visual:
    """Rows for which a column of the last field's table is true."""
    by_name = {field.name: field for field in shown}
    sort = tuple((by_name[column], down) for column, down in order.items())
    narrowed = (Field(shown[-1].table, where, ""), True)
    return Visual(name, "tableEx", title, {"Values": shown}, (narrowed,), sort, does)


def _top(name: str, slicer: Visual) -> Row:
    decides = {each.name: each.decides for each in DASHBOARDS}[name]
    return Row(_TOP, ((9, Visual(f"{name}_decides", TEXT, decides, {})), (3, slicer)))


def _slicer(name: str, field: Field) -> Visual:
    return Visual(name, "slicer", field.title, {"Values": (field,)}, does="Narrows the page.")


def _cards(page: str, *names: str) -> Row:
    width = 12 // len(names)
    return Row(_CARDS, tuple((width, _card(page, name)) for name in names))


def _card(page: str, name: str) -> Visual:
    shown = _shared(name)
    return Visual(f"{page}_{name}", "card", shown.title, {"Values": (shown,)})


def _bars(name: str, title: str, by: Field, value: Field, does: str) -> Visual:
    roles = {"Category": (by,), "Y": (value,)}
    return Visual(name, "clusteredBarChart", title, roles, order=((value, True),), does=does)


def _by_day(name: str, kind: str, title: str, value: Field) -> Visual:
    return Visual(name, kind, title, {"Category": (_DAY,), "Y": (value,)}, order=((_DAY, False),))


def _shared(name: str) -> Field:
    shown = measure(name)
    return _measure(shown.mart, shown.title)


def _measure(table: str, name: str, title: str = "") -> Field:
    return Field(table, name, title or name, is_measure=True)
