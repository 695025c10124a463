"""Invented items and a report on them, for tests of pages and dossiers."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from deepkt_irt.reporting.item_data import (
    Attention,
    Curve,
    Dot,
    DriftWindow,
    FlaggedItem,
    Item,
    ItemDossier,
    ItemVersion,
    MissingItems,
)
from deepkt_irt.reporting.item_facts import GroupDif, ItemFacts, OptionFacts
from deepkt_irt.reporting.report_data import CalibrationNote, Overview, ReportData

START = datetime(2025, 9, 1, tzinfo=UTC)
NOW, BEFORE = "20260301T020000Z", "20260201T020000Z"
CALIBRATION = {
    "calibration_version": NOW,
    "n_students": 100,
    "n_items": 2,
    "n_responses": 1000,
    "n_rapid": 7,
    "iterations": 12,
    "log_likelihood": -600.0,
    "reliability": 0.8,
    "population_mean": 0.0,
    "population_sd": 1.0,
    "link_method": "none",
    "link_slope": 1.0,
    "link_intercept": 0.0,
    "n_anchors": 0,
    "n_anchors_screened": 0,
    "calibrated_at": datetime(2026, 3, 1, 2, tzinfo=UTC),
}
"""A row of gold.calibrations."""

ONE_PL = Item(
    label="Halves and quarters",
    skill="Fractions",
    model="1PL",
    b=-0.4,
    se=0.12,
    a=None,
    a_se=None,
    slope=1.0,
    asymptote=0.0,
    c=None,
    c_se=None,
    thresholds=(-0.4,),
    n=310,
    p=0.6,
)
THREE_PL = replace(
    ONE_PL,
    label="Which is <larger>?",
    model="3PL",
    b=0.52,
    se=0.06,
    a=1.31,
    a_se=0.1,
    slope=1.31,
    asymptote=0.18,
    c=0.18,
    c_se=0.03,
    thresholds=(0.52,),
    n=1400,
)
GRADED = replace(
    ONE_PL, label="Explain it", model="GRM", a=1.2, a_se=0.1, slope=1.2, thresholds=(-1.0, 0.2, 1.1)
)
DOTS = tuple(
    Dot(theta, share, share - 0.1, share + 0.1, 40)
    for theta, share in ((-1.1, 0.28), (-0.4, 0.41), (0.4, 0.55), (1.2, 0.7), (1.9, 0.86))
)
FACTS = ItemFacts(
    n_responses=1400,
    model="3PL",
    difficulty=0.52,
    difficulty_se=0.06,
    discrimination=1.31,
    guessing=0.18,
    is_guessable=True,
    exposure=0.42,
    first_seen_at=START,
    last_seen_at=START + timedelta(days=170),
    p_value=0.55,
    p_low=0.52,
    p_high=0.58,
    item_theta_correlation=0.41,
    omit_rate=0.12,
    hint_rate=0.1,
    answer_requested_rate=None,
    latency_p10_ms=6_400,
    latency_median_ms=21_000,
    latency_p90_ms=80_500,
    infit=1.02,
    infit_z=0.4,
    outfit=1.35,
    outfit_z=2.6,
    rmsd=0.04,
    q3_max=0.23,
    q3_item_id="s:q7",
    q3_p=0.004,
    information_at_target=0.31,
    information_peak_at=0.7,
    dif=(
        GroupDif("blue", 400, -1.8, 0.35, 0.001, 0.004, "C", 0.03),
        GroupDif("green", 300, 0.4, 0.4, 0.3, 0.5, "A", 0.004),
    ),
    options=(
        OptionFacts("3/4", 770, 0.55, 0.4, 0.41, is_key=True),
        OptionFacts("2/3", 560, 0.4, -0.2, -0.3, is_key=False),
        OptionFacts("no idea", 70, 0.05, None, None, is_key=None),
    ),
    drift_status="act",
    drift_direction="harder",
    drift_delta=0.62,
)


def window(number, delta=None, status="stable", **more):
    """A window of four weeks; without a delta it has too few responses."""
    start = START + timedelta(days=28 * number)
    usual = {
        "start": start,
        "end": start + timedelta(days=28),
        "calibration_version": BEFORE if number < 3 else NOW,
        "n": 120 if delta is not None else 12,
        "observed": 0.5,
        "expected": 0.52,
        "delta": delta,
        "delta_se": 0.16 if delta is not None else None,
        "shift": 0.05 * number if delta is not None else None,
        "q": 0.4,
        "status": status if delta is not None else "insufficient_data",
        "direction": None,
        "likely_cause": None,
    }
    return DriftWindow(**(usual | more))


CAUSE = "content, display or curriculum changed"
WINDOWS = (
    window(0, 0.05),
    window(1, -0.12),
    window(2),
    window(3, 0.36, "watch", direction="harder", likely_cause=CAUSE),
    window(4, 0.62, "act", direction="harder", likely_cause=CAUSE),
    window(5, 0.7, "act", direction="harder", likely_cause=CAUSE),
)
FLAGGED = ItemDossier(
    item_id="s:q1",
    source="s",
    source_item_id="q1",
    label=THREE_PL.label,
    why="needs attention",
    item_type="multiple choice",
    is_guessable=True,
    skills=("Fractions", "Ratios"),
    versions=(
        ItemVersion(NOW, BEFORE, "stocking_lord", THREE_PL),
        ItemVersion(BEFORE, None, "none", replace(THREE_PL, model="2PL", c=None, c_se=None)),
    ),
    facts=FACTS,
    status="act",
    reasons=(
        f"harder than calibrated by 0.7 logits since 2025-11-24: {CAUSE}",
        "12% of those who met it never answered",
    ),
    action="see what changed: wording, display or what was taught before",
    checked_at="2026-03-01 02:00 UTC",
    dots=DOTS,
    windows=WINDOWS,
)
BARE = ItemDossier(
    item_id="s:q9",
    source="s",
    source_item_id="q9",
    label="q9",
    why="hardest",
    item_type=None,
    is_guessable=None,
    skills=(),
    versions=(),
    facts=None,
    status=None,
    reasons=(),
    action=None,
    checked_at=None,
    dots=(),
    windows=(),
)
ATTENTION = Attention(
    counts=(("act", 1), ("watch", 1), ("good", 148), ("insufficient_data", 10)),
    flagged=(
        FlaggedItem(
            FLAGGED.label, "s:q1", "Fractions", "act", FLAGGED.reasons, FLAGGED.action, 1400
        ),
        FlaggedItem("Thirds", "s:q2", "", "watch", ("12% never answered",), None, 90),
    ),
)


def report(**more):
    """A report; what is not given is empty."""
    empty = {
        "overview": Overview("2026-03-01", "run", ("s",), (("students", 9),), None, (), ()),
        "files": (),
        "refusals": (),
        "items": (),
        "calibration": None,
        "abilities": (),
        "ability_band": 0.25,
        "curves": (),
        "attention": None,
        "item_pages": (),
        "drift_cuts": (0.3, 0.5),
        "missing_items": None,
        "wanted_error": 0.7,
        "evaluations": None,
        "heat_map": None,
        "students": (),
    }
    return ReportData(**(empty | more))


def full_report():
    """A report with everything there may be about items."""
    graded = replace(
        FLAGGED,
        item_id="s:q3",
        label=GRADED.label,
        why="hardest",
        versions=(ItemVersion(NOW, None, "none", GRADED),),
        status="good",
        reasons=(),
        action=None,
        windows=(window(0), window(1)),
    )
    return report(
        items=(ONE_PL, THREE_PL, GRADED),
        calibration=CalibrationNote(NOW, 21_000, 130, 0.84, BEFORE, "stocking_lord", 90, 4, None),
        abilities=((-0.5, 40), (0.0, 60)),
        curves=(
            Curve("s:q1", "fits worst", THREE_PL, DOTS, 0.05),
            Curve("s:q3", "hardest", GRADED, DOTS, 0.03),
            Curve("s:q4", "easiest", ONE_PL, DOTS, 0.02),
        ),
        attention=ATTENTION,
        item_pages=(FLAGGED, graded, BARE),
        missing_items=(
            MissingItems("Fractions", 3, 0.0, 1.0, 2, 7, 0.31, 0.92, 5, "all items are easier"),
            MissingItems("Ratios", 1, -1.0, 0.0, 0, 0, 0.2, None, 9, "no calibrated item"),
        ),
    )
