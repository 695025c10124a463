"""Text to terms: what counts as one word, and what counts as the same word."""

import re
import unicodedata

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")  # noqa: RUF001 - apostrophes as people type them
_SHORTEST = 4  # a shorter word is not cut


def terms(text: str) -> list[str]:
    """Words of a text in order, without case, in one form of Unicode, plural taken for singular.

    The endings are those of Harman's S stemmer (How effective is suffixing?, JASIS 42(1), 1991),
    which hurts other languages little.
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    return [_singular(word) for word in _WORD.findall(folded)]


def _singular(word: str) -> str:
    if len(word) < _SHORTEST or not word.endswith("s"):
        return word
    if word.endswith("ies") and not word.endswith(("eies", "aies")):
        return word[:-3] + "y"
    if word.endswith("es") and not word.endswith(("aes", "ees", "oes")):
        return word[:-1]
    return word if word.endswith(("us", "ss")) else word[:-1]
