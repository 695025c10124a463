"""Takes what names a student out of text that people or logs are shown."""

import re
from collections.abc import Iterable

MASK = "[erased]"
_SHORTEST = 6  # characters; a shorter text, or a mere number, stands everywhere by chance
_SHORTEST_NUMBER = 12


def is_telling(value: str) -> bool:
    """Whether a value can be looked for in any text: it is long, and no short number."""
    return len(value) >= (_SHORTEST_NUMBER if value.isdigit() else _SHORTEST)


def whole(value: str) -> str:
    """A regular expression for a value that is no part of a longer word, in Python and Java."""
    return f"(?<![0-9A-Za-z]){re.escape(value)}(?![0-9A-Za-z])"


def redacted(text: str, values: Iterable[str]) -> str:
    """The text with each value that can be looked for masked, where it stands as a whole word."""
    for value in filter(is_telling, values):
        text = re.sub(whole(value), MASK, text)
    return text
