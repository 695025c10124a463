"""The figures of measures.py in the languages of Power BI (DAX) and Tableau.

Each says what the SQL of its measure says: nulls are left out, a count of nothing is 0, and what
cannot be known is blank. The latest row is taken by its order, never by comparing instants: a
connection may cut microseconds off what it compares.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from deepkt_irt.dashboards.measures import MEASURES, Unit


@dataclass(frozen=True)
class Formula:
    """One figure in both languages; columns are those of the mart of its measure."""

    dax: str
    tableau: str


@dataclass(frozen=True)
class ModelMeasure:
    """A measure of the semantic model.

    Attributes:
        title: Its name in the model.
        mart: Table that it stands in.
        unit: How it is written.
        dax: Its formula.
        description: What it says.
    """

    title: str
    mart: str
    unit: Unit
    dax: str
    description: str


def _kept(*conditions: str) -> str:
    return ", ".join(f"KEEPFILTERS({condition})" for condition in conditions)


def _count(what: str, *conditions: str) -> str:
    return f"COALESCE(CALCULATE({what}, {_kept(*conditions)}), 0)"


def _last(rows: str, conditions: tuple[str, ...], order: str, value: str) -> str:
    return (
        f"VAR Meant = CALCULATETABLE({rows}, {_kept(*conditions)})\n"
        f"RETURN MAXX(TOPN(1, Meant, {order}, DESC), {value})"
    )


def _last_in_tableau(condition: str, order: str, value: str) -> str:
    latest = f"{{FIXED : MAX(IF {condition} THEN {order} END)}}"
    return f"MAX(IF {condition} AND {order} = {latest} THEN {value} END)"


_STUDENTS = "DISTINCTCOUNTNOBLANK('student_today'[student_key])"
_ITEMS = "COUNTROWS('item_watchlist')"
_CHAMPION = ("'model_quality'[is_champion] = TRUE()", "'model_quality'[model_name] = \"sakt\"")
_CHAMPION_IN_TABLEAU = "[is_champion] AND [model_name] = 'sakt'"


def _of_champion(column: str) -> Formula:
    return Formula(
        _last("'model_quality'", _CHAMPION, "'model_quality'[evaluated_at]",
              f"'model_quality'[{column}]"),
        _last_in_tableau(_CHAMPION_IN_TABLEAU, "[evaluated_at]", f"[{column}]"),
    )  # fmt: skip


def _if_known(column: str, dax: str, in_tableau: str) -> Formula:
    """Blank where the column has no value at all: nothing was worked out, which is not 0."""
    _, opens, name = column.partition("[")
    return Formula(
        f"IF(COUNTA({column}) > 0, {dax})", f"IF COUNT({opens}{name}) > 0 THEN {in_tableau} END"
    )


FORMULAS: Mapping[str, Formula] = {
    "students": Formula(f"COALESCE({_STUDENTS}, 0)", "COUNTD([student_key])"),
    "students_needing_help": _if_known(
        "'student_today'[needs_help]",
        _count(_STUDENTS, "'student_today'[needs_help] = TRUE()"),
        "COUNTD(IF [needs_help] THEN [student_key] END)",
    ),
    "students_without_item": _if_known(
        "'student_today'[needs_help]",
        _count(_STUDENTS, "NOT ISBLANK('student_today'[needs_help])",
               "ISBLANK('student_today'[next_item_id])"),
        "COUNTD(IF NOT ISNULL([needs_help]) AND ISNULL([next_item_id]) THEN [student_key] END)",
    ),
    "items_to_mend": _if_known(
        "'item_watchlist'[status]",
        _count(_ITEMS, "'item_watchlist'[status] = \"act\""),
        "COUNT(IF [status] = 'act' THEN 1 END)",
    ),
    "items_to_watch": _if_known(
        "'item_watchlist'[status]",
        _count(_ITEMS, "'item_watchlist'[status] = \"watch\""),
        "COUNT(IF [status] = 'watch' THEN 1 END)",
    ),
    "items_drifting": _if_known(
        "'item_watchlist'[status]",
        _count(_ITEMS, "'item_watchlist'[is_drifting] = TRUE()"),
        "COUNT(IF [is_drifting] THEN 1 END)",
    ),
    "auc": _of_champion("auc"),
    "ece": _of_champion("ece"),
    "mean_reward": Formula(
        "DIVIDE(SUMX('policy_quality', 'policy_quality'[mean_reward] * "
        "'policy_quality'[n_rewarded]), SUM('policy_quality'[n_rewarded]))",
        "SUM([mean_reward] * [n_rewarded]) / SUM([n_rewarded])",
    ),
    "explanations_verified": Formula(
        "COALESCE(SUM('explanation_quality'[n_verified]), 0)", "ZN(SUM([n_verified]))"
    ),
    "tasks_failed": Formula(
        _count("COUNTROWS('operations')", "'operations'[has_failed] = TRUE()",
               "'operations'[is_last] = TRUE()"),
        "COUNT(IF [has_failed] AND [is_last] THEN 1 END)",
    ),
    "success_rate": Formula(
        "AVERAGEX('operations', IF('operations'[has_failed], 0, 1))",
        "AVG(IF [has_failed] THEN 0.0 ELSE 1.0 END)",
    ),
    "quarantine_share": Formula(
        _last("'operations'", ("'operations'[rows_received] > 0",), "'operations'[started_at]",
              "DIVIDE('operations'[rows_quarantined], 'operations'[rows_received])"),
        _last_in_tableau("[rows_received] > 0", "[started_at]",
                         "[rows_quarantined] / [rows_received]"),
    ),
    "tokens_used": Formula(
        "COALESCE(SUM('llm_usage'[tokens_used]), 0)", "ZN(SUM([tokens_used]))"
    ),
    "cost_usd": Formula("COALESCE(SUM('llm_usage'[cost_usd]), 0)", "ZN(SUM([cost_usd]))"),
}  # fmt: skip

_TWICE = "One counts for each skill, and a student of two classes in each."

# what pages add up beside the shared figures
_OWN = (
    ModelMeasure(
        "Mean mastery", "class_skill_mastery", Unit.SHARE,
        "DIVIDE(SUMX('class_skill_mastery', 'class_skill_mastery'[mean_mastery] * "
        "'class_skill_mastery'[n_students]), "
        "CALCULATE(SUM('class_skill_mastery'[n_students]), "
        "KEEPFILTERS(NOT ISBLANK('class_skill_mastery'[mean_mastery]))))",
        "Mean over students, of the classes and skills whose mean is shown.",
    ),
    ModelMeasure(
        "Students surely behind", "class_skill_mastery", Unit.COUNT,
        "SUM('class_skill_mastery'[n_low])",
        f"Students surely below the mastery that opens what follows. {_TWICE}",
    ),
    ModelMeasure(
        "Students whose mastery has fallen", "class_skill_mastery", Unit.COUNT,
        "SUM('class_skill_mastery'[n_falling])",
        f"Students whose mastery is surely less than it was. {_TWICE}",
    ),
    ModelMeasure("Items", "item_watchlist", Unit.COUNT, _ITEMS, "Items that were met."),
    ModelMeasure(
        "Items that need attention", "item_watchlist", Unit.COUNT,
        _count(_ITEMS, "'item_watchlist'[needs_attention] = TRUE()"), "To mend or to watch.",
    ),
    ModelMeasure(
        "Task runs", "operations", Unit.COUNT, "COUNTROWS('operations')", "Runs of tasks.",
    ),
    ModelMeasure(
        "Requests", "llm_usage", Unit.COUNT, "SUM('llm_usage'[n_requests])",
        "Requests to language models, those that failed too.",
    ),
    ModelMeasure(
        "Cost by day", "llm_usage", Unit.USD, "SUM('llm_usage'[cost_usd])",
        "What language models cost; blank, not 0, on a day without requests.",
    ),
    ModelMeasure(
        "Explanations held back", "explanation_quality", Unit.COUNT,
        "SUM('explanation_quality'[n_abstained])",
        "A model was asked, and fixed sentences were published.",
    ),
)  # fmt: skip


def model_measures() -> tuple[ModelMeasure, ...]:
    """All measures of the semantic model, those that are shared first.

    Raises:
        KeyError: If a shared figure has no formula.
    """
    shared = (
        ModelMeasure(each.title, each.mart, each.unit, FORMULAS[each.name].dax,
                     f"In SQL: {each.expression}")
        for each in MEASURES
    )  # fmt: skip
    return (*shared, *_OWN)
