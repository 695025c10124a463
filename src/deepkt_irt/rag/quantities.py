"""Numbers in sentences: `3 of the last 4`, `62%`, `twelve`, and whether two texts agree on them.

A share keeps its two numbers together, so that `4 of the last 3` is not `3 of the last 4`.
"""

import re
from dataclasses import dataclass
from fractions import Fraction

_UP_TO_TWENTY = """
zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen
sixteen seventeen eighteen nineteen twenty
"""
_WORDS = {word: value for value, word in enumerate(_UP_TO_TWENTY.split())} | {
    "thirty": 30,
    "forty": 40,
    "fifty": 50,
    "hundred": 100,
}
_VAGUE = {"one"}  # mostly no number: `this one`, `one of`
_NUMBER = r"\d+(?:[.,]\d+)*"
_ANY = rf"(?:{_NUMBER}|{'|'.join(_WORDS)})"
_STATED = re.compile(
    rf"(?P<share>{_NUMBER})\s*(?:%|per\s?cent\b)"
    rf"|\b(?P<part>{_ANY})\s+(?:out\s+)?of\s+"
    rf"(?:(?!(?:{'|'.join(_WORDS)})\b)[a-z'’]+\s+){{0,3}}(?P<whole>{_ANY})\b"  # noqa: RUF001
    r"(?!\s*(?:%|per\s?cent\b))"
    rf"|(?<![\w.])(?P<plain>{_NUMBER})(?!\w)|\b(?P<word>{'|'.join(_WORDS)})\b",
    re.IGNORECASE,
)
_DIGITS_IN_WORDS = re.compile(r"(?=\w*\d)(?=\w*[^\W\d])\w+")


@dataclass(frozen=True)
class Quantity:
    """A number that a text states.

    Attributes:
        kind: What it is a number of.
        value: It; a percentage as a share of 1.
        of: What a share is of; None for another kind.
    """

    kind: str
    value: Fraction
    of: Fraction | None = None


def quantities(text: str) -> tuple[Quantity, ...]:
    """The numbers that a text states, in their order."""
    found = []
    for match in _STATED.finditer(text):
        if match["share"]:
            found.append(Quantity("share", _value(match["share"]) / 100))
        elif match["part"]:
            found.append(Quantity("of", _value(match["part"]), _value(match["whole"])))
        elif match["plain"]:
            found.append(Quantity("plain", _value(match["plain"])))
        elif match["word"].casefold() not in _VAGUE:
            found.append(Quantity("plain", _value(match["word"])))
    return tuple(found)


def quantities_are_moved(text: str, basis: str) -> bool:
    """Whether numbers that both state stand in a text in another order than in its basis."""
    rest = iter(_as_shares(quantities(basis)))
    shared = set(_as_shares(quantities(basis)))
    return not all(each in rest for each in _as_shares(quantities(text)) if each in shared)


def unsupported(text: str, basis: str) -> list[str]:
    """Numbers of a text that its basis does not state, as people read them, sorted.

    A share such as `0.62` in the basis supports `62%`; the numbers of `3 of the last 4` in the
    basis support neither alone. Words with digits in them must stand in the basis as they are.
    """
    known = {*quantities(basis), *_as_shares(quantities(basis))}
    wrong = [_told(each) for each in set(quantities(text)) - known]
    words = {word.casefold() for word in _DIGITS_IN_WORDS.findall(basis)}
    wrong += [w for w in _DIGITS_IN_WORDS.findall(text) if w.casefold() not in words]
    return sorted(wrong)


def _as_shares(stated: tuple[Quantity, ...]) -> tuple[Quantity, ...]:
    """Decimals between 0 and 1 as shares, so that `0.62` and `62%` are the same."""
    return tuple(
        Quantity("share", each.value) if each.kind == "plain" and 0 < each.value < 1 else each
        for each in stated
    )


def _value(text: str) -> Fraction:
    word = text.casefold()
    if word in _WORDS:
        return Fraction(_WORDS[word])
    head, _, tail = word.rpartition(".")
    digits = f"{head.replace('.', '').replace(',', '')}.{tail}" if head else tail.replace(",", "")
    return Fraction(digits)


def _told(quantity: Quantity) -> str:
    if quantity.kind == "of":
        return f"{_plain(quantity.value)} of {_plain(quantity.of or Fraction(0))}"
    if quantity.kind == "share":
        return f"{_plain(quantity.value * 100)}%"
    return _plain(quantity.value)


def _plain(value: Fraction) -> str:
    return str(value.numerator) if value.denominator == 1 else f"{float(value):g}"
