"""DBE-KT22: responses of a database course with question texts, skills and their relations."""

from typing import TYPE_CHECKING

from deepkt_irt.sources import responses
from deepkt_irt.sources.canonical import ITEMS, SKILLS, Canonical, Raw, conform
from deepkt_irt.sources.layout import Field, Layout, Source, graded, number
from deepkt_irt.tables.bronze import RAW_CONTENT, RAW_RESPONSES

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

_TITLE_CHARACTERS = 120


def _content(kind: str, file: str) -> Layout:
    return Layout(
        table=RAW_CONTENT,
        patterns=(file,),
        fields=(Field("id", "content_id", filled=True),),
        rest="body",
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
            Field("timestamp", "answered_at", rule=number, filled=True),
            Field("seq_pos", "response_order", rule=number),
        ),
        rest="extras",
        constants={"skill_separator": "_"},
    ),
    _content("question", "questions.csv"),
    _content("choice", "question_choices.csv"),
    _content("skill", "kcs.csv"),
    _content("skill_relation", "kc_relationships.csv"),
    _content("question_skill", "question_kc_relationships.csv"),
)


def canonical(raw: Raw) -> Canonical:
    """Responses as from any response file; titles, names and prerequisites from the content."""
    mapped = responses.canonical(raw)
    content = raw[RAW_CONTENT.qualified_name]
    return Canonical(
        responses=mapped.responses,
        items=_items(mapped.items, content),
        skills=_skills(mapped.skills, content),
        rejected=mapped.rejected,
    )


def _of_kind(content: "DataFrame", kind: str) -> "DataFrame":
    return content.filter(content["kind"] == kind)


def _value(name: str) -> "Column":
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    return F.get_json_object("body", f"$.{name}")


def _items(met: "DataFrame", content: "DataFrame") -> "DataFrame":
    """Catalogue questions, and those met in responses only; every question offers choices."""
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
    """Knowledge components; a relation says that `from` comes before `to`."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    named = _of_kind(content, "skill").select(
        F.col("_source").alias("source"),
        F.col("content_id").alias("skill_id"),
        _value("name").alias("name"),
        _value("description").alias("description"),
    )
    before = _of_kind(content, "skill_relation").groupBy(
        _value("to_knowledgecomponent_id").alias("skill_id")
    )
    edges = before.agg(
        F.array_sort(F.collect_set(_value("from_knowledgecomponent_id"))).alias("found")
    )
    unnamed = met.join(named, "skill_id", "left_anti").select("source", "skill_id")
    every = named.unionByName(unnamed, allowMissingColumns=True).join(edges, "skill_id", "left")
    empty = F.array().cast("array<string>")
    return conform(every.withColumn("prerequisite_ids", F.coalesce("found", empty)), SKILLS)


SOURCE = Source(name="dbe_kt22", layouts=LAYOUTS, canonical=canonical)
