"""The noun between learning and deciding: tomorrow's value per line as a function of spend."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.core.errors import PipelineError
from pipeline.core.types import FloatArray, Line, RealArray

ALL = slice(None)
SUMMED_LINES = 4096  # at a time: the draws of a million lines at one spend are a large table


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
            The largest table of a night, so single precision will do: seven digits.
        organic: (n_draws, n_lines), tomorrow's outcome that comes without tomorrow's spend.
    """

    metric: str
    lines: tuple[Line, ...]
    spend: FloatArray
    value: RealArray
    organic: FloatArray

    def __post_init__(self) -> None:
        n_lines, n_knots = self.spend.shape
        if n_lines != len(self.lines) or self.value.shape[1:] != (n_lines, n_knots):
            raise PipelineError(
                f"response table: {len(self.lines)} lines, spend {self.spend.shape}, "
                f"value {self.value.shape} do not fit together"
            )
        is_known = all(np.isfinite(draw).all() for draw in self.value)
        if not (is_known and (np.diff(self.spend, axis=1) > 0).all()):
            raise PipelineError("response table: values must be finite and spends ascending")

    def mean(self) -> FloatArray:
        """Return the posterior mean value, (n_lines, n_knots)."""
        return np.asarray(self.value.mean(axis=0, dtype=np.float64))

    def at(self, spend: FloatArray, lines: slice = ALL) -> FloatArray:
        """Return the value of every draw at one spend per line, (n_draws, n_lines).

        Between knots the value is linear; beyond the last knot it stays flat, because nothing
        is known there.

        Args:
            spend: (n_lines,), of all lines.
            lines: those that are asked for.
        """
        knots, wanted = self.spend[lines], spend[lines]
        right = np.clip((knots < wanted[:, None]).sum(axis=1), 1, knots.shape[1] - 1)
        line = np.arange(wanted.size)
        low, high = knots[line, right - 1], knots[line, right]
        share = np.clip((wanted - low) / (high - low), 0.0, 1.0)
        value = self.value[:, lines]
        out = (1 - share) * value[:, line, right - 1]
        out += share * value[:, line, right]
        return np.asarray(out)

    def marginal(self, spend: FloatArray, lines: slice = ALL) -> FloatArray:
        """Return what one more unit of spend earns in every draw, (n_draws, n_lines).

        Args:
            spend: (n_lines,), of all lines.
            lines: those that are asked for.
        """
        step = np.maximum(0.02 * spend, 0.02 * self.spend[:, 1])
        low, high = np.maximum(spend - step, 0.0), spend + step
        return np.asarray((self.at(high, lines) - self.at(low, lines)) / (high - low)[lines])

    def total(self, spend: FloatArray) -> FloatArray:
        """Return the value of every draw at one spend per line, all lines together, (n_draws,)."""
        blocks = range(0, len(self.lines), SUMMED_LINES)
        sums = [self.at(spend, slice(i, i + SUMMED_LINES)).sum(axis=1) for i in blocks]
        return np.asarray(np.sum(sums, axis=0))
