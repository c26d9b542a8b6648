"""What the money of past days did, as the curves say: relative to other money on the same days."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.core.types import FloatArray
from pipeline.response.curves import RETENTIONS, SHAPES, carried_spend
from pipeline.response.predict import Predictive


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """What money earned beyond other money on the same days, all lines together.

    Attributes:
        days: (n_days,), posterior mean of each day.
        draws: (n_draws,), all days, in each draw of the curves.
    """

    days: FloatArray
    draws: FloatArray


def compare(
    ahead: Predictive, spend: FloatArray, instead: FloatArray, outcome: FloatArray, first: int
) -> Compared:
    """Return what the money that was spent earned beyond other money, from a day on.

    Only ratios are taken from the curves; how large days were is read off the outcome itself, so
    that neither demand nor a level that wandered since has to be known.

    Args:
        ahead: draws of the curves; `lines` in the order of the columns.
        spend, instead: (n_days, n_lines), the same before `first`.
        outcome: (n_days - first, n_lines), what came under `spend`.
        first: row of the first day to compare.
    """
    paths = [
        np.stack([carried_spend(table, kept)[first:] for kept in RETENTIONS])
        for table in (spend, instead)
    ]
    days, draws = np.zeros(outcome.shape[0]), np.zeros(ahead.share.shape[0])
    for line in range(outcome.shape[1]):
        done, other = (_outcomes(ahead, path[:, :, line], line) for path in paths)
        more = (1 - other / done) * outcome[:, line]
        days += more.mean(axis=0)
        draws += more.sum(axis=1)
    return Compared(days=days, draws=draws)


def _outcomes(ahead: Predictive, carried: FloatArray, line: int) -> FloatArray:
    """Return a line's outcome in each draw over that of its reference spend, (n_draws, n_days)."""
    relative = carried / ahead.reference[line]
    known = np.stack([shape.value(relative) for shape in SHAPES], axis=1)
    share = ahead.share[:, line, None].astype(float)
    caused = known[ahead.retention[:, line], ahead.shape[:, line]]
    return np.asarray(1 - share + share * caused)
