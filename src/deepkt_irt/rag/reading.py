"""How hard a text is to read: the Flesch-Kincaid grade, with syllables counted by rules."""

import re
from functools import lru_cache

_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")  # noqa: RUF001 - apostrophes as people type them
_SENTENCE_END = re.compile(r"[.!?]+(?=\s|$)")
_VOWELS = re.compile(r"[aeiouy]+")
_SILENT = re.compile(r"(?:[^laeiouy]es|[^aeiouytd]ed|[^laeiouy]e)$")


@lru_cache(maxsize=100_000)
def syllables(word: str) -> int:
    """Syllables of an English word, by its groups of vowels; right for most words."""
    folded = word.casefold()
    groups = len(_VOWELS.findall(folded))
    if groups > 1 and _SILENT.search(folded):
        groups -= 1
    return max(1, groups)


def flesch_kincaid_grade(text: str) -> float:
    """School grade that can read a text; 0 for a text without words.

    0.39 words / sentences + 11.8 syllables / words - 15.59.

    Reference:
        Kincaid, Fishburne, Rogers and Chissom (1975), Research Branch Report 8-75, US Navy.
    """
    words = _WORD.findall(text)
    if not words:
        return 0.0
    sentences = max(1, len(_SENTENCE_END.findall(text)))
    per_word = sum(map(syllables, words)) / len(words)
    return 0.39 * len(words) / sentences + 11.8 * per_word - 15.59
