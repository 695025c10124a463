"""Wide & Deep IRT: its predictions beside every other model's, its parameters beside the truth."""

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context

import numpy as np
import pandas as pd

from deepkt_irt.irt.calibration import calibrate
from deepkt_irt.irt.responses import Responses
from deepkt_irt.knowledge_tracing.baseline_models import BASELINES
from deepkt_irt.knowledge_tracing.evaluation import ModelResult, evaluate
from deepkt_irt.knowledge_tracing.histories import (
    FIRST_ACTIONS,
    BoolArray,
    FloatArray,
    Histories,
    IntArray,
    Model,
    Split,
)
from deepkt_irt.knowledge_tracing.metrics import scores
from deepkt_irt.knowledge_tracing.protocols import LEAP
from deepkt_irt.knowledge_tracing.scoring import KnowledgeTracer
from deepkt_irt.knowledge_tracing.wide_deep_irt import WideDeepIrt
from deepkt_irt.settings import SaktSettings, WideDeepSettings
from deepkt_irt.sources.simulator_world import GUESSABLE_TYPE, build_world
from deepkt_irt.sources.simulator_year import live_year
from page import table
from research_data import assist2009, described

_SEED = 7
_STUDENTS, _ITEMS = 4_000, 600
_WIDE_DEEP, _TRACER = "wd_irt", "default"


@dataclass(frozen=True)
class Simulated:
    """A simulated year as units: practice first, which is context, then the unit's test.

    Attributes:
        histories: One segment a student's unit; only test responses are asked.
        guessable: 1 an item can be guessed, 0 not, (items + 1,).
        theta: True ability behind each response, logits, (responses,).
        p_correct: The best possible prediction of each response, (responses,).
        difficulty: True b, NaN of item 0, (items + 1,).
    """

    histories: Histories
    guessable: FloatArray
    theta: FloatArray
    p_correct: FloatArray
    difficulty: FloatArray


def section(
    *, students: int = _STUDENTS, items: int = _ITEMS, assist_students: int | None = None
) -> str:
    """The section of the page.

    Args:
        students: Simulated ones.
        items: Simulated ones.
        assist_students: The first ones of ASSISTments alone, for a trial; None: all.

    Raises:
        CannotRunError: If the data are absent.
    """
    os.environ.update({"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"})
    histories = assist2009()  # absent data must stop it at once
    if assist_students is not None:
        histories = histories.segments(np.arange(histories.n_segments) < assist_students)
    with ProcessPoolExecutor(2, get_context("spawn"), max_tasks_per_child=1) as pool:
        simulated = pool.submit(_of_simulation, students, items)
        real = pool.submit(_of_assistments, histories)
        parts = real.result(), simulated.result()
    return f"""## Wide & Deep IRT beside other models and marginal likelihood

Wide & Deep IRT (Pu, Yan and Zhang 2024) with the package's settings. It predicts a response from
an ability, which a small network reads from what the student did before, and from the item's
parameters. Protocol {LEAP.name}, first fold, one seed; intervals are 95%, by bootstrap over the
test students; the models in turn, on one thread of the CPU. `{_TRACER}` is the knowledge-tracing
model that the package registers; the others are the models every training is held against.

### Simulated units in the layout of EDM Cup 2023

{parts[1]}

### ASSISTments 2009-10

{parts[0]}
"""


def simulated_units(*, n_students: int, n_items: int, seed: int = _SEED) -> Simulated:
    """A year of the package's simulator, whose drawing of answers knows nothing of the models."""
    world_rng, year_rng = np.random.default_rng(seed).spawn(2)
    world = build_world(world_rng, n_students=n_students, n_items=n_items)
    year = live_year(year_rng, world)
    met, answers, problems = year.encounters, year.answers, world.problems
    sequence = year.assignments.sequence[met.assignment]
    unit = np.array([each.unit for each in year.sequences])[sequence]
    student = year.assignments.student[met.assignment]
    kept = np.flatnonzero(answers.graded | (answers.answer_first & met.practice))
    order = kept[np.lexsort((kept, ~met.practice[kept], unit[kept], student[kept]))]
    problem = met.problem[order]
    knows = (answers.p_irt[order] - problems.c[problem]) / (1 - problems.c[problem])
    logit = np.log(knows) - np.log1p(-knows)
    drift = year.drift_b[problem]  # of practice only, whose theta is not looked at
    rows = pd.DataFrame(
        {
            "student": student[order],
            "unit": unit[order],
            "item": 1 + problem,
            "skill": 1 + problems.skill[problem],
            "correct": (answers.correct & answers.graded)[order].astype(np.int64),
            "latency_ms": answers.latency_ms[order].astype(np.float64),
            "answer_first": answers.answer_first[order],
            "practice": met.practice[order],
        }
    )
    return Simulated(
        histories=_units(rows),
        guessable=np.append(0.0, problems.type == GUESSABLE_TYPE),
        theta=np.where(drift == 0, problems.b[problem] + logit / problems.a[problem], np.nan),
        p_correct=answers.p_correct[order],
        difficulty=np.append(np.nan, problems.b),
    )


def _units(rows: pd.DataFrame) -> Histories:
    """Units of rows sorted by student and unit, practice before the test."""
    units = rows.groupby(["student", "unit"], sort=False)
    n_practice = units["practice"].transform("sum").to_numpy(dtype=np.int64)
    attempt, answer = (1 + FIRST_ACTIONS.index(name) for name in ("attempt", "answer"))
    student = units["student"].first().to_numpy()
    return Histories.of(
        offsets=np.concatenate([[0], np.cumsum(units.size().to_numpy(dtype=np.int64))]),
        item=rows["item"].to_numpy(),
        skills=rows[["skill"]].to_numpy(),
        correct=rows["correct"].to_numpy(),
        visible=np.where(rows["practice"], -1, n_practice),
        latency_ms=rows["latency_ms"].to_numpy(),
        first_action=np.where(rows["answer_first"], answer, attempt),
        student=np.unique(student, return_inverse=True)[1],
    )


def _of_simulation(students: int, items: int) -> str:
    """Figures on simulated units: predictions, and how close parameters are to the truth."""
    _one_thread()
    drawn = simulated_units(n_students=students, n_items=items)
    histories, split = drawn.histories, LEAP.splits(drawn.histories)[0]
    found, wide_deep, sizes = _judged(histories, split, drawn.guessable)
    best = scores(histories.correct[split.test], drawn.p_correct[split.test])
    assert best.auc is not None  # noqa: S101  # both right and wrong ones are among thousands
    bound = ("best possible", f"{best.auc:.4f}", "", f"{best.log_loss:.4f}", f"{best.ece:.4f}")
    return f"""Data: the package's simulator, {students:,} students and {items} items,
{len(histories):,} responses in {histories.n_segments:,} units of {histories.n_skills} skills: what
a student practises in a unit is context, and the {int(histories.asked.sum()):,} responses to the
unit tests are predicted from it ({int(split.test.sum()):,} of the test students). Truth: 3PL, with
slips, rapid guesses and abilities that grow with practice; seed {_SEED}. The best possible
prediction knows each chance that the simulator drew with.

{_table_of(found, sizes, [bound])}

{_agreement(drawn, split, wide_deep)}"""


def _of_assistments(histories: Histories) -> str:
    """Figures on ASSISTments, where there is no truth."""
    _one_thread()
    split = LEAP.splits(histories)[0]
    found, wide_deep, sizes = _judged(histories, split, None)
    own = wide_deep.item_parameters()
    difficulty, n = _calibrated(histories, split.train, np.zeros(histories.n_items + 1))
    both = np.isfinite(difficulty) & own.known
    rows = [
        (f"{least} or more", f"{chosen.sum():,}", f"{_r(own.difficulty, difficulty, chosen):.3f}")
        for least in (10, 50, 200)
        if (chosen := both & (n >= least)).sum() > 1
    ]
    return f"""Data: {described(histories)}; {int(split.test.sum()):,} test responses, each
predicted from all before it. They are no part of the project.

{_table_of(found, sizes, [])}

Difficulties of Wide & Deep IRT and of marginal likelihood (`calibrate`, 1PL, on the same training
students' first responses to each item), by the number of these:

{table(("training responses of the item", "items", "r"), rows)}"""


def _one_thread() -> None:
    import torch  # noqa: PLC0415  # set up in the process that trains

    torch.set_num_threads(1)


def _judged(
    histories: Histories, split: Split, guessable: FloatArray | None
) -> tuple[dict[str, ModelResult], WideDeepIrt, dict[str, str]]:
    """Results by model, the fitted Wide & Deep IRT, and what some models learned, in words."""
    made: dict[str, Model] = {}

    def kept(name: str, make: Callable[[int], Model], seed: int) -> Model:
        made[name] = make(seed)
        return made[name]

    models: Mapping[str, Callable[[int], Model]] = {
        _WIDE_DEEP: lambda seed: WideDeepIrt(WideDeepSettings(), seed=seed, guessable=guessable),
        _TRACER: lambda seed: KnowledgeTracer(SaktSettings(seed=seed, device="cpu")),
        **BASELINES,
    }
    factories = {name: partial(kept, name, make) for name, make in models.items()}
    found = evaluate(histories, [split], factories, seed=_SEED, protocol=LEAP.name).models
    wide_deep, tracer = made[_WIDE_DEEP], made[_TRACER]
    assert isinstance(wide_deep, WideDeepIrt)  # noqa: S101
    assert isinstance(tracer, KnowledgeTracer)  # noqa: S101
    n_items = int(wide_deep.item_parameters().known.sum())
    sizes = {
        _WIDE_DEEP: f"{wide_deep.n_parameters:,}, and {n_items:,} items'",
        _TRACER: f"{sum(p.numel() for p in tracer.network.parameters()):,}",
    }
    return found, wide_deep, sizes


def _table_of(
    found: Mapping[str, ModelResult], sizes: Mapping[str, str], more: Sequence[Sequence[str]]
) -> str:
    rows = []
    for name, result in sorted(found.items(), key=lambda each: -each[1].figures["auc"].mean):
        auc, loss, ece = (result.figures[each] for each in ("auc", "log_loss", "ece"))
        interval = f"{auc.low:.4f} to {auc.high:.4f}"
        figures = f"{auc.mean:.4f}", interval, f"{loss.mean:.4f}", f"{ece.mean:.4f}"
        rows.append((f"`{name}`", *figures, f"{result.seconds_fit:,.0f}", sizes.get(name, "")))
    bounds = [(*each, "", "") for each in more]
    header = ("model", "AUC", "95%", "log loss", "ECE", "seconds to fit", "parameters")
    return table(header, [*bounds, *rows])


def _agreement(drawn: Simulated, split: Split, wide_deep: WideDeepIrt) -> str:
    """Correlations of abilities and difficulties with the truth and with marginal likelihood."""
    histories = drawn.histories
    own = wide_deep.item_parameters()
    difficulty, n = _calibrated(histories, split.train, drawn.guessable)
    items = np.isfinite(difficulty) & own.known
    theta = wide_deep.abilities(histories).theta
    test = split.test & np.isfinite(theta)
    eap, mean_theta, mean_truth = _by_student(drawn, split, theta)
    by_response = f"{np.corrcoef(theta[test], drawn.theta[test])[0, 1]:.3f}"
    of_items = _three(own.difficulty[items], difficulty[items], drawn.difficulty[items])
    of_students = _three(mean_theta, eap, mean_truth)
    rows = [
        ("difficulty of test items", f"{items.sum():,} items", *of_items),
        ("ability, mean of a test student's units", f"{len(eap):,} students", *of_students),
        ("ability, at each test response", f"{test.sum():,} responses", by_response, "", ""),
    ]
    header = ("parameter", "n", "W&D, truth", "calibration, truth", "W&D, calibration")
    return f"""Correlations, beside marginal likelihood (`calibrate`) of the training students'
answers to the test items; the median item has {np.median(n[items]):,.0f} of them. Wide & Deep IRT
reads an ability from practice alone, marginal likelihood from the answers to the tests themselves.

{table(header, rows)}"""


def _three(own: FloatArray, other: FloatArray, truth: FloatArray) -> tuple[str, str, str]:
    pairs = (own, truth), (other, truth), (own, other)
    first, second, third = (f"{np.corrcoef(a, b)[0, 1]:.3f}" for a, b in pairs)
    return first, second, third


def _r(own: FloatArray, other: FloatArray, chosen: BoolArray) -> float:
    return float(np.corrcoef(own[chosen], other[chosen])[0, 1])


def _responses(histories: Histories, chosen: BoolArray, guessable: FloatArray) -> Responses:
    """Chosen responses, first ones to each item, for `calibrate`; items count from 0 there."""
    at = np.flatnonzero(chosen)
    student, item = histories.student_of_response[at], histories.item[at]
    _, first = np.unique(np.stack([student, item]), axis=1, return_index=True)
    at, student, item = at[first], student[first], item[first]
    of_student = np.unique(student, return_inverse=True)[1]
    n = int(of_student.max()) + 1
    sizes = (n, len(guessable))
    correct = histories.correct[at]
    return Responses(of_student, item, correct, *sizes, guessable=guessable > 0)


def _calibrated(
    histories: Histories, train: BoolArray, guessable: FloatArray
) -> tuple[FloatArray, IntArray]:
    """Difficulty by item index, NaN where there is none, and its number of responses."""
    found = calibrate(_responses(histories, train, guessable))
    return found.items.difficulty, found.n_responses


def _by_student(
    drawn: Simulated, split: Split, theta: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """EAP by marginal likelihood, mean of W&D's abilities, mean of the true; of test students."""
    responses = _responses(drawn.histories, split.test, drawn.guessable)
    eap = calibrate(responses).students.ability
    place = np.unique(drawn.histories.student_of_response[split.test], return_inverse=True)[1]
    n = np.bincount(place)
    means = [np.bincount(place, weights=each[split.test]) / n for each in (theta, drawn.theta)]
    return eap, means[0], means[1]


if __name__ == "__main__":
    print(section())
