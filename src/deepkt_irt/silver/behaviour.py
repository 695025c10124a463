"""How questions were answered: rapid guesses, answers asked for first, quick wrong answers.

Says what was seen, and nothing where a source does not tell enough to see it; never why.
"""

from typing import TYPE_CHECKING

from deepkt_irt.settings import BehaviourSettings

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

PATTERNS = ("rapid_guess", "answer_before_attempt", "hint_chain", "wrong_then_answer")
"""Columns of silver.response_behaviour that are true where the pattern was seen."""


def usual_times(events: "DataFrame", settings: BehaviourSettings) -> "DataFrame":
    """How long an item usually takes, and below what an answer to it is a guess.

    Only an item's own times tell how fast is too fast: those of its skill call quick answers to
    short questions guesses (docs/decisions/0013).

    Args:
        events: Rows of silver.canonical_learning_events: all of them, since later answers count.
        settings: Thresholds.

    Returns:
        Columns item_id, n_times, usual_ms (the exact median) and threshold_ms; only items with
        enough times.

    Reference:
        Wise and Ma (2012), Setting response time thresholds for a CAT item pool: the normative
        threshold method.
    """
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    timed = events.select("item_id", _time(settings).alias("time_ms"))
    found = timed.groupBy("item_id").agg(
        F.count("time_ms").alias("n_times"), F.median("time_ms").alias("usual_ms")
    )
    threshold = _below(settings.rapid_share, settings.longest_rapid_ms, "usual_ms")
    enough = found.filter(F.col("n_times") >= settings.min_latencies)
    return enough.withColumn("threshold_ms", threshold)


def judged_otherwise(
    events: "DataFrame", times: "DataFrame", settings: BehaviourSettings
) -> "DataFrame":
    """Column student_key: who answered an item at a speed that is called otherwise than before.

    Args:
        events: Rows of silver.canonical_learning_events.
        times: Rows of silver.item_times, whose usual times may have moved since events were judged.
        settings: Thresholds.
    """
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    moved = times.filter("NOT usual_ms <=> judged_ms").select("item_id", "usual_ms", "judged_ms")
    timed = events.select("student_key", "item_id", _time(settings).alias("time_ms"))
    both = timed.filter("time_ms IS NOT NULL").join(F.broadcast(moved), "item_id")
    now, then = (_speeds(settings, usual) for usual in ("usual_ms", "judged_ms"))
    same = now["rapid"].eqNullSafe(then["rapid"]) & now["fast"].eqNullSafe(then["fast"])
    return both.filter(~same).select("student_key").distinct()


def response_behaviour(
    events: "DataFrame", times: "DataFrame", settings: BehaviourSettings
) -> "DataFrame":
    """Rows of silver.response_behaviour: the events of which at least one pattern can be judged.

    A flag is null unless everything it rests on is known, whatever the rest would make of it:
    a right answer of unknown speed is not counted among the answers that were no quick wrong ones.

    Args:
        events: Rows of silver.canonical_learning_events; of a student all or none.
        times: Columns item_id and usual_ms, as `usual_times` has them.
        settings: Thresholds.

    Reference:
        Wise and Ma (2012), Setting response time thresholds for a CAT item pool (rapid guesses).
        Baker, Corbett and Koedinger (2004), Detecting student misuse of intelligent tutoring
        systems (hints drilled down, quick wrong answers).
    """
    from pyspark.sql import Window  # noqa: PLC0415 - start without Spark
    from pyspark.sql import functions as F  # noqa: PLC0415

    order = Window.partitionBy("student_key").orderBy("sequence_number")
    following = F.lead(F.struct("item_id", "answer_requested")).over(order)
    placed = events.withColumns({"time_ms": _time(settings), "following": following}).join(
        times.select("item_id", "usual_ms"), "item_id", "left"
    )
    judged = placed.withColumns(_patterns(settings))
    excluded = F.coalesce("rapid_guess", F.expr("false")) | F.coalesce(
        "answer_before_attempt", F.expr("false")
    )
    return judged.filter(F.coalesce(*PATTERNS).isNotNull()).select(
        *("event_id", "student_key", "item_id", "sequence_number"),
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


def _speeds(settings: BehaviourSettings, usual: str) -> "dict[str, Column]":
    """Whether a time is that of a guess, and whether it is fast; null where it cannot be told."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    time = F.col("time_ms")
    return {
        "rapid": time < _below(settings.rapid_share, settings.longest_rapid_ms, usual),
        "fast": time < _below(settings.fast_share, settings.longest_fast_ms, usual),
    }


def _below(share: float, longest_ms: int, usual: str) -> "Column":
    """A share of the item's usual time, at most so long; null where that is unknown."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    at_most = F.lit(float(longest_ms))
    return F.when(F.col(usual).isNotNull(), F.least(share * F.col(usual), at_most))


def _patterns(settings: BehaviourSettings) -> "dict[str, Column]":
    """The flags by name."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    first, shown = F.col("first_action"), F.col("answer_requested")
    hints, wrong = F.col("hint_count"), ~F.col("correct")
    speeds = _speeds(settings, "usual_ms")
    rapid, fast = speeds["rapid"], speeds["fast"]
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
