"""The reading level against texts counted by hand."""

import pytest

from deepkt_irt.rag.reading import flesch_kincaid_grade, syllables


@pytest.mark.parametrize(
    ("word", "n"),
    [
        *[("the", 1), ("make", 1), ("table", 2), ("tables", 2), ("answer", 2), ("fraction", 2)],
        *[("wanted", 2), ("asked", 1), ("question", 2), ("expected", 3), ("denominator", 5)],
        *[("next", 1), ("skill", 1), ("places", 1), ("mmm", 1)],
    ],
)
def test_syllables_of_common_words(word, n):
    assert syllables(word) == n


def test_grade_is_the_formula():
    text = "The cat sat. It was wanted."  # 6 words, 2 sentences, 7 syllables

    assert flesch_kincaid_grade(text) == pytest.approx(0.39 * 3 + 11.8 * 7 / 6 - 15.59)


def test_numbers_are_no_words_and_points_in_them_end_nothing():
    assert flesch_kincaid_grade("The chance is 0.62 now.") == flesch_kincaid_grade(
        "The chance is now."
    )
    assert flesch_kincaid_grade("62 % 48 %") == 0.0


def test_longer_words_and_sentences_are_harder():
    easy = "Add the top numbers. Keep the bottom one."
    hard = "Subsequently consolidate the corresponding numerators, maintaining denominators."

    assert flesch_kincaid_grade(easy) < 3
    assert flesch_kincaid_grade(hard) > 15
