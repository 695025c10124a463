"""What rows of drift say of an item, whoever reads them."""

import pytest

from deepkt_irt.jobs.calibrated import flagged_since


@pytest.mark.parametrize(
    ("statuses", "since"),
    [
        ([], None),
        (["act"], 0),
        (["act", "stable"], None),
        (["watch", "stable", "act", "watch"], 2),
        (["stable", "watch", "act"], 1),
    ],
)
def test_flagged_since_is_the_start_of_the_last_flagged_windows(statuses, since):
    assert flagged_since(enumerate(statuses)) == since
