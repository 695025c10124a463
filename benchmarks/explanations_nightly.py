"""Nights of offline explanations for a district: all are new, a few changed, none changed."""
# ruff: noqa: S608 - every part of the statements is ours

import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import psutil

from deepkt_irt.jobs.context import JobContext, Place
from deepkt_irt.jobs.pipeline import TASKS
from deepkt_irt.session import folder_session
from deepkt_irt.settings import Settings
from deepkt_irt.sources.simulator_lessons import skill_lessons
from deepkt_irt.sources.simulator_world import CURRICULUM
from deepkt_irt.tables.contract import Table
from deepkt_irt.tables.gold import BANDIT_RECOMMENDATIONS, SAKT_ATTENTION, STUDENT_MASTERY
from deepkt_irt.tables.silver import CANONICAL_LEARNING_EVENTS, ITEMS, SKILLS
from deepkt_irt.tables.store import TableStore
from page import table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_SIZES, _ROUNDS = (10_000,), 3
_EVENTS, _ITEMS = 60, 600
_CHANGED_PERCENT = 5
_FIRST_NIGHT = datetime(2026, 3, 1, 2, tzinfo=UTC)
_GB = 1e9


@dataclass
class _Watch:
    """Most memory that this process and all it started held together, bytes."""

    peak: int = 0
    _over: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        while not self._over.wait(0.2):
            self.peak = max(self.peak, sum(map(_resident, _family())))

    def stop(self) -> None:
        self._over.set()


@dataclass(frozen=True)
class _Night:
    seconds: float
    written: int
    peak: int


def section(*, sizes: Sequence[int] = _SIZES, rounds: int = _ROUNDS) -> str:
    """The section of the page.

    Args:
        sizes: Students of each district; fewer for a trial.
        rounds: Times that each night is measured.
    """
    rows = [row for students in sizes for row in _rows_of(students, rounds)]
    header = ("students", "night", "seconds", "of the first", "written anew", "peak memory")
    return f"""## A night of offline explanations

{_EVENTS} events a student, {_ITEMS} items, {len(CURRICULUM)} skills, made-up figures; lessons on
skills are searched for every recommended item. Each student is explained to a teacher and to the
student. Every night all decisions are new, as the task before makes them; in a second night
the mastery of {_CHANGED_PERCENT}% of the students is another, too. Local Spark on this machine,
after a run that started its workers; medians of {rounds} rounds of all nights, most memory of
Python, its workers and the Java process together.

{table(header, rows)}

Only what changed is worded. The rest of a night does not shrink with it: Spark reads the answers,
hashes what each student is observed by, searches passages for all recommended items, and merges,
for which Delta writes the files again in which a row changed. So offline, where wording costs
little, a second night is far from costing its share of changes alone; by a language model, no
request is sent for what is unchanged.
"""


def _rows_of(students: int, rounds: int) -> list[tuple[str, ...]]:
    """A row of the table for each kind of night in a district."""
    nights: dict[str, list[_Night]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder, _session() as spark:
        lake = Path(folder)
        store = TableStore(spark, lake=lake)
        run = _runner(store, spark, lake)
        _write_district(store, spark, students)
        _write_lessons(lake / "content")
        run("build_vector_index", _FIRST_NIGHT)
        when = _FIRST_NIGHT

        def pass_night(*, changed: int) -> _Night:
            nonlocal when
            when += timedelta(days=1)
            _write_mastery(store, spark, students, changed=changed)
            _write_recommendations(store, spark, students, night=when.isoformat())
            return run("explain_students", when)

        pass_night(changed=0)  # starts workers, compiles
        for round_ in range(rounds):
            before, after = _CHANGED_PERCENT * round_, _CHANGED_PERCENT * (round_ + 1)
            store.overwrite(_explanations(), store.read(_explanations()).limit(0))
            nights["first"].append(pass_night(changed=before))
            second = f"second, {_CHANGED_PERCENT}% changed"
            nights[second].append(pass_night(changed=after))
            nights["third, nothing changed"].append(pass_night(changed=after))
    first = median(each.seconds for each in nights["first"])
    return [_told(students, name, each, first) for name, each in nights.items()]


def _told(students: int, name: str, nights: list[_Night], first: float) -> tuple[str, ...]:
    seconds = median(each.seconds for each in nights)
    written = median(each.written for each in nights)
    peak = max(each.peak for each in nights)
    return (
        f"{students:,}",
        name,
        f"{seconds:.1f}",
        f"{seconds / first:.0%}",
        f"{written:,.0f}",
        f"{peak / _GB:.1f} GB",
    )


def _explanations() -> Table:
    (written, _) = TASKS["explain_students"].writes
    return written


@contextmanager
def _session() -> "Iterator[SparkSession]":
    spark = folder_session(profile="large")
    try:
        yield spark
    finally:
        spark.stop()


def _runner(
    store: TableStore, spark: "SparkSession", lake: Path
) -> Callable[[str, datetime], _Night]:
    def run(name: str, as_of: datetime) -> _Night:
        context = JobContext(
            store=store,
            task=TASKS[name],
            settings=Settings(),
            as_of=as_of,
            run_id=as_of.isoformat(),
            place=Place.of_lake(lake),
            spark=spark,
        )
        watch = _Watch()
        thread = threading.Thread(target=watch.run)
        thread.start()
        began = time.perf_counter()
        try:
            TASKS[name].function(context)
        finally:
            watch.stop()
            thread.join()
        return _Night(time.perf_counter() - began, context.access.rows_written, watch.peak)

    return run


def _family() -> list[psutil.Process]:
    own = psutil.Process()
    return [own, *own.children(recursive=True)]


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0


def _write_district(store: TableStore, spark: "SparkSession", students: int) -> None:
    skills = ", ".join(f"'{each.name}'" for each in CURRICULUM)
    n = len(CURRICULUM)
    store.overwrite(
        SKILLS,
        spark.sql(
            f"SELECT concat('made:', id) AS skill_id, 'made' AS source, "
            f"array({skills})[id] AS name, CAST(null AS string) AS description, "
            f"CAST(array() AS array<string>) AS prerequisite_ids, 0L AS n_events "
            f"FROM (SELECT CAST(id AS int) AS id FROM range({n}))"
        ),
    )
    store.overwrite(
        ITEMS,
        spark.sql(
            "SELECT concat('made:item', id) AS item_id, 'made' AS source, "
            "CAST(id AS string) AS source_item_id, CAST(null AS string) AS item_type, "
            "CAST(null AS boolean) AS is_guessable, "
            f"array(concat('made:', id % {n})) AS skill_ids, concat('Exercise ', id) AS title, "
            f"true AS in_catalogue, 0L AS n_events FROM range({_ITEMS})"
        ),
    )
    store.overwrite(CANONICAL_LEARNING_EVENTS, _filled(CANONICAL_LEARNING_EVENTS, spark.sql(
        "SELECT concat('e', id) AS event_id, 'made' AS source, "
        f"{_key('id')} AS student_key, concat('made:item', item) AS item_id, "
        f"array(concat('made:', item % {n})) AS skill_ids, "
        f"1 + CAST(id / {students} AS bigint) AS sequence_number, "
        "hash(id) % 3 != 0 AS correct, "
        "IF(hash(id) % 3 = 0, array('a', 'b', 'c')[pmod(hash(id + 1), 3)], null) AS answer, "
        "'practice' AS event_kind, 0L AS batch_id "
        f"FROM (SELECT id % {students} AS student, id, pmod(hash(id, 7), {_ITEMS}) AS item "
        f"FROM range({students * _EVENTS}))".replace(_key("id"), _key("student"))
    )))  # fmt: skip
    store.overwrite(SAKT_ATTENTION, spark.sql(
        f"SELECT {_key('id')} AS student_key, concat('made:', skill) AS skill_id, "
        "transform(sequence(1, 10), i -> named_struct('event_id', concat('e', i), 'item_id', "
        "'made:item1', 'correct', true, 'weight', 0.1D, 'signed_effect', "
        "CAST(hash(id, i) % 3 AS double))) AS influences, "
        f"'1' AS model_version, current_timestamp() AS scored_at {_per_student(students)}"
    ))  # fmt: skip


def _per_student(students: int) -> str:
    return f"FROM (SELECT id, pmod(hash(id), {len(CURRICULUM)}) AS skill FROM range({students}))"


def _write_recommendations(
    store: TableStore, spark: "SparkSession", students: int, *, night: str
) -> None:
    """The same first item every night, by a decision of that night; the reason names figures."""
    n = len(CURRICULUM)
    store.overwrite(BANDIT_RECOMMENDATIONS, _filled(BANDIT_RECOMMENDATIONS, spark.sql(
        f"SELECT {_key('id')} AS student_key, 1 AS rank, "
        f"concat('made:item', skill + {n} * pmod(hash(id, 1), {_ITEMS // n})) AS item_id, "
        "concat('made:', skill) AS skill_id, 'rule' AS policy, "
        "0.6 + 0.002 * pmod(hash(id), 100) AS p_correct, "
        "concat('Practise: mastery 0.', pmod(hash(id, 2), 100), ' (', pmod(hash(id, 3), 1000), "
        "' answers), near the target 0.70.') AS reason, "
        f"current_timestamp() AS decided_at, concat('{night} ', id) AS decision_id "
        f"{_per_student(students)}"
    )))  # fmt: skip


def _write_mastery(
    store: TableStore, spark: "SparkSession", students: int, *, changed: int
) -> None:
    """Mastery on the recommended skills; of some students another one than at first."""
    n = len(CURRICULUM)
    value = f"(0.2 + 0.006 * pmod(hash(id), 100) + IF(id % 100 < {changed}, 0.1, 0))"
    store.overwrite(STUDENT_MASTERY, _filled(STUDENT_MASTERY, spark.sql(
        f"SELECT {_key('id')} AS student_key, concat('made:', pmod(hash(id), {n})) AS skill_id, "
        f"CAST({value} AS double) AS mastery, CAST({value} - 0.1 AS double) AS mastery_low, "
        f"CAST({value} + 0.1 AS double) AS mastery_high, 5L + pmod(hash(id), 40) AS n_responses, "
        "3L AS n_correct, 20 AS n_reference_items, 60L AS last_sequence_number, "
        f"'1' AS model_version, current_timestamp() AS scored_at FROM range({students})"
    )))  # fmt: skip


def _key(expression: str) -> str:
    return f"sha2(CAST({expression} AS string), 256)"


def _filled(contract: Table, frame: "DataFrame") -> "DataFrame":
    """A frame with the contract's types; columns that are not there are null."""
    there = set(frame.columns)
    return frame.selectExpr(
        *(
            f"CAST({column.name if column.name in there else 'null'} AS {column.type}) "
            f"AS {column.name}"
            for column in contract.columns
        )
    )


def _write_lessons(folder: Path) -> None:
    """The lessons as files of a teacher, one for each."""
    folder.mkdir(parents=True)
    names = {each.code: each.name for each in CURRICULUM}
    for row in skill_lessons(CURRICULUM).to_dict("records"):
        head = f"---\ntitle: {row['title']}\nskills: {names[row['skill_code']]}\n---\n"
        (folder / f"{row['lesson_id']}.md").write_text(f"{head}# Lesson\n{row['text']}\n")


if __name__ == "__main__":
    print(section())
