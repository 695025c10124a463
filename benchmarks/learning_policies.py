"""Policies that a learning world is tried with beside the package's own."""

from dataclasses import dataclass

import numpy as np

from deepkt_irt.bandit.linucb import Scores
from deepkt_irt.bandit.offers import Eligible
from deepkt_irt.bandit.situation import FloatArray

PLAIN, ORACLE = "non-contextual bandit", "oracle"


@dataclass(frozen=True)
class PlainPolicy:
    """Items by their mean reward, whoever the student is, with an upper confidence bound.

    Attributes:
        total: Of rewards by item, the prior included, (items,).
        n: Of rewards by item, the prior included, (items,).
        alpha: Standard errors added to a mean.
    """

    total: FloatArray
    n: FloatArray
    alpha: float
    name: str = PLAIN

    def scores(self, shared: FloatArray, eligible: Eligible) -> Scores:
        """Mean reward and its standard error."""
        del shared
        return Scores((self.total / self.n)[eligible.item], 1 / np.sqrt(self.n)[eligible.item])

    def preferences(self, shared: FloatArray, eligible: Eligible) -> FloatArray:
        """Upper confidence bounds."""
        return np.asarray(self.scores(shared, eligible).upper(self.alpha))

    def between_skills(self, shared: FloatArray) -> None:
        """By the preferences."""


@dataclass(frozen=True)
class OraclePolicy:
    """Knows what every item would teach every student; for the judge alone.

    Attributes:
        gain: True expected gain of each eligible row, in their order.
    """

    gain: FloatArray
    name: str = ORACLE

    def scores(self, shared: FloatArray, eligible: Eligible) -> Scores:
        """The gain, large beside the temperature."""
        del shared, eligible
        return Scores(1e3 * self.gain, np.zeros(len(self.gain)))

    def preferences(self, shared: FloatArray, eligible: Eligible) -> FloatArray:
        """The gain, large beside the temperature."""
        return np.asarray(self.scores(shared, eligible).mean)

    def between_skills(self, shared: FloatArray) -> None:
        """By the preferences."""
