"""Bounds that hold however often a growing log is asked, for a gate that is asked every day.

An interval of 99% holds for one question. Asked daily, a difference that is nothing sooner or
later lies outside by chance, and a gate that waits for that opens in the end. A confidence sequence
holds at all questions at once, and is wider for it.
"""

import math

from scipy.stats import norm


def widening(n: int, *, confidence: float, tightest_at: int) -> float:
    """How many times wider an interval must be to hold at all questions, above 1.

    The normal mixture boundary in standard errors, sqrt((1 + r)(log(1 + 1/r) - 2 log(1 - c)))
    with r = m / n, over the normal quantile of one question. It takes the figure for a mean whose
    standard error falls with the root of n, and what is added for independent of what was there;
    where the same students add to both, fewer questions are new and it is on the safe side.

    Args:
        n: Decisions the figure rests on, 1 or more.
        confidence: c of the interval, in (0, 1).
        tightest_at: Decisions at which it is least wide; chooses m, and costs little elsewhere.

    Raises:
        ValueError: If a value is outside its range.

    Reference:
        Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas (2024), Time-uniform central limit theory
        and asymptotic confidence sequences, Annals of Statistics 52(6), theorem 2.2; the boundary:
        Robbins (1970), Annals of Mathematical Statistics 41(5).
    """
    if n < 1 or tightest_at < 1 or not 0 < confidence < 1:
        raise ValueError(
            f"n={n} and tightest_at={tightest_at} must be at least 1 "
            f"and confidence={confidence} in (0, 1)"
        )
    missed = -2 * math.log(1 - confidence)
    m = tightest_at / (missed + math.log1p(missed))
    errors = math.sqrt((1 + m / n) * (math.log1p(n / m) + missed))
    return errors / float(norm.ppf((1 + confidence) / 2))
