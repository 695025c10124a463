"""Abilities of the students of a calibration: mean, spread and mode of each posterior."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deepkt_irt.irt.blocks import Block
from deepkt_irt.irt.em import State, tables
from deepkt_irt.irt.quadrature import nodes
from deepkt_irt.settings import CalibrationSettings

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

# a student with hundreds of responses has a posterior narrower than the nodes of the EM are apart
_FINER = 4


@dataclass(frozen=True)
class Abilities:
    """Abilities of students, arrays of shape (students,); NaN without a response that counts.

    Attributes:
        ability: EAP of theta in logits.
        ability_sd: Posterior standard deviation.
        ability_map: MAP of theta.
        student_n: Responses of the student that count.
    """

    ability: FloatArray
    ability_sd: FloatArray
    ability_map: FloatArray
    student_n: IntArray

    @property
    def reliability(self) -> float:
        """Empirical reliability: variance of the EAPs over it plus the mean posterior variance."""
        answered = self.student_n > 0
        spread = float(self.ability[answered].var())
        return spread / (spread + float((self.ability_sd[answered] ** 2).mean()))


def abilities(
    block: Block, state: State, scale: float, settings: CalibrationSettings
) -> FloatArray:
    """EAP, posterior SD and MAP of the students of a block in logits, (3, students).

    Reference:
        Bock and Mislevy (1982), Applied Psychological Measurement 6, 431-444 (EAP).
    """
    z = nodes(_FINER * (settings.n_nodes - 1) + 1, settings.theta_max)
    mass, _ = block.posterior(tables(state, z))
    mean = mass @ z
    variance = np.maximum(mass @ z**2 - mean**2, np.finfo(float).tiny)
    return scale * np.array([mean, np.sqrt(variance), mode_of(mass, z)])


def mode_of(mass: FloatArray, z: FloatArray) -> FloatArray:
    """Highest point of each posterior, by a parabola through the three highest logs."""
    row = np.arange(len(mass))
    top = np.clip(mass.argmax(axis=1), 1, len(z) - 2)
    logs = np.log(np.maximum(mass, np.finfo(float).tiny))
    left, middle, right = (logs[row, top + shift] for shift in (-1, 0, 1))
    bend = 2 * middle - left - right
    offset = np.divide(right - left, 2 * bend, out=np.zeros(len(mass)), where=bend > 0)
    found: FloatArray = z[top] + np.clip(offset, -1, 1) * (z[1] - z[0])
    return found
