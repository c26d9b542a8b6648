"""The noun between learning and deciding: tomorrow's value per line as a function of spend."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.core.errors import PipelineError
from pipeline.core.types import FloatArray, Line


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseTable:
    """Posterior of what tomorrow's spend earns, on a grid of spends, for every line.

    The value of a spend is its incremental outcome tomorrow plus its later effect, given the
    carry-in of what was already spent; 0 spend has value 0.

    Attributes:
        metric: the outcome that is counted.
        lines: (n_lines,)
        spend: (n_lines, n_knots), ascending, first column 0.
        value: (n_draws, n_lines, n_knots), one posterior draw a row; draws are joint over lines.
        organic: (n_draws, n_lines), tomorrow's outcome that comes without tomorrow's spend.
    """

    metric: str
    lines: tuple[Line, ...]
    spend: FloatArray
    value: FloatArray
    organic: FloatArray

    def __post_init__(self) -> None:
        n_lines, n_knots = self.spend.shape
        if n_lines != len(self.lines) or self.value.shape[1:] != (n_lines, n_knots):
            raise PipelineError(
                f"response table: {len(self.lines)} lines, spend {self.spend.shape}, "
                f"value {self.value.shape} do not fit together"
            )
        if not (np.isfinite(self.value).all() and (np.diff(self.spend, axis=1) > 0).all()):
            raise PipelineError("response table: values must be finite and spends ascending")

    def mean(self) -> FloatArray:
        """Return the posterior mean value, (n_lines, n_knots)."""
        return np.asarray(self.value.mean(axis=0))

    def at(self, spend: FloatArray) -> FloatArray:
        """Return the value of every draw at one spend per line, (n_draws, n_lines).

        Between knots the value is linear; beyond the last knot it stays flat, because nothing
        is known there.
        """
        out = np.empty((self.value.shape[0], len(self.lines)))
        for index in range(len(self.lines)):
            knots = self.spend[index]
            right = int(np.clip(np.searchsorted(knots, spend[index]), 1, knots.size - 1))
            left = right - 1
            share = np.clip((spend[index] - knots[left]) / (knots[right] - knots[left]), 0.0, 1.0)
            out[:, index] = (1 - share) * self.value[:, index, left] + share * self.value[
                :, index, right
            ]
        return out
