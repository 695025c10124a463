"""DBE-KT22: responses of a database course with question texts, skills and their relations."""

from typing import TYPE_CHECKING

from deepkt_irt.sources import responses
from deepkt_irt.sources.canonical import ITEMS, SKILLS, Canonical, Raw, conform
from deepkt_irt.sources.layout import Field, Layout, Source, epoch_seconds, graded, number
from deepkt_irt.tables.bronze import RAW_CONTENT, RAW_RESPONSES

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

_TITLE_CHARACTERS = 120


def _content(kind: str, file: str, *needed: str) -> Layout:
    return Layout(
        table=RAW_CONTENT,
        patterns=(file,),
        fields=(Field("id", "content_id", filled=True),),
        rest="body",
        needed=needed,
        constants={"kind": kind},
    )


LAYOUTS = (
    Layout(
        table=RAW_RESPONSES,
        patterns=("interactions*.csv",),
        fields=(
            Field("student_id", "student_id", filled=True),
            Field("question_id", "item_id", filled=True),
            Field("kc_ids", "skill_ids"),
            Field("correct", "correct", rule=graded, filled=True),
            Field("timestamp", "answered_at", rule=epoch_seconds, filled=True),
            Field("seq_pos", "response_order", rule=number),
        ),
        rest="extras",
        constants={"skill_separator": "_"},
    ),
    _content("question", "questions.csv", "question_text"),
    _content("choice", "question_choices.csv", "question_id"),
    _content("skill", "kcs.csv", "name", "description"),
    _content(
        "skill_relation",
        "kc_relationships.csv",
        "from_knowledgecomponent_id",
        "to_knowledgecomponent_id",
    ),
    _content(
        "question_skill", "question_kc_relationships.csv", "question_id", "knowledgecomponent_id"
    ),
)


def canonical(raw: Raw) -> Canonical:
    """Responses as from any response file; titles, names and prerequisites from the content."""
    mapped = responses.canonical(raw)
    content = raw[RAW_CONTENT.qualified_name]
    return Canonical(
        told=mapped.told,
        items=_items(mapped.items, content),
        skills=_skills(mapped.skills, content),
    )


def _of_kind(content: "DataFrame", kind: str) -> "DataFrame":
    return content.filter(content["kind"] == kind)


def _value(name: str) -> "Column":
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    return F.get_json_object("body", f"$.{name}")


def _items(met: "DataFrame", content: "DataFrame") -> "DataFrame":
    """Questions of the catalogue; one with choices can be guessed."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    text = F.regexp_replace(
        F.coalesce(_value("question_text"), _value("question_title")), r"\s+", " "
    )
    questions = _of_kind(content, "question").select(
        F.col("_source").alias("source"),
        F.col("content_id").alias("item_id"),
        F.substring(F.trim(text), 1, _TITLE_CHARACTERS).alias("title"),
    )
    choices = _of_kind(content, "choice").select(_value("question_id").alias("item_id")).distinct()
    tagged = _of_kind(content, "question_skill").groupBy(_value("question_id").alias("item_id"))
    skills = tagged.agg(
        F.array_sort(F.collect_set(_value("knowledgecomponent_id"))).alias("tagged")
    )
    known = (
        questions.join(choices.withColumn("has_choices", F.expr("true")), "item_id", "left")
        .join(skills, "item_id", "left")
        .join(met.select("item_id", F.col("skill_ids").alias("met")), "item_id", "left")
    )
    empty = F.array().cast("array<string>")
    return conform(
        known.withColumns(
            {
                "is_guessable": F.col("has_choices"),
                "item_type": F.when(F.col("has_choices"), "multiple choice"),
                "skill_ids": F.coalesce("tagged", "met", empty),
            }
        ),
        ITEMS,
    )


def _skills(met: "DataFrame", content: "DataFrame") -> "DataFrame":
    """Knowledge components, named, with what comes before them."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    named = _of_kind(content, "skill").select(
        F.col("_source").alias("source"),
        F.col("content_id").alias("skill_id"),
        _value("name").alias("name"),
        _value("description").alias("description"),
    )
    unnamed = met.join(named, "skill_id", "left_anti").select("source", "skill_id")
    every = named.unionByName(unnamed, allowMissingColumns=True)
    joined = every.join(_prerequisites(content), "skill_id", "left")
    none = F.array().cast("array<string>")
    return conform(joined.withColumn("prerequisite_ids", F.coalesce("found", none)), SKILLS)


def _prerequisites(content: "DataFrame") -> "DataFrame":
    """Skills with those that come before them: `from` of a relation stands before its `to`.

    A pair related both ways says that two skills belong together, not which comes first. All
    pairs of the published file are such, so it yields no prerequisite.
    """
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    edges = (
        _of_kind(content, "skill_relation")
        .select(
            _value("from_knowledgecomponent_id").alias("before"),
            _value("to_knowledgecomponent_id").alias("skill_id"),
        )
        .distinct()
    )
    back = edges.select(F.col("skill_id").alias("before"), F.col("before").alias("skill_id"))
    directed = edges.join(back, ["before", "skill_id"], "left_anti")
    return directed.groupBy("skill_id").agg(F.array_sort(F.collect_set("before")).alias("found"))


SOURCE = Source(name="dbe_kt22", layouts=LAYOUTS, canonical=canonical, scope=responses.SCOPE)
