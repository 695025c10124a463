"""What is shown of items: curves, observed shares, drift by window, verdicts."""

from dataclasses import dataclass
from datetime import datetime

import numpy as np

from deepkt_irt.irt.items import ItemParameters
from deepkt_irt.reporting.item_facts import ItemFacts

STATUSES = ("act", "watch", "good", "insufficient_data")  # of items, worst first
_GRID = 61


@dataclass(frozen=True)
class Item:
    """A calibrated item.

    Attributes:
        label: Title or id, for people.
        skill: Name of its first skill; empty if it has none.
        model: 1PL, 2PL, 3PL or GRM.
        b: Difficulty in logits; of a graded item the mean threshold.
        se: Standard error of b.
        a: Discrimination; None if not estimated.
        a_se: Its standard error.
        slope: Of the curve; shared by all items without a discrimination.
        c: Guessing; None if not estimated.
        c_se: Its standard error.
        asymptote: Of the curve: c, or the usual guessing where c is assumed, or 0.
        thresholds: b of each step in score; one if the item is right or wrong.
        n: First attempts.
        p: Mean share of credit on them.
    """

    label: str
    skill: str
    model: str
    b: float
    se: float
    a: float | None
    a_se: float | None
    slope: float
    c: float | None
    c_se: float | None
    asymptote: float
    thresholds: tuple[float, ...]
    n: int
    p: float

    @property
    def parameters(self) -> ItemParameters:
        """Its curve, as of one item."""
        return ItemParameters(
            np.array([self.thresholds]), np.array([self.slope]), np.array([self.asymptote])
        )

    @property
    def is_graded(self) -> bool:
        """Whether there is partial credit."""
        return len(self.thresholds) > 1

    def expected(self, ability: float) -> float:
        """Expected share of credit at an ability; the chance of a right answer without partial."""
        return float(self.parameters.expected_score(ability)[0])

    def curve(self, low: float, high: float) -> tuple[tuple[float, float], ...]:
        """Abilities over a range, each with the expected share of credit."""
        theta = np.linspace(low, high, _GRID)
        shares = self.parameters.expected_score(theta)[:, 0]
        return tuple((float(t), float(p)) for t, p in zip(theta, shares, strict=True))


@dataclass(frozen=True)
class Dot:
    """Observed share of credit of the students of one ability band."""

    ability: float
    share: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class Curve:
    """An item's characteristic curve with what was observed.

    Attributes:
        item_id: Question, qualified by source.
        why: Why this item is shown.
        item: The item.
        dots: Observed shares.
        misfit: Root mean squared distance of the dots from the curve, weighted by n.
    """

    item_id: str
    why: str
    item: Item
    dots: tuple[Dot, ...]
    misfit: float


@dataclass(frozen=True)
class DriftWindow:
    """How an item behaved in one window of time; as in gold.item_drift.

    Attributes:
        start: First instant, UTC.
        end: First instant after it.
        calibration_version: Parameters it was held against.
        n: First attempts.
        observed: Mean share of credit; None without any.
        expected: The same by the parameters.
        delta: Change of difficulty, shift taken off, logits; None if not known.
        delta_se: Its standard error.
        shift: Median change of the anchors, logits.
        q: Chance of such a delta without drift, over the window's items (Benjamini-Hochberg).
        status: stable, watch, act or insufficient_data.
        direction: harder or easier; None if neither.
        likely_cause: What to look at first; None if stable.
    """

    start: datetime
    end: datetime
    calibration_version: str
    n: int
    observed: float | None
    expected: float | None
    delta: float | None
    delta_se: float | None
    shift: float | None
    q: float | None
    status: str
    direction: str | None
    likely_cause: str | None

    @property
    def interval(self) -> tuple[float, float] | None:
        """95% interval of delta; None if it is not known."""
        if self.delta is None or self.delta_se is None:
            return None
        return self.delta - 1.96 * self.delta_se, self.delta + 1.96 * self.delta_se


@dataclass(frozen=True)
class ItemVersion:
    """An item in one calibration, and how that was put on the scale of the one before.

    Attributes:
        version: Of the calibration.
        reference: Version whose scale it is on; None: its own, so not comparable.
        link: How it came there, as stocking_lord.
        item: The item's parameters.
    """

    version: str
    reference: str | None
    link: str
    item: Item


@dataclass(frozen=True)
class ItemDossier:
    """Everything known of one item.

    Attributes:
        item_id: Question, qualified by source.
        source: Source system.
        source_item_id: Its id there.
        label: Title or id, for people.
        why: Why its page is shown.
        item_type: Answer type; None if unknown.
        is_guessable: Whether options are offered; None if unknown.
        skills: Names of its skills.
        versions: Calibrations that have it, latest first.
        facts: Its figures; None if its health has not been checked.
        status: act, watch, good or insufficient_data; None if not checked.
        reasons: What was found, worst first.
        action: What to do; None if nothing.
        checked_at: Instant of the check, as text.
        dots: Observed shares by ability.
        windows: Oldest first.
    """

    item_id: str
    source: str
    source_item_id: str
    label: str
    why: str
    item_type: str | None
    is_guessable: bool | None
    skills: tuple[str, ...]
    versions: tuple[ItemVersion, ...]
    facts: ItemFacts | None
    status: str | None
    reasons: tuple[str, ...]
    action: str | None
    checked_at: str | None
    dots: tuple[Dot, ...]
    windows: tuple[DriftWindow, ...]

    @property
    def item(self) -> Item | None:
        """The item as last calibrated; None if it never was."""
        return self.versions[0].item if self.versions else None

    @property
    def drift_is_known(self) -> bool:
        """Whether any window had enough responses."""
        return any(window.delta is not None for window in self.windows)


@dataclass(frozen=True)
class FlaggedItem:
    """An item at act or watch, as one row."""

    label: str
    item_id: str
    skill: str
    status: str
    reasons: tuple[str, ...]
    action: str | None
    n: int


@dataclass(frozen=True)
class Attention:
    """Which items need it.

    Attributes:
        counts: Items by status, worst first.
        flagged: The worst, worst first; not all where there are many.
    """

    counts: tuple[tuple[str, int], ...]
    flagged: tuple[FlaggedItem, ...]


@dataclass(frozen=True)
class MissingItems:
    """A skill that lacks items for students, most of all for those of a band of ability.

    Attributes:
        skill: Its name.
        n_bands: Bands of 1 logit in which it lacks items.
        low: Lower end of the worst band, logits.
        high: Upper end.
        n_items: Calibrated items of the skill with a difficulty in the band.
        n_skill_items: Calibrated items of the skill.
        student_share: Share of the students with an ability in the band.
        standard_error: Of their ability, from all the skill's items; None without any item.
        n_short: Items of this difficulty that would close the gap.
        reason: What is wrong with the items there are.
    """

    skill: str
    n_bands: int
    low: float
    high: float
    n_items: int
    n_skill_items: int
    student_share: float
    standard_error: float | None
    n_short: int
    reason: str
