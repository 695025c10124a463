"""What transform_silver starts from: what bronze says, of everybody or of whom new rows concern."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING

from deepkt_irt.errors import QualityViolation
from deepkt_irt.jobs.context import JobContext
from deepkt_irt.jobs.reading import held_if_few
from deepkt_irt.sources.canonical import OWNER, Canonical, Raw, owned_by, owner
from deepkt_irt.sources.catalogue import source_named
from deepkt_irt.tables import bronze
from deepkt_irt.tables.silver import CANONICAL_LEARNING_EVENTS, STUDENT_KEYS

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_OWNERS = f"source string, {OWNER} string"


@dataclass(frozen=True)
class Found:
    """What bronze says.

    Attributes:
        told: Of the owners, rows of restricted.canonical_responses.
        items: Canonical items of the whole.
        skills: Canonical skills of the whole.
        owners: Columns source and owner, each pair once: whose responses and refused rows these
            are, with an empty owner for what names nobody. None: everybody's.
    """

    told: "DataFrame"
    items: "DataFrame"
    skills: "DataFrame"
    owners: "DataFrame | None"


def found_in_bronze(ctx: JobContext) -> Found:
    """What every source in bronze says, put together; what new rows cannot change is left out.

    Raises:
        QualityViolation: If bronze is empty.
    """
    raw = _Bronze.of({table.qualified_name: ctx.read(table) for table in bronze.TABLES})
    if not raw.sources:
        raise QualityViolation("bronze", "there are no rows; run ingest_bronze on some files first")
    whole = _together([source_named(n).canonical(raw.of_source(n)) for n in raw.sources])
    changed = {table.qualified_name: ctx.changes(table) for table in bronze.TABLES}
    new = {table: rows for table, rows in changed.items() if rows is not None}
    if len(new) < len(changed):
        return Found(_marked(whole.told), whole.items, whole.skills, None)
    touched = [_touched(ctx, raw, _Bronze.of(new)), *_replayed(ctx, whole.responses)]
    owners = held_if_few(union(touched).distinct())
    concerned = sorted(row[0] for row in owners.select("source").distinct().collect())
    parts = [_of_owners(name, raw.of_source(name), owners) for name in concerned]
    told = union([whole.told.filter("false"), *parts])
    return Found(_marked(told), whole.items, whole.skills, owners)


def _marked(told: "DataFrame") -> "DataFrame":
    return told.selectExpr("*", "reason IS NOT NULL AS is_refused")


@dataclass(frozen=True)
class _Bronze:
    """Bronze frames, and which sources have rows in them.

    Attributes:
        frames: By qualified table name.
        there: Pairs of a source and a table in which it has rows.
    """

    frames: "Mapping[str, DataFrame]"
    there: frozenset[tuple[str, str]]

    @classmethod
    def of(cls, frames: "Mapping[str, DataFrame]") -> "_Bronze":
        """Find out which sources have rows where, in one query."""
        from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

        pairs = [
            f.select("_source", F.lit(name).alias("table")).distinct() for name, f in frames.items()
        ]
        return cls(frames, frozenset((row[0], row[1]) for row in union(pairs).collect()))

    @property
    def sources(self) -> list[str]:
        return sorted({source for source, _ in self.there})

    def of_source(self, source: str) -> Raw:
        """A source's rows; a table without any is left out of all plans."""
        return {
            name: frame.filter(
                frame["_source"] == source if (source, name) in self.there else "false"
            )
            for name, frame in self.frames.items()
        }


def _touched(ctx: JobContext, raw: _Bronze, new: _Bronze) -> "DataFrame":
    """The owners whom new rows concern, and nobody, of each source that has new rows."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    touched = [ctx.spark.createDataFrame([("", "")], _OWNERS).filter("false")]
    for name in new.sources:
        scope = source_named(name).scope
        owners = scope.touched(raw.of_source(name), new.of_source(name))
        touched.append(owners.select(F.lit(name).alias("source"), OWNER))
        touched.append(ctx.spark.createDataFrame([(name, "")], _OWNERS))
    return union(touched).distinct()


def _replayed(ctx: JobContext, responses: "DataFrame") -> "list[DataFrame]":
    """Whom a replay asks for: by what bronze says now, and by what silver said until now."""
    if ctx.replay is None:
        return []
    now = ctx.replay.answered(responses).select("source", owner("student_id"))
    before = ctx.replay.answered(ctx.read(CANONICAL_LEARNING_EVENTS)).select("student_key")
    keys = ctx.read(STUDENT_KEYS).join(before, "student_key", "left_semi")
    asked = now.unionByName(keys.select("source", owner("student_id"))).distinct()
    ctx.progress(f"{asked.count():,} students {ctx.replay} are worked out again")
    return [asked]


def _of_owners(name: str, raw: Raw, owners: "DataFrame") -> "DataFrame":
    """What a source tells of some owners."""
    source = source_named(name)
    theirs = owners.filter(owners["source"] == name).select(OWNER)
    part = source.canonical(source.scope.of_owners(raw, theirs))
    return owned_by(part.told, theirs, OWNER)


def _together(each: list[Canonical]) -> Canonical:
    return Canonical(
        told=union([one.told for one in each]),
        items=union([one.items for one in each]),
        skills=union([one.skills for one in each]),
    )


def union(frames: "list[DataFrame]") -> "DataFrame":
    """The rows of frames of one shape."""
    return reduce(lambda a, b: a.unionByName(b), frames)
