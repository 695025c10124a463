"""Rapid guesses found beside planted ones and a fixed rule, and what leaving them out does.

Simulated districts go through ingest_bronze and transform_silver, as files do. ASSISTments 2009 is
read in place and gives figures only: no row and no id of it is written.
"""

import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from deepkt_irt.irt.ability import sequential_probabilities
from deepkt_irt.irt.calibration import Calibration, calibrate
from deepkt_irt.irt.responses import Responses
from deepkt_irt.jobs.opening import Target, open_runner
from deepkt_irt.jobs.pipeline import TASKS
from deepkt_irt.knowledge_tracing.histories import FIRST_ACTIONS, Histories
from deepkt_irt.reporting.gaming import confidence
from deepkt_irt.settings import BehaviourSettings, CalibrationSettings, Settings, SimulatorSettings
from deepkt_irt.silver.behaviour import PATTERNS, response_behaviour, usual_times
from deepkt_irt.sources.catalogue import source_named
from deepkt_irt.sources.landing import land
from deepkt_irt.sources.simulator import District, write_district
from deepkt_irt.sources.simulator_files import landing_frames, truth_frames
from deepkt_irt.sources.simulator_world import build_world
from deepkt_irt.sources.simulator_year import live_year
from deepkt_irt.tables.silver import (
    CANONICAL_LEARNING_EVENTS,
    ITEM_TIMES,
    RESPONSE_BEHAVIOUR,
    STUDENT_KEYS,
)
from deepkt_irt.tables.store import TableStore
from held_out import INTERVALS, Comparison
from page import REPOSITORY, CannotRunError, table
from research_data import assist2009, described

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

_SETTINGS = BehaviourSettings()
_FIXED_MS = 5_000
_OURS, _TENTH, _FIXED = "the item's own times (ours)", "a tenth of the median", "fixed 5 seconds"
_SKILL = "the skill's times, where the item has too few"
_MEAN = "a tenth of the item's mean"
_WORLDS = {  # centre and spread of the logs of items' usual seconds; None: as simulated
    "as simulated": None,
    "times as on ASSISTments 2009": (np.log(20.0), 0.7),
}
_GAMERS = ("rapid_guesser", "hint_seeker")
_KINDS = ("steady", *_GAMERS)
_NAMED = ("clear", "likely")  # confidence of those who are pointed at
_HELD_OUT = 5  # every so many students
_TOLERANCE = 1e-3
_SECTION = """## Gaming and rapid guesses

"Ours" is `rapid_guess` of `silver.response_behaviour`: faster than {share:.0%} of the item's median
time, at most {longest:.0f} s, where the item has {least} times or more; times below {shortest} ms
and those that end at a call for help are not judged. The fixed rule takes every answer under 5 s
for a guess.

### Planted in simulated districts

{n_seeds} districts of {n_students} students and 160 items in each world, seeds {seeds}; 8% of the
students guess rapidly, in 25 to 50% of their answers, in about 2 s. Judged are graded answers to
practice, which have times. Figures are means, with the smallest and the largest of the districts.
As simulated, items take about 40 s and differ little (SD of logs .35); on ASSISTments 2009 they
take about 20 s and differ more (.7), as they do in the second world.

{planted}

A threshold of an item's own finds no guess that is as fast as honest answers to a short question:
with usual times of 10 s one of 2 s passes. What it finds are guesses; of the fixed rule's finds two
thirds are not.

Students pointed at by `deepkt gaming` (confidence `clear` or `likely`: the rate of patterns is, or
seems to be, above {notable:.0%}), of all districts together, against those planted. The fixed rule
knows rapid guesses only; hint seekers who ask early in fewer questions are not pointed at:

{students}

What is seen of each kind of student, as simulated. Hint seekers ask for the answer first in 2 to
12% of their questions, others in 0.5%; how fast a wrong answer came has nothing to do there with
asking for help after it:

{kinds}

### ASSISTments 2009

Data: {described}. {judged}

A guess is right about as often as chance has it, whatever the student knows. So a rule is good if
what it finds is right far less often than the same items are otherwise.

{validity}

A published slice of {slice_rows} responses has all columns; there the other patterns can be judged:

{patterns}

### What leaving them out does to a calibration

First attempts of ASSISTments 2009; every fifth student is held out. Difficulties are compared on
the items calibrated both ways. Predicted are the held-out answers that every rule keeps, each from
the student's earlier answers that the rule keeps. {intervals}

{effect}

Guesses are too few there to matter for a prediction; what matters is not to leave out quick answers
that were right, as the fixed rule does.

In the simulated districts the truth is known: difficulties of items without guessing or drift,
means over the districts of each world.

{recovery}

Nor does it matter much here, where guesses are 2 to 3% of all answers: leaving them out makes
items seem a little easier, as wrong guesses go, and comes as near to the truth.
"""


@dataclass(frozen=True)
class Lake:
    """What a simulated district became.

    Attributes:
        answers: Graded practice answers with times: latency_ms, usual_ms, rapid_guess, is_rapid
            (planted), kind and student_id.
        behaviour: Rows of silver.response_behaviour with the student's kind and student_id.
        attempts: First attempts: student, item, correct, is_excluded.
        truth: problem_id, b and drift_b of the items.
    """

    answers: pd.DataFrame
    behaviour: pd.DataFrame
    attempts: pd.DataFrame
    truth: pd.DataFrame


def section(*, n_students: int = 300, seeds: Sequence[int] = (1, 2, 3, 4, 5)) -> str:
    """The section of the page.

    Args:
        n_students: Of each simulated district.
        seeds: One district for each, in each world.

    Raises:
        CannotRunError: If ASSISTments 2009 is absent.
    """
    histories, slice_path = assist2009(), _slice()
    lakes = {
        world: [_lake(n_students, seed, times) for seed in seeds]
        for world, times in _WORLDS.items()
    }
    with tempfile.TemporaryDirectory() as folder:
        spark = open_runner(Target(lake=Path(folder)), settings=Settings()).spark
        frame, seconds = _of_assistments(spark, histories)
    patterns, n_rows = _patterns_of_slice(slice_path)
    return _SECTION.format(
        share=_SETTINGS.rapid_share,
        longest=_SETTINGS.longest_rapid_ms / 1000,
        least=_SETTINGS.min_latencies,
        shortest=_SETTINGS.shortest_ms,
        notable=_SETTINGS.notable_rate,
        n_seeds=len(seeds),
        n_students=n_students,
        seeds=", ".join(map(str, seeds)),
        planted=_planted(lakes),
        students=_students(lakes),
        kinds=_kinds(lakes["as simulated"]),
        described=described(histories),
        judged=_judged(frame, seconds),
        validity=_validity(frame),
        slice_rows=f"{n_rows:,}",
        patterns=patterns,
        intervals=INTERVALS,
        effect=_effect(frame),
        recovery=_recovery(lakes),
    )


def _slice() -> Path:
    folder = Path(os.environ.get("DEEPKT_SHARED_DATA", REPOSITORY.parent / "shared" / "data"))
    path = folder / "assist2009" / "skill_builder_slice_10791.csv.gz"
    if not path.exists():
        raise CannotRunError(f"the slice of ASSISTments 2009 is not at {path}")
    return path


# simulated districts


def _district(n_students: int, seed: int, times: tuple[float, float] | None) -> District:
    """As `simulate` makes it; with times, items take as long as these say."""
    settings = SimulatorSettings(n_students=n_students, seed=seed)
    world_rng, year_rng, files_rng = np.random.default_rng(settings.seed).spawn(3)
    world = build_world(world_rng, n_students=n_students, n_items=settings.n_items)
    if times is not None:
        centre, spread = times
        logs = world.problems.log_seconds
        standard = (logs - logs.mean()) / logs.std()
        problems = replace(world.problems, log_seconds=centre + spread * standard)
        world = replace(world, problems=problems)
    year = live_year(year_rng, world)
    return District(**landing_frames(files_rng, world, year), **truth_frames(world, year))


def _run(lake: Path, source: str, data: Path) -> TableStore:
    """A lake with silver tables of these files."""
    land(source_named(source), data, lake / "landing", mapping=None)
    runner = open_runner(Target(lake=lake), settings=Settings())
    runner.run([TASKS["ingest_bronze"], TASKS["transform_silver"]])
    return runner.store


def _lake(n_students: int, seed: int, times: tuple[float, float] | None) -> Lake:
    district = _district(n_students, seed, times)
    with tempfile.TemporaryDirectory() as folder:
        files, lake = Path(folder) / "files", Path(folder) / "lake"
        write_district(district, files, truth_folder=Path(folder) / "truth")
        return _found(_run(lake, "simulator", files), district)


def _found(store: TableStore, district: District) -> Lake:
    students = store.read(STUDENT_KEYS).select("student_key", "student_id").toPandas()
    students = students.merge(district.truth_students[["student_id", "kind"]], on="student_id")
    seen = store.read(RESPONSE_BEHAVIOUR).join(store.read(ITEM_TIMES), "item_id", "left")
    behaviour = seen.toPandas().merge(students, on="student_key")
    columns = ("event_id", "student_key", "item_id", "assignment_id", "sequence_number")
    own = store.read(CANONICAL_LEARNING_EVENTS)
    events = own.select(*columns, "correct", "latency_ms", "answer_requested").toPandas()
    for name, plain in (("item_id", "problem_id"), ("assignment_id", "assignment_log_id")):
        events[plain] = events[name].str.removeprefix("simulator:")
    seen = behaviour[["event_id", "usual_ms", "rapid_guess", "is_excluded"]]
    events = events.merge(seen, on="event_id", how="left").sort_values("sequence_number")
    planted = district.truth_responses[["assignment_log_id", "problem_id", "is_rapid"]]
    timed = events[events["latency_ms"].notna()].merge(
        planted, on=["assignment_log_id", "problem_id"]
    )
    graded = events[events["correct"].notna() & ~events["answer_requested"].eq(other=True)]
    attempts = graded.drop_duplicates(["student_key", "item_id"])
    return Lake(
        answers=timed.merge(students, on="student_key"),
        behaviour=behaviour,
        attempts=attempts.assign(is_excluded=attempts["is_excluded"].eq(other=True)),
        truth=district.truth_items[["problem_id", "b", "c", "drift_b"]],
    )


def _rules(answers: pd.DataFrame) -> dict[str, BoolArray]:
    """What each rule takes for a rapid guess; what cannot be judged is none."""
    latency = answers["latency_ms"].to_numpy(dtype=np.float64)
    usual = answers["usual_ms"].to_numpy(dtype=np.float64)
    tenth = np.minimum(0.1 * usual, _SETTINGS.longest_rapid_ms)
    return {
        _OURS: answers["rapid_guess"].eq(other=True).to_numpy(dtype=np.bool_),
        _TENTH: latency < tenth,
        _FIXED: latency < _FIXED_MS,
    }


def _planted(lakes: dict[str, list[Lake]]) -> str:
    rows = []
    for world, districts in lakes.items():
        found = [_rules(lake.answers) for lake in districts]
        planted = [lake.answers["is_rapid"].to_numpy() == 1 for lake in districts]
        n = np.mean([len(lake.answers) for lake in districts])
        for rule in (_OURS, _TENTH, _FIXED):
            pairs = [(each[rule], truth) for each, truth in zip(found, planted, strict=True)]
            rows.append((world, rule, f"{n:,.0f}", *_precision_recall(pairs)))
    return table(("world", "rule", "answers", "precision", "recall", "F1"), rows)


def _precision_recall(pairs: Sequence[tuple[BoolArray, BoolArray]]) -> tuple[str, str, str]:
    """Precision, recall and F1 over districts, each with its smallest and largest."""
    precision = np.array([(found & truth).sum() / max(found.sum(), 1) for found, truth in pairs])
    recall = np.array([(found & truth).sum() / truth.sum() for found, truth in pairs])
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-9)
    return _spread(precision), _spread(recall), _spread(f1)


def _spread(values: FloatArray) -> str:
    return f"{values.mean():.3f} ({values.min():.3f} to {values.max():.3f})"


def _students(lakes: dict[str, list[Lake]]) -> str:
    rows = []
    for world, districts in lakes.items():
        for rule in (_OURS, _FIXED):
            found = pd.concat([_pointed_at(lake, rule) for lake in districts])
            named = found[found["named"]]
            recalls = [found.loc[found["kind"] == kind, "named"].mean() for kind in _GAMERS]
            precision = named["kind"].isin(_GAMERS).mean()
            shown = (f"{each:.3f}" for each in (precision, *recalls))
            rows.append((world, rule, f"{len(found):,}", f"{len(named):,}", *shown))
    recalls = (f"recall of {kind.replace('_', ' ')}s" for kind in _GAMERS)
    head = ("world", "rule", "students", "pointed at", "of them planted", *recalls)
    return table(head, rows)


def _pointed_at(lake: Lake, rule: str) -> pd.DataFrame:
    """Students with enough questions: their kind, and whether they are named."""
    seen = lake.behaviour[list(PATTERNS)].eq(other=True).any(axis=1)
    judged = lake.behaviour.assign(seen=seen)
    if rule != _OURS:
        judged = lake.answers.assign(seen=_rules(lake.answers)[rule])
    by_student = judged.groupby("student_id").agg(
        n=("seen", "size"), n_seen=("seen", "sum"), kind=("kind", "first")
    )
    enough = by_student[by_student["n"] >= _SETTINGS.min_responses]
    pairs = zip(enough["n_seen"], enough["n"], strict=True)
    named = [confidence(int(k), int(n), _SETTINGS) in _NAMED for k, n in pairs]
    return enough.assign(named=named)


def _kinds(districts: list[Lake]) -> str:
    """Mean rate of each pattern by kind of student, over all districts."""
    behaviour = pd.concat([lake.behaviour for lake in districts])
    rows = []
    for kind in _KINDS:
        own = behaviour[behaviour["kind"] == kind]
        rates = [own[name].dropna().astype(float).mean() for name in PATTERNS]
        rows.append((kind, own["student_key"].nunique(), *(f"{rate:.1%}" for rate in rates)))
    return table(("kind", "students", *PATTERNS), rows)


def _recovery(lakes: dict[str, list[Lake]]) -> str:
    rows = []
    for world, districts in lakes.items():
        for name in ("all first attempts", "without rapid guesses"):
            errors = [_errors(lake, keep_all=name.startswith("all")) for lake in districts]
            left = np.mean([n for n, *_ in errors])
            figures = [f"{np.mean([e[k] for e in errors]):.3f}" for k in (1, 2, 3)]
            rows.append((world, name, f"{left:,.0f}", *figures))
    head = ("world", "calibrated on", "responses", "correlation", "RMSE of b", "mean b less true b")
    return table(head, rows)


def _errors(lake: Lake, *, keep_all: bool) -> tuple[int, float, float, float]:
    """Responses; correlation with the truth, RMSE and mean error of difficulties without drift."""
    kept = lake.attempts if keep_all else lake.attempts[~lake.attempts["is_excluded"]]
    student, item = (pd.factorize(kept[name], sort=True) for name in ("student_key", "problem_id"))
    correct = kept["correct"].astype(np.int64).to_numpy()
    sizes = (len(student[1]), len(item[1]))
    order = np.argsort(student[0], kind="stable")
    data = Responses(student[0][order], item[0][order], correct[order], *sizes)
    difficulty = calibrate(data, settings=CalibrationSettings()).items.difficulty
    found = pd.DataFrame({"problem_id": item[1], "found": difficulty}).merge(lake.truth)
    plain = found[(found["drift_b"] == 0) & (found["c"] == 0) & found["found"].notna()]
    error = plain["found"] - plain["b"]
    r = np.corrcoef(plain["found"], plain["b"])[0, 1]
    return len(kept), float(r), float(np.sqrt((error**2).mean())), float(error.mean())


# ASSISTments 2009


def _of_assistments(spark: SparkSession, histories: Histories) -> tuple[pd.DataFrame, float]:
    """Responses in order with what is seen in them, and the seconds that took."""
    first = np.array([None, *FIRST_ACTIONS], dtype=object)[histories.first_action]
    skills = ["_".join(map(str, row[row > 0])) for row in histories.skills]
    own = pd.DataFrame(
        {
            "place": np.arange(len(histories)),
            "student": np.repeat(histories.student, np.diff(histories.offsets)),
            "item": histories.item,
            "skills": skills,
            "correct": histories.correct,
            "latency_ms": histories.latency_ms,
            "first_action": first,
        }
    )
    began = time.perf_counter()
    events = _events(spark, own)
    times = usual_times(events, _SETTINGS)
    found = response_behaviour(events, times, _SETTINGS).join(times, "item_id", "left")
    found = found.select(
        F.col("event_id").cast("long").alias("place"),
        *("usual_ms", "threshold_ms", "rapid_guess", "is_excluded"),
    )
    seen = found.toPandas()
    seconds = time.perf_counter() - began
    return own.merge(seen, on="place", how="left").sort_values("place"), seconds


def _events(spark: SparkSession, own: pd.DataFrame) -> DataFrame:
    """The columns of canonical events that are looked at."""
    sent = own[["place", "student", "item", "correct", "latency_ms", "first_action"]]
    unknown = dict.fromkeys(("answer_requested", "answer_requested_later"), "boolean")
    return spark.createDataFrame(sent).select(
        F.col("place").cast("string").alias("event_id"),
        F.col("student").cast("string").alias("student_key"),
        F.col("item").cast("string").alias("item_id"),
        F.col("place").alias("sequence_number"),
        (F.col("correct") == 1).alias("correct"),
        F.when(F.col("latency_ms") > 0, F.col("latency_ms")).cast("bigint").alias("latency_ms"),
        "first_action",
        F.lit(None).cast("int").alias("hint_count"),
        *(F.lit(None).cast(kind).alias(name) for name, kind in unknown.items()),
    )


def _judged(frame: pd.DataFrame, seconds: float) -> str:
    judged = frame["rapid_guess"].notna()
    rapid = frame["rapid_guess"].eq(other=True)
    by_student = frame[judged].groupby("student")["rapid_guess"].agg(["sum", "size"])
    sure = [
        confidence(int(k), int(n), _SETTINGS)
        for k, n in by_student.itertuples(index=False)
        if n >= _SETTINGS.min_responses
    ]
    return (
        f"Of the responses {judged.mean():.1%} can be judged, in {seconds:.0f} s; {rapid.sum():,} "
        f"({rapid.sum() / judged.sum():.2%}) are rapid guesses, by "
        f"{frame.loc[rapid, 'student'].nunique():,} students. Of {len(sure):,} students with "
        f"{_SETTINGS.min_responses} responses or more that can be judged the rate is above "
        f"{_SETTINGS.notable_rate:.0%} for {sure.count('clear')} (clear) and "
        f"{sure.count('likely')} (likely)."
    )


def _validity(frame: pd.DataFrame) -> str:
    """How right the answers are that each rule finds, beside their items' answers."""
    tried = frame[frame["first_action"].eq("attempt") & frame["latency_ms"].notna()].copy()
    possible = tried["latency_ms"] >= _SETTINGS.shortest_ms
    usual = tried["latency_ms"].where(possible)
    item, skill = (usual.groupby(tried[name]) for name in ("item", "skills"))
    few = item.transform("size") < _SETTINGS.min_latencies
    share, longest = _SETTINGS.rapid_share, _SETTINGS.longest_rapid_ms
    found = {
        _OURS: tried["rapid_guess"].eq(other=True),
        _TENTH: usual < np.minimum(0.1 * tried["usual_ms"], longest),
        _MEAN: usual < np.minimum(0.1 * item.transform("mean").where(~few), longest),
        _SKILL: few & (usual < np.minimum(share * skill.transform("median"), longest)),
        _FIXED: usual < _FIXED_MS,
        f"under {_SETTINGS.shortest_ms} ms, which we do not judge": ~possible,
    }
    right = tried.groupby("item")["correct"].transform("mean")
    rows = [
        (
            name,
            f"{which.sum():,}",
            f"{which.mean():.2%}",
            f"{tried.loc[which, 'correct'].mean():.3f}",
            f"{right[which].mean():.3f}",
        )
        for name, which in found.items()
    ]
    head = ("rule", "found", "of timed attempts", "right", "right on the same items")
    return table(head, rows)


def _patterns_of_slice(path: Path) -> tuple[str, int]:
    """Rates of the patterns in the slice with all columns, and its rows."""
    with tempfile.TemporaryDirectory() as folder:
        store = _run(Path(folder), "assistments", path)
        n_rows = store.read(CANONICAL_LEARNING_EVENTS).count()
        behaviour = store.read(RESPONSE_BEHAVIOUR).toPandas()
    rows = []
    for name in (*PATTERNS, "is_excluded"):
        judged = behaviour[behaviour[name].notna()]
        seen = judged[judged[name].eq(other=True)]
        share = f"{len(seen) / len(judged):.2%}" if len(judged) else "-"
        n_students = seen["student_key"].nunique()
        rows.append((name, f"{len(judged):,}", f"{len(seen):,}", share, f"{n_students:,}"))
    return table(("pattern", "judged", "seen", "share", "students"), rows), n_rows


def _effect(frame: pd.DataFrame) -> str:
    first = frame.drop_duplicates(["student", "item"])
    dropped = {
        "nothing left out": np.zeros(len(first), dtype=np.bool_),
        f"without rapid guesses: {_OURS}": first["is_excluded"].eq(other=True).to_numpy(),
        "without attempts under 5 seconds": (
            first["first_action"].eq("attempt") & (first["latency_ms"] < _FIXED_MS)
        ).to_numpy(),
    }
    held_out = (first["student"] % _HELD_OUT == 0).to_numpy()
    judged = ~np.logical_or.reduce(list(dropped.values()))
    fits, predicted = {}, {}
    for name, which in dropped.items():
        fits[name] = _calibrated(first[~which & ~held_out], n_items=int(frame["item"].max()) + 1)
        predicted[name] = _predicted(
            first[held_out], ~which[held_out], judged[held_out], fits[name]
        )
    tested = first[held_out & judged]
    student = np.unique(tested["student"], return_inverse=True)[1]
    comparison = Comparison(student, tested["correct"].to_numpy(), predicted)
    base = "nothing left out"
    rows = [
        (
            name,
            f"{which[~held_out].sum():,}",
            *_shift(fits[base], fits[name]),
            *comparison.cells(name, beside=base)[:2],
        )
        for name, which in dropped.items()
    ]
    head = (
        *("calibrated on", "left out", "items", "correlation of b", "mean change of b"),
        *("RMS change of b", "log-loss", "log-loss less that of all"),
    )
    return f"Held out: {len(student):,} answers.\n\n{table(head, rows)}"


def _calibrated(rows: pd.DataFrame, *, n_items: int) -> Calibration:
    student = np.unique(rows["student"], return_inverse=True)[1]
    item, correct = rows["item"].to_numpy(), rows["correct"].to_numpy()
    data = Responses(student, item, correct, int(student.max()) + 1, n_items)
    return calibrate(data, settings=CalibrationSettings(tolerance=_TOLERANCE))


def _predicted(
    rows: pd.DataFrame, kept: BoolArray, judged: BoolArray, found: Calibration
) -> FloatArray:
    """Chances of the judged responses, each after the earlier ones that are kept."""
    seen = rows[kept]
    student = np.unique(seen["student"], return_inverse=True)[1]
    offsets = np.searchsorted(student, np.arange(student.max() + 2))
    chances = sequential_probabilities(
        offsets,
        seen["item"].to_numpy(),
        seen["correct"].to_numpy(),
        items=found.items,
        population_mean=found.population_mean,
        population_sd=found.population_sd,
    )
    return chances[judged[kept]]


def _shift(all_in: Calibration, found: Calibration) -> tuple[str, ...]:
    b, other = all_in.items.difficulty, found.items.difficulty
    both = np.isfinite(b) & np.isfinite(other)
    change = other[both] - b[both]
    r = np.corrcoef(b[both], other[both])[0, 1]
    root = np.sqrt((change**2).mean())
    return f"{both.sum():,}", f"{r:.4f}", f"{change.mean():+.3f}", f"{root:.3f}"


if __name__ == "__main__":
    print(section())
