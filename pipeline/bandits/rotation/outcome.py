"""What a split brought, without a model: against an even one, people held out, its promise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student

from pipeline.bandits.rotation.learn import DAY_SPREAD
from pipeline.core.exposures import Exposures, HeldOut
from pipeline.core.types import FloatArray

LEAST_DAYS = 5
"""Days below which their scatter says nothing."""
_Z90 = 1.6448536269514722


@dataclass(frozen=True, slots=True, kw_only=True)
class Gain:
    """A gain in reward per impression with its 90 % interval, and how many days it rests on."""

    mean: float
    low: float
    high: float
    days: int


def over_even(seen: Exposures, days: slice) -> Gain | None:
    """Return what the split earned over showing each of its creatives equally often.

    Creatives of one audience and day meet the same people where exposure is assigned by chance, so
    the mean of their rates is what an even split would have earned. Its weights are known and no
    creative goes below its floor, so this has no bias; None with too few days.
    """
    shown, rewards = seen.shown[days], seen.rewards[days]
    there = shown > 0
    rate = np.divide(rewards, shown, out=np.zeros_like(rewards), where=there)
    count = np.maximum(there.sum(axis=2), 1)
    total = shown.sum(axis=2)
    gain = rewards.sum(axis=2) - total * rate.sum(axis=2) / count
    return _gain(gain.sum(axis=1), total.sum(axis=1))


def over_holdout(seen: Exposures, held: HeldOut, days: slice) -> Gain | None:
    """Return what people earned who saw the split over those held out, at the split's traffic."""
    shown, rewards = seen.shown[days].sum(axis=2), seen.rewards[days].sum(axis=2)
    out, brought = held.shown[days], held.rewards[days]
    both = (shown > 0) & (out > 0)
    rate = np.divide(brought, out, out=np.zeros_like(brought), where=both)
    gain = np.where(both, rewards - shown * rate, 0.0)
    return _gain(gain.sum(axis=1), np.where(both, shown, 0.0).sum(axis=1))


def _gain(gain: FloatArray, shown: FloatArray) -> Gain | None:
    """Return a mean per impression; its error is the scatter of whole days."""
    used = shown > 0
    gain, shown = gain[used], shown[used]
    n = gain.size
    if n < LEAST_DAYS:
        return None
    mean = float(gain.sum() / shown.sum())
    apart = gain - mean * shown
    error = float(np.sqrt(n / (n - 1) * np.square(apart).sum()) / shown.sum())
    reach = float(student.ppf(0.95, n - 1)) * error
    return Gain(mean=mean, low=mean - reach, high=mean + reach, days=n)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What came of a promise; both in rewards over so many days.

    Attributes:
        reach: how far apart chance, days and what was not known then put them in 9 of 10 cases.
    """

    promised: float
    came: float
    reach: float
    days: int

    @property
    def is_kept(self) -> bool:
        """Whether they are as near to each other as they should be."""
        return abs(self.came - self.promised) <= self.reach


def kept_promise(seen: Exposures, days: slice, rate: FloatArray, relative_sd: float) -> Kept | None:
    """Return what a plan promised for the traffic that came, and what came; None without any.

    Args:
        rate: (n_audiences,) reward per impression that was promised; nan where nothing was.
        relative_sd: of the promise as a whole.
    """
    known = np.isfinite(rate)
    shown = seen.shown[days].sum(axis=2)[:, known]
    promised = float((shown * rate[known]).sum())
    if promised <= 0:
        return None
    came = float(seen.rewards[days][:, known].sum())
    events = max(float(seen.counted[days][:, known].sum()), 1.0)
    n = int((shown.sum(axis=1) > 0).sum())
    chance = max(came, promised) / np.sqrt(events)
    sd = np.hypot(np.hypot(relative_sd, DAY_SPREAD / np.sqrt(n)) * promised, chance)
    return Kept(promised=promised, came=came, reach=float(_Z90 * sd), days=n)
