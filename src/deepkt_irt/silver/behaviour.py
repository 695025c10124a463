"""How questions were answered: rapid guesses, answers asked for first, quick wrong answers.

Says what was seen, and nothing where a source does not tell enough to see it; never why.
"""

from typing import TYPE_CHECKING

from deepkt_irt.settings import BehaviourSettings

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

PATTERNS = ("rapid_guess", "answer_before_attempt", "hint_chain", "wrong_then_answer")
"""Columns of silver.response_behaviour that are true where the pattern was seen."""


def response_behaviour(events: "DataFrame", settings: BehaviourSettings) -> "DataFrame":
    """Rows of silver.response_behaviour: the events of which at least one pattern can be judged.

    A flag is null unless everything it rests on is known, whatever the rest would make of it:
    a right answer of unknown speed is not counted among the answers that were no quick wrong ones.
    The item's usual time is the median over all `events`, so an event may be judged otherwise
    once more of them are known. Only an item's own times tell how fast is too fast: those of its
    skill call quick answers to short questions guesses (docs/decisions/0013).

    Args:
        events: Rows of silver.canonical_learning_events.
        settings: Thresholds.

    Reference:
        Wise and Ma (2012), Setting response time thresholds for a CAT item pool: the normative
        threshold method (rapid guesses). Baker, Corbett and Koedinger (2004), Detecting student
        misuse of intelligent tutoring systems (hints drilled down, quick wrong answers).
    """
    from pyspark.sql import Window  # noqa: PLC0415 - start without Spark
    from pyspark.sql import functions as F  # noqa: PLC0415

    timed = events.withColumn("time_ms", _time(settings))
    order = Window.partitionBy("student_key").orderBy("sequence_number")
    following = F.lead(F.struct("item_id", "answer_requested")).over(order)
    placed = timed.withColumn("following", following).join(
        _usual_times(timed, settings), "item_id", "left"
    )
    judged = placed.withColumns(_patterns(settings))
    excluded = F.coalesce("rapid_guess", F.expr("false")) | F.coalesce(
        "answer_before_attempt", F.expr("false")
    )
    return judged.filter(F.coalesce(*PATTERNS).isNotNull()).select(
        *("event_id", "student_key", "item_id", "sequence_number"),
        "usual_ms",
        _below(settings.rapid_share, settings.longest_rapid_ms).alias("threshold_ms"),
        *PATTERNS,
        excluded.alias("is_excluded"),
    )


def _time(settings: BehaviourSettings) -> "Column":
    """Time to a first attempt; null where it is unknown, impossible, or ends at a call for help.

    Some sources give the time to the first action, whatever that is.
    """
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    first = F.col("first_action")
    attempted = first.isNull() | (first == "attempt")
    possible = F.col("latency_ms") >= settings.shortest_ms
    return F.when(attempted & possible, F.col("latency_ms"))


def _usual_times(timed: "DataFrame", settings: BehaviourSettings) -> "DataFrame":
    """item_id and usual_ms, the exact median, of items with enough times."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    found = timed.groupBy("item_id").agg(
        F.median("time_ms").alias("usual_ms"), F.count("time_ms").alias("n_times")
    )
    return found.filter(F.col("n_times") >= settings.min_latencies).select("item_id", "usual_ms")


def _below(share: float, longest_ms: int) -> "Column":
    """A share of the item's usual time, at most so long; null where that is unknown."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    at_most = F.lit(float(longest_ms))
    return F.when(F.col("usual_ms").isNotNull(), F.least(share * F.col("usual_ms"), at_most))


def _patterns(settings: BehaviourSettings) -> "dict[str, Column]":
    """The flags by name."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    first, shown = F.col("first_action"), F.col("answer_requested")
    time, hints = F.col("time_ms"), F.col("hint_count")
    rapid = time < _below(settings.rapid_share, settings.longest_rapid_ms)
    fast = time < _below(settings.fast_share, settings.longest_fast_ms)
    wrong = ~F.col("correct")
    # where each attempt is an event of its own, the answer is asked for in the one that follows
    again = F.coalesce(F.col("following.item_id") == F.col("item_id"), F.expr("false"))
    then_shown = F.col("answer_requested_later") | (again & F.col("following.answer_requested"))
    chain = shown & (first == "hint") & (hints >= settings.min_chain_hints)
    return {
        "rapid_guess": rapid,
        "answer_before_attempt": _known(shown & (first != "attempt"), shown, first),
        "hint_chain": _known(chain, shown, first, hints),
        "wrong_then_answer": _known(wrong & fast & then_shown, wrong, fast, then_shown),
    }


def _known(flag: "Column", *basis: "Column") -> "Column":
    """The flag where all it rests on is known: false AND unknown would be false."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    known = F.expr("true")
    for each in basis:
        known = known & each.isNotNull()
    return F.when(known, flag)
