"""What a person may ask to be worked out again."""

from datetime import UTC, datetime

import pytest

from deepkt_irt.errors import UsageError
from deepkt_irt.jobs.entry_points import SCRIPTS
from deepkt_irt.jobs.pipeline import LOCAL_ORDER
from deepkt_irt.jobs.replay import Replay, parse_replay
from deepkt_irt.jobs.replay_students import FOLLOWING, REPLAYED


def parsed(first="", last="", source="", *, every=False):
    return parse_replay(first=first, last=last, source=source, every=every)


def test_both_days_belong_to_the_span():
    found = parsed("2026-03-01", "2026-03-05", "xapi")

    assert found == Replay(
        datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 6, tzinfo=UTC), "xapi"
    )
    assert str(found) == "answered from 2026-03-01 to 2026-03-05 in xapi"
    assert str(parsed("2026-03-01", "2026-03-01")) == "answered from 2026-03-01 to 2026-03-01"


def test_everybody_is_no_span():
    assert parsed(every=True) is None


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "give --from DATE and --to DATE, or --all"),
        ({"first": "2026-03-01"}, "give --from DATE and --to DATE, or --all"),
        ({"last": "2026-03-01"}, "give --from DATE and --to DATE, or --all"),
        ({"first": "2026-03-02", "last": "2026-03-01"}, "--to 2026-03-01 is before"),
        ({"first": "1 March", "last": "2026-03-01"}, "--from '1 March' is no date like"),
        ({"first": "2026-03-01", "last": "2026-02-30"}, "--to '2026-02-30' is no date like"),
        ({"every": True, "first": "2026-03-01"}, "--all works everybody out again"),
        ({"every": True, "source": "xapi"}, "--all works everybody out again"),
        (
            {"first": "2026-03-01", "last": "2026-03-01", "source": "xpai"},
            "did you mean xapi",
        ),
    ],
)
def test_what_is_no_span_is_refused_with_the_fix(given, said):
    with pytest.raises(UsageError, match=said):
        parsed(**given)


def test_tasks_of_a_replay_stand_in_the_order_of_a_run_and_train_no_model_of_students():
    names = [task.name for task in LOCAL_ORDER]
    replay = [task.name for task in (*REPLAYED, *FOLLOWING)]

    assert replay == [name for name in names if name in replay]
    assert not {"train_sakt", "train_wd_irt", "calibrate_items", "ingest_bronze"} & set(replay)


def test_job_gives_every_flag_a_word_that_stands_for_nothing():
    flags = SCRIPTS["replay_students"].parser().parse_args(["--catalog", "deepkt"])

    assert (flags.first, flags.last, flags.source, flags.all) == ("none", "none", "none", "no")
