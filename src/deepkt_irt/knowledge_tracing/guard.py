"""The leakage guard: a model that knows what it could not know when asked is refused.

Five checks, each with a finding of its own:

* random_labels: where answers are coin flips nothing can be learned, and held-out AUC is 0.5;
* future_edits: what happens from the asked response on, or lies beyond its visible past, changes
  no prediction;
* own_answer: the asked response's own answer, time, help and attempts change no prediction;
* next_item: asking another item does change it, or the model does not know what is asked;
* duplicated_rows: the data has no question in several rows, of which one tells the next.

An honest model can fail only the first, by bad luck, at most about once in 370 runs. A statistic
that holds the test answers among very many others escapes it, but only while it is worth less AUC
than the margin.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deepkt_irt.errors import NoData
from deepkt_irt.knowledge_tracing.evaluation import check_split, checked_predictions
from deepkt_irt.knowledge_tracing.histories import Histories, Model, Split
from deepkt_irt.knowledge_tracing.metrics import auc
from deepkt_irt.knowledge_tracing.probes import (
    Probes,
    choose_probes,
    random_labels,
    repeats_question,
    sample_students,
)
from deepkt_irt.settings import GuardSettings

FloatArray = NDArray[np.float64]


_DEFAULTS = GuardSettings()


@dataclass(frozen=True)
class Finding:
    """What one check found.

    Attributes:
        name: Of the check.
        passed: The figure is within the limit.
        figure: What was measured.
        limit: What it is held against.
        sentence: Both in words.
    """

    name: str
    passed: bool
    figure: float
    limit: float
    sentence: str


@dataclass(frozen=True)
class GuardReport:
    """All findings on one model."""

    findings: tuple[Finding, ...]

    @property
    def passed(self) -> bool:
        """No check refuses the model."""
        return all(each.passed for each in self.findings)

    @property
    def reasons(self) -> tuple[str, ...]:
        """Sentences of the checks that refuse the model."""
        return tuple(each.sentence for each in self.findings if not each.passed)

    def finding(self, name: str) -> Finding:
        """The finding of a check.

        Raises:
            KeyError: If there is no such check.
        """
        return {each.name: each for each in self.findings}[name]


def examine(
    factory: Callable[[int], Model],
    histories: Histories,
    split: Split,
    *,
    seed: int,
    fitted: Model | None = None,
    settings: GuardSettings = _DEFAULTS,
) -> GuardReport:
    """Examines a kind of model, fitted anew on a sample of students, for leakage.

    Args:
        factory: Makes a new model from a seed.
        histories: What the model is trained on and judged on.
        split: Its responses for training, validation and test.
        seed: Of the models, the sample, the coin flips and the probes.
        fitted: The model about to be used, probed itself; without it one is fitted on the sample.
        settings: Limits and sizes.

    Raises:
        NoData: If there are too few held-out responses or items to examine a model with.
        QualityViolation: If the model gives something else than one probability per response.
        ValueError: If a mask has another length than the histories.
    """
    check_split(histories, split)
    rng = np.random.default_rng(seed)
    sample, of_sample = sample_students(histories, split, settings.sample_responses, rng)
    n_held_out = int(of_sample.test.sum())
    if n_held_out < settings.min_held_out:
        raise NoData(
            f"the leakage guard needs at least {settings.min_held_out} test responses, "
            f"but there are {n_held_out}"
        )
    labels = _on_random_labels(factory(seed), sample, of_sample, rng, settings)
    if fitted is None:
        fitted = factory(seed)
        fitted.fit(sample, of_sample)
    probes = choose_probes(
        sample,
        of_sample,
        rng,
        n_segments=settings.probe_segments,
        n_positions=settings.probe_positions,
        max_responses=settings.probe_responses,
    )
    return GuardReport(
        (
            labels,
            *_on_edits(fitted, probes, rng, settings),
            _on_rows(histories, settings),
        )
    )


def _on_random_labels(
    model: Model,
    sample: Histories,
    split: Split,
    rng: np.random.Generator,
    settings: GuardSettings,
) -> Finding:
    """AUC on held-out coin flips, whose standard error is that of the rank sum under no effect.

    Reference:
        Mann and Whitney (1947), Annals of Mathematical Statistics 18, 50-60.
    """
    flipped = random_labels(sample, rng)
    model.fit(flipped, split)
    n = int(split.test.sum())
    predicted = checked_predictions("on random labels", model.predict(flipped, split.test), n)
    correct = flipped.correct[split.test].astype(np.float64)
    found = auc(correct, predicted)
    if found is None:
        raise NoData(f"random labels: {n} test responses all came out alike")
    n_right = correct.sum()
    error = math.sqrt((n + 1) / (12 * n_right * (n - n_right)))
    limit = max(settings.auc_margin, settings.standard_errors * error)
    return Finding(
        "random_labels",
        abs(found - 0.5) <= limit,
        found,
        limit,
        f"random labels: AUC {found:.4f} on {n:,} held-out coin flips, "
        f"allowed {0.5 - limit:.4f} to {0.5 + limit:.4f}",
    )


def _on_edits(
    model: Model, probes: Probes, rng: np.random.Generator, settings: GuardSettings
) -> tuple[Finding, Finding, Finding]:
    def predicted(histories: Histories) -> FloatArray:
        return checked_predictions(
            "under probes", model.predict(histories, probes.asked), len(probes)
        )

    before = predicted(probes.histories)

    def unseen(name: str, words: str, edited: Histories) -> Finding:
        change = np.abs(predicted(edited) - before)
        largest, limit = float(change.max()), settings.max_change
        n_moved = int((change >= limit).sum())
        return Finding(
            name,
            largest < limit,
            largest,
            limit,
            f"{words} moved {n_moved} of {len(probes)} predictions, by {largest:.2g} at most, "
            f"allowed below {limit:.0e}",
        )

    noticed = np.abs(predicted(probes.other_item(rng)) - before) > settings.min_change
    share, least = float(noticed.mean()), settings.min_changed_share
    return (
        unseen("future_edits", "future edits: what is not yet visible", probes.future_edited(rng)),
        unseen("own_answer", "own answer: the asked response itself", probes.own_edited()),
        Finding(
            "next_item",
            share >= least,
            share,
            least,
            f"next item: asking another item changed {share:.0%} of {len(probes)} predictions, "
            f"needed {least:.0%}",
        ),
    )


def _on_rows(histories: Histories, settings: GuardSettings) -> Finding:
    share, limit = float(repeats_question(histories).mean()), settings.max_duplicated_share
    return Finding(
        "duplicated_rows",
        share <= limit,
        share,
        limit,
        f"duplicated rows: {share:.2%} of {len(histories):,} rows repeat the question of the row "
        f"before them, allowed {limit:.0%}",
    )
