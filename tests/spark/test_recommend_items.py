"""The task recommend_items: recommends with reasons, and learns from what came of it."""

import math
import shutil
from datetime import UTC, datetime, timedelta

import pytest

from conftest import AS_OF, rows
from deepkt_irt.bandit.context import SHARED
from deepkt_irt.bandit.policies import LINUCB, RULE, fresh_state
from deepkt_irt.jobs.bandit_learning import MODEL
from deepkt_irt.jobs.bandit_rewards import note_rewards
from deepkt_irt.jobs.recommend_items import decide, recommend_items
from deepkt_irt.jobs.recommendation_input import catalogue_of, students_of
from deepkt_irt.jobs.task import TASKS
from deepkt_irt.jobs.to_decide import to_decide
from deepkt_irt.knowledge_tracing.versions import Version
from deepkt_irt.recommending import Recommender
from deepkt_irt.settings import Settings
from deepkt_irt.tables.gold import BANDIT_RECOMMENDATIONS, SAKT_PREDICTIONS, STUDENT_MASTERY
from deepkt_irt.tables.gold_bandit import (
    BANDIT_DECISIONS,
    BANDIT_REWARDS,
    POLICY_EVALUATIONS,
)
from deepkt_irt.tables.gold_items import (
    CALIBRATIONS,
    ITEM_DRIFT,
    ITEM_HEALTH,
    ITEM_PARAMETERS,
    STUDENT_ABILITIES,
)
from deepkt_irt.tables.silver import (
    CANONICAL_LEARNING_EVENTS,
    ITEMS,
    RESPONSE_BEHAVIOUR,
    SKILLS,
    USERS,
)
from deepkt_irt.tracking import ModelStore
from made_up_items import BEFORE, CALIBRATION, NOW

pytestmark = pytest.mark.spark

TASK = TASKS["recommend_items"]


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    """An empty model registry; to set one up takes longer than to use it."""
    folder = tmp_path_factory.mktemp("registry")
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    ModelStore(uri, None).versions(MODEL)
    return folder / "mlflow.db"


@pytest.fixture
def lake(write, registry, tmp_path):
    """Writes rows of tables of a lake that has a model registry, too."""
    (tmp_path / "lake").mkdir(exist_ok=True)
    shutil.copy(registry, tmp_path / "lake" / "mlflow.db")
    return write


@pytest.fixture
def write(store, frame):
    """Writes rows of tables; each row names only what matters to the test."""
    common = {
        CALIBRATIONS: CALIBRATION,
        ITEM_PARAMETERS: {
            "calibration_version": NOW,
            "model": "1PL",
            "difficulty_se": 0.1,
            "n_responses": 100,
            "p_value": 0.5,
            "slope": 1.0,
            "asymptote": 0.0,
            "is_anchor": False,
            "calibrated_at": AS_OF,
        },
        STUDENT_ABILITIES: {
            "calibration_version": NOW,
            "ability_sd": 0.3,
            "n_responses": 20,
            "calibrated_at": AS_OF,
        },
        SAKT_PREDICTIONS: {
            "sequence_number": 100,
            "split": "train",
            "item_known": True,
            "model_version": "1",
            "scored_at": AS_OF,
        },
        STUDENT_MASTERY: {
            "mastery_low": 0.0,
            "mastery_high": 1.0,
            "n_responses": 8,
            "n_correct": 4,
            "n_reference_items": 5,
            "last_sequence_number": 9,
            "model_version": "1",
            "scored_at": AS_OF,
        },
        CANONICAL_LEARNING_EVENTS: {
            "source": "s",
            "skill_ids": [],
            "event_kind": "practice",
            "batch_id": 0,
        },
        RESPONSE_BEHAVIOUR: {"is_excluded": False},
        ITEMS: {"source": "s", "in_catalogue": True, "n_events": 1},
        SKILLS: {"source": "s", "prerequisite_ids": [], "n_events": 1},
    }

    def write_rows(table, *given):
        filled = [common[table] | row for row in given]
        for row in filled:
            if table is ITEM_PARAMETERS:
                row["thresholds"] = [row["difficulty"]]
            if table is ITEMS:
                row["source_item_id"] = row["item_id"]
            if table is SKILLS:
                row.setdefault("name", row["skill_id"].title())
        store.overwrite(table, frame(table, filled))

    write_rows(CALIBRATIONS, {"calibration_version": NOW})
    return write_rows


def seen(student, *items, **common):
    return [
        {
            "event_id": f"{student}{n}",
            "student_key": student,
            "sequence_number": n,
            "item_id": item,
            **common,
        }
        for n, item in enumerate(items, 1)
    ]


def offered(student, **chances):
    return [{"student_key": student, "item_id": i, "p_correct": p} for i, p in chances.items()]


def recommended(store, *columns):
    return rows(store.read(BANDIT_RECOMMENDATIONS), *columns)


def test_recommend_items_students_of_different_ability_get_items_of_different_difficulty(
    store, lake, context
):
    difficulties = {f"i{n:02}": -2.0 + 0.2 * n for n in range(21)}
    abilities = {"strong": 1.5, "weak": -0.5}
    lake(ITEMS, *({"item_id": i, "skill_ids": [f"k{n % 3}"]} for n, i in enumerate(difficulties)))
    lake(SKILLS, *({"skill_id": f"k{n}"} for n in range(3)))
    lake(ITEM_PARAMETERS, *({"item_id": i, "difficulty": b} for i, b in difficulties.items()))
    lake(STUDENT_ABILITIES, *({"student_key": s, "ability": t} for s, t in abilities.items()))
    lake(
        SAKT_PREDICTIONS,
        *(
            row
            for student, theta in abilities.items()
            for row in offered(
                student, **{i: 1 / (1 + math.exp(b - theta)) for i, b in difficulties.items()}
            )
        ),
    )

    metrics = recommend_items(context(TASK))

    got = {student: [] for student in abilities}
    for student, item, p in recommended(store, "student_key", "item_id", "p_correct"):
        got[student].append(difficulties[item])
        assert 0.4 <= p <= 0.9
    assert [len(each) for each in got.values()] == [5, 5]
    assert sum(got["strong"]) / 5 > sum(got["weak"]) / 5 + 1
    assert metrics["linucb_runs"] == 0
    decided = store.read(BANDIT_DECISIONS).collect()
    assert {(row["policy"], row["policy_version"]) for row in decided} == {(RULE, "1")}
    assert all(len(row["features"]) == len(SHARED) for row in decided)
    assert all(0 < row["propensity"] <= 1 for row in decided)
    first = [row for row in decided if row["rank"] == 1]
    assert {len(row["eligible_features"]) / len(row["eligible_items"]) for row in first} == {
        len(SHARED)
    }
    ids = {row["decision_id"] for row in decided}
    assert ids == {row[0] for row in recommended(store, "decision_id")}


@pytest.mark.nightly
def test_recommend_items_combines_both_models_of_the_latest_calibration(store, lake, context):
    lake(ITEMS, *({"item_id": i, "skill_ids": [i[0]]} for i in ("a1", "b1", "c1")))
    lake(SKILLS, {"skill_id": "a", "name": "Ratios"}, {"skill_id": "b"}, {"skill_id": "c"})
    lake(
        ITEM_PARAMETERS,
        {"item_id": "a1", "difficulty": 9.0, "calibration_version": BEFORE},
        {"item_id": "c1", "difficulty": 9.0, "calibration_version": BEFORE},
        {"item_id": "a1", "difficulty": 0.0},
        {
            "item_id": "b1",
            "difficulty": 0.0,
            "discrimination": 2.0,
            "discrimination_se": 0.1,
            "slope": 2.0,
            "model": "2PL",
        },
    )
    lake(
        STUDENT_ABILITIES,
        {"student_key": "x", "ability": 9.0, "calibration_version": BEFORE},
        {"student_key": "x", "ability": 1.0},
    )
    lake(SAKT_PREDICTIONS, *offered("x", a1=0.7, b1=0.7, c1=0.7), *offered("y", a1=0.7))
    known = {"mastery": 0.5, "mastery_low": 0.3, "mastery_high": 0.6}
    lake(STUDENT_MASTERY, {"student_key": "x", "skill_id": "a", **known})

    recommend_items(context(TASK))

    found = {
        (student, item): (p, p_irt, p_sakt, bits)
        for student, item, p, p_irt, p_sakt, bits in recommended(
            store, "student_key", "item_id", "p_correct", "p_irt", "p_sakt", "information"
        )
    }
    one, two = 1 / (1 + math.exp(-1)), 1 / (1 + math.exp(-2))
    assert found["x", "a1"] == pytest.approx(((one + 0.7) / 2, one, 0.7, one * (1 - one)))
    assert found["x", "b1"] == pytest.approx(((two + 0.7) / 2, two, 0.7, 4 * two * (1 - two)))
    assert found["x", "c1"] == (0.7, None, 0.7, None)  # not in the latest calibration
    assert found["y", "a1"] == (0.7, None, 0.7, None)  # student without an ability
    reasons = {
        (s, i): text for s, i, text in recommended(store, "student_key", "item_id", "reason")
    }
    assert reasons["x", "a1"].startswith(
        "Practise Ratios: mastery 50% (30% to 60%, 8 answers); expected success 72% "
        "(ability and difficulty 73%, history 70%), "
    )


def test_recommend_items_offers_nothing_that_a_rule_keeps_out(store, lake, context, frame):
    skills = {"done": [], "weak": [], "after_weak": ["weak"], "after_done": ["done"]}
    odd = ("drifted", "recovered", "unhealthy", "guessed", "blocked", "answered")
    lake(
        ITEMS,
        *({"item_id": f"i_{s}", "skill_ids": [s]} for s in skills),
        *({"item_id": name, "skill_ids": ["weak"]} for name in odd),
    )
    lake(SKILLS, *({"skill_id": s, "prerequisite_ids": p} for s, p in skills.items()))
    levels = [("x", "done", 0.9), ("x", "weak", 0.4), ("y", "done", 0.9), ("y", "weak", 0.4)]
    lake(
        STUDENT_MASTERY,
        *({"student_key": s, "skill_id": k, "mastery": value} for s, k, value in levels),
    )
    every = {f"i_{s}": 0.7 for s in skills}
    lake(
        SAKT_PREDICTIONS,
        *offered("x", **every, **dict.fromkeys(odd[:-1], 0.7)),
        *offered("y", **every),
        {
            "student_key": "x",
            "item_id": "answered",
            "p_correct": 0.7,
            "event_id": "x1",
            "sequence_number": 1,
            "correct": True,
        },
    )
    # the last two of three events are recent; the answered event is no candidate
    lake(
        CANONICAL_LEARNING_EVENTS,
        *seen("x", "answered", "i_done", "i_done"),
        *seen("y", "i_done", "i_weak", "i_after_done"),
    )
    lake(
        RESPONSE_BEHAVIOUR,
        *(
            {
                "event_id": f"g{n}",
                "student_key": "z",
                "item_id": "guessed",
                "sequence_number": n,
                "rapid_guess": n < 8,
            }
            for n in range(20)
        ),
    )
    windows = {"drifted": ["act"], "recovered": ["act", "stable"]}
    drift = [
        {
            "item_id": item,
            "window_start": datetime(2026, 1, 1 + n, tzinfo=UTC),
            "window_end": datetime(2026, 1, 2 + n, tzinfo=UTC),
            "n_responses": 100,
            "status": status,
            "direction": "harder",
            "is_anchor": False,
            "checked_at": AS_OF,
        }
        for item, statuses in windows.items()
        for n, status in enumerate(statuses)
    ]
    store.overwrite(ITEM_DRIFT, frame(ITEM_DRIFT, drift))
    health = {"n_responses": 100, "exposure": 0.5, "dif": [], "options": [], "checked_at": AS_OF}
    sick = {"item_id": "unhealthy", "status": "act", "reasons": ["misfit"], **health}
    store.overwrite(ITEM_HEALTH, frame(ITEM_HEALTH, [sick]))

    rules = {"recent_events": 2, "blocked_items": ("blocked",)}
    metrics = recommend_items(
        context(TASK, settings=Settings.model_validate({"recommendation": rules}))
    )

    assert recommended(store, "student_key", "item_id") == [
        ("x", "i_after_done"),
        ("x", "i_weak"),
        ("x", "recovered"),
    ]
    reasons = {name: n for name, n in metrics.items() if name.startswith("excluded_")}
    assert reasons == {
        "excluded_item_health": 2,
        "excluded_rapid_guessing": 1,
        "excluded_blocked": 1,
        "excluded_mastered": 1,
        "excluded_recent": 3,
        "excluded_prerequisites": 2,
    }
    assert (metrics["students"], metrics["students_without"]) == (1, 1)
    (nothing,) = store.read(BANDIT_DECISIONS).filter("rank = 0").collect()
    assert nothing["student_key"] == "y"
    assert nothing["reason"].startswith("Nothing to offer among 4 items (")


@pytest.mark.connect
def test_items_and_abilities_are_of_the_last_calibration_that_was_finished(write, context):
    """One that was stopped between its writes has items, but no row of its own yet."""
    unfinished = "20260302T020000Z"
    write(ITEMS, {"item_id": "a1", "skill_ids": ["a"]})
    write(SKILLS, {"skill_id": "a"})
    write(
        ITEM_PARAMETERS,
        {"item_id": "a1", "difficulty": 0.5},
        {"item_id": "a1", "difficulty": 9.0, "calibration_version": unfinished},
    )
    write(
        STUDENT_ABILITIES,
        {"student_key": "x", "ability": 1.0},
        {"student_key": "x", "ability": 9.0, "calibration_version": unfinished},
    )
    write(SAKT_PREDICTIONS, *offered("x", a1=0.7))
    ctx = context(TASK)

    _, curves = catalogue_of(ctx)

    assert curves.difficulty.tolist() == [0.5]
    assert rows(students_of(ctx), "ability") == [(1.0,)]


def by_rule(catalogue, curves, settings):
    return Recommender(
        catalogue=catalogue,
        curves=curves,
        recommendation=settings.recommendation,
        policy_name=RULE,
        state=fresh_state(catalogue.item_ids, settings.bandit),
    )


@pytest.mark.nightly
def test_decide_and_rewards_need_nothing_but_tables(store, write, context):
    """All of the task but the registry, which is not at hand through Connect."""
    write(ITEMS, *({"item_id": f"i{n}", "skill_ids": ["a"]} for n in range(6)))
    write(SKILLS, {"skill_id": "a"})
    write(SAKT_PREDICTIONS, *offered("x", **dict.fromkeys([f"i{n}" for n in range(6)], 0.7)))
    settings = Settings.model_validate({"reward": {"kind": "next_success"}})
    today, tomorrow = (
        context(TASK, settings=settings, as_of=at) for at in (AS_OF, AS_OF + timedelta(days=1))
    )
    catalogue, curves = catalogue_of(today)
    recommender = by_rule(catalogue, curves, settings)

    note_rewards(today, catalogue, curves)
    decide(today, recommender, Version(MODEL, "1", "run"))
    (first, second) = [row[1] for row in recommended(store, "rank", "item_id")]
    answers = [
        answer("x", n, item, at=AS_OF + timedelta(hours=n), correct=n == 2, skill="a")
        for n, item in enumerate((first, second), 1)
    ]
    write(CANONICAL_LEARNING_EVENTS, *answers)
    note_rewards(tomorrow, catalogue, curves)

    assert rows(store.read(BANDIT_REWARDS), "event_id", "reward") == [("x-1", 1.0)]


def test_an_answer_counts_for_one_decision_however_often_rewards_are_looked_for(
    store, write, context
):
    """Both items were recommended twice before the first was answered."""
    write(ITEMS, *({"item_id": i, "skill_ids": ["a"]} for i in ("i0", "i1")))
    write(SKILLS, {"skill_id": "a"})
    write(SAKT_PREDICTIONS, *offered("x", i0=0.7, i1=0.7))
    settings = Settings.model_validate({"reward": {"kind": "next_success"}})
    runs = [context(TASK, settings=settings, as_of=AS_OF + n * timedelta(days=1)) for n in range(4)]
    catalogue, curves = catalogue_of(runs[0])
    recommender = by_rule(catalogue, curves, settings)
    for run in runs[:2]:
        decide(run, recommender, Version(MODEL, "1", "run"))
    later = runs[1].as_of
    answers = [
        answer("x", n, item, at=later + timedelta(hours=n), skill="a")
        for n, item in enumerate(("i0", "i1"), 1)
    ]
    write(CANONICAL_LEARNING_EVENTS, *answers)

    for run in runs[2:]:
        note_rewards(run, catalogue, curves)

        rewarded = rows(store.read(BANDIT_REWARDS), "event_id", "decided_at")
        assert rewarded == [("x-1", later.replace(tzinfo=None))]


DAY = timedelta(days=1)
STUDENTS = [f"s{n:02}" for n in range(12)]


def of_day(lake, answers, *, gamed=()):
    """A lake as of a day: what was answered until then; everybody masters half of each skill."""
    lake(ITEMS, *({"item_id": f"i{n}", "skill_ids": [f"k{n % 2}"]} for n in range(8)))
    lake(SKILLS, {"skill_id": "k0"}, {"skill_id": "k1"})
    lake(
        SAKT_PREDICTIONS,
        *(row for s in STUDENTS for row in offered(s, **{f"i{n}": 0.7 for n in range(8)})),
    )
    lake(
        STUDENT_MASTERY,
        *(
            {"student_key": s, "skill_id": k, "mastery": 0.5}
            for s in STUDENTS
            for k in ("k0", "k1")
        ),
    )
    if answers:
        lake(CANONICAL_LEARNING_EVENTS, *answers)
    if gamed:
        lake(
            RESPONSE_BEHAVIOUR,
            *(
                {**each, "item_id": "i", "sequence_number": 1, "rapid_guess": True}
                | {"is_excluded": True}
                for each in gamed
            ),
        )


def answer(student, sequence_number, item, *, at, correct=True, skill=None):
    return {
        "event_id": f"{student}-{sequence_number}",
        "student_key": student,
        "sequence_number": sequence_number,
        "item_id": item,
        "skill_ids": [skill or f"k{int(item[1:]) % 2}"],
        "correct": correct,
        "answered_at": at,
    }


@pytest.mark.nightly
def test_recommend_items_learns_on_the_second_day_from_the_first_and_from_nothing_twice(
    store, lake, context
):
    of_day(lake, [])
    quick = Settings.model_validate({"reward": {"min_probes": 2}})
    recommend_items(context(TASK, settings=quick))
    first = {
        row["student_key"]: row for row in store.read(BANDIT_DECISIONS).filter("rank = 1").collect()
    }

    answers = []
    for n, student in enumerate(STUDENTS):
        item = first[student]["item_id"]
        others = [f"i{(int(item[1:]) + 2 * k) % 8}" for k in (1, 2)]  # of the same skill
        # one answered before it was recommended, which came in late; one never came to a probe
        at = AS_OF + timedelta(hours=-1 if n == 0 else 1)
        answers.append(answer(student, 1, item, at=at))
        for k, other in enumerate(others[: 1 if n == 1 else 2]):
            right = (n, k) != (3, 0)
            at = AS_OF + timedelta(hours=2 + k)
            answers.append(answer(student, 2 + k, other, at=at, correct=right))
    cheat = {"event_id": f"{STUDENTS[2]}-1", "student_key": STUDENTS[2]}
    of_day(lake, answers, gamed=[cheat])
    tomorrow = context(TASK, as_of=AS_OF + DAY, settings=quick)
    metrics = recommend_items(tomorrow)

    found = {row["decision_id"]: row for row in store.read(BANDIT_REWARDS).collect()}
    of_first = {s: found.get(first[s]["decision_id"]) for s in STUDENTS}
    assert of_first[STUDENTS[0]] is None
    assert of_first[STUDENTS[1]] is None
    assert of_first[STUDENTS[2]]["reward"] == pytest.approx(1.0 - 0.25)  # 2 of 2 where 1 was due
    assert of_first[STUDENTS[2]]["is_gamed"]
    assert of_first[STUDENTS[3]]["reward"] == pytest.approx(0.5)  # 1 of 2
    assert of_first[STUDENTS[4]]["n_probes"] == 2
    assert metrics["new_rewards"] == len(found) >= 10
    versions = [facts.version.number for facts in tomorrow.models.versions(MODEL)]
    assert versions == ["2", "1"]

    again = recommend_items(context(TASK, as_of=AS_OF + DAY, settings=quick))

    assert again["new_rewards"] == 0
    assert {row["decision_id"]: row for row in store.read(BANDIT_REWARDS).collect()} == found
    assert len(tomorrow.models.versions(MODEL)) == 2
    assert {name: n for name, n in again.items() if name != "new_rewards"} == {
        name: n for name, n in metrics.items() if name != "new_rewards"
    }

    of_day(lake, answers, gamed=[cheat])
    third = recommend_items(context(TASK, as_of=AS_OF + 2 * DAY, settings=quick))

    assert third["new_rewards"] == 0
    assert len(store.read(BANDIT_REWARDS).collect()) == len(found)


@pytest.mark.nightly
def test_recommend_items_decides_anew_only_where_recommendations_do_not_stand(store, lake, context):
    """Of students who were scored since, or are recommended what may not be offered any more."""
    of_day(lake, [answer("s00", 1, "i0", at=AS_OF)])
    recommend_items(context(TASK))
    before = {row["decision_id"]: row for row in store.read(BANDIT_RECOMMENDATIONS).collect()}
    blocked = before[min(before)]["item_id"]
    without = Settings.model_validate({"recommendation": {"blocked_items": [blocked]}})
    others = [row for s in STUDENTS[1:] for row in offered(s, **{f"i{n}": 0.7 for n in range(8)})]
    again = [row | {"scored_at": AS_OF + DAY} for row in offered("s00", i1=0.6, i2=0.6)]
    lake(SAKT_PREDICTIONS, *others, *again)
    known = {CANONICAL_LEARNING_EVENTS.qualified_name: store.version(CANONICAL_LEARNING_EVENTS)}

    def to_decide_on(day, settings=without):
        ctx = context(TASK, as_of=AS_OF + day * DAY, settings=settings)
        return {row[0] for row in to_decide(ctx, catalogue_of(ctx)[0], RULE).collect()}

    affected = {row["student_key"] for row in before.values() if row["item_id"] == blocked}
    affected |= {"s00"}
    assert to_decide_on(1) == affected < set(STUDENTS)
    assert to_decide_on(7) == set(STUDENTS)  # they stood for a week

    tomorrow = context(TASK, as_of=AS_OF + DAY, since=known, settings=without)
    metrics = recommend_items(tomorrow)

    assert metrics["students"] + metrics["students_without"] == len(affected)
    after = {row["decision_id"]: row for row in store.read(BANDIT_RECOMMENDATIONS).collect()}
    assert {row["student_key"] for row in after.values()} == set(STUDENTS)
    assert blocked not in {row["item_id"] for row in after.values()}
    left = {k: row for k, row in before.items() if row["student_key"] not in affected}
    assert left.items() <= after.items()
    assert to_decide_on(1) == affected  # the same instant decides the same
    assert to_decide_on(2) == set()
    assert to_decide_on(7) == set(STUDENTS) - affected


def test_recommend_items_linucb_goes_live_when_the_log_says_that_it_is_better(
    store, lake, context, frame
):
    """Rewards of the log rise with the chance of success, which the rule does not look for."""
    of_day(lake, [])
    groups = [
        {"student_key": s, "source": "s", "class_keys": [], "n_events": 1, "student_group": "A"}
        for s in STUDENTS
    ]
    store.overwrite(USERS, frame(USERS, groups))
    above = SHARED.index("above_target")
    decisions, rewards = [], []
    for n, student in enumerate(STUDENTS * 15):
        features = [[1.0 if name == "constant" else 0.0 for name in SHARED] for _ in range(8)]
        for k, row in enumerate(features):
            row[above] = (k - 3.5) / 4
        chosen = (n * 5 + n // 12) % 8
        common = {"decision_id": f"d{n:03}", "student_key": student, "decided_at": AS_OF - DAY}
        decisions.append(
            common
            | {
                "rank": 1,
                "policy": RULE,
                "policy_version": "1",
                "last_sequence_number": 0,
                "item_id": f"i{chosen}",
                "skill_id": "k0",
                "propensity": 1 / 8,
                "n_eligible": 8,
                "features": features[chosen],
                "usual_features": [sum(column) / 8 for column in zip(*features, strict=True)],
                "feature_names": list(SHARED),
                "p_correct": 0.7,
                "reason": "made up",
                "exclusions": [],
                "eligible_items": [f"i{k}" for k in range(8)],
                "eligible_skills": ["k0"] * 8,
                "eligible_features": [value for row in features for value in row],
            }
        )
        reward = 0.5 + 0.4 * features[chosen][above] + 0.01 * (n % 3)
        rewards.append(
            common
            | {
                "kind": "learning_gain",
                "reward": reward,
                "event_id": f"e{n}",
                "n_probes": 1,
                "is_gamed": False,
                "rewarded_at": AS_OF - DAY / 2,
            }
        )
    store.overwrite(BANDIT_DECISIONS, frame(BANDIT_DECISIONS, decisions))
    store.overwrite(BANDIT_REWARDS, frame(BANDIT_REWARDS, rewards))
    quick = {
        "off_policy": {"min_decisions": 100, "n_resamples": 200, "min_group": 5},
        "bandit": {"prior_precision": 100.0},  # a few rewards that tell much
    }

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("deepkt_irt.bandit.off_policy.MIN_STUDENTS", 10)
        metrics = recommend_items(context(TASK, settings=Settings.model_validate(quick)))

    assert metrics["linucb_runs"] == 1
    table = store.read(POLICY_EVALUATIONS)
    judged = {
        (row["against"], row["estimator"]): row
        for row in table.filter("policy = 'linucb'").collect()
    }
    assert {against for against, _ in judged} == {"running", RULE}
    decides = judged[RULE, "sndr"]
    assert decides["decides"]
    assert 0 < decides["difference_low"] < decides["difference"]
    assert decides["decision"].startswith("LinUCB goes live")
    (group,) = judged["running", "sndr"]["groups"]
    assert (group["student_group"], group["n_students"], group["n_decisions"]) == ("A", 12, 180)
    new = store.read(BANDIT_DECISIONS).filter("policy = 'linucb'").collect()
    assert len(new) == 12 * 4  # two of each of two skills
    assert {row["policy"] for row in new} == {LINUCB}
    assert any("promising among" in row["reason"] for row in new)
