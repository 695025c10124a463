"""What a student's scores rest on, as a hash, so that only those are scored whose hash changed.

Told by the hash rather than by what arrived: with it, scores of a run that was cut off, of another
champion, or of a skill whose items changed are worked out anew, too, and no others.
"""

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deepkt_irt.jobs.reading import held
from deepkt_irt.jobs.student_scoring import Catalogue
from deepkt_irt.tables.quality import matching

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

BASIS = "rests_on"
_DIGITS = 32


@dataclass(frozen=True)
class Chosen:
    """The students who are scored.

    Attributes:
        every: All students with what their scores rest on.
        few: Those who are scored, or None for all.
    """

    every: "DataFrame"
    few: "DataFrame | None"

    @property
    def scope(self) -> "list[DataFrame] | None":
        """Whose rows are written; None: everybody's."""
        return None if self.few is None else [self.few.select("student_key")]

    @property
    def basis(self) -> "DataFrame":
        """student_key and what the scores rest on."""
        return self.every.select("student_key", BASIS) if self.few is None else self.few

    def of(self, frame: "DataFrame") -> "DataFrame":
        """The rows of a frame that are theirs."""
        return frame if self.scope is None else matching(frame, self.scope)


def skill_hashes(catalogue: Catalogue) -> dict[int, str]:
    """By skill index, a hash of the items it is judged by and of those that are offered on it."""
    chosen = (catalogue.candidates, catalogue.references)
    return {
        int(skill): _hash([_described(catalogue, each.get(skill, [])) for each in chosen])
        for skill in sorted(set().union(*chosen))
    }


def common_hash(*parts: object) -> str:
    """A hash of what all students' scores rest on, as the model's version and the package's."""
    return _hash([str(part) for part in parts])


def with_basis(
    students: "DataFrame", sequences: "DataFrame", skills: dict[int, str], common: str
) -> "DataFrame":
    """Students with the hash of all that their scores are worked out from.

    Args:
        students: One row a student: student_key, and what else the scores rest on, among it
            `basis_skills`, the indexes of the skills that are judged or offered.
        sequences: Rows of gold.sakt_sequences.
        skills: As `skill_hashes` gives them.
        common: As `common_hash` gives it.

    Returns:
        The columns of `students` but `basis_skills`, and `rests_on`; a student without a
        sequence is not among them.
    """
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    window = F.xxhash64(_text(*sequences.columns))
    own = sequences.groupBy("student_key").agg(
        F.array_sort(F.collect_list(F.struct("window_index", window))).alias("_windows")
    )
    both = own.join(students, "student_key", "left")
    known = F.from_json(F.lit(json.dumps(skills)), "map<string,string>")
    each = F.transform("basis_skills", lambda skill: known[skill.cast("string")])
    whole = both.withColumns({"_skills": each, "_common": F.lit(common)})
    digest = F.substring(F.sha2(_text(*whole.columns), 256), 1, _DIGITS)
    return whole.select(*students.drop("basis_skills").columns, digest.alias(BASIS))


def _text(*columns: str) -> "Column":
    """Columns as a text in which no two values look alike; null is not an empty value."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    return F.to_json(F.struct(*columns), {"timestampFormat": "yyyy-MM-dd'T'HH:mm:ss.SSSSSS"})


def outdated(now: "DataFrame", scored: "DataFrame", *, at_most: int) -> "DataFrame | None":
    """Students whose scores rest on something else than they would now.

    Args:
        now: student_key and `rests_on` as it would be.
        scored: The same as it was when the student was scored; rows may repeat.
        at_most: Where there are more, one had better score everybody.

    Returns:
        student_key and `rests_on` as it would be, null if the student is to have no scores any
        more; None if there are more than `at_most`. It holds its rows, so that reading it again
        costs nothing.
    """
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    before = scored.select("student_key", F.col(BASIS).alias("before"), F.expr("true AS there"))
    both = now.select("student_key", BASIS).join(before.distinct(), "student_key", "full")
    differ = both.filter(F.col("there").isNull() | ~F.col(BASIS).eqNullSafe(F.col("before")))
    return held(differ.select("student_key", BASIS).distinct(), at_most=at_most)


def _described(catalogue: Catalogue, items: list[int]) -> list[object]:
    """Items by their ids, with all their skills."""
    return [[str(catalogue.item_ids[each]), catalogue.item_skills[each].tolist()] for each in items]


def _hash(value: object) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:_DIGITS]
