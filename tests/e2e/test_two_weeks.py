"""Two weekly runs on grown data: the gate says why; an old champion stays what it was."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from deepkt_irt.cli import main
from deepkt_irt.settings import SimulatorSettings
from deepkt_irt.sources.simulator import District, simulate
from deepkt_irt.tables.gold import SAKT_PREDICTIONS
from deepkt_irt.tables.silver import CANONICAL_LEARNING_EVENTS
from deepkt_irt.tables.store import TableStore

pytestmark = [pytest.mark.spark, pytest.mark.nightly]

WEEKS = ("2026-03-01T04:00", "2026-03-08T04:00")
TRAINING = ("--set", "sakt.max_epochs=3", "--set", "sakt.min_steps=150")
ASKING = ("action_logs", "training_unit_test_scores", "evaluation_unit_test_scores")
BY_ASSIGNMENT = (*ASKING, "assignment_details")
WHOLE = ("sequence_details", "assignment_relationships", "sequence_relationships")


def early_assignments(district: District) -> "pd.Series[str]":
    """The first half of the assignments, by when they were begun."""
    begun = district.assignment_details.sort_values("assignment_start_time")
    return begun["assignment_log_id"].head(len(begun) // 2)


def drop_week(district: District, folder: Path, week: int) -> None:
    """Files of one week; problems nobody has met in the first come with the second.

    What a problem asks is known once it is met, in a test, too: a skill told later would change
    the histories before it.
    """
    early = early_assignments(district)
    asked = pd.concat([getattr(district, name) for name in ASKING])
    met = asked.loc[asked["assignment_log_id"].isin(early), "problem_id"]
    folder.mkdir(exist_ok=True)
    for name in BY_ASSIGNMENT:
        frame = getattr(district, name)
        own = frame["assignment_log_id"].isin(early) == (week == 1)
        frame[own].to_csv(folder / f"{name}_{week}.csv", index=False)
    problems = district.problem_details
    own = problems["problem_id"].isin(met) == (week == 1)
    problems[own].to_csv(folder / f"problem_details_{week}.csv", index=False)
    if week == 1:
        for name in WHOLE:
            getattr(district, name).to_csv(folder / f"{name}.csv", index=False)


def versions(lake: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, dict]:
    """The versions of sakt by number."""
    capsys.readouterr()
    main(["models", "--lake", str(lake), "--json"])
    listed = json.loads(capsys.readouterr().out)
    return {str(each["version"]): each for each in listed if each["model"] == "sakt"}


def predictions(store: TableStore) -> "pd.Series[float]":
    """What the champion says of each event."""
    frame = store.read(SAKT_PREDICTIONS).filter("event_id IS NOT NULL")
    return frame.select("event_id", "p_correct").toPandas().set_index("event_id")["p_correct"]


def test_second_week_is_judged_and_a_rollback_brings_the_first_weeks_predictions_back(
    spark, tmp_path, capsys
):
    district = simulate(SimulatorSettings(n_students=240, n_items=120, seed=5))
    folder, lake = tmp_path / "files", tmp_path / "lake"
    run = ["run", "--source", "edm_cup", "--data", str(folder), "--lake", str(lake), *TRAINING]

    drop_week(district, folder, 1)
    main([*run, "--as-of", WEEKS[0]])
    first = predictions(TableStore(spark, lake=lake))
    drop_week(district, folder, 2)
    main([*run, "--as-of", WEEKS[1]])
    judged = versions(lake, capsys)
    if judged["2"]["champion"]:
        main(["rollback", "sakt", "--lake", str(lake)])
    main([*run, "--as-of", WEEKS[1], "--only", "score_students"])

    assert judged["2"]["reasons"]
    assert judged["2"]["champion"] == (judged["2"]["decision"] == "promoted")
    now = versions(lake, capsys)
    assert now["1"]["champion"]
    store = TableStore(spark, lake=lake)
    again = predictions(store)
    assert len(again) > 1.5 * len(first)
    np.testing.assert_allclose(again[first.index], first, atol=1e-6)
    items = store.read(CANONICAL_LEARNING_EVENTS).select("event_id", "item_id").toPandas()
    item_of = items.set_index("event_id")["item_id"]
    new = again[~item_of[again.index].isin(set(item_of[first.index])).to_numpy()]
    assert len(new) > 100
    assert new.between(0, 1, inclusive="neither").all()
