"""Times of collected rows are told in UTC, wherever the machine is that tells them."""

from datetime import UTC, datetime

import pytest
from pyspark.sql import Row

from deepkt_irt.jobs.explain import _explained
from deepkt_irt.jobs.reading import in_utc
from deepkt_irt.jobs.report_students import _answer

pytestmark = pytest.mark.usefixtures("far_from_utc")
INSTANT = datetime(2026, 3, 1, 2, 30, tzinfo=UTC)


@pytest.fixture
def collected():
    """The instant as Spark hands it over: naive, in the zone of the machine."""
    found = datetime.fromtimestamp(INSTANT.timestamp())  # noqa: DTZ006 - as Spark does
    assert found == datetime(2026, 2, 28, 21, 30)  # noqa: DTZ001 - likewise
    return found


def test_instant_of_a_row_is_the_same_in_utc(collected):
    assert in_utc(collected) == INSTANT
    assert in_utc(collected).tzinfo is UTC


def test_answer_of_a_student_is_told_in_utc(collected):
    row = Row(answered_at=collected, latency_ms=None, label="Cake", skill=[], correct=True,
              hint_count=0, p_correct=None)  # fmt: skip

    assert _answer(row).when == "2026-03-01 02:30"


def test_explanation_is_told_in_utc(collected):
    names = ("audience", "skill", "item", "next_action", "outcome", "offline_reason", "problems",
             "model", "reading_grade")  # fmt: skip
    row = Row(**dict.fromkeys(names, "x"), summary=[], steps=[], facts=[], sources=[],
              explained_at=collected)  # fmt: skip

    assert _explained(row).explained_at == "2026-03-01T02:30:00+00:00"
