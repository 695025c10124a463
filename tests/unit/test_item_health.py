"""Each rule of item health at both sides of its cut; what is not known is never amiss."""

import math
from dataclasses import fields, replace
from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from deepkt_irt.reporting.item_facts import GroupDif, ItemFacts, OptionFacts
from deepkt_irt.reporting.item_health import RULES, judge
from deepkt_irt.settings import DifSettings, HealthSettings

SETTINGS = HealthSettings()
GOOD = ItemFacts(
    n_responses=400,
    model="2PL",
    difficulty=0.2,
    difficulty_se=0.1,
    discrimination=1.1,
    guessing=0.2,
    p_value=0.55,
    p_low=0.5,
    p_high=0.6,
    item_theta_correlation=0.45,
    omit_rate=0.02,
    hint_rate=0.1,
    answer_requested_rate=0.05,
    infit=1.02,
    infit_z=0.4,
    outfit=0.97,
    outfit_z=-0.3,
    rmsd=0.03,
    q3_max=0.08,
    q3_item_id="s:other",
    q3_p=0.001,
    drift_status="stable",
    dif=(GroupDif("x", n=120, delta=-0.4, delta_se=0.3, p=0.2, q=0.5, ets_class="A"),),
    options=(
        OptionFacts("A", n=220, share=0.55, point_biserial=0.4, is_key=True),
        OptionFacts("B", n=120, share=0.3, point_biserial=-0.3, is_key=False),
        OptionFacts("C", n=60, share=0.15, point_biserial=-0.2, is_key=False),
    ),
)
MARCH = datetime(2026, 3, 1, tzinfo=UTC)


def key_and(*, key=0.3, wrong=-0.3, share=0.3):
    """Options of which one wrong one may tempt."""
    return (
        OptionFacts("A", n=200, share=0.5, point_biserial=key, is_key=True),
        OptionFacts("{B}", n=200, share=share, point_biserial=wrong, is_key=False),
    )


def group(**more):
    usual = {"n": 100, "delta": -1.8, "q": 0.01, "ets_class": "C"}
    return (GroupDif("x", **(usual | more)),)


# rule, just inside the cut, just beyond it, and words that must be said of the latter
CASES = {
    "miskeyed": ({"item_theta_correlation": -0.09}, {"item_theta_correlation": -0.11}, "-0.11"),
    "better_distractor": (
        {"options": key_and(key=0.21, wrong=0.2)},
        {"options": key_and(key=0.19, wrong=0.2)},
        "“{B}”",
    ),
    "drift_harder": (
        {"drift_status": "stable", "drift_direction": "harder"},
        {
            "drift_status": "act",
            "drift_direction": "harder",
            "drift_delta": 0.62,
            "drift_since": MARCH,
            "drift_likely_cause": "content changed",
        },
        "harder than calibrated by 0.6 logits since 2026-03-01: content changed",
    ),
    "drift_easier": (
        {"drift_status": "insufficient_data"},
        {"drift_status": "act", "drift_direction": "easier", "drift_delta": -0.9},
        "easier than calibrated by 0.9 logits",
    ),
    "unfair": (
        {"dif": group(q=0.2, ets_class="A")},
        {"dif": group()},
        "harder for group x than for others of equal ability (DIF class C, delta -1.8)",
    ),
    "far_misfit": ({"outfit": 2.0, "outfit_z": 9.0}, {"outfit": 2.01, "outfit_z": 9.0}, "2.01"),
    "far_off_curve": ({"rmsd": 0.2}, {"rmsd": 0.21}, "0.21"),
    "drift_harder_watch": ({}, {"drift_status": "watch", "drift_direction": "harder"}, "harder"),
    "drift_easier_watch": ({}, {"drift_status": "watch", "drift_direction": "easier"}, "easier"),
    "maybe_unfair": (
        {"dif": group(q=0.06, ets_class="B")},
        {"dif": group(q=0.04, ets_class="B", delta=1.2)},
        "easier for group x",
    ),
    # of 400 answers: certainly below 0.2 up to 0.104
    "weak": ({"item_theta_correlation": 0.11}, {"item_theta_correlation": 0.1}, "+0.10"),
    "tempting_option": (
        {"options": key_and(wrong=0.09)},  # 400 answers: certain from 0.098 on
        {"options": key_and(wrong=0.11)},
        "“{B}”",
    ),
    "misfit": ({"infit": 1.3, "infit_z": 3.0}, {"infit": 1.31, "infit_z": 3.0}, "infit 1.31"),
    "off_curve": ({"rmsd": 0.1}, {"rmsd": 0.11}, "0.11"),
    "flat": ({"discrimination": 0.4}, {"discrimination": 0.39}, "0.39"),
    "guessed": ({"guessing": 0.35}, {"guessing": 0.36}, "36%"),
    "locally_dependent": ({"q3_max": -0.2}, {"q3_max": -0.21}, "s:other"),
    "omitted": ({"omit_rate": 0.1}, {"omit_rate": 0.12}, "12% of those who met it never answered"),
    "too_hard": (
        {"p_value": 0.2},
        {"p_value": 0.19, "p_low": 0.15, "p_high": 0.23},
        "19%, 95%: 15% to 23%",
    ),
    "too_easy": ({"p_value": 0.9}, {"p_value": 0.91}, "91%"),
    "answer_shown": ({"answer_requested_rate": 0.5}, {"answer_requested_rate": 0.51}, "51%"),
    "hinted": ({"hint_rate": 0.5}, {"hint_rate": 0.51}, "51%"),
    "idle_option": (
        {"options": key_and(share=0.05)},
        {"options": key_and(share=0.04)},
        "“{B}” (4%)",
    ),
    "uncertain": ({"difficulty_se": 0.35}, {"difficulty_se": 0.36}, "±0.7"),
    "steep": ({"discrimination": 3.0}, {"discrimination": 3.1}, "3.10"),
    "overfit": ({"infit": 0.7, "infit_z": -3.0}, {"infit": 0.69, "infit_z": -3.0}, "0.69"),
}
SEVERITY = {rule.name: rule.severity for rule in RULES}
ACTION = {rule.name: rule.action for rule in RULES}


def test_every_rule_has_a_case_and_a_name_of_its_own():
    assert list(CASES) == [rule.name for rule in RULES]
    assert {rule.unless for rule in RULES} - {None} <= set(SEVERITY)
    assert sorted(SEVERITY.values()) == [rule.severity for rule in RULES]  # act before watch


def test_good_item_has_no_reasons_and_nothing_to_do():
    assert judge(GOOD, SETTINGS) == judge(replace(GOOD, dif=()), SETTINGS)
    assert judge(GOOD, SETTINGS).status == "good"
    assert judge(GOOD, SETTINGS).reasons == ()
    assert judge(GOOD, SETTINGS).suggested_action is None


@pytest.mark.parametrize("rule", CASES)
def test_rule_inside_its_cut_says_nothing(rule):
    inside, beyond, _ = CASES[rule]

    judgement = judge(replace(GOOD, **inside), SETTINGS)

    assert ACTION[rule] != judgement.suggested_action
    assert judgement != judge(replace(GOOD, **beyond), SETTINGS)


@pytest.mark.parametrize("rule", CASES)
def test_rule_beyond_its_cut_says_what_was_found_and_what_to_do(rule):
    _, beyond, words = CASES[rule]

    judgement = judge(replace(GOOD, **beyond), SETTINGS)

    assert judgement.status == SEVERITY[rule]
    assert judgement.suggested_action == ACTION[rule]
    assert len(judgement.reasons) == 1
    assert words in judgement.reasons[0]


def test_negative_correlation_that_may_be_chance_is_weak_only():
    thin = replace(GOOD, n_responses=40, item_theta_correlation=-0.2)

    assert judge(thin, SETTINGS).status == "watch"
    assert judge(replace(thin, n_responses=400), SETTINGS).status == "act"


@pytest.mark.parametrize("more", [{"infit": 1.6, "infit_z": 1.9}, {"outfit": 0.5, "outfit_z": -1}])
def test_mean_square_that_may_be_chance_is_passed_over(more):
    assert judge(replace(GOOD, **more), SETTINGS).status == "good"


def test_dif_of_class_c_that_may_be_chance_is_to_be_watched():
    doubtful = replace(GOOD, dif=group(q=0.2))

    assert judge(doubtful, SETTINGS).status == "watch"
    strict = DifSettings(false_discovery_rate=0.25)
    assert judge(doubtful, SETTINGS, dif=strict).status == "act"


def test_dif_that_changes_sides_shows_in_r2():
    assert (
        judge(replace(GOOD, dif=group(ets_class="A", r2_change=0.08)), SETTINGS).status == "watch"
    )
    assert judge(replace(GOOD, dif=group(ets_class="A", r2_change=0.07)), SETTINGS).status == "good"


def test_dif_names_the_worst_group_and_counts_the_others():
    several = (*group(), *group(delta=2.4))

    (reason,) = judge(replace(GOOD, dif=several), SETTINGS).reasons

    assert "delta +2.4" in reason
    assert "1 more" in reason


def test_dif_between_two_groups_names_the_one_it_is_harder_for():
    mirrored = (GroupDif("y", 90, delta=1.8, q=0.01, ets_class="C"), *group())

    (reason,) = judge(replace(GOOD, dif=mirrored), SETTINGS).reasons

    assert reason.startswith("harder for group x ")
    assert reason.endswith("delta -1.8; 1 more group)")


def test_rare_answer_is_idle_only_among_options():
    typed = replace(GOOD, options=key_and(share=0.01), is_guessable=False)
    many = tuple(OptionFacts(f"{k}", n=5, share=0.01, is_key=k == 0) for k in range(9))

    assert judge(typed, SETTINGS).status == "good"
    assert judge(replace(GOOD, options=many), SETTINGS).status == "good"
    assert judge(replace(GOOD, options=many[:8]), SETTINGS).status == "watch"


def test_options_without_a_known_key_are_not_judged():
    unknown = tuple(replace(option, is_key=None) for option in key_and(wrong=0.5, share=0.01))

    assert judge(replace(GOOD, options=unknown), SETTINGS).status == "good"


def test_drift_without_direction_is_not_lost():
    judgement = judge(replace(GOOD, drift_status="act"), SETTINGS)

    assert judgement.status == "act"
    assert judgement.reasons == ("behaves otherwise than calibrated",)


def test_slow_drift_does_not_quote_a_window_that_went_the_other_way():
    slow = replace(GOOD, drift_status="act", drift_direction="easier", drift_delta=0.1)

    assert judge(slow, SETTINGS).reasons == ("easier than calibrated",)


def test_worst_is_said_first_and_decides_what_to_do():
    bad = replace(
        GOOD,
        omit_rate=0.3,
        rmsd=0.15,
        item_theta_correlation=-0.3,
        drift_status="act",
        drift_direction="harder",
    )

    judgement = judge(bad, SETTINGS)

    starts = [reason[:12] for reason in judgement.reasons]
    assert starts == ["fewer able s", "harder than ", "shares right", "30% of those"]
    assert judgement.status == "act"
    assert judgement.suggested_action == ACTION["miskeyed"]


@pytest.mark.parametrize(
    ("rule", "stronger", "more"),
    [
        ("weak", "miskeyed", {"item_theta_correlation": -0.4}),
        ("off_curve", "far_off_curve", {"rmsd": 0.3}),
        ("misfit", "far_misfit", {"outfit": 3.0, "outfit_z": 5.0}),
        ("maybe_unfair", "unfair", {"dif": group()}),
        ("tempting_option", "better_distractor", {"options": key_and(key=0.1, wrong=0.4)}),
    ],
)
def test_weaker_rule_is_silent_where_the_stronger_speaks(rule, stronger, more):
    judgement = judge(replace(GOOD, **more), SETTINGS)

    assert judgement.suggested_action == ACTION[stronger]
    assert len(judgement.reasons) == 1


def test_too_few_responses_are_said_and_nothing_is_judged_on_them():
    thin = replace(GOOD, n_responses=29, p_value=0.05, item_theta_correlation=-0.9, rmsd=0.4)

    judgement = judge(thin, SETTINGS)

    assert judgement.status == "insufficient_data"
    assert judgement.reasons == ("only 29 first attempts, where 30 are needed",)
    assert judge(replace(thin, n_responses=30), SETTINGS).status == "act"


def test_drift_and_dif_are_said_even_of_few_responses():
    thin = replace(GOOD, n_responses=10, dif=group(), drift_status="watch")

    judgement = judge(thin, SETTINGS)

    assert judgement.status == "insufficient_data"
    assert [reason[:6] for reason in judgement.reasons] == ["harder", "behave", "only 1"]
    assert judgement.suggested_action == ACTION["unfair"]


def test_item_without_a_curve_is_not_called_good():
    bare = ItemFacts(n_responses=500, p_value=0.5)

    judgement = judge(bare, SETTINGS)

    assert judgement.status == "insufficient_data"
    assert "not calibrated" in judgement.reasons[0]
    assert judge(replace(bare, p_value=0.95), SETTINGS).status == "watch"


MEASURED = [
    each.name
    for each in fields(ItemFacts)
    if each.name not in {"n_responses", "model", "dif", "options", "q3_item_id"}
]


@pytest.mark.parametrize("missing", [None, math.nan])
def test_missing_values_break_no_rule(missing):
    numbers = {
        name: missing
        for name in MEASURED
        if isinstance(getattr(GOOD, name), float) or name == "drift_delta"
    }
    unknown = ItemFacts(
        n_responses=400,
        model="1PL",
        **numbers,
        dif=(GroupDif("x", 50, missing, missing, missing, missing, None, missing),),
        options=(OptionFacts("A", 9, missing, missing, missing, is_key=False),),
    )

    assert judge(unknown, SETTINGS).status == "good"
    assert judge(ItemFacts(n_responses=400, model="1PL"), SETTINGS).status == "good"


SAME_WRONG = OptionFacts(
    answer="A", n=0, share=None, mean_ability=None, point_biserial=1.0, is_key=False
)


@given(
    st.builds(
        ItemFacts,
        n_responses=st.integers(0, 200),
        model=st.sampled_from([None, "1PL", "3PL"]),
        p_value=st.none() | st.floats(0, 1),
        item_theta_correlation=st.none() | st.floats(-1, 1),
        rmsd=st.none() | st.floats(0, 1),
        infit=st.none() | st.floats(0, 5),
        infit_z=st.none() | st.floats(-9, 9),
        q3_max=st.none() | st.floats(-1, 1),
        q3_item_id=st.none() | st.text(),
        q3_p=st.none() | st.floats(0, 1),
        drift_status=st.sampled_from([None, "stable", "watch", "act", "insufficient_data"]),
        drift_direction=st.sampled_from([None, "harder", "easier"]),
        dif=st.just(()),
        options=st.lists(
            st.builds(
                OptionFacts,
                answer=st.text(),
                n=st.integers(0, 99),
                share=st.none() | st.floats(0, 1),
                mean_ability=st.none(),
                point_biserial=st.none() | st.floats(-1, 1),
                is_key=st.sampled_from([None, True, False]),
            ),
            max_size=4,
        ),
    )
)
@example(ItemFacts(n_responses=30, options=(SAME_WRONG, replace(SAME_WRONG, n=4))))
def test_any_item_gets_a_status_that_its_reasons_bear_out(facts):
    judgement = judge(facts, SETTINGS)

    assert (judgement.status == "good") == (not judgement.reasons)
    assert (judgement.status == "good") == (judgement.suggested_action is None)
    assert len(set(judgement.reasons)) == len(judgement.reasons)


def test_locally_dependent_by_chance_among_many_pairs_is_not_said():
    pair = replace(GOOD, q3_max=0.4, q3_item_id="s:other")

    assert judge(replace(pair, q3_p=0.2), SETTINGS).status == "good"
    assert judge(replace(pair, q3_p=0.01), SETTINGS).status == "watch"
