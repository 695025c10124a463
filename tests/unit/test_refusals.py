"""What Delta's refusals are taken for."""

import pytest

from deepkt_irt.errors import AnotherRun, BackendUnavailable, QualityViolation
from deepkt_irt.tables.refusals import meaning_of
from deepkt_irt.tables.silver import SKILLS


@pytest.mark.parametrize(
    "said",
    [
        "io.delta.exceptions.ConcurrentAppendException: [DELTA_CONCURRENT_APPEND.WITHOUT_HINT] x",
        "[DELTA_CONCURRENT_DELETE_READ.WITH_PARTITION_HINT] Transaction conflict detected",
        "[DELTA_CONCURRENT_DELETE_DELETE] Transaction conflict detected",
        "[DELTA_CONCURRENT_TRANSACTION] ConcurrentTransactionException: two streams",
        "[DELTA_CONCURRENT_WRITE] ConcurrentWriteException: a concurrent transaction",
        "[DELTA_METADATA_CHANGED] MetadataChangedException: The metadata has been changed",
        "[DELTA_PROTOCOL_CHANGED] ProtocolChangedException: The protocol version",
    ],
)
def test_clash_with_another_run_says_which_table_and_what_to_do(said):
    meant = meaning_of(
        SKILLS, RuntimeError(f"An error occurred while calling o1.append.\n: {said}")
    )

    assert isinstance(meant, AnotherRun)
    assert str(meant).startswith("silver.skills: another run wrote it meanwhile")
    assert str(meant).endswith("run again")


def test_broken_check_is_no_clash():
    meant = meaning_of(SKILLS, RuntimeError("[DELTA_VIOLATE_CONSTRAINT_WITH_VALUES] v_positive"))

    assert isinstance(meant, QualityViolation)
    assert str(meant) == "silver.skills: DELTA_VIOLATE_CONSTRAINT_WITH_VALUES:v_positive"


@pytest.mark.parametrize(
    ("said", "meaning"),
    [
        ("java.io.IOException: No space left on device", "the disk is full; make room"),
        ("java.io.IOException: Disk quota exceeded", "quota is used up"),
        ("FileNotFoundException: a.parquet (Read-only file system)", "cannot be written"),
        ("java.io.FileNotFoundException: /l/x (Permission denied)", "give another with --lake"),
    ],
)
def test_disk_that_takes_nothing_is_told_with_what_to_do(said, meaning):
    meant = meaning_of(SKILLS, RuntimeError(f"Job aborted due to stage failure: {said}"))

    assert isinstance(meant, BackendUnavailable)
    assert str(meant).startswith("silver.skills: ")
    assert meaning in str(meant)
    assert str(meant).endswith("run again, nothing of this write was kept")


@pytest.mark.parametrize("said", ["[DELTA_TABLE_NOT_FOUND] x", "concurrent modification", ""])
def test_other_errors_stay_what_they_are(said):
    assert meaning_of(SKILLS, RuntimeError(said)) is None
