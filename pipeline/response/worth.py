"""What one counted outcome is worth in the north-star metric."""

from __future__ import annotations

import numpy as np

from pipeline.core.types import BoolArray, FloatArray, IntArray

POOLED_COUNT = 20.0
"""Outcomes that the channel's worth is worth to a line."""

NEW_DAYS = 10.0
"""Days after which a day says 1/e of what an outcome brings now."""

NEW_SURE, NEW_LEAST = 4.0, 0.05
"""Standard errors, and logs, by which new days have to be apart from all days to count for more."""

UNCOUNTED = 0.5
"""Share of a line's money on days without a count above which its counts are not what it earns."""


def counted(count: FloatArray, money: FloatArray) -> tuple[FloatArray, BoolArray]:
    """Return what is counted, with money in place of counts where lines report money alone.

    A line whose sales nobody counts has earned what its money says; taken at its count it would
    earn nothing. Its money is expressed in counts by what one is worth on the other lines.

    Args:
        count, money: (n_days, n_lines), as reported; NaN where unknown.

    Returns:
        (n_days, n_lines), and the lines that this is so for, (n_lines,).
    """
    number, paid = (np.maximum(np.nan_to_num(table), 0.0) for table in (count, money))
    total, alone = paid.sum(axis=0), np.where(number > 0, 0.0, paid).sum(axis=0)
    bare = (total > 0) & (alone > UNCOUNTED * total)
    counts, moneys = number[:, ~bare].sum(), paid[:, ~bare].sum()
    price = moneys / counts if min(counts, moneys) > 0 else 1.0
    return np.where(bare, money / price, count), bare


def worth_per_count(
    count: FloatArray, money: FloatArray, usable: BoolArray, groups: IntArray
) -> tuple[FloatArray, FloatArray]:
    """Return the metric per counted outcome, shrunk to the channel, and its deviation.

    Args:
        count, money: (n_days, n_lines), outcomes and the metric, as reported.
        usable: (n_days, n_lines).
        groups: (n_lines,), channel.

    Returns:
        Two arrays (n_lines,), > 0.
    """
    counted = np.where(usable, np.nan_to_num(count), 0.0)
    paid = np.where(usable, np.maximum(np.nan_to_num(money), 0.0), 0.0)
    member = np.eye(int(groups.max()) + 1)[groups]
    counts, moneys = counted.sum(axis=0), paid.sum(axis=0)
    overall = moneys.sum() / max(counts.sum(), 1e-9)
    pool = POOLED_COUNT
    channel = ((moneys @ member + pool * overall) / (counts @ member + pool))[groups]
    worth = (moneys + pool * channel) / (counts + pool)
    excess = np.square(paid - worth * counted).sum() / max(
        np.square(worth * np.sqrt(counted)).sum(), 1e-9
    )
    spread = np.sqrt(np.clip(excess, 0.25, 16.0))  # of one outcome's worth, relative
    return worth, worth * spread / np.sqrt(counts + pool)


def price_now(count: FloatArray, money: FloatArray, usable: BoolArray, worth: FloatArray) -> float:
    """Return what an outcome brings of late, over what it brought on all days; 1 unless surely so.

    Prices change for all lines alike, and what they were a year ago earns nothing tomorrow. What
    the line with most money tells alone is its own, so the others have to say the same, and the
    less of the two counts.

    Args:
        count, money, usable: as `worth_per_count`.
        worth: (n_lines,), of all days.
    """
    number = np.where(usable, np.maximum(np.nan_to_num(count), 0.0), 0.0)
    paid = np.where(usable, np.maximum(np.nan_to_num(money), 0.0), 0.0)
    told = [_step(number, paid, worth)]
    if worth.size > 1:
        others = np.arange(worth.size) != np.argmax(paid.sum(axis=0))
        told.append(_step(number[:, others], paid[:, others], worth[others]))
    return float(np.exp(_lesser(*told)))


def _step(number: FloatArray, paid: FloatArray, worth: FloatArray) -> float:
    """Return the log of what outcomes bring of late over what they brought, 0 unless surely so.

    Logs of days are averaged, so that one large order is no new price. Where few orders hold most
    of the money, days without one are below the mean of all; so new days have to be apart both from
    that mean and from what logs of all days are.

    Args:
        number, paid: (n_days, n_lines).
    """
    usual, earned = number @ worth, paid.sum(axis=1)
    days = np.flatnonzero((usual > 0) & (earned > 0))
    if days.size < 2 * NEW_DAYS:
        return 0.0
    level = np.log(earned[days] / usual[days])
    outcomes = number.sum(axis=1)[days]
    told = outcomes / (outcomes + np.median(outcomes))
    weight = np.exp((days - days[-1]) / NEW_DAYS) * told
    weight /= weight.sum()
    steps = np.square(np.diff(level)) / 2
    lately = float(weight[1:] @ steps / weight[1:].sum())
    variance = max(float(steps.mean()), lately)
    recent = float(weight @ level)
    # The log of a mean is above the mean of logs.
    apart = _lesser(recent + variance / 2, recent - float(told @ level / told.sum()))
    noise = NEW_SURE**2 * variance * float(np.square(weight).sum()) + NEW_LEAST**2
    return apart * max(0.0, 1.0 - noise / max(apart**2, 1e-12))


def _lesser(*steps: float) -> float:
    """Return the step that is nearest to none, none where they have different directions."""
    return min(steps, key=abs) if min(steps) > 0 or max(steps) < 0 else 0.0
