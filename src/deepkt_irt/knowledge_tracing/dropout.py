"""Dropout whose random numbers cost little on a CPU."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_LEVELS = 256  # of a byte


class Dropout(nn.Module):
    """Each value is zero by chance in training, and the rest is scaled to the same expectation.

    On a CPU a byte of a random number decides over a value, eight at a draw: drawing a number for
    each takes longer than the layer it belongs to. The rate is met to within 1/512.

    Args:
        rate: Share of the values that become zero, in [0, 1).
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate
        self._kept = max(1, _LEVELS - round(rate * _LEVELS))

    def forward(self, x: Tensor) -> Tensor:
        """The values, or in training a random part of them; of any shape."""
        if not self.training or self._kept == _LEVELS:
            return x
        if x.device.type != "cpu":
            return F.dropout(x, self.rate)
        draws = torch.empty(-(-x.numel() // 8), dtype=torch.int64).random_(-(2**63), None)
        level = draws.view(torch.uint8)[: x.numel()].view(x.shape)
        return x * (level < self._kept).to(x.dtype).mul_(_LEVELS / self._kept)
