"""ASSISTments skill-builder files: one row per response and skill, an order but no time."""

from deepkt_irt.sources.layout import Field, Layout, Source, graded, number
from deepkt_irt.sources.responses import canonical
from deepkt_irt.tables.bronze import RAW_RESPONSES

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
    ),
    rest="extras",
)

SOURCE = Source(name="assistments", layouts=(SKILL_BUILDER,), canonical=canonical)
