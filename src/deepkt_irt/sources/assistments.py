"""ASSISTments skill-builder files: one row per response and skill, an order but no time."""

from dataclasses import replace
from typing import TYPE_CHECKING

from deepkt_irt.sources import responses
from deepkt_irt.sources.canonical import Canonical, Raw
from deepkt_irt.sources.layout import Field, Layout, Source, graded, number
from deepkt_irt.tables.bronze import RAW_RESPONSES

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

SKILL_BUILDER = Layout(
    table=RAW_RESPONSES,
    patterns=("*.csv",),
    fields=(
        Field("user_id", "student_id", filled=True),
        Field("problem_id", "item_id", filled=True),
        Field("correct", "correct", rule=graded, filled=True),
        Field("order_id", "response_order", rule=number, filled=True),
        Field("skill_id", "skill_ids"),
        Field("skill_name", "skill_names"),
        Field("ms_first_response", "latency_ms", rule=number),
        Field("attempt_count", "attempt_count", rule=number),
        Field("first_action", "first_action", rule=number),
        # hint_total says how many hints there are, hint_count how many were used
        Field("hint_count", "hint_count", rule=number),
        Field("bottom_hint", "bottom_hint", rule=number),
        Field("answer_type", "item_type", required=False),
        Field("assignment_id", "assignment_id", required=False),
        Field("student_class_id", "class_id", required=False),
        # of the first response, so empty where help was asked for first
        Field("answer_text", "answer", required=False, free_text=True),
    ),
    rest="extras",
)


def canonical(raw: Raw) -> Canonical:
    """As from any response file; who used no hint was not shown the answer either."""
    mapped = responses.canonical(raw)
    return replace(mapped, told=_answers_known(mapped.told))


def _answers_known(found: "DataFrame") -> "DataFrame":
    """The last hint tells the answer, and bottom_hint is empty where no hint was used."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    without_hint = F.when(F.col("hint_count") == 0, F.expr("false"))
    shown = ("answer_requested", "answer_requested_later")
    return found.withColumns({name: F.coalesce(name, without_hint) for name in shown})


SOURCE = Source(
    name="assistments", layouts=(SKILL_BUILDER,), canonical=canonical, scope=responses.SCOPE
)
