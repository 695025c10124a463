"""Whether a Quartz cron expression can ever fire."""

import re
from collections.abc import Sequence

_MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
_DAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]
_RANGES = (
    ("seconds", 0, 59, ()),
    ("minutes", 0, 59, ()),
    ("hours", 0, 23, ()),
    ("day of month", 1, 31, ()),
    ("month", 1, 12, _MONTHS),
    ("day of week", 1, 7, _DAYS),
    ("year", 1970, 2099, ()),
)


def cron_problem(text: str) -> str | None:
    """What is wrong with a Quartz expression: seconds to day of week, and perhaps a year."""
    fields = text.upper().split()
    if len(fields) not in {6, 7}:
        return f"{len(fields)} fields where Quartz has 6 or 7"
    if (fields[3] == "?") == (fields[5] == "?"):
        return "just one of day of month and day of week must be ?"
    for value, (name, low, high, words) in zip(fields, _RANGES, strict=False):
        for part in value.split(","):
            if not _is_part(part, name, low, high, words):
                return f"{part!r} is no {name}"
    return None


def _is_part(part: str, name: str, low: int, high: int, words: Sequence[str]) -> bool:
    if name.startswith("day of") and re.fullmatch(r"\?|L|LW|\d{1,2}W|\w+L|\w+#[1-5]", part):
        return True
    span, _, step = part.partition("/")
    if step and not (step.isdigit() and int(step) > 0):
        return False
    if span == "*":
        return True
    numbers = [words.index(end) + low if end in words else end for end in span.split("-")]
    return len(numbers) <= 2 and all(
        str(number).isdigit() and low <= int(number) <= high for number in numbers
    )
