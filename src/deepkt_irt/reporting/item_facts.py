"""Figures of one item, as item health judges them and as its page shows them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True)
class GroupDif:
    """How an item treats one group beside all others of equal ability; as in gold.item_health.

    Attributes:
        group_name: The group.
        n: Its responses.
        delta: Mantel-Haenszel D in ETS delta units; below 0: harder for the group.
        delta_se: Its standard error.
        p: Two-sided chance of such a delta without DIF.
        q: p after Benjamini-Hochberg.
        ets_class: A, B or C.
        r2_change: Change of Nagelkerke's R2 by group, in logistic regression.
    """

    group_name: str
    n: int
    delta: float | None = None
    delta_se: float | None = None
    p: float | None = None
    q: float | None = None
    ets_class: str | None = None
    r2_change: float | None = None


@dataclass(frozen=True)
class OptionFacts:
    """One answer to an item and who gave it; as in gold.item_health.

    Attributes:
        answer: The answer.
        n: Times it was given.
        share: Of the known answers, 0 to 1.
        mean_ability: Of those who gave it, logits.
        point_biserial: Correlation of giving it with ability.
        is_key: Whether it counts as right; None if unknown.
    """

    answer: str
    n: int
    share: float | None = None
    mean_ability: float | None = None
    point_biserial: float | None = None
    is_key: bool | None = None


@dataclass(frozen=True)
class ItemFacts:
    """Figures of one item, named and measured as in gold.item_health; None where not known.

    Attributes:
        n_responses: First attempts that count.
        model: 1PL, 2PL, 3PL or GRM; None if the item is not calibrated.
        difficulty: b in logits.
        difficulty_se: Its standard error.
        discrimination: a; None if not estimated.
        guessing: c; None if not estimated.
        is_guessable: Whether options are offered.
        drift_status: Of the latest window with enough responses: stable, watch or act.
        drift_direction: harder or easier.
        drift_likely_cause: What to look at first, in words.
        drift_delta: Change of difficulty in the latest window, logits.
        drift_since: Start of the windows flagged in a row, up to the latest.
    """

    n_responses: int
    model: str | None = None
    difficulty: float | None = None
    difficulty_se: float | None = None
    discrimination: float | None = None
    guessing: float | None = None
    is_guessable: bool | None = None
    exposure: float | None = None
    first_seen_at: datetime | None = None
    last_seen_at: datetime | None = None
    p_value: float | None = None
    p_low: float | None = None
    p_high: float | None = None
    item_theta_correlation: float | None = None
    omit_rate: float | None = None
    hint_rate: float | None = None
    answer_requested_rate: float | None = None
    latency_p10_ms: float | None = None
    latency_median_ms: float | None = None
    latency_p90_ms: float | None = None
    infit: float | None = None
    infit_z: float | None = None
    outfit: float | None = None
    outfit_z: float | None = None
    rmsd: float | None = None
    q3_max: float | None = None
    q3_item_id: str | None = None
    q3_p: float | None = None
    information_at_target: float | None = None
    information_peak_at: float | None = None
    dif: Sequence[GroupDif] = field(default=())
    options: Sequence[OptionFacts] = field(default=())
    drift_status: str | None = None
    drift_direction: str | None = None
    drift_likely_cause: str | None = None
    drift_delta: float | None = None
    drift_since: datetime | None = None
