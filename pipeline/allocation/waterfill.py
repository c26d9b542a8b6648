"""One budget and no other limit on sums: one price, found in pieces that fit the cache.

A large problem asks a sample of its lines for the price first, so that few passes over all of them
are left. Newton in the variable in which demand is straight.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.allocation.branch import CLOSE, SETTLED
from pipeline.allocation.envelope import Envelope, Part
from pipeline.allocation.newton import next_price
from pipeline.core.types import FloatArray, IntArray

_EVERY = 16  # lines of which a sample takes one
_SAMPLED = 4_096  # lines from which a sample pays
_STEPS = 30
_ROUGH = 0.3  # of its target, over the root of its lines: a sample's price is no better anyway
_NEAR = 1e-7  # of the target: from here the rest is spread, which costs 1e-14 of the outcome
_LIKELY = 1e-3  # of the target: from here the next step is expected to be near


@dataclass(frozen=True, slots=True)
class Level:
    """The split at one price.

    Attributes:
        spend: (n_lines,)
        price: what one more unit of money earns.
        value: of the concave curves.
        bound: the dual's value: no split inside the limits earns more.
    """

    spend: FloatArray
    price: float
    value: float
    bound: float


@dataclass(frozen=True, slots=True)
class _Piece:
    """Some lines, where they stand among all, and what they wanted last where that saves time."""

    part: Part
    place: slice | IntArray
    near: FloatArray | None


@dataclass(frozen=True, slots=True)
class _Point:
    """Total spend at a price, d total / d log price, and what each piece wants if it was kept."""

    price: float
    total: float
    slope: float
    demands: list[tuple[FloatArray, FloatArray]]


def fill(envelope: Envelope, least: float, most: float, start: float | None) -> Level | None:
    """Return the split where lines and total are the only limits and curves are smooth.

    None where demand jumps at the price that is looked for, or where the total is an end of what
    the lines can take: a more general search has to say what the split is.

    Args:
        least, most: of the total.
        start: a price to begin with, such as yesterday's.
    """
    floor, full = float(envelope.low.sum()), float(envelope.high.sum())
    if not floor < most < full * (1 - SETTLED):
        return None
    pieces = _pieces(envelope)
    with np.errstate(over="ignore", divide="ignore"):
        if least < most and _at(pieces, 0.0).total <= most:
            return None
        price = start
        if price is None or not price > 0:
            price = first_price(envelope, (most - floor) / (full - floor))
        point = _descend(pieces, most, price, _NEAR, envelope.power)
        return None if point is None else _closed(envelope, pieces, point, most)


def _pieces(envelope: Envelope) -> list[_Piece]:
    return [
        _Piece(part, place, np.zeros(part.size) if part.iterates else None)
        for part, place in envelope.pieces()
    ]


def _at(pieces: Sequence[_Piece], price: float, *, keep: bool = False) -> _Point:
    own = np.array([price])
    total, slope = 0.0, 0.0
    demands = []
    for piece in pieces:
        spend, response = piece.part.demand(own, piece.near)
        total += float(np.add.reduce(spend))
        slope += float(np.add.reduce(response))
        if keep:
            demands.append((spend, response))
    return _Point(price, total, slope, demands)


def _descend(
    pieces: Sequence[_Piece], target: float, price: float, close: float, power: float | None
) -> _Point | None:
    """Return the point whose total is close to the target; None where steps do not lead there."""
    error = np.inf
    for _ in range(_STEPS):
        keep = len(pieces) == 1 or error <= _LIKELY * target
        point = _at(pieces, price, keep=keep)
        over = abs(point.total - target)
        if not (point.slope < 0 and over < 0.5 * error):
            return None
        if over <= close * target:
            return point
        price = next_price(price, point.total, point.slope, target, power)
        error = over
    return None


def _closed(
    envelope: Envelope, pieces: Sequence[_Piece], point: _Point, target: float
) -> Level | None:
    """Return the split at a price, what it is over its target taken from the lines that respond.

    The price earns what it earns whatever the split, so the bound holds; the outcome lost by a
    price that is off by a little is of the order of its square.
    """
    over = point.total - target
    demands = point.demands or _at(pieces, point.price, keep=True).demands
    split, total, value, bound = np.empty(envelope.low.size), 0.0, 0.0, -point.price * over
    for piece, (spend, response) in zip(pieces, demands, strict=True):
        earned = float(np.add.reduce(piece.part.value(spend)))
        bound += earned
        if abs(over) > CLOSE * target:
            np.multiply(response, -over / point.slope, out=response)
            np.add(spend, response, out=spend)
            np.maximum(spend, envelope.low[piece.place], out=spend)
            np.minimum(spend, envelope.high[piece.place], out=spend)
            earned = float(np.add.reduce(piece.part.value(spend)))
        split[piece.place] = spend
        total += float(np.add.reduce(spend))
        value += earned
    if abs(total - target) > SETTLED * target:
        return None
    return Level(split, point.price, value, max(value, bound))


def first_price(envelope: Envelope, share: float) -> float:
    """Return a price at which roughly so large a share of all lines' room is in use.

    A large problem asks some of its lines, a small one starts at the mean slope where all of them
    are filled alike.
    """
    if envelope.low.size > _SAMPLED:
        sample = envelope.every(_EVERY)
        price = first_price(sample, share)
        rough = _ROUGH / math.sqrt(sample.low.size)
        floor = float(sample.low.sum())
        aim = floor + share * (float(sample.high.sum()) - floor)
        found = _descend(_pieces(sample), aim, price, rough, envelope.power)
        return price if found is None else found.price
    room = envelope.high - envelope.low
    room *= min(max(share, 1e-3), 0.999)
    here = envelope.low + room
    room *= 0.01
    earned = float(np.add.reduce(envelope.value(here) - envelope.value(here - room)))
    paid = float(np.add.reduce(room))
    return earned / paid if earned > 0 and paid > 0 else 1.0
