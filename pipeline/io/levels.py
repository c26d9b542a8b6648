"""What a day's money is by its place in the week, so that one day can be held against others."""

from __future__ import annotations

import numpy as np

from pipeline.core.types import FloatArray

WEEK = 7
WEEKS = 4
LEAST_WEEKS = 3  # fewer say nothing of a weekday


def typical_levels(values: FloatArray) -> FloatArray:
    """Return each day's total with the share of its weekday taken out, (n_days,).

    The shares come from the four weeks before the newest day, which does not count itself.
    """
    totals: FloatArray = values.sum(axis=1)
    place = (np.arange(len(totals)) - (len(totals) - 1)) % WEEK  # 0 is the newest day's weekday
    known = totals[:-1][-WEEKS * WEEK :]
    whole = known[len(known) % WEEK :].reshape(-1, WEEK)
    if len(whole) < LEAST_WEEKS:
        return totals
    means = whole.mean(axis=1, keepdims=True)
    share = np.median(whole / np.maximum(means, 1e-12), axis=0)
    share = np.clip(share, 0.2, 3.0)
    # `whole` begins a number of weeks before the newest day, so with its weekday.
    return np.asarray(totals / share[place])
