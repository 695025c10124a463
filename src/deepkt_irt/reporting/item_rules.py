"""The rules of item health, each in the words of an author: what was found, with its figures.

A rule gives None where nothing is amiss. What is not known (None, or NaN) is never amiss. How
grave a rule is and what to do about it stands in item_health.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from deepkt_irt.reporting.item_facts import GroupDif, ItemFacts, OptionFacts
from deepkt_irt.settings import DifSettings, HealthSettings

_Z95 = 1.96
_FAR_MEAN_SQUARE = 2.0  # degrades measurement: Linacre (2002), Rasch Measurement Transactions 16:2
_SIGNIFICANT = 0.05  # over all pairs of an item
_FAR_RMSD = 2.0  # times health.max_rmsd
_MOST_OPTIONS = 8  # with more, answers are typed, and a rare one distracts nobody by nature


@dataclass(frozen=True)
class Cuts:
    """Where rules cut: settings of item health and of DIF."""

    health: HealthSettings
    dif: DifSettings


Words = Callable[[ItemFacts, Cuts], str | None]


def miskeyed(facts: ItemFacts, cuts: Cuts) -> str | None:
    """A correlation below the cut with certainty; without it, the item is only weak."""
    r = facts.item_theta_correlation
    words = f"fewer able students get it right than others do (correlation {_signed(r)})"
    return _below(_end(r, facts.n_responses, +1), cuts.health.correlation_miskeyed, words)


def weak(facts: ItemFacts, cuts: Cuts) -> str | None:
    """A correlation below the usual cut with certainty, or a negative one that may be chance."""
    r = facts.item_theta_correlation
    negative = r is not None and r < cuts.health.correlation_miskeyed
    end = r if negative else _end(r, facts.n_responses, +1)
    words = f"able students get it right hardly more often than others (correlation {_signed(r)})"
    return _below(end, cuts.health.correlation_weak, words)


def better_distractor(facts: ItemFacts, _: Cuts) -> str | None:
    """An answer that counts as wrong is tied to ability, and more so than the key."""
    keys = [option.point_biserial for option in facts.options if option.is_key]
    key = max((r for r in keys if r is not None), default=None)
    wrong = _tempting(facts)
    if wrong is None or key is None:
        return None
    figures = f"correlations {_signed(wrong.point_biserial)} and {_signed(key)}"
    words = f"able students answer “{wrong.answer}”, which counts as wrong, rather than the key"
    return _above(wrong.point_biserial, key, _literal(f"{words} ({figures})"))


def tempting_option(facts: ItemFacts, _: Cuts) -> str | None:
    """An answer that counts as wrong is tied to ability."""
    wrong = _tempting(facts)
    if wrong is None:
        return None
    words = f"able students answer “{wrong.answer}”, which counts as wrong, more than others do"
    return f"{words} (correlation {_signed(wrong.point_biserial)})"


def idle_option(facts: ItemFacts, cuts: Cuts) -> str | None:
    """A wrong option that is rarely chosen, where options are offered or may be."""
    if facts.is_guessable is False or len(facts.options) > _MOST_OPTIONS:
        return None
    wrong = [option for option in facts.options if option.is_key is False]
    idle = [
        f"“{option.answer}” ({option.share:.0%})"
        for option in wrong
        if option.share is not None and option.share < cuts.health.min_option_share
    ]
    return f"hardly anyone chooses {', '.join(idle)}" if idle else None


def drifted(status: str, *, easier: bool) -> Words:
    """Drift of a status; where its direction is not known, it counts as not easier."""

    def words(facts: ItemFacts, _: Cuts) -> str | None:
        if facts.drift_status != status or (facts.drift_direction == "easier") != easier:
            return None
        found = f"{facts.drift_direction or 'behaves otherwise'} than calibrated"
        # slow drift may be flagged in a window that by itself went the other way
        change = (facts.drift_delta or 0.0) * (-1 if easier else 1)
        if change > 0:
            found += f" by {change:.1f} logits"
        if facts.drift_since is not None:
            found += f" since {facts.drift_since:%Y-%m-%d}"
        return f"{found}: {facts.drift_likely_cause}" if facts.drift_likely_cause else found

    return words


def unfair(facts: ItemFacts, cuts: Cuts) -> str | None:
    """DIF of class C that stands among all the items and groups tested."""
    return _worst_group([each for each in facts.dif if _stands(each, "C", cuts)])


def maybe_unfair(facts: ItemFacts, cuts: Cuts) -> str | None:
    """DIF of class B that stands, of class C that may be chance, or a large change of R2.

    Reference:
        Jodoin and Gierl (2001), Applied Measurement in Education 14, 329-349: R2 also shows DIF
        that changes sides with ability.
    """
    return _worst_group(
        [
            each
            for each in facts.dif
            if each.ets_class == "C"
            or _stands(each, "B", cuts)
            or (each.r2_change is not None and each.r2_change > cuts.dif.r2_large)
        ]
    )


def far_misfit(facts: ItemFacts, cuts: Cuts) -> str | None:
    """A mean square so large that the item harms measurement."""
    return _misfit(facts, cuts, _FAR_MEAN_SQUARE)


def misfit(facts: ItemFacts, cuts: Cuts) -> str | None:
    """A mean square above the usual cut."""
    return _misfit(facts, cuts, cuts.health.fit_high)


def overfit(facts: ItemFacts, cuts: Cuts) -> str | None:
    """A mean square below the usual cut."""
    least, name = min(_mean_squares(facts, cuts, sign=-1), default=(1.0, ""))
    return _below(least, cuts.health.fit_low, f"more regular than its curve says ({name} {{:.2f}})")


def far_off_curve(facts: ItemFacts, cuts: Cuts) -> str | None:
    """Observed and expected curve lie far apart."""
    words = "shares right lie far off its curve (RMSD {:.2f})"
    return _above(facts.rmsd, _FAR_RMSD * cuts.health.max_rmsd, words)


def off_curve(facts: ItemFacts, cuts: Cuts) -> str | None:
    """Observed and expected curve lie apart."""
    return _above(facts.rmsd, cuts.health.max_rmsd, "shares right lie off its curve (RMSD {:.2f})")


def locally_dependent(facts: ItemFacts, cuts: Cuts) -> str | None:
    """Residuals go with another item's, or against them, more than chance among many pairs."""
    if facts.q3_p is None or facts.q3_p >= _SIGNIFICANT:
        return None
    size = abs(facts.q3_max) if facts.q3_max is not None else None
    words = f"answers to it and to {facts.q3_item_id or 'another item'} hang together"
    return _above(
        size, cuts.health.max_q3, _literal(f"{words} beyond ability (Q3 {_signed(facts.q3_max)})")
    )


def flat(facts: ItemFacts, cuts: Cuts) -> str | None:
    """A low discrimination."""
    words = "it hardly tells able students from others (discrimination {:.2f})"
    return _below(facts.discrimination, cuts.health.min_slope, words)


def steep(facts: ItemFacts, cuts: Cuts) -> str | None:
    """A discrimination higher than items have."""
    words = "steeper than items are (discrimination {:.2f})"
    return _above(facts.discrimination, cuts.health.max_slope, words)


def guessed(facts: ItemFacts, cuts: Cuts) -> str | None:
    """A high lower asymptote."""
    words = "{:.0%} of those who do not know how get it right (guessing)"
    return _above(facts.guessing, cuts.health.max_guessing, words)


def too_hard(facts: ItemFacts, cuts: Cuts) -> str | None:
    """Little credit is given."""
    words = f"hardly anyone gets it right ({{:.0%}}{_interval(facts)})"
    return _below(facts.p_value, cuts.health.p_low, words)


def too_easy(facts: ItemFacts, cuts: Cuts) -> str | None:
    """Nearly all credit is given."""
    words = f"nearly everyone gets it right ({{:.0%}}{_interval(facts)})"
    return _above(facts.p_value, cuts.health.p_high, words)


def omitted(facts: ItemFacts, cuts: Cuts) -> str | None:
    """Many meet it and give no answer."""
    words = "{:.0%} of those who met it never answered"
    return _above(facts.omit_rate, cuts.health.max_omit_rate, words)


def hinted(facts: ItemFacts, cuts: Cuts) -> str | None:
    """Many use hints."""
    return _above(facts.hint_rate, cuts.health.max_hint_rate, "{:.0%} used a hint")


def answer_shown(facts: ItemFacts, cuts: Cuts) -> str | None:
    """Many ask for the answer: the strongest of hints, so held against their cut."""
    words = "{:.0%} had the answer shown"
    return _above(facts.answer_requested_rate, cuts.health.max_hint_rate, words)


def uncertain(facts: ItemFacts, cuts: Cuts) -> str | None:
    """A large standard error of difficulty, said as half a 95% interval."""
    margin = _Z95 * facts.difficulty_se if facts.difficulty_se is not None else None
    words = "its difficulty is known only to ±{:.1f} logits"
    return _above(margin, _Z95 * cuts.health.max_difficulty_se, words)


def _above(value: float | None, cut: float, words: str) -> str | None:
    """The words about a value beyond a cut; a value that is not known is not beyond it."""
    return words.format(value) if value is not None and value > cut else None


def _below(value: float | None, cut: float, words: str) -> str | None:
    return words.format(value) if value is not None and value < cut else None


def _tempting(facts: ItemFacts) -> OptionFacts | None:
    """The wrong answer most tied to ability, if it certainly is."""
    n = sum(option.n for option in facts.options)
    tied = [
        (low, option)
        for option in facts.options
        if option.is_key is False
        and (low := _end(option.point_biserial, n, -1)) is not None
        and low > 0
    ]
    return max(tied, key=lambda each: (each[0], each[1].answer))[1] if tied else None


def _stands(each: GroupDif, ets_class: str, cuts: Cuts) -> bool:
    significant = each.q is not None and each.q < cuts.dif.false_discovery_rate
    return each.ets_class == ets_class and significant


def _worst_group(groups: Sequence[GroupDif]) -> str | None:
    if not groups:
        return None
    worst = max(groups, key=lambda each: (abs(each.delta or 0.0), -(each.delta or 0.0)))
    way = "harder" if (worst.delta or 0.0) < 0 else "easier"
    figures = f"DIF class {worst.ets_class or 'unknown'}, delta {_signed(worst.delta, 1)}"
    others = len(groups) - 1
    more = f"; {others} more group{'s' if others > 1 else ''}" if others else ""
    return f"{way} for group {worst.group_name} than for others of equal ability ({figures}{more})"


def _misfit(facts: ItemFacts, cuts: Cuts, cut: float) -> str | None:
    most, name = max(_mean_squares(facts, cuts, sign=1), default=(1.0, ""))
    return _above(most, cut, f"more random than its curve says ({name} {{:.2f}})")


def _mean_squares(facts: ItemFacts, cuts: Cuts, *, sign: int) -> list[tuple[float, str]]:
    """Mean squares that chance does not explain, above 1 or below it."""
    known = [(facts.infit, facts.infit_z, "infit"), (facts.outfit, facts.outfit_z, "outfit")]
    return [
        (square, name)
        for square, z, name in known
        if square is not None and z is not None and sign * z > cuts.health.fit_z
    ]


def _interval(facts: ItemFacts) -> str:
    if facts.p_low is None or facts.p_high is None:
        return ""
    return f", 95%: {facts.p_low:.0%} to {facts.p_high:.0%}"


def _end(r: float | None, n: int, side: int) -> float | None:
    """Upper (+1) or lower (-1) end of the 95% interval of a correlation, by Fisher's z."""
    if r is None or n <= 3:
        return None
    return math.tanh(math.atanh(max(min(r, 1 - 1e-9), 1e-9 - 1)) + side * _Z95 / math.sqrt(n - 3))


def _signed(value: float | None, digits: int = 2) -> str:
    return "unknown" if value is None else f"{value:+.{digits}f}"


def _literal(words: str) -> str:
    """Words that may hold braces, as an item id or an answer does, made safe for `format`."""
    return words.replace("{", "{{").replace("}", "}}")
