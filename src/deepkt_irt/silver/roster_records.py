"""What a roster says by its last word, and which of its students are known.

A roster comes in deliveries. A whole one (bulk) ends what it no longer names; changes (delta) add
records, replace them or mark them as to be deleted. What was delivered last counts, but a change
that says it is older than what is there does not.
"""

from typing import TYPE_CHECKING

from deepkt_irt.tables.bronze import RAW_ROSTERS
from deepkt_irt.tables.rosters import ROSTER_STUDENTS

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

_ENDED = ("tobedeleted", "inactive")
_RECORD = ("source", "kind", "id")
# the file's own name taken out: users-09-01.csv and manifest-09-01.csv are of one delivery
_OWN_NAME = r"(^|/)[A-Za-z]+(?=[-_.][^/]*$)"


def records(raw: "DataFrame") -> "DataFrame":
    """Every record ever told of, as it was told last.

    Without a manifest, a file is a whole one if none of its records has a status. A whole file
    without records ends nothing: it is more likely an export that failed.

    Args:
        raw: Rows of bronze.raw_rosters.

    Returns:
        Their columns, trimmed and null where empty, with `source`, `id` and `ended_on`: the day on
        which the record ended; null while it stands.
    """
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    told = _placed(raw)
    told = told.join(F.broadcast(_bulks(told)), ["source", "kind"], "left").withColumns(
        {
            "changed": F.col("date_last_modified").try_cast("timestamp"),
            "gone": F.coalesce(F.lower("status").isin(*_ENDED), F.lit(False)),  # noqa: FBT003
            # a whole file starts anew: changes from before it do not compare with it
            "n_bulks": F.size(F.filter("bulks", lambda bulk: bulk["place"] <= F.col("place"))),
        }
    )
    newest = ("n_bulks", "changed", "place", "_row")
    values = [name for name in RAW_ROSTERS.column_names if name not in ("kind", "_row")]
    last = told.groupBy(*_RECORD).agg(
        # what is to be deleted may come with nothing but its id
        F.max_by(F.struct(*values), F.struct(~F.col("gone"), *newest)).alias("last"),
        F.max_by(F.struct("gone", "changed", "_ingested_at"), F.struct(*newest)).alias("end"),
        F.get(F.any_value("bulks"), F.max("n_bulks")).alias("bulk_after"),
    )
    ended = F.coalesce(
        F.when(F.col("end.gone"), F.coalesce("end.changed", "end._ingested_at")),
        "bulk_after.found_at",
    )
    return last.select(*_RECORD, "last.*", F.to_date(ended).alias("ended_on"))


def _placed(raw: "DataFrame") -> "DataFrame":
    """The rows with id, delivery, and the delivery's place among all."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    texts = [c.name for c in RAW_ROSTERS.columns if c.type == "string" and c.name[0] != "_"]
    own = F.regexp_replace(F.regexp_replace("_file", r"(?i)\.gz$", ""), _OWN_NAME, "$1")
    told = raw.withColumns({name: F.nullif(F.trim(name), F.lit("")) for name in texts})
    told = told.withColumns({"source": F.col("_source"), "delivery": own})
    # files of a delivery may be found in two batches, if a run comes between
    first = told.groupBy("source", "delivery").agg(F.min("_batch_id").alias("batch"))
    return told.join(first, ["source", "delivery"]).withColumns(
        {"id": F.coalesce("sourced_id", "user_id"), "place": F.struct("batch", "delivery")}
    )


def _bulks(told: "DataFrame") -> "DataFrame":
    """By source and kind, the whole deliveries in order: columns source, kind, bulks."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    stated = (
        told.filter("kind = 'manifest' AND lower(property) LIKE 'file.%'")
        .groupBy("source", "delivery", F.lower(F.expr("substring(property, 6)")).alias("stem"))
        .agg(F.max(F.lower("value")).alias("mode"))
    )
    files = (
        told.filter("kind <> 'manifest'")
        .groupBy("source", "delivery", "kind", "place")
        .agg(F.count("status").alias("n_marked"), F.min("_ingested_at").alias("found_at"))
        .withColumn("stem", F.lower("kind"))
        .join(stated, ["source", "delivery", "stem"], "left")
    )
    whole = files.filter("coalesce(mode = 'bulk', n_marked = 0)")
    place = F.struct("place", "found_at")
    return whole.groupBy("source", "kind").agg(F.array_sort(F.collect_list(place)).alias("bulks"))


def students(told: "DataFrame", keys: "DataFrame", *, by: str) -> "DataFrame":
    """Rows of restricted.roster_students: each student of a roster beside each learning system.

    Compared is a value of the roster with the id a system knows a student by; of an id that is an
    address, as of an xAPI account, with its last part. Who left the roster gives way to who has
    the value now. Never guessed: if two have one value, neither is matched.

    Args:
        told: What `records` gives.
        keys: Rows of restricted.student_keys.
        by: Setting `roster.student`.
    """
    from pyspark.sql import Window  # noqa: PLC0415 - start without Spark
    from pyspark.sql import functions as F  # noqa: PLC0415

    value, stands = account(by), F.col("ended_on").isNull()
    same = Window.partitionBy("source", "value")
    n_standing = F.count_if("stands").over(same)
    asked = (
        _student_records(told)
        .withColumns({"value": value, "stands": stands})
        .withColumns(
            {"rivals": F.when(n_standing > 0, n_standing).otherwise(F.count("*").over(same))}
        )
        .withColumn("value", F.when(F.col("stands") | (n_standing == 0), F.col("value")))
    )
    known = keys.groupBy(F.col("source").alias("known_source"), _login(by).alias("login")).agg(
        F.count("*").alias("n"), F.min("student_key").alias("key")
    )
    systems = keys.select(F.col("source").alias("known_source")).distinct()
    met = asked.crossJoin(systems).join(
        known.withColumnRenamed("login", "value"), ["known_source", "value"], "left"
    )
    outcome = (
        F.when(F.col("n").isNull(), "unmatched")
        .when((F.col("n") > 1) | (F.col("rivals") > 1), "ambiguous")
        .otherwise("matched")
    )
    return (
        met.withColumn("outcome", outcome)
        .select(
            "source",
            F.col("id").alias("user_id"),
            "known_source",
            F.when(outcome == "matched", F.col("key")).alias("student_key"),
            "outcome",
        )
        .select(*ROSTER_STUDENTS.column_names)
    )


def account(by: str) -> "Column":
    """The value of a user's record that other systems know the user by; null if it has none.

    Args:
        by: Setting `roster.student` or `roster.teacher`.
    """
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    if by.startswith("user_id:"):
        kind = by.removeprefix("user_id:")
        found = F.regexp_extract("user_ids", rf"\{{\s*\Q{kind}\E\s*:\s*([^{{}}]*?)\s*\}}", 1)
        return F.nullif(found, F.lit(""))
    if by == "email":
        return F.lower("email")
    return F.col({"sourced_id": "id"}.get(by, by))


def _login(by: str) -> "Column":
    """What a learning system calls a student; of an address, its last part."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    text = F.trim("student_id")
    last = F.when(text.rlike("^[a-z]+://"), F.regexp_extract(text, "[^|/]+$", 0)).otherwise(text)
    return F.lower(last) if by == "email" else last


def _student_records(told: "DataFrame") -> "DataFrame":
    """Records of the users who are students: by themselves, by a role, or in a class."""
    says = told.filter("lower(role) = 'student' AND kind IN ('users', 'roles', 'enrollments')")
    ids = says.select("source", says["user_id"].alias("id")).distinct()
    return told.filter("kind = 'users'").join(ids, ["source", "id"], "left_semi")
