"""Whether exposure was split as it was meant to be."""

from __future__ import annotations

import numpy as np
from scipy.stats import chi2

from pipeline.core.types import FloatArray

BROKEN = 0.001  # below this the split is not a matter of chance


def sample_ratio_p(seen: FloatArray, intended: FloatArray | None = None) -> float:
    """Return the p-value of Pearson's test that counts follow the intended split.

    Args:
        seen: (n,) people or impressions per choice, each assigned by chance.
        intended: (n,) shares; even by default.
    """
    n = seen.size
    if n < 2 or seen.sum() == 0:
        return 1.0
    shares = np.full(n, 1 / n) if intended is None else intended / intended.sum()
    expected = shares * seen.sum()
    used = expected > 0
    if (seen[~used] > 0).any():
        return 0.0
    statistic = ((seen[used] - expected[used]) ** 2 / expected[used]).sum()
    return float(chi2.sf(statistic, max(int(used.sum()) - 1, 1)))
