"""An action log to events and sequences in pandas: `pandas_log.py FOLDER TARGET SETTINGS`.

FOLDER holds the files of the EDM Cup 2023, TARGET is where events.parquet and sequences.parquet go.
SETTINGS are JSON: length and context of a window. Prints counts as JSON.
"""

import hashlib
import json
import sys
import uuid
from pathlib import Path

import numpy as np
import pandas as pd

_PROBLEM = ["assignment_log_id", "problem_id"]
_GRADED = ("correct_response", "wrong_response")
_KINDS = {
    **dict.fromkeys((*_GRADED, "open_response"), "attempt"),
    "hint_requested": "hint",
    "answer_requested": "answer",
    "explanation_requested": "explanation",
}
_LISTED = {
    "event_ids": "event_id",
    "numbers": "sequence_number",
    "item_indexes": "item_index",
    "skills": "skill_index",
    "correct": "correct",
    "latency_ms": "latency_ms",
    "hint_counts": "hint_count",
    "attempt_counts": "attempt_count",
    "first_actions": "first_action",
    "answered_at": "t",
}


def main() -> None:
    """Make events and sequences, and print how many they are."""
    folder, target, settings = Path(sys.argv[1]), Path(sys.argv[2]), json.loads(sys.argv[3])
    events = events_of(folder)
    events.to_parquet(target / "events.parquet", compression="zstd")
    sequences = sequences_of(events, settings["length"], settings["context"])
    sequences.to_parquet(target / "sequences.parquet", compression="zstd")
    counts = {
        "events": len(events),
        "correct": int(events["correct"].eq(1).sum()),
        "graded": int(events["correct"].notna().sum()),
        "positions": int(sequences["event_ids"].map(len).sum()),
    }
    print(json.dumps(counts))


def events_of(folder: Path) -> pd.DataFrame:
    """One row per response, in each student's order."""
    details = _read(folder, "assignment_details*.csv").drop_duplicates("assignment_log_id")
    closed = details["assignment_end_time"].fillna(details["assignment_start_time"])
    details = details.assign(closed=closed)[
        ["assignment_log_id", "student_id", "class_id", "closed"]
    ]
    problems = _read(folder, "problem_details*.csv").drop_duplicates("problem_id")
    skills = problems[["problem_id", "problem_skill_code"]]
    both = pd.concat([_practice(folder), _tests(folder)], ignore_index=True)
    events = both.merge(details, on="assignment_log_id").merge(skills, on="problem_id", how="left")
    events["t"] = events["t"].fillna(events["closed"])
    students = events["student_id"].unique()
    keys = dict(zip(students, (f"student-{uuid.uuid4()}" for _ in students), strict=True))
    classes = {each: _hash("edm_cup:" + each)[:16] for each in events["class_id"].unique()}
    events["student_key"] = events["student_id"].map(keys)
    events["class_key"] = "class-" + events["class_id"].map(classes)
    events["item_id"] = "edm_cup:" + events["problem_id"]
    events["skill_id"] = "edm_cup:" + events["problem_skill_code"]
    identity = ["student_key", "item_id", "assignment_log_id", "t", "event_kind"]
    rows = events[identity].astype(str).itertuples(index=False, name=None)
    events["event_id"] = [_hash(json.dumps(row)) for row in rows]
    events = events.drop_duplicates("event_id")
    events = events.sort_values(["student_key", "t", "line", "item_id"], na_position="last")
    events["sequence_number"] = events.groupby("student_key").cumcount() + 1
    return events.drop(columns=["student_id", "class_id", "closed", "problem_skill_code"])


def sequences_of(events: pd.DataFrame, length: int, context: int) -> pd.DataFrame:
    """Windows over each student's graded events."""
    steps = events[events["correct"].notna()].copy()
    for name in ("item", "skill"):
        ids = np.sort(steps[f"{name}_id"].dropna().unique())
        index = dict(zip(ids, range(1, len(ids) + 1), strict=True))
        steps[f"{name}_index"] = steps[f"{name}_id"].map(index)
    stride = length - context
    found = []
    for student, history in steps.groupby("student_key", sort=False):
        columns = {name: history[source].to_numpy() for name, source in _LISTED.items()}
        for window, begin in enumerate(range(0, max(len(history) - context, 1), stride)):
            part = {name: values[begin : begin + length] for name, values in columns.items()}
            found.append(
                {
                    "student_key": student,
                    "window_index": window,
                    "context_length": context if window else 0,
                    **part,
                }
            )
    return pd.DataFrame(found)


def _practice(folder: Path) -> pd.DataFrame:
    """One row per problem worked on in an assignment."""
    columns = ["assignment_log_id", "timestamp", "problem_id", "action"]
    actions = _read(folder, "action_logs*.csv", usecols=columns).dropna(subset="problem_id")
    actions = actions.rename(columns={"timestamp": "t"}).sort_values(
        [*_PROBLEM, "t"], kind="stable"
    )
    graded = actions["action"].isin(_GRADED)
    actions["first_t"] = actions["t"].where(graded)
    actions["first_t"] = actions.groupby(_PROBLEM)["first_t"].transform("min")
    before = actions["first_t"].isna() | (actions["t"] < actions["first_t"])
    kind = actions["action"].map(_KINDS)
    asks, shows = actions["action"] == "answer_requested", actions["action"] == "hint_requested"
    is_first = graded & (actions["t"] == actions["first_t"])
    marked = actions[[*_PROBLEM, "t", "first_t"]].assign(
        attempt_count=graded,
        correct=(actions["action"] == "correct_response").astype(float).where(is_first),
        opening_t=actions["t"].where(kind.notna()),
        first_action=kind,
        started=actions["t"].where(before & (actions["action"] == "problem_started")),
        hint_count=before & shows,
        answer_requested=before & asks,
        answer_requested_later=~before & asks,
        explanation_requested=before & (actions["action"] == "explanation_requested"),
    )
    found = marked.groupby(_PROBLEM, sort=False).agg(
        first_t=("first_t", "first"),
        attempt_count=("attempt_count", "sum"),
        correct=("correct", "max"),
        opening_t=("opening_t", "min"),
        first_action=("first_action", "first"),
        started=("started", "max"),
        hint_count=("hint_count", "sum"),
        answer_requested=("answer_requested", "any"),
        answer_requested_later=("answer_requested_later", "any"),
        explanation_requested=("explanation_requested", "any"),
    )
    found = found[found["opening_t"].notna()].reset_index()
    latency = ((found["first_t"] - found["started"]) * 1000).round()
    found["latency_ms"] = latency.where(latency > 0)
    found["t"] = found["first_t"].fillna(found["opening_t"])
    found["score"] = found["correct"]
    return found.drop(columns=["first_t", "opening_t", "started"]).assign(event_kind="practice")


def _tests(folder: Path) -> pd.DataFrame:
    """One row per unit-test score, with the practice it concludes."""
    pairs = _read(folder, "assignment_relationships*.csv").drop_duplicates()
    practice = (
        pairs.sort_values("in_unit_assignment_log_id")
        .groupby("unit_test_assignment_log_id")["in_unit_assignment_log_id"]
        .agg(list)
        .rename("practice")
    )
    files = [pd.read_csv(path) for path in sorted(folder.glob("*_unit_test_scores*.csv"))]
    scores = pd.concat([each.assign(line=range(1, len(each) + 1)) for each in files])
    scores["correct"] = scores["score"].where(scores["score"].isin([0, 1]))
    scores = scores.merge(practice, left_on="assignment_log_id", right_index=True, how="left")
    return scores.drop(columns="id").assign(event_kind="assessment")


def _read(folder: Path, pattern: str, **how: object) -> pd.DataFrame:
    return pd.concat([pd.read_csv(path, **how) for path in sorted(folder.glob(pattern))])


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


if __name__ == "__main__":
    main()
