"""The words of a version do not change."""

from dataclasses import replace

import pytest

from deepkt_irt.rag.prompts import VERSION, wording

WORDINGS = {"explain-1": "a8370e152c999b6785e289971309beafca884602317002b3b03e53ba101063aa"}
"""SHA-256 of the words that each version stands for; a version once released keeps its line."""


def test_no_word_changes_without_the_version():
    assert wording().hash == WORDINGS[VERSION], "change VERSION with every word, and add its hash"


@pytest.mark.parametrize(
    "changed",
    [
        {"instructions": "x"},
        {"voices": {"teacher": "x"}},
        {"repair": "x"},
        {"data": "x"},
        {"schema": {}},
    ],
    ids=lambda each: next(iter(each)),
)
def test_every_word_counts(changed):
    assert replace(wording(), **changed).hash != wording().hash
