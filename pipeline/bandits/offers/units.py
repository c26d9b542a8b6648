"""Shares in whole units: what is signed, drawn and logged is exactly the same number."""

from __future__ import annotations

import numpy as np

from pipeline.core.types import FloatArray


def whole_units_of(shares: FloatArray, floors: FloatArray, units: int) -> FloatArray:
    """Return whole units per context that add up to `units`, by largest remainder.

    Args:
        shares, floors: (n_contexts, n_actions); shares add up to 1 and keep the floors. A share
            of 0 stays 0, and no share is rounded below its floor.
    """
    least = np.ceil(floors * units - 1e-6)
    whole = np.maximum(np.floor(shares * units + 1e-9), least)
    for row in range(whole.shape[0]):
        open_to = shares[row] > 0
        while (over := whole[row].sum() - units) != 0:
            remainder = shares[row] * units - whole[row]
            if over < 0:
                whole[row, np.where(open_to, remainder, -np.inf).argmax()] += 1
            else:
                can = open_to & (whole[row] > least[row])
                whole[row, np.where(can, remainder, np.inf).argmin()] -= 1
    return whole
