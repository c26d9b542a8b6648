"""The search for one price per group: Newton where curves are smooth, halving floats elsewhere."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.allocation.branch import CLOSE, NEAR, Branch, Demand
from pipeline.allocation.newton import next_prices
from pipeline.core.types import BoolArray, FloatArray, IntArray

_LARGEST = np.finfo(float).max
_STEPS = 300
_WIDENINGS = 5  # of a bracket without an end, each the square of the last, before floats are halved
_WIDEN = 4.0
_LIKELY = 1e-3  # of the target: from here the next step is expected to be near
_LARGE = 20_000  # lines: from here a smaller branch is worth its making
_SHRINKING = 14  # halvings that settle a float's exponent


@dataclass(frozen=True, slots=True)
class Found:
    """Prices per active node, equal or neighbouring floats.

    Attributes:
        low, high: demand at `low` is at least the target and at `high` at most.
        moving: whether demand moves with the price there, and nearly meets the target.
        demand: at the prices, where they are equal and it is known.
    """

    low: FloatArray
    high: FloatArray
    moving: BoolArray
    demand: Demand | None = None


def search_prices(
    branch: Branch,
    target: FloatArray,
    guess: FloatArray,
    within: tuple[FloatArray, FloatArray] | None = None,
) -> Found:
    """Return prices (low, high) per active node, equal or neighbouring floats.

    Demand at `low` is at least the target and at `high` at most. Newton in logs where the curves
    are smooth; otherwise halving of the floats between, which ends after 64 steps whatever the
    scale, because floats in order are integers in order. Once most nodes of a large problem are
    done, the search goes on with the lines of the others alone.

    Args:
        within: prices that the search is confined to; the largest floats where nothing is known.
    """
    low, high = unknown(target.size) if within is None else (within[0].copy(), within[1].copy())
    price, error = guess.astype(float), np.full(target.size, np.inf)
    widened = np.zeros(target.size)
    near = np.zeros(branch.home.size) if branch.envelope.iterates else None
    power = branch.envelope.power
    steep = branch.envelope.chords()[1] if branch.envelope.is_chorded else None
    for step_index in range(_STEPS):
        demand = branch.demand(price, near, keep=bool((error <= _LIKELY * target).all()))
        total, slope = demand.raw[: branch.active], demand.slopes[: branch.active]
        over = total - target
        close = np.abs(over) <= np.where(slope < 0, NEAR, CLOSE) * np.abs(target)
        low = np.where(close | (over >= 0), np.maximum(low, price), low)
        high = np.where(close | (over <= 0), np.minimum(high, price), high)
        high = np.maximum(high, low)
        done = close | (np.nextafter(low, np.inf) >= high)
        if done.all():
            break
        step = next_prices(price, total, slope, target, power)
        usable = done | ((step > low) & (step < high) & (np.abs(over) < 0.5 * error))
        error = np.abs(over)
        if not usable.all():
            other = _between(low, high, price, widened)
            if steep is not None and step_index % 3:
                other = _next_jump(branch, steep, low, high, other)
            step = np.where(usable, step, other)
        price = np.where(done, price, step)
        if branch.home.size > _LARGE and 2 * int(done.sum()) > done.size:
            rest = np.flatnonzero(~done)
            within = low[rest], high[rest]
            found = search_prices(branch.below(rest), target[rest], price[rest], within)
            low[rest], high[rest] = found.low, found.high
            moving = close & (slope < 0)
            moving[rest] = found.moving
            return Found(low, high, moving)
    never, always = low == -_LARGEST, high == _LARGEST  # the target is an end, up to rounding
    low, high = np.where(never & ~always, high, low), np.where(always & ~never, low, high)
    flat = close & (slope == 0) & (price != 0)
    if flat.any():
        price = _towards_zero(branch, target, price, flat)
        low, high = np.where(flat, price, low), np.where(flat, price, high)
    known = close.all() and not flat.any()
    return Found(low, high, close & (slope < 0), demand if known else None)


def unknown(size: int) -> tuple[FloatArray, FloatArray]:
    """Return the bracket of so many prices of which nothing is known."""
    return np.full(size, -_LARGEST), np.full(size, _LARGEST)


def _between(
    low: FloatArray, high: FloatArray, price: FloatArray, widened: FloatArray
) -> FloatArray:
    """Return prices inside the bracket: its middle, or some way off where one end is not known.

    `widened` counts how often a bracket has been widened, and is counted up.
    """
    middle = _middle(low, high)
    above = high == _LARGEST
    wide = (above | (low == -_LARGEST)) & (price > 0) & (widened < _WIDENINGS)
    if not wide.any():
        return middle
    factor = _WIDEN ** (2.0**widened)
    widened += wide
    with np.errstate(over="ignore"):
        away = np.minimum(np.where(above, price * factor, price / factor), _LARGEST)
    return np.where(wide & (away > low) & (away < high), away, middle)


def _next_jump(
    branch: Branch, steep: FloatArray, low: FloatArray, high: FloatArray, otherwise: FloatArray
) -> FloatArray:
    """Return prices among those at which lines jump, or just below where one does.

    Demand that misses its target between two neighbouring floats jumps there, and it can only
    jump at the slope of some line's chord; their mean inside the bracket finds it in few steps.
    """
    owner, size = branch.line_owner, low.size
    inside = (steep > low[owner]) & (steep < high[owner])
    count = np.bincount(owner[inside], minlength=size)
    mean = np.bincount(owner[inside], steep[inside], size) / np.maximum(count, 1)
    at_high = np.bincount(owner[steep == high[owner]], minlength=size) > 0
    below = np.where(at_high, np.nextafter(high, -np.inf), otherwise)
    return np.where((count > 0) & (mean > low) & (mean < high), mean, below)


def _towards_zero(
    branch: Branch, target: FloatArray, price: FloatArray, flat: BoolArray
) -> FloatArray:
    """Return a smaller price that asks for the same: rounding would drown a huge one's bound."""
    near, far = np.zeros(price.size), price
    for _ in range(_SHRINKING):
        middle = np.where(flat, _middle(near, far), price)
        total = branch.demand(middle, keep=False).raw[: branch.active]
        same = np.abs(total - target) <= CLOSE * np.abs(target)
        near, far = np.where(same, near, middle), np.where(same, middle, far)
    return np.where(flat, far, price)


def _middle(low: FloatArray, high: FloatArray) -> FloatArray:
    """Return the float half-way between, counted in floats."""
    a, b = _order(low), _order(high)
    half = (a >> 1) + (b >> 1) + (a & b & 1)
    return _unorder(half)


def _order(x: FloatArray) -> IntArray:
    bits = (x + 0.0).view(np.int64)
    return np.where(bits >= 0, bits, np.iinfo(np.int64).min - bits)


def _unorder(k: IntArray) -> FloatArray:
    bits = np.where(k >= 0, k, np.iinfo(np.int64).min - k)
    return np.asarray(bits.view(np.float64))
