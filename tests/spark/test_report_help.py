"""Who needs help today and how recommendations are decided, as read from tables."""

from datetime import timedelta

import pytest

from conftest import AS_OF
from deepkt_irt.bandit.context import SHARED
from deepkt_irt.jobs.report_help import help_today
from deepkt_irt.jobs.report_policies import policy_report
from deepkt_irt.jobs.report_students import decided_how, last_decisions
from deepkt_irt.settings import Settings
from deepkt_irt.tables.gold import BANDIT_RECOMMENDATIONS, STUDENT_MASTERY
from deepkt_irt.tables.gold_bandit import BANDIT_DECISIONS, BANDIT_REWARDS, POLICY_EVALUATIONS
from deepkt_irt.tables.silver import ITEMS, RESPONSE_BEHAVIOUR, SKILLS, USERS
from looking import InMemory, filled

pytestmark = pytest.mark.spark

SETTINGS = Settings.model_validate({"help": {"per_class": 2}})
ROW = {
    "model_version": "1",
    "scored_at": AS_OF,
    "last_answered_at": AS_OF,
    "n_reference_items": 8,
    "n_correct": 0,
}
OFFER = {"policy": "linucb", "p_correct": 0.7, "reason": "near the target"}
MASTERY = [  # student, skill, mastery, low, high, before, trend, wrong in a row, last event
    ("ann", "halves", 0.30, 0.20, 0.45, 0.50, "falling", 0, 40),
    ("ann", "ratios", 0.40, 0.25, 0.55, None, None, 0, 38),
    ("bob", "ratios", 0.35, 0.20, 0.50, None, None, 5, 40),
    ("cid", "ratios", 0.20, 0.10, 0.30, None, None, 9, 5),  # practised long ago
    ("dan", "halves", 0.70, 0.55, 0.85, 0.60, "rising", 0, 40),
    ("eve", "halves", 0.30, 0.20, 0.45, None, None, 0, 40),
]


@pytest.fixture
def store(frame):
    """These tests only read."""
    return InMemory(frame)


@pytest.fixture
def school(store, frame):
    classes = {"ann": ["class-a"], "bob": ["class-a"], "cid": ["class-a"], "dan": ["class-b"],
               "fay": ["class-b"]}  # fmt: skip
    users = [
        {"student_key": s, "source": "s", "class_keys": classes.get(s, ["class-a"]), "n_events": 40}
        for s in ("ann", "bob", "cid", "dan", "eve", "fay")
    ]
    named = {"source": "s", "standard_codes": [], "in_catalogue": True, "n_events": 9}
    skills = [
        named | {"skill_id": k, "source_skill_id": k, "name": k.title(), "prerequisite_ids": needs}
        for k, needs in {"halves": [], "ratios": ["halves"], "percent": ["halves"]}.items()
    ]
    names = ("student_key", "skill_id", "mastery", "mastery_low", "mastery_high",
             "mastery_before", "trend", "wrong_in_a_row", "last_sequence_number")  # fmt: skip
    known = [ROW | {"n_responses": 9} | dict(zip(names, row, strict=True)) for row in MASTERY]
    item = {"item_id": "s:q", "source": "s", "source_item_id": "q", "title": "Cake",
            "skill_ids": ["ratios"], "in_catalogue": True, "n_events": 9}  # fmt: skip
    offers = [
        OFFER | {"student_key": "ann", "rank": 1, "item_id": "s:q", "skill_id": "ratios"},
    ]
    for table, rows in (
        (USERS, users),
        (SKILLS, [{c: row[c] for c in row if c in SKILLS.column_names} for row in skills]),
        (STUDENT_MASTERY, known),
        (ITEMS, [item]),
        (BANDIT_RECOMMENDATIONS, [filled(BANDIT_RECOMMENDATIONS, row) for row in offers]),
    ):
        store.overwrite(table, frame(table, rows))


def decision(student, rank, **more):
    row = {
        "decision_id": f"{student}{rank}{more.get('decided_at', AS_OF)}",
        "student_key": student,
        "decided_at": AS_OF,
        "rank": rank,
        "policy": "linucb",
        "item_id": "s:q" if rank else None,
        "propensity": 0.5 if rank else None,
        "feature_names": list(SHARED),
        "exclusions": [],
        "reason": "near the target" if rank else "every open skill is mastered",
    }
    return filled(BANDIT_DECISIONS, row | more)


@pytest.mark.usefixtures("far_from_utc")
def test_help_today_lists_the_most_urgent_of_each_class_with_reasons_and_next_items(
    store, frame, school
):
    day = timedelta(days=1)
    store.overwrite(
        BANDIT_DECISIONS,
        frame(
            BANDIT_DECISIONS,
            [decision("bob", 1, decided_at=AS_OF - day), decision("bob", 0), decision("ann", 1)],
        ),
    )
    seen = [
        {"event_id": f"e{k}", "student_key": "bob", "item_id": "s:q", "sequence_number": k,
         "is_excluded": k < 9, "rapid_guess": k < 9}
        for k in range(1, 25)
    ]  # fmt: skip
    store.overwrite(RESPONSE_BEHAVIOUR, frame(RESPONSE_BEHAVIOUR, seen))

    first, second = help_today(store.read, SETTINGS)

    assert (first.label, first.n_students, first.n_needing) == ("class-a", 4, 3)
    # both have two signs, but two skills wait for what ann lacks; eve is the third
    ann, bob = first.students
    assert (ann.label, ann.worst.skill, ann.n_more) == ("Student ann", "Halves", 1)
    assert ann.worst.reasons == (
        "mastery is surely below the 60% that opens what follows; 2 skills wait for it",
        "mastery fell from 50% to 30%",
    )
    assert ann.next_item.item == "Cake"
    assert ann.elsewhere == "Nothing on the skill itself fits now."
    assert ann.worst.last == "2026-03-01"
    assert (ann.behaviour, ann.nothing) == (None, None)
    assert len(bob.worst.reasons) == 2
    assert bob.worst.reasons[1] == "the last 5 answers on it were wrong"
    assert (bob.next_item, bob.nothing) == (None, "every open skill is mastered")
    assert "in 8 of 24 questions" in bob.behaviour
    assert (second.label, second.n_needing, second.students) == ("class-b", 0, ())
    # of fay no mastery is known
    assert (first.n_unknown, second.n_students, second.n_unknown) == (0, 2, 1)


def test_help_today_is_not_known_without_mastery(store):
    assert help_today(store.read, SETTINGS) is None


def test_policy_report_has_the_last_decisions_and_the_last_judgement(store, frame):
    day = timedelta(days=1)
    out = [{"reason": "recent", "n": 3}, {"reason": "too_easy", "n": 5}]
    decisions = [
        decision("ann", 1, decided_at=AS_OF - day, policy="target_success_rule"),
        decision("ann", 1, exclusions=out),
        decision("ann", 2),
        decision("bob", 0, exclusions=out[:1]),
    ]
    store.overwrite(BANDIT_DECISIONS, frame(BANDIT_DECISIONS, decisions))
    offers = [  # what stands for others, who were not decided about lately, counts as well
        filled(
            BANDIT_RECOMMENDATIONS,
            {"student_key": key, "rank": rank, "decision_id": f"{key}{rank}"},
        )
        for key, rank in (("ann", 1), ("ann", 2), ("cid", 1))
    ]
    store.overwrite(BANDIT_RECOMMENDATIONS, frame(BANDIT_RECOMMENDATIONS, offers))
    scored = [filled(STUDENT_MASTERY, {"student_key": key}) for key in ("ann", "bob")]
    store.overwrite(STUDENT_MASTERY, frame(STUDENT_MASTERY, scored))
    reward = {"decision_id": decisions[0]["decision_id"], "decided_at": AS_OF - day}
    store.overwrite(BANDIT_REWARDS, frame(BANDIT_REWARDS, [filled(BANDIT_REWARDS, reward)]))
    group = ("A", 30, 90, 12, 0.7, 0.6, 0.8, None, None, None)
    judged = {"policy": "linucb", "n_decisions": 90, "n_students": 30, "decision": "the rule stays"}
    rows = [
        judged | {"evaluated_at": AS_OF - day, "against": "running", "estimator": "sndr"},
        judged
        | {
            "evaluated_at": AS_OF,
            "against": "running",
            "estimator": "sndr",
            "groups": [group],
            "decides": True,
            "difference": 0.1,
        },
        judged | {"evaluated_at": AS_OF, "against": "target_success_rule", "estimator": "dm"},
    ]
    judged = [filled(POLICY_EVALUATIONS, row) for row in rows]
    store.overwrite(POLICY_EVALUATIONS, frame(POLICY_EVALUATIONS, judged))

    found = policy_report(store.read, SETTINGS)

    assert (found.policy, found.decided_at) == ("LinUCB", "2026-03-01 02:00 UTC")
    assert (found.n_students, found.n_without) == (2, 1)
    assert found.exclusions == (("recent", 6), ("too easy", 5))
    assert (found.n_rewards, found.n_pending) == (1, 2)
    assert found.verdict == "2026-03-01: the rule stays"
    assert [(gap.against, gap.decides) for gap in found.gaps] == [
        ("running", True),
        ("the rule (success near the target)", False),
    ]
    assert found.gaps[0].difference == (0.1, None, None)
    assert found.gaps[1].difference is None
    assert found.groups[0].success == (0.7, 0.6, 0.8)
    assert found.groups[0].reward is None
    last = last_decisions(store.read, ["ann", "bob"])
    assert {key: decided_how(each) for key, each in last.items()} == {
        "ann": "decided by LinUCB on 2026-03-01; not offered: too easy 5, recent 3",
        "bob": "decided by LinUCB on 2026-03-01: every open skill is mastered; "
        "not offered: recent 3",
    }


def test_policy_report_before_any_decision_is_none(store):
    assert policy_report(store.read, SETTINGS) is None
