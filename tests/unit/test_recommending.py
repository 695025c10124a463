"""One way to recommend: from rows about students, kept as files, the same in batch and online."""

import mlflow
import numpy as np
import pandas as pd
import pytest

from deepkt_irt.bandit.policies import LINUCB, RULE, fresh_state
from deepkt_irt.errors import BadFile
from deepkt_irt.irt.items import ItemParameters
from deepkt_irt.mlflow_errors import quietly
from deepkt_irt.recommending import ANSWERED, DECIDED, Recommender
from deepkt_irt.serving import RecommenderService
from deepkt_irt.settings import BanditSettings, RecommendationSettings
from deepkt_irt.tracking import signature_of
from made_up_situations import catalogue


def recommender(policy=RULE, **changed):
    items = {f"s:i{n}": [1 + n % 4] for n in range(12)}
    difficulty = np.append(np.linspace(-2, 2, 11), np.nan)
    known = catalogue(items, difficulty=difficulty, needs={})
    state = fresh_state(known.item_ids, BanditSettings())
    made = {
        "catalogue": known,
        "curves": ItemParameters.dichotomous(difficulty),
        "recommendation": RecommendationSettings(),
        "policy_name": policy,
        "state": state,
    }
    return Recommender(**(made | changed))


def students(n=3, **changed):
    rows = [
        {
            "student_key": f"k{number}",
            "candidate_items": [f"s:i{k}" for k in range(12)],
            "candidate_chances": np.linspace(0.9, 0.45, 12),
            "skills": ["fractions", "ratios"],
            "mastery": [0.5, 0.95],
            "mastery_low": [0.3, 0.9],
            "mastery_high": [0.7, 0.98],
            "skill_responses": [6.0, 40.0],
            "skill_days": [2.0, np.nan],
            "recent_items": ["s:i0"],
            "ability": 0.5 if number else None,
            "help_rate": 0.2,
            "rapid_rate": None,
            "hard_run": 0,
            "asked_at": "2026-03-01",
            **changed,
        }
        for number in range(n)
    ]
    return pd.DataFrame(rows)


def test_decided_gives_slates_with_reasons_and_no_mastered_or_recent_item():
    found = recommender().decided(students(40))

    assert list(found.columns) == list(DECIDED)
    per_student = found.groupby("student_key")["rank"].agg(list)
    assert per_student.map(lambda ranks: ranks == [1, 2, 3, 4, 5]).all()
    assert "s:i0" not in set(found["item_id"])
    assert set(found["skill_id"]) <= {"fractions", "powers", "algebra"}  # ratios is mastered
    assert found["reason"].str.startswith("Practise ").all()
    assert found["propensity"].between(0, 1, inclusive="right").all()


def test_decided_student_without_an_ability_is_judged_by_history():
    found = recommender().decided(students(2)).set_index("student_key")

    assert found.loc["k0", "p_irt"].isna().all()
    assert (found.loc["k0", "p_correct"] == found.loc["k0", "p_sakt"]).all()
    assert found.loc["k0", "reason"].str.contains("ability not estimated yet|not calibrated").all()
    assert found.loc["k1", "p_irt"].notna().any()


def test_decided_in_parts_is_what_is_decided_at_once():
    rows = students(20)

    whole = recommender().decided(rows)
    parts = pd.concat([recommender().decided(rows[:7]), recommender().decided(rows[7:])])

    pd.testing.assert_frame_equal(whole, parts.reset_index(drop=True))


def test_decided_another_instant_may_decide_otherwise():
    later = recommender().decided(students(20, asked_at="2026-03-02"))

    assert later["item_id"].tolist() != recommender().decided(students(20))["item_id"].tolist()


def test_decided_nothing_eligible_is_said_with_its_causes():
    found = recommender().decided(students(1, candidate_chances=np.full(12, 0.99)))

    assert found["rank"].tolist() == [0]
    assert found["item_id"].isna().all()
    assert "too easy now" in found["reason"][0]
    counted = {each["reason"]: each["n"] for each in found["exclusions"][0]}
    assert counted == {"mastered": 3, "recent": 1, "too_easy": 8}


def test_decided_logs_alternatives_of_first_choices_where_asked_to():
    rows = students(2).assign(is_logged=[True, False])

    found = recommender().decided(rows)

    in_full = found[found["eligible_items"].notna()]
    assert in_full[["student_key", "rank"]].to_numpy().tolist() == [["k0", 1]]
    items, flat = in_full["eligible_items"].iloc[0], in_full["eligible_features"].iloc[0]
    own = np.reshape(flat, (len(items), -1))[items.index(in_full["item_id"].iloc[0])]
    assert own.tolist() == in_full["features"].iloc[0]
    assert found["eligible_hash"].notna().all()


def test_decided_unknown_item_or_missing_column_is_refused():
    with pytest.raises(ValueError, match="item 's:x' is not in the catalogue"):
        recommender().decided(students(1, candidate_items=["s:x"], candidate_chances=[0.5]))
    with pytest.raises(ValueError, match="lack mastery, ability"):
        recommender().decided(students(1).drop(columns=["mastery", "ability"]))


@pytest.mark.parametrize("policy", [RULE, LINUCB])
def test_saved_and_loaded_recommender_decides_the_same(tmp_path, policy):
    made = recommender(policy, learnt_until="2026-03-01T02:00:00+00:00", reward_kind="x")

    made.save(tmp_path / "a")
    loaded = Recommender.load(tmp_path / "a")
    loaded.save(tmp_path / "b")

    pd.testing.assert_frame_equal(made.decided(students()), loaded.decided(students()))
    for name in ("catalogue.npz", "recommender.json", "bandit_state/linear_state.npz"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_load_state_of_other_features_is_refused(tmp_path):
    recommender().save(tmp_path)
    about = tmp_path / "bandit_state" / "linear_state.json"
    about.write_text(about.read_text().replace("above_target", "below_target"))

    with pytest.raises(BadFile, match="same names"):
        Recommender.load(tmp_path)


def test_policy_of_an_unknown_name_is_refused():
    with pytest.raises(ValueError, match="no policy 'best'"):
        recommender().policy("best")


def test_example_can_be_answered():
    made = recommender()

    found = made.answered(made.example())

    assert list(found.columns) == list(ANSWERED)
    assert len(found) >= 1


def test_served_recommender_answers_what_the_batch_decides(tmp_path):
    """Kept and loaded by MLflow itself, with the signature that is registered."""
    made, asked = recommender(LINUCB), students(8)
    made.save(tmp_path / "model")
    example = made.example()
    with quietly("keep the model"):
        mlflow.pyfunc.save_model(
            str(tmp_path / "served"),
            python_model=RecommenderService(),
            artifacts={"model": str(tmp_path / "model")},
            signature=signature_of(example, made.answered(example)),
            input_example=example,
            pip_requirements=[],
        )
        served = mlflow.pyfunc.load_model(str(tmp_path / "served")).predict(
            asked.assign(ability=asked["ability"].astype(float), rapid_rate=0.1)
        )

    batch = made.decided(asked.assign(rapid_rate=0.1))[list(ANSWERED)]
    pd.testing.assert_frame_equal(served, batch, check_dtype=False)
    assert len(served) == 8 * 5
