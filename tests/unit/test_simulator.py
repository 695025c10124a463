"""The simulated district: its files have the real layout, and its numbers obey the stated laws."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from deepkt_irt.errors import BackendUnavailable, UsageError
from deepkt_irt.settings import SimulatorSettings
from deepkt_irt.sources.simulator import District, simulate, write_district

SMALL = SimulatorSettings(n_students=10, n_items=20, seed=3)
HEADERS = {
    "action_logs": "assignment_log_id,timestamp,problem_id,max_attempts,available_core_tutoring,"
    "score_viewable,continuous_score_viewable,action,hint_id,explanation_id",
    "assignment_details": "assignment_log_id,student_id,sequence_id,teacher_id,class_id,"
    "assignment_release_date,assignment_due_date,assignment_start_time,assignment_end_time",
    "problem_details": "problem_id,problem_multipart_id,problem_multipart_position,problem_type,"
    "problem_skill_code,problem_skill_description,problem_contains_image,"
    "problem_contains_equation,problem_contains_video,problem_text_bert_pca",
    "sequence_details": "sequence_id,sequence_folder_path_level_1,sequence_folder_path_level_2,"
    "sequence_folder_path_level_3,sequence_folder_path_level_4,sequence_folder_path_level_5,"
    "sequence_name,sequence_problem_ids",
    "training_unit_test_scores": "assignment_log_id,problem_id,score",
    "evaluation_unit_test_scores": "id,assignment_log_id,problem_id,score",
    "assignment_relationships": "unit_test_assignment_log_id,in_unit_assignment_log_id",
    "sequence_relationships": "unit_test_sequence_id,in_unit_sequence_id",
    "hint_details": "hint_id,problem_id,hint_text_bert_pca",
    "explanation_details": "explanation_id,problem_id,explanation_text_bert_pca",
    "skill_prerequisites": "skill_code,prerequisite_skill_code",
    "skill_lessons": "lesson_id,skill_code,kind,title,text,grade,locale,licence",
}
TRUTHS = {
    "truth_items",
    "truth_students",
    "truth_abilities",
    "truth_responses",
    "truth_skills",
}
GRADED = ("correct_response", "wrong_response")


@pytest.fixture(scope="module")
def district() -> District:
    return simulate(SimulatorSettings())


@pytest.fixture(scope="module")
def first_graded(district: District) -> pd.DataFrame:
    """First graded action of each problem in each assignment."""
    graded = district.action_logs[district.action_logs["action"].isin(GRADED)]
    return graded.sort_values("timestamp").drop_duplicates(["assignment_log_id", "problem_id"])


@pytest.fixture(scope="module")
def responses(district: District) -> pd.DataFrame:
    """True responses with what is true of item and student."""
    return district.truth_responses.merge(district.truth_items, on="problem_id").merge(
        district.truth_students, on="student_id"
    )


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def written(settings: SimulatorSettings, folder: Path) -> dict[str, bytes]:
    write_district(simulate(settings), folder / "landing", truth_folder=folder / "truth")
    return contents(folder)


def test_write_district_same_seed_gives_identical_bytes(tmp_path: Path) -> None:
    assert written(SMALL, tmp_path / "a") == written(SMALL, tmp_path / "b")


def test_write_district_other_seed_gives_other_files(tmp_path: Path) -> None:
    other = SMALL.model_copy(update={"seed": 4})

    first, second = written(SMALL, tmp_path / "a"), written(other, tmp_path / "b")

    same = {name for name in first if first[name] == second[name]}
    assert same == {
        "skill_prerequisites.csv",
        "skill_lessons.csv",
        "truth_skills.csv",
    }  # the curriculum is fixed


def test_write_district_lands_the_layout_and_keeps_the_truth_apart(tmp_path: Path) -> None:
    landing, truth = tmp_path / "landing", tmp_path / "truth"

    paths = write_district(simulate(SMALL), landing, truth_folder=truth)

    headers = {
        path.stem: path.read_text().partition("\n")[0] for path in paths if path.parent == landing
    }
    assert headers == HEADERS
    assert {path.stem for path in paths if path.parent == truth} == TRUTHS
    assert set(contents(tmp_path)) == {path.name for path in paths}  # nothing half-written is left


def test_write_district_truth_inside_the_landing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="landing"):
        write_district(simulate(SMALL), tmp_path, truth_folder=tmp_path / "truth")

    assert not list(tmp_path.iterdir())


def test_write_district_folder_that_is_a_file_is_reported(tmp_path: Path) -> None:
    (tmp_path / "landing").write_text("")

    with pytest.raises(BackendUnavailable, match="cannot be written"):
        write_district(simulate(SMALL), tmp_path / "landing", truth_folder=tmp_path / "elsewhere")


@pytest.mark.parametrize("n_students", [10, 26])
@pytest.mark.parametrize("n_items", [20, 47])
def test_simulate_small_district_is_complete(n_students: int, n_items: int) -> None:
    small = simulate(SimulatorSettings(n_students=n_students, n_items=n_items, seed=1))

    assert len(small.truth_students) == n_students + 1
    known = small.truth_items["problem_id"].isin(small.problem_details["problem_id"])
    assert known.sum() == n_items
    assert "algebra" in set(small.truth_skills["name"])
    assert (small.truth_items["drift_b"] != 0).sum() >= 2
    assert not small.truth_responses.empty


def test_simulate_default_size_has_about_a_hundred_graded_events_a_student(
    district: District,
) -> None:
    per_student = district.truth_responses.groupby("student_id").size()
    assert 85 < per_student.mean() < 125
    assert 100_000 < len(district.action_logs) < 170_000


def test_simulate_most_items_get_a_hundred_first_attempts(district: District) -> None:
    firsts = district.truth_responses.drop_duplicates(["student_id", "problem_id"])
    counts = firsts["problem_id"].value_counts()
    assert (counts >= 100).mean() > 0.95


@pytest.mark.parametrize(
    ("frame", "key"),
    [
        ("assignment_details", ["assignment_log_id"]),
        ("problem_details", ["problem_id"]),
        ("sequence_details", ["sequence_id"]),
        ("evaluation_unit_test_scores", ["id"]),
        ("hint_details", ["hint_id"]),
        ("explanation_details", ["explanation_id"]),
        ("skill_prerequisites", ["skill_code", "prerequisite_skill_code"]),
        ("truth_items", ["problem_id"]),
        ("truth_students", ["student_id"]),
        ("truth_responses", ["assignment_log_id", "problem_id"]),
        ("truth_skills", ["skill_code"]),
    ],
)
def test_simulate_identifiers_are_unique(district: District, frame: str, key: list[str]) -> None:
    assert not getattr(district, frame).duplicated(key).any()


def test_simulate_references_point_to_something(district: District) -> None:
    details = district.assignment_details
    logs = set(details["assignment_log_id"])
    assert set(district.action_logs["assignment_log_id"]) <= logs
    assert set(district.assignment_relationships.to_numpy().ravel()) <= logs
    assert set(details["sequence_id"]) <= set(district.sequence_details["sequence_id"])
    shown = district.action_logs["hint_id"].dropna()
    assert not shown.empty
    assert set(shown) <= set(district.hint_details["hint_id"])
    told = district.action_logs["explanation_id"].dropna()
    assert set(told) <= set(district.explanation_details["explanation_id"])
    codes = set(district.problem_details["problem_skill_code"])
    assert set(district.skill_prerequisites.to_numpy().ravel()) <= codes
    assert set(district.skill_lessons["skill_code"]) == codes


def test_simulate_every_skill_has_explanations_and_hints_of_its_own(district: District) -> None:
    lessons = district.skill_lessons
    kinds = lessons.groupby("skill_code")["kind"].agg(set)

    assert (kinds == {"explanation", "hint"}).all()
    assert lessons["lesson_id"].is_unique
    assert lessons["text"].is_unique
    assert not lessons.isna().any().any()


def test_simulate_prerequisites_form_no_cycle(district: District) -> None:
    unit = district.truth_skills.set_index("skill_code")["unit"]
    pairs = district.skill_prerequisites
    later = unit.loc[pairs["skill_code"]].to_numpy()
    assert (unit.loc[pairs["prerequisite_skill_code"]].to_numpy() < later).all()


def test_simulate_mean_true_probability_equals_the_share_right(
    responses: pd.DataFrame,
) -> None:
    p = responses["p_correct"]
    assert 0.65 <= responses["correct"].mean() <= 0.70
    bins = pd.cut(p, np.linspace(0, 1, 11))
    gap = responses.groupby(bins, observed=True).agg(
        seen=("correct", "mean"), expected=("p_correct", "mean"), n=("correct", "size")
    )
    error = np.sqrt(gap["expected"] * (1 - gap["expected"]) / gap["n"])
    assert (np.abs(gap["seen"] - gap["expected"]) < 4 * error).all()


def test_simulate_true_probability_predicts_better_than_item_and_chance(
    responses: pd.DataFrame,
) -> None:
    def log_loss(p: pd.Series) -> float:
        right = responses["correct"] == 1
        return float(-np.log(np.where(right, p, 1 - p)).mean())

    by_item = responses.groupby("problem_id")["correct"].transform("mean").clip(0.01, 0.99)
    assert log_loss(responses["p_correct"]) < log_loss(by_item) - 0.03


def test_simulate_higher_ability_gets_more_right(responses: pd.DataFrame) -> None:
    quarter = pd.qcut(responses["ability"], 4, labels=False)
    shares = responses.groupby(quarter)["correct"].mean()
    assert shares.is_monotonic_increasing
    assert shares.iloc[-1] - shares.iloc[0] > 0.2


def test_simulate_harder_items_are_missed_more(responses: pd.DataFrame) -> None:
    shares = responses.groupby("problem_id").agg(share=("correct", "mean"), b=("b", "first"))
    assert shares["share"].corr(shares["b"]) < -0.85


def test_simulate_rapid_responses_are_at_chance(responses: pd.DataFrame) -> None:
    rapid = responses[responses["is_rapid"] == 1]
    assert set(rapid["kind"]) == {"rapid_guesser"}
    assert rapid.loc[rapid["c"] == 0, "correct"].sum() == 0
    guessable = rapid[rapid["c"] > 0]
    error = np.sqrt((guessable["c"] * (1 - guessable["c"])).mean() / len(guessable))
    assert abs(guessable["correct"].mean() - guessable["c"].mean()) < 3 * error


def test_simulate_rapid_responses_are_fast(district: District, first_graded: pd.DataFrame) -> None:
    keys = ["assignment_log_id", "problem_id"]
    starts = district.action_logs[district.action_logs["action"] == "problem_started"]
    both = first_graded.merge(starts, on=keys, suffixes=("", "_start"))
    both = both.merge(district.truth_responses, on=keys)
    seconds = (both["timestamp"] - both["timestamp_start"]).groupby(both["is_rapid"])
    assert seconds.quantile(0.99)[1] < seconds.quantile(0.01)[0]
    assert seconds.min().min() > 0


def test_simulate_only_guessable_items_have_a_lower_asymptote(district: District) -> None:
    items = district.truth_items.merge(district.problem_details, on="problem_id")
    choice = items["problem_type"].str.startswith("Multiple Choice")
    assert (items.loc[choice, "c"] > 0).all()
    assert (items.loc[~choice, "c"] == 0).all()
    assert (items["a"] > 0).all()


def test_simulate_practice_raises_abilities_modestly(district: District) -> None:
    abilities = district.truth_abilities
    rise = abilities["ability_end"] - abilities["ability_start"]
    assert (rise >= 0).all()
    assert 0.1 < rise.mean() < 0.6


def test_simulate_practice_shows_in_the_responses(
    district: District, responses: pd.DataFrame
) -> None:
    earnest = responses[responses["kind"] != "rapid_guesser"].merge(
        district.problem_details, on="problem_id"
    )
    started = district.assignment_details.set_index("assignment_log_id")["assignment_start_time"]
    earnest = earnest.assign(at=started.loc[earnest["assignment_log_id"]].to_numpy())
    earnest = earnest.sort_values("at", kind="stable")
    number = earnest.groupby(["student_id", "problem_skill_code"]).cumcount()
    surplus = earnest["correct"] - 1 / (
        1 + np.exp(earnest["a"] * (earnest["b"] - earnest["ability"]))
    )
    assert surplus[number >= 6].mean() > surplus[number < 3].mean() + 0.02


def test_simulate_items_drift_in_both_directions_at_one_date(
    district: District, responses: pd.DataFrame
) -> None:
    drifting = responses[responses["drift_b"] != 0]
    assert len(set(drifting["drift_at"])) == 1
    started = district.assignment_details.set_index("assignment_log_id")["assignment_start_time"]
    after = started.loc[drifting["assignment_log_id"]].to_numpy() >= drifting["drift_at"]
    shares = drifting.groupby([drifting["drift_b"] > 0, after])["correct"].mean()
    assert shares[True, True] < shares[True, False] - 0.05  # harder
    assert shares[False, True] > shares[False, False] + 0.05  # easier
    both_sides = after.groupby(drifting["problem_id"]).mean()
    assert both_sides.between(0.2, 0.8).all()


def test_simulate_graded_truth_is_the_first_graded_action(
    district: District, first_graded: pd.DataFrame
) -> None:
    truth = district.truth_responses
    practice = truth[truth["event_kind"] == "practice"]
    keys = ["assignment_log_id", "problem_id"]
    both = practice.merge(first_graded, on=keys, how="outer", indicator=True)
    assert (both["_merge"] == "both").all()
    assert ((both["action"] == "correct_response") == (both["correct"] == 1)).all()


def test_simulate_unit_tests_stand_in_the_score_files_and_leave_no_actions(
    district: District,
) -> None:
    truth = district.truth_responses
    tests = truth[truth["event_kind"] == "assessment"]
    scores = pd.concat([district.training_unit_test_scores, district.evaluation_unit_test_scores])
    both = tests.merge(scores, on=["assignment_log_id", "problem_id"], how="outer", indicator=True)
    assert (both["_merge"] == "both").all()
    assert (both["score"] == both["correct"]).all()
    assert not set(scores["assignment_log_id"]) & set(district.action_logs["assignment_log_id"])


def test_simulate_practice_precedes_its_unit_test(district: District) -> None:
    started = district.assignment_details.set_index("assignment_log_id")["assignment_start_time"]
    last_action = district.action_logs.groupby("assignment_log_id")["timestamp"].max()
    pairs = district.assignment_relationships
    practice = last_action.loc[pairs["in_unit_assignment_log_id"]].to_numpy()
    assert (practice < started.loc[pairs["unit_test_assignment_log_id"]].to_numpy()).all()


def test_simulate_actions_run_forward_within_an_assignment(district: District) -> None:
    times = district.action_logs.groupby("assignment_log_id")["timestamp"]
    assert times.is_monotonic_increasing.all()
    first = district.action_logs.drop_duplicates("assignment_log_id")
    assert set(first["action"]) == {"assignment_started"}


def test_simulate_assignments_of_a_student_do_not_overlap(district: District) -> None:
    last_action = district.action_logs.groupby("assignment_log_id")["timestamp"].max()
    details = district.assignment_details.sort_values(["student_id", "assignment_start_time"])
    ended = details["assignment_log_id"].map(last_action).fillna(details["assignment_end_time"])
    following = details.groupby("student_id")["assignment_start_time"].shift(-1)
    assert (following.isna() | (ended < following)).all()


def test_simulate_test_student_works_hard_and_does_not_master_algebra(
    district: District, responses: pd.DataFrame
) -> None:
    mine = responses[responses["student_id"] == "test"].merge(
        district.problem_details, on="problem_id"
    )
    assert len(mine) > 80
    in_algebra = mine["problem_skill_description"] == "algebra"
    assert in_algebra.sum() >= 6
    assert mine.loc[in_algebra, "p_correct"].mean() < 0.6
    assert mine.loc[~in_algebra, "p_correct"].mean() > 0.65
    assert mine["kind"].eq("steady").all()


def test_simulate_has_the_quirks_of_the_real_files(district: District) -> None:
    log = district.action_logs
    actions = set(log["action"])
    assert {
        "open_response",
        "answer_requested",
        "explanation_requested",
        "hint_requested",
        "assignment_resumed",
        "skill_related_video_requested",
    } <= actions
    unknown = log["problem_id"].notna() & ~log["problem_id"].isin(
        district.problem_details["problem_id"]
    )
    assert 0 < unknown.mean() < 0.03
    assert district.assignment_relationships.duplicated().any()
    assert district.assignment_details["assignment_end_time"].isna().any()
    on_assignment = log["action"].str.startswith("assignment_")
    assert (log["problem_id"].isna() == on_assignment).all()
    attempts = log[log["action"].isin(GRADED)].groupby(["assignment_log_id", "problem_id"]).size()
    assert (attempts > 1).mean() > 0.1


def test_simulate_a_few_evaluation_students_are_also_in_training(district: District) -> None:
    student = district.assignment_details.set_index("assignment_log_id")["student_id"]
    training = set(student.loc[district.training_unit_test_scores["assignment_log_id"]])
    evaluation = set(student.loc[district.evaluation_unit_test_scores["assignment_log_id"]])
    assert 0 < len(training & evaluation) < 0.2 * len(evaluation)


def test_simulate_hint_seekers_ask_first_more_than_others(district: District) -> None:
    log = district.action_logs.merge(
        district.assignment_details[["assignment_log_id", "student_id"]]
    ).merge(district.truth_students)
    seeker = log["kind"] == "hint_seeker"
    asked = log["action"] == "hint_requested"
    assert asked[seeker].mean() > 5 * asked[~seeker].mean()


def test_simulate_finished_assignments_show_every_listed_problem() -> None:
    district = simulate(SMALL)
    log = district.action_logs
    finished = log[log["action"] == "assignment_finished"]["assignment_log_id"]
    met = log[log["action"] == "problem_started"].groupby("assignment_log_id").size()
    listed = district.sequence_details.set_index("sequence_id")["sequence_problem_ids"]
    sequence = district.assignment_details.set_index("assignment_log_id")["sequence_id"]
    known = set(district.problem_details["problem_id"])
    for log_id in finished:
        wanted = listed[sequence[log_id]].strip("[]").split(", ")
        assert met[log_id] >= len([problem for problem in wanted if problem in known])
