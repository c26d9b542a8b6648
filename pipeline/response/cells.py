"""How the curves around a member of the library meet the days that the member explains.

A member stands for the curves of its cell (`Shape.cell`). They are alike near the reference spend,
and the further a line's money has been from there, the further they part. What the line brought
there is known whatever its curve is, so each curve of the cell is brought to it: its share of the
outcome is changed as far as the days ask for. Mathematics: docs/model.md, "Value of tomorrow's
spend".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.core.types import FloatArray, SingleArray
from pipeline.response.curves import MEMBERS, SHAPES
from pipeline.response.grid import SHARES, SHOCK_KEPT

STRETCH_SD = 0.5  # of a curve's share over its member's, around 1, before any day is looked at
LEAST_STRETCH = 0.1
LEFT = 0.02  # of the outcome at the reference spend: less is never expected of a week

DAYS = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Weeks:
    """Where a line's money has been, week by week, and how well its outcome is known there.

    Attributes:
        spend: (n_weeks, n_lines), in reference spends.
        precision: (n_weeks, n_lines), of the outcome over what is expected of it.
    """

    spend: SingleArray
    precision: SingleArray

    @staticmethod
    def of(
        spend: FloatArray, expected: SingleArray, variance: SingleArray, wander: FloatArray
    ) -> Weeks:
        """Return the whole weeks of a history, the last one ending with it.

        Args:
            spend: (n_days, n_lines), in reference spends.
            expected, variance: (n_days, n_lines), of outcomes; an infinite variance leaves a day
                out.
            wander: (n_lines, 2), variance of the level's daily step and of its shocks. Shocks
                last, so weeks are worth less than so many days; a level may have walked since.
        """
        first = len(spend) % DAYS
        known = _weeks(np.square(expected) / variance, first).sum(axis=1)
        age = DAYS * np.arange(len(known), dtype=np.float32)[::-1, None]
        lasting = (1 + SHOCK_KEPT) / (1 - SHOCK_KEPT) / DAYS
        unknown = lasting * wander[:, 1] + age * wander[:, 0]
        return Weeks(
            spend=_weeks(spend, first).mean(axis=1).astype(np.float32),
            precision=(known / (1 + unknown * known)).astype(np.float32),
        )

    def stretch(self, lines: slice) -> SingleArray:
        """Return shares of curves over their member's, (n_lines, n_shapes, n_shares, MEMBERS).

        With response `h` and share `s` of the member, the outcome is `1 - s + s h` at the level of
        the reference spend. A curve `g` of its cell gets the share `b s`, where `b` is the ridge
        regression of `s (h - 1)` on `s (g - 1)` over the weeks, drawn towards 1.
        """
        spend, precision = self.spend[:, lines], self.precision[:, lines]
        shares, prior = SHARES.astype(np.float32)[:, None, None], np.float32(STRETCH_SD**-2)
        out = np.ones((spend.shape[1], len(SHAPES), len(SHARES), MEMBERS), dtype=np.float32)
        for shape, member in enumerate(SHAPES):
            away, *others = (curve.value(spend) - 1 for curve in member.cell())
            weight = precision * np.square(shares / np.maximum(1 + shares * away, LEFT))
            for place, other in enumerate(others, start=1):
                both = np.einsum("kwl,wl->lk", weight, away * other) + prior
                own = np.einsum("kwl,wl->lk", weight, np.square(other)) + prior
                out[:, shape, :, place] = np.clip(both / own, LEAST_STRETCH, 1 / SHARES)
        return out


def _weeks(table: FloatArray | SingleArray, first: int) -> FloatArray | SingleArray:
    return table[first:].reshape(-1, DAYS, table.shape[1])
