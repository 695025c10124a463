"""What Delta means when it refuses a write, in this package's own errors."""

import re

from deepkt_irt.errors import AnotherRun, BackendUnavailable, DeepktError, QualityViolation
from deepkt_irt.tables.contract import Table

_VIOLATION = re.compile(r"\[(DELTA_(?:NOT_NULL_CONSTRAINT_VIOLATED|VIOLATE_CONSTRAINT\w*))\](.*)")
# what optimistic concurrency answers when a commit in between touched what this one rests on
_CONFLICT = re.compile(r"\[DELTA_(?:CONCURRENT_\w+|METADATA_CHANGED|PROTOCOL_CHANGED)\b")
# what the operating system answers, whoever asked it
_DISK = {
    "No space left on device": "the disk is full; make room",
    "Disk quota exceeded": "the disk's quota is used up; make room",
    "Read-only file system": "its folder cannot be written; give another with --lake",
    "Permission denied": "its folder cannot be written; give another with --lake",
}


def meaning_of(table: Table, error: Exception) -> DeepktError | None:
    """Our error for Delta's; None for anything else. Told by text: its class differs by session.

    Returns:
        `QualityViolation` for a row that breaks a check, `AnotherRun` for a write that clashed
        with another run's, `BackendUnavailable` for a disk that takes nothing.
    """
    text = str(error)
    found = _VIOLATION.search(text)
    if found:
        return QualityViolation(table.qualified_name, f"{found.group(1)}:{found.group(2).strip()}")
    if _CONFLICT.search(text):
        kept = "another run wrote it meanwhile, so nothing of this write was kept; run again"
        return AnotherRun(f"{table.qualified_name}: {kept}")
    for answer, meaning in _DISK.items():
        if answer in text:
            return BackendUnavailable(
                f"{table.qualified_name}: {meaning} and run again, nothing of this write was kept"
            )
    return None
