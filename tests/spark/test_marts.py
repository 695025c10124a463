"""Views made for looking: they hold what they declare, and say what was planted."""

from datetime import UTC, datetime, timedelta

import pytest

from conftest import AS_OF
from deepkt_irt.settings import Settings
from deepkt_irt.tables.gold import BANDIT_RECOMMENDATIONS, MODEL_EVALUATIONS, STUDENT_MASTERY
from deepkt_irt.tables.gold_bandit import BANDIT_DECISIONS, BANDIT_REWARDS, POLICY_EVALUATIONS
from deepkt_irt.tables.gold_explanations import NOT_ASKED, NOT_REACHED, RAG_EXPLANATIONS
from deepkt_irt.tables.gold_items import CALIBRATIONS, ITEM_HEALTH, ITEM_PARAMETERS
from deepkt_irt.tables.ops import LLM_CALLS, PIPELINE_RUNS
from deepkt_irt.tables.registry import views
from deepkt_irt.tables.rosters import CLASS_MEMBERSHIPS
from deepkt_irt.tables.silver import ITEMS, SKILLS, USERS
from looking import marts_of, tables_of

pytestmark = pytest.mark.spark

DAY = timedelta(days=1)
CALM = {"last_sequence_number": 100, "mastery": 0.5, "mastery_low": 0.2, "mastery_high": 0.8,
        "wrong_in_a_row": 0, "trend": None, "mastery_before": 0.62}  # fmt: skip
SIGNS = [
    ({}, ()),
    ({"mastery_high": 0.59}, ("is_low",)),
    ({"mastery_high": 0.6}, ()),
    ({"wrong_in_a_row": 4}, ("is_stuck",)),
    ({"wrong_in_a_row": 3}, ()),
    ({"wrong_in_a_row": None}, ()),
    ({"trend": "falling"}, ("is_falling",)),
    ({"trend": "steady"}, ()),
    (
        {"mastery_high": 0.3, "wrong_in_a_row": 9, "trend": "falling"},
        ("is_low", "is_stuck", "is_falling"),
    ),
    ({"mastery_high": 0.3, "wrong_in_a_row": 9, "last_sequence_number": 70}, ()),
    ({"mastery_high": 0.3, "last_sequence_number": 71}, ("is_low",)),
]
NEEDS = {"halves": [], "ratios": ["halves"], "percent": ["halves"]}
SKILL_ROWS = [
    {"skill_id": skill, "name": skill.title(), "prerequisite_ids": before}
    for skill, before in NEEDS.items()
]
ITEM_ROWS = [
    {"item_id": f"s:{skill}", "source_item_id": skill, "title": None, "skill_ids": [skill]}
    for skill in ("areas", *NEEDS)
]


def users(keys, **more):
    return [{"student_key": key, "n_events": 100, "class_keys": ["a"]} | more for key in keys]


def offer(key, rank, skill):
    return {"student_key": key, "rank": rank, "skill_id": skill, "item_id": f"s:{skill}"}


def test_each_view_gives_the_columns_that_it_declares(frame):
    marts = marts_of(tables_of(frame, {}))

    for view in views(Settings()):
        assert marts[view.name].dtypes == [(each.name, each.type) for each in view.columns], (
            view.name
        )


def test_signs_speak_for_help_on_what_was_practised_lately(frame):
    keys = [f"student{n:02}" for n in range(len(SIGNS))]
    known = [
        {"student_key": key, "skill_id": "halves"} | CALM | changed
        for key, (changed, _) in zip(keys, SIGNS, strict=True)
    ]
    read = tables_of(
        frame, {USERS: users(keys), STUDENT_MASTERY: known, SKILLS: SKILL_ROWS, ITEMS: ITEM_ROWS}
    )

    rows = marts_of(read)["student_today"].orderBy("student_key").collect()

    found = [
        tuple(sign for sign in ("is_low", "is_stuck", "is_falling") if row[sign]) for row in rows
    ]
    assert found == [expected for _, expected in SIGNS]
    assert [row["needs_help"] for row in rows] == [bool(signs) for signs in found]
    worst = next(row for row in rows if row["n_signs"] == 3)
    assert worst["reasons"] == [
        "mastery is surely below the 60% that opens what follows; 2 skills wait for it",
        "the last 9 answers on it were wrong",
        "mastery fell from 62% to 50%",
    ]
    assert worst["why"] == "; ".join(worst["reasons"])
    assert (rows[0]["reasons"], rows[0]["why"]) == ([], "")


def test_student_today_is_in_each_class_with_the_nearest_offer(frame):
    low = CALM | {"mastery_high": 0.3}
    known = [
        {"student_key": "ann", "skill_id": "ratios"} | low,
        {"student_key": "ann", "skill_id": "percent"} | low | {"mastery": 0.4},
        {"student_key": "bob", "skill_id": "ratios"} | low,
        {"student_key": "cid", "skill_id": "ratios"} | low,
    ]
    offers = [
        offer("ann", 1, "areas"), offer("ann", 2, "halves"), offer("ann", 3, "percent"),
        offer("bob", 1, "areas"), offer("bob", 2, "halves"),
        offer("cid", 1, "areas"), offer("dan", 1, "areas"),
    ]  # fmt: skip
    everybody = [
        *users(["ann", "bob", "cid", "dan"]),
        *users(["eve"], class_keys=[]),
        *users(["fay"], class_keys=["a", "b"]),
    ]
    read = tables_of(frame, {USERS: everybody, STUDENT_MASTERY: known, SKILLS: SKILL_ROWS,
                             ITEMS: ITEM_ROWS, BANDIT_RECOMMENDATIONS: offers})  # fmt: skip

    rows = marts_of(read)["student_today"].orderBy("student_key", "class_key").collect()

    found = [
        (row["student_key"], row["class"], row["skill"], row["next_item"], row["next_fit"])
        for row in rows
    ]
    assert found == [
        ("ann", "a", "Percent", "percent", "skill"),
        ("bob", "a", "Ratios", "halves", "prerequisite"),
        ("cid", "a", "Ratios", "areas", "elsewhere"),
        ("dan", "a", None, "areas", None),
        ("eve", "no class", None, None, None),
        ("fay", "a", None, None, None),
        ("fay", "b", None, None, None),
    ]
    assert rows[0]["n_skills"] == 2
    assert [row["needs_help"] for row in rows] == [True, True, True, None, None, None, None]


def test_classes_are_those_of_answers_and_of_a_roster_today(frame):
    today = datetime.now(UTC).date()
    rosters = [
        {"membership_id": key, "student_key": "ann", "class_key": key, "member_from": first,
         "member_until": end}
        for key, first, end in (
            ("a", None, None), ("open", None, None), ("now", today - DAY, today + 2 * DAY),
            ("past", None, today - 2 * DAY), ("next", today + 2 * DAY, None),
        )
    ]  # fmt: skip
    everybody = [*users(["ann"]), *users(["bob"], class_keys=[])]
    read = tables_of(frame, {USERS: everybody, CLASS_MEMBERSHIPS: rosters})

    rows = marts_of(read)["student_today"].orderBy("student_key", "class_key").collect()

    found = [(row["student_key"], row["class_key"]) for row in rows]
    assert found == [("ann", "a"), ("ann", "now"), ("ann", "open"), ("bob", "")]


def test_class_mastery_withholds_means_of_small_groups_and_counts_who_is_behind(frame):
    large, small = [f"l{n}" for n in range(10)], [f"m{n}" for n in range(9)]
    width = {"mastery_low": 0.5, "mastery_high": 0.7}
    known = [
        {"student_key": key, "skill_id": "halves", "mastery": 0.6} | width for key in small
    ] + [
        {"student_key": key, "skill_id": "halves", "mastery": n / 10, "mastery_low": 0.0,
         "mastery_high": 0.59 if n < 3 else 0.8, "trend": "falling" if n == 0 else None,
         "n_responses": 4}
        for n, key in enumerate(large)
    ]  # fmt: skip
    everybody = [*users(large), *users(small, class_keys=[])]
    read = tables_of(frame, {USERS: everybody, STUDENT_MASTERY: known, SKILLS: SKILL_ROWS})

    b, a = marts_of(read)["class_skill_mastery"].orderBy("class_key").collect()

    assert [(each["class_key"], each["class"]) for each in (a, b)] == [("a", "a"), ("", "no class")]

    assert (a["n_students"], a["n_low"], a["n_falling"], a["n_responses"]) == (10, 3, 1, 40)
    assert a["mean_mastery"] == pytest.approx(0.45)
    assert a["mean_margin"] == pytest.approx((3 * 0.295**2 + 7 * 0.4**2) ** 0.5 / 10)
    assert (b["n_students"], b["mean_mastery"], b["mean_margin"]) == (9, None, None)


def test_item_watchlist_has_findings_skill_and_latest_difficulty(frame):
    found = {"status": "act", "reasons": ["too hard", "drifts"], "drift_status": "act"}
    versions = [{"calibration_version": v} for v in ("c1", "c2")]
    parameters = [
        {"calibration_version": v, "item_id": "s:halves", "difficulty": d}
        for v, d in (("c1", 0.1), ("c2", 0.7), ("wd_irt/9", 5.0))
    ]
    health = [{"item_id": "s:halves"} | found, {"item_id": "s:gone", "status": "good"}]
    read = tables_of(frame, {ITEM_HEALTH: health, ITEMS: ITEM_ROWS, SKILLS: SKILL_ROWS,
                             ITEM_PARAMETERS: parameters, CALIBRATIONS: versions})  # fmt: skip

    gone, halves = marts_of(read)["item_watchlist"].orderBy("item_id").collect()

    assert (halves["item"], halves["skill"], halves["difficulty"]) == ("halves", "Halves", 0.7)
    assert (halves["n_reasons"], halves["reasons"]) == (2, "too hard; drifts")
    assert (halves["needs_attention"], halves["is_drifting"]) == (True, True)
    assert (gone["item"], gone["skill"], gone["difficulty"]) == ("s:gone", None, None)
    assert (gone["needs_attention"], gone["is_drifting"], gone["reasons"]) == (False, False, "")


def test_model_quality_holds_each_evaluation_against_the_champion_before(frame):
    rows = [
        {"evaluation_id": f"e{n}", "evaluated_at": AS_OF + n * DAY, "model_name": "sakt",
         "model_version": str(n), "auc": auc, "ece": 0.01 * n, "is_champion": champion,
         "champion_before": before}
        for n, (auc, champion, before) in enumerate(
            [(0.7, True, None), (0.6, False, "0"), (0.75, True, "0")])
    ]  # fmt: skip
    rows.append({"evaluation_id": "e2", "evaluated_at": AS_OF + 2 * DAY, "model_name": "item_mean",
                 "model_version": None, "auc": 0.65})  # fmt: skip

    found = marts_of(tables_of(frame, {MODEL_EVALUATIONS: rows}))["model_quality"]

    baseline, *own = found.orderBy("model_name", "evaluated_at").collect()
    assert (baseline["is_baseline"], baseline["is_latest"], baseline["auc_before"]) == (
        *(True, True),
        None,
    )
    assert [row["auc_before"] for row in own] == [None, 0.7, 0.7]
    assert [row["ece_before"] for row in own] == [None, 0.0, 0.0]
    assert [row["is_latest"] for row in own] == [False, False, True]
    assert [row["is_champion"] for row in own] == [True, False, True]


def test_model_quality_follows_a_rollback_to_the_version_that_scores(frame):
    rows = [
        {"evaluation_id": f"e{n}", "evaluated_at": AS_OF + n * DAY, "model_name": model,
         "model_version": str(n), "auc": 0.7 + 0.01 * n, "is_champion": True,
         "champion_before": before}
        for model in ("sakt", "wd_irt")
        for n, before in ((1, None), (2, "1"), (3, "1"))
    ]  # fmt: skip  # 2 was taken back, so 3 was held against 1
    scored = [{"student_key": "ann", "skill_id": "s", "model_version": version,
               "scored_at": AS_OF + n * DAY} for n, version in ((2, "2"), (4, "1"))]  # fmt: skip
    read = tables_of(frame, {MODEL_EVALUATIONS: rows, STUDENT_MASTERY: scored})

    found = marts_of(read)["model_quality"].orderBy("model_name", "evaluated_at").collect()

    sakt, other = found[:3], found[3:]
    assert [row["is_champion"] for row in sakt] == [True, False, False]
    assert [row["is_champion"] for row in other] == [True, True, True]
    assert [row["auc_before"] for row in sakt] == [None, 0.71, 0.71]


def test_policy_quality_has_decisions_worth_and_the_judgement_by_then(frame):
    decisions = [
        {"decision_id": "1", "student_key": "ann", "rank": 1, "item_id": "s:q", "p_correct": 0.6,
         "propensity": 0.5},
        {"decision_id": "2", "student_key": "ann", "rank": 2, "item_id": "s:r", "p_correct": 0.9,
         "propensity": 0.1},
        {"decision_id": "3", "student_key": "bob", "rank": 0, "item_id": None},
    ]  # fmt: skip
    kinds = (
        ("1", 1.0, "next_success", 1),
        ("2", 0.5, "next_success", 2),
        ("3", 0.1, "learning_gain", 0),
    )
    rewards = [
        {"decision_id": decision, "reward": reward, "kind": kind, "rewarded_at": AS_OF + days * DAY}
        for decision, reward, kind, days in kinds
    ]  # fmt: skip
    judged = [
        {"evaluated_at": AS_OF + days * DAY, "decides": decides, "decision": what}
        for days, decides, what in ((-2, True, "old"), (-1, True, "stays"), (-1, False, "no"),
                                    (1, True, "later"))
    ]  # fmt: skip
    read = tables_of(frame, {BANDIT_DECISIONS: decisions, BANDIT_REWARDS: rewards,
                             POLICY_EVALUATIONS: judged})  # fmt: skip

    (row,) = marts_of(read)["policy_quality"].collect()

    assert (row["n_students"], row["n_without"], row["n_recommendations"]) == (1, 1, 2)
    assert (row["mean_p_correct"], row["mean_propensity"], row["n_items"]) == (0.6, 0.5, 1)
    assert (row["n_rewarded"], row["mean_reward"]) == (2, 0.75)
    assert (row["judged_at"].date(), row["decision"]) == ((AS_OF - DAY).date(), "stays")


def test_explanations_and_requests_are_counted_by_day(frame):
    told = [
        {"outcome": "offline" if reason else "verified", "model": model, "student_key": str(n),
         "offline_reason": reason, "sources": [("S1", "c", "t")] * n_sources}
        for n, (model, reason, n_sources) in enumerate(
            [("gpt", None, 1), ("gpt", "the answer was not verified", 1),
             ("offline", NOT_ASKED, 1), ("offline", NOT_REACHED, 1),
             ("offline", "nothing is near enough", 0),
             ("offline", "the service did not answer", 1),
             ("offline", "the budget of the run was spent", 1)])
    ]  # fmt: skip
    calls = [
        {"call_id": str(n), "outcome": "answered" if n else "timeout", "input_tokens": n or None,
         "output_tokens": 10 * n, "cost_usd": 0.5, "latency_ms": 100 * n}
        for n in range(3)
    ]  # fmt: skip
    marts = marts_of(tables_of(frame, {RAG_EXPLANATIONS: told, LLM_CALLS: calls}))

    gpt, offline = marts["explanation_quality"].orderBy("model").collect()
    (used,) = marts["llm_usage"].collect()

    assert (gpt["n_explanations"], gpt["n_verified"], gpt["n_abstained"]) == (2, 1, 1)
    assert (offline["n_explanations"], offline["n_abstained"]) == (5, 2)
    assert (gpt["n_without_sources"], offline["n_without_sources"]) == (0, 1)
    assert (used["n_requests"], used["n_answered"], used["cost_usd"]) == (3, 2, 1.5)
    assert (used["input_tokens"], used["output_tokens"], used["tokens_used"]) == (3, 30, 33)
    assert used["latency_median_ms"] == 100


def test_operations_tell_how_long_runs_took_and_which_was_the_last(frame):
    runs = [
        {"run_id": f"r{n}", "task": "ingest_bronze", "started_at": AS_OF + n * DAY,
         "ended_at": AS_OF + n * DAY + timedelta(seconds=90), "outcome": outcome,
         "metrics": {"rows_read": 10.0, "rows_quarantined": 2.0} if n else {}}
        for n, outcome in enumerate(["succeeded", "failed"])
    ]  # fmt: skip
    runs.append({"run_id": "r0", "task": "train_sakt", "metrics": {"auc": 0.7, "rows_read": 1.0},
                 "outcome": "succeeded"})  # fmt: skip

    found = marts_of(tables_of(frame, {PIPELINE_RUNS: runs}))["operations"]

    first, last, training = found.orderBy("task", "started_at").collect()
    assert (first["seconds"], first["has_failed"], first["is_last"]) == (90.0, False, False)
    assert (first["rows_received"], first["rows_quarantined"]) == (None, None)
    assert (last["has_failed"], last["is_last"]) == (True, True)
    assert (last["rows_received"], last["rows_quarantined"]) == (10, 2)
    assert (training["auc"], training["rows_received"]) == (0.7, None)
