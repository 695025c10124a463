"""Numbers in sentences, and what supports them."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepkt_irt.rag.quantities import Quantity, quantities, quantities_are_moved, unsupported

SHARE, OF, PLAIN = "share", "of", "plain"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3 of the last 4 answers", [Quantity(OF, Fraction(3), Fraction(4))]),
        ("three out of four", [Quantity(OF, Fraction(3), Fraction(4))]),
        ("one of your last 4", [Quantity(OF, Fraction(1), Fraction(4))]),
        ("62 %, 48% or 75 percent", [Quantity(SHARE, Fraction(n, 100)) for n in (62, 48, 75)]),
        ("12 answers", [Quantity(PLAIN, Fraction(12))]),
        ("twelve answers", [Quantity(PLAIN, Fraction(12))]),
        ("1,250 rows", [Quantity(PLAIN, Fraction(1250))]),
        ("0.71", [Quantity(PLAIN, Fraction(71, 100))]),
        ("64 % of the 120", [Quantity(SHARE, Fraction(64, 100)), Quantity(PLAIN, Fraction(120))]),
        ("this one, of course", []),
        ("no number", []),
    ],
)
def test_quantities_reads_numbers_in_their_order(text, expected):
    assert list(quantities(text)) == expected


@pytest.mark.parametrize(
    ("text", "basis"),
    [
        ("4 of the last 3", "3 of the last 4"),
        ("3 answers", "3 of the last 4 answers"),
        ("63 %", "62 %"),
        ("62 answers", "62 %"),
        ("three", "two"),
        ("item x27", "item x28"),
        ("half a dozen: 6", "12"),
        ("48-75 %", "between 48 % and 75 %"),
    ],
)
def test_unsupported_names_numbers_that_the_basis_does_not_state(text, basis):
    assert unsupported(text, basis)


@pytest.mark.parametrize(
    ("text", "basis"),
    [
        ("three of your last four", "3 of the last 4"),
        ("62 percent", "62 %"),
        ("62 %", "mastery 0.62"),
        ("item X27", "x27"),
        ("no number", "nor here"),
    ],
)
def test_unsupported_takes_the_same_number_in_other_words(text, basis):
    assert unsupported(text, basis) == []


@given(st.text())
def test_every_text_supports_itself(text):
    assert unsupported(text, text) == []
    assert not quantities_are_moved(text, text)


@given(st.integers(0, 10_000), st.integers(0, 10_000))
def test_another_number_is_always_seen(stated, other):
    assert bool(unsupported(f"{other} answers", f"{stated} answers")) == (stated != other)


def test_moved_numbers_are_seen_and_left_out_ones_are_not():
    basis = "62 %, between 48 % and 75 %, from 12 answers"

    assert quantities_are_moved("between 75 % and 48 %", basis)
    assert quantities_are_moved("48 %, between 62 % and 75 %", basis)
    assert not quantities_are_moved("62 %, at most 75 %", basis)
