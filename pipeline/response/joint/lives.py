"""When a series was there: a region that is not open yet has no baseline, and one that closed none.

Its zeros are no outcome without spend. A fit that takes them for one credits all that the region
sells by itself to the spend that begins and ends with it.
"""

from __future__ import annotations

import numpy as np

from pipeline.core.types import BoolArray, FloatArray

CLOSED_DAYS = 14
"""Silent for so long, a series was closed. It may also be one that sells by ads alone and paused
them; days cannot tell, and to believe so of a closed one credits spend with all that it sells."""


def open_days(outcome: FloatArray, spend: FloatArray) -> BoolArray:
    """Return the days on which a series was there, (n_days,).

    A day is silent on which nothing was spent and nothing came; a zero under spend is an outcome.
    Silence before all else and after it is none of the series', and neither is a silence of
    `CLOSED_DAYS` between. A shorter one is a rest, and teaches.

    Args:
        outcome: (n_days,), 0 where nothing is known.
        spend: (n_days, n_lines), of its lines.
    """
    silent = ~((outcome > 0) | spend.any(axis=1))
    edges = np.flatnonzero(np.diff(silent.astype(int), prepend=0, append=0))
    out = np.ones(silent.size, dtype=bool)
    for first, end in edges.reshape(-1, 2):
        if first == 0 or end == silent.size or end - first >= CLOSED_DAYS:
            out[first:end] = False
    return out


def is_over(there: BoolArray) -> bool:
    """Return whether a series has been closed for so long that it is not expected to go on."""
    return not there[-CLOSED_DAYS:].any()
