"""Demand that lines share, told apart from what their own spend does.

Spend follows demand, so a line's good days and its expensive days coincide for reasons that are
not spend. The log of demand is a Gaussian process over days: one path that all lines share and one
per channel, each a slow season, a pattern of weekdays and shocks that fade. What a line shows of
them is blurred by its counting, by its own wandering level and by its slope, which nobody knows
beforehand; all of that is in the line's covariance, so that lines whose spend moved much teach
little about slow demand, as they should. A line is freed of what the *other* lines show, so that
its own signal is never mistaken for demand, and what remains unknown of demand comes along as
modes: slow errors that a curve must not be learned from. Mathematics: docs/model.md, "Demand".
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np

from pipeline.core.types import FloatArray, IntArray, RealArray, SingleArray
from pipeline.response.kernels import Days, fold, inverse, leading_modes, line_precision, wandering
from pipeline.response.scales import Scales, learn_scales
from pipeline.response.special_days import Effects, NamedDays, learn_effects

SLOPE_SD, CURVE_SD = 0.2, 0.1
"""How far a line's log response may be from the population's, per log of spend and its square."""

INFORMANTS, CHANNELS = 6, 256
"""Lines of a channel that teach its demand, and channels that teach what all share: those that know
most; the others add next to nothing."""

KEPT_CHANNELS = 32
"""Whose evidence is kept from one use to the next; of more it is made twice, which costs time and
no memory."""

BLOCK_DAYS, OVERLAP_DAYS = 270, 30
"""Longer histories are taken in blocks that are joined where they overlap."""

ANCHOR_DAYS, STILL_LATE = 28, 3
"""Days on which demand is 1 on average: four weeks, without the last ones."""

JITTER = 1e-8  # keeps covariances of smooth paths invertible


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """Day effects, 1 on an ordinary recent day.

    Attributes:
        factor: (n_days, n_lines), from the other lines, for freeing a line of demand.
        variance: (n_days, n_lines), of log `factor`, day by day, beyond the modes.
        modes: (n_modes, n_days, n_kinds), of log `factor`: errors that last, each to be
            multiplied by a standard normal number.
        kind: (n_lines,), which of those a line has: informants their own, others their channel's.
        tomorrow: (n_lines,), expected for the day after the last.
        scales: how much demand of each kind there is.
        special: what days' names say, in `factor` and `tomorrow` already.
    """

    factor: SingleArray
    variance: SingleArray
    modes: SingleArray
    kind: IntArray
    tomorrow: FloatArray
    scales: Scales
    special: Effects = field(default_factory=Effects.none)

    def modes_of(self, lines: slice) -> SingleArray:
        """Return the errors that last of some lines, (n_modes, n_days, n_lines)."""
        return np.take(self.modes, self.kind[lines], axis=-1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What lines show of demand.

    Attributes:
        log: (n_days, n_lines), of the outcome over what the line earns on an ordinary day if it
            responds like the population.
        variance: (n_days, n_lines), of `log`, independent from day to day; inf leaves a cell out.
        movement: (n_days, n_lines), log of carried spend over its reference.
        walk, shock: (n_lines,), variance of the level's daily step, and of its own shocks.
    """

    log: FloatArray
    variance: FloatArray
    movement: RealArray
    walk: FloatArray
    shock: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """A precision matrix of log demand, and its product with what is seen: sums of evidence.

    Attributes:
        precision: (..., n, n); days without an outcome, tomorrow among them, are 0.
        weighted: (..., n).
    """

    precision: FloatArray
    weighted: FloatArray

    def __add__(self, other: _Told) -> _Told:
        return _Told(
            precision=self.precision + other.precision, weighted=self.weighted + other.weighted
        )

    def __sub__(self, other: _Told) -> _Told:
        return _Told(
            precision=self.precision - other.precision, weighted=self.weighted - other.weighted
        )

    def of(self, row: int) -> _Told:
        """Return one line's evidence."""
        return _Told(precision=self.precision[row], weighted=self.weighted[row])

    def together(self) -> _Told:
        """Return the sum of all lines' evidence."""
        return _Told(precision=self.precision.sum(axis=0), weighted=self.weighted.sum(axis=0))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Prior:
    """What is known of paths before any line is seen.

    Attributes:
        shared: (n, n), precision of the path that all lines share.
        channel: (n, n), of a channel's own; None where there is one channel only.
    """

    shared: FloatArray
    channel: FloatArray | None


def estimate_demand(
    shown: Shown,
    groups: IntArray,
    weekdays: IntArray,
    late_variance: FloatArray,
    named: NamedDays,
) -> Demand:
    """Return the day effects given what each line shows of them.

    Args:
        shown: the evidence.
        groups: (n_lines,), 0-based channel of each line.
        weekdays: (n_days + 1,), the last for tomorrow.
        late_variance: (n_days,), of log completeness, all lines alike.
        named: days that are unlike others; what they do is known beside the rest of demand.
    """
    teachers = np.concatenate(_informants(shown.variance, groups))
    special = learn_effects(shown.log[:, teachers], shown.variance[:, teachers], named)
    n_days = shown.log.shape[0]
    ordinary = replace(shown, log=shown.log - special.mean[:n_days, None])
    found = _in_blocks(ordinary, groups, weekdays, late_variance)
    factor = np.exp(special.mean)
    return replace(
        found,
        factor=found.factor * factor[:n_days, None].astype(np.float32),
        tomorrow=found.tomorrow * factor[n_days],
        special=special,
    )


def _in_blocks(
    shown: Shown, groups: IntArray, weekdays: IntArray, late_variance: FloatArray
) -> Demand:
    """Return the demand of days without a name, a block of days after the other, joined."""
    end, parts = shown.log.shape[0], list[Demand]()
    while end > 0:
        start = max(end - BLOCK_DAYS, 0)
        start = 0 if start <= OVERLAP_DAYS else start
        block = slice(start, end)
        seen = Shown(
            log=shown.log[block],
            variance=shown.variance[block],
            movement=shown.movement[block],
            walk=shown.walk,
            shock=shown.shock,
        )
        parts.append(_block(seen, groups, weekdays[start : end + 1], late_variance[block]))
        end = start + OVERLAP_DAYS if start > 0 else 0
    return _joined(parts)


def _joined(parts: list[Demand]) -> Demand:
    """Return blocks, newest first, as one: each older one moved to agree where they overlap."""
    out, both = parts[0], OVERLAP_DAYS
    for older in parts[1:]:
        away = np.log(out.factor[:both] / older.factor[-both:]).mean(axis=0)
        n_older, n_newer = older.factor.shape[0] - both, out.factor.shape[0]
        pairs = np.stack([older.kind, out.kind], axis=1)
        kinds, kind = np.unique(pairs, axis=0, return_inverse=True)
        out = Demand(
            factor=np.concatenate([older.factor[:-both] * np.exp(away), out.factor]),
            variance=np.concatenate([older.variance[:-both], out.variance]),
            # A block's errors are its own: they say nothing about the days of another.
            modes=np.concatenate([
                np.pad(older.modes[:, :-both, kinds[:, 0]], ((0, 0), (0, n_newer), (0, 0))),
                np.pad(out.modes[:, :, kinds[:, 1]], ((0, 0), (n_older, 0), (0, 0))),
            ]),
            kind=kind.reshape(-1),
            tomorrow=out.tomorrow,
            scales=out.scales,
        )  # fmt: skip
    return out


def _block(shown: Shown, groups: IntArray, weekdays: IntArray, late_variance: FloatArray) -> Demand:
    """Return the demand of one block of days."""
    n_days, n_lines = shown.log.shape
    days = Days.of(weekdays, late_variance)
    scales = learn_scales(shown.log, shown.variance, groups, weekdays[:-1])
    informants = _informants(shown.variance, groups)
    told = lru_cache(maxsize=KEPT_CHANNELS)(lambda g: _told(shown, informants[g], days.n))
    prior = _prior(days, scales, are_several=len(informants) > 1)
    nothing = np.zeros((days.n, days.n))
    everything = _Told(precision=nothing, weighted=nothing[0])
    teachers = _teaching(shown.variance, informants)
    for g in teachers:
        everything = everything + _folded(prior, told(g).together())
    factor, variance = (np.empty((n_days, n_lines), dtype=np.float32) for _ in range(2))
    modes, kind, tomorrow = (
        list[SingleArray](),
        np.empty(n_lines, dtype=np.int64),
        np.empty(n_lines),
    )

    def fill(lines: IntArray, answer: tuple[FloatArray, FloatArray, FloatArray, float]) -> None:
        factor[:, lines], variance[:, lines] = answer[0][:, None], answer[1][:, None]
        kind[lines] = len(modes)
        modes.append(answer[2].astype(np.float32))

    for g, lines in enumerate(informants):
        channel = told(g).together()
        others = everything - _folded(prior, channel) if g in teachers else everything
        known = _expected(prior, others) + channel
        whole = _answer(known, n_days)
        tomorrow[groups == g] = whole[3]
        fill(np.flatnonzero(groups == g), whole)
        for row in range(lines.size):
            fill(lines[row : row + 1], _answer(known - told(g).of(row), n_days))
    return Demand(
        factor=np.exp(factor, out=factor),
        variance=variance,
        modes=np.stack(modes, axis=-1),
        kind=kind,
        tomorrow=np.exp(tomorrow),
        scales=scales,
    )


def _informants(variance: FloatArray, groups: IntArray) -> list[IntArray]:
    """Return the lines of each channel that teach demand: those with most information."""
    information = _information(variance)
    chosen = []
    for g in range(int(groups.max()) + 1):
        lines = np.flatnonzero(groups == g)
        order = np.argsort(-information[lines], kind="stable")
        chosen.append(np.sort(lines[order[:INFORMANTS]]))
    return chosen


def _teaching(variance: FloatArray, informants: list[IntArray]) -> list[int]:
    """Return the channels that teach what all share: those with most information, in order."""
    information = _information(variance)
    known = np.array([information[lines].sum() for lines in informants])
    return sorted(np.argsort(-known, kind="stable")[:CHANNELS].tolist())


def _information(variance: FloatArray) -> FloatArray:
    return np.asarray(np.where(np.isfinite(variance), 1.0 / variance, 0.0).sum(axis=0))


def _told(shown: Shown, lines: IntArray, n: int) -> _Told:
    """Return what each line's outcomes say about demand, whatever its level and slope are."""
    n_days = shown.log.shape[0]
    precision, weighted = np.zeros((lines.size, n, n)), np.zeros((lines.size, n))
    walk, shock = wandering(n_days)
    anchor = _anchor(n_days)
    for row, line in enumerate(lines):
        seen = np.isfinite(shown.variance[:, line])
        x = shown.movement[:, line] - anchor @ shown.movement[:, line]
        bends = np.stack([np.ones(n_days), SLOPE_SD * x, CURVE_SD * x * x])
        wander = shown.walk[line] * walk + shown.shock[line] * shock
        own = line_precision(bends, seen, shown.variance[:, line], wander)
        precision[row, :n_days, :n_days] = own
        weighted[row, :n_days] = own @ np.where(seen, shown.log[:, line], 0.0)
    return _Told(precision=precision, weighted=weighted)


def _prior(days: Days, scales: Scales, *, are_several: bool) -> _Prior:
    """Return what is known before any line is seen, of one channel or several."""
    single = np.diag(np.append(scales.day, np.median(scales.day)))
    shared = inverse(days.shared + scales.shock * days.fading + single + days.late)
    if not are_several:
        return _Prior(shared=shared, channel=None)
    channel = inverse(days.channel + scales.channel * days.fading + JITTER * np.eye(days.n))
    return _Prior(shared=shared, channel=channel)


def _folded(prior: _Prior, channel: _Told) -> _Told:
    """Return what a channel says about the shared path: its own is folded away."""
    if prior.channel is None:
        return channel
    path = fold(prior.channel, channel.precision)
    return _Told(
        precision=path.precision,
        weighted=channel.weighted - channel.precision @ path.mean(channel.weighted),
    )


def _expected(prior: _Prior, others: _Told) -> _Told:
    """Return what the other channels and the priors say about a channel's demand."""
    if prior.channel is None:
        return _Told(precision=prior.shared, weighted=np.zeros(len(prior.shared)))
    shared = _Told(precision=prior.shared + others.precision, weighted=others.weighted)
    path = fold(prior.channel, shared.precision)
    return _Told(
        precision=path.precision,
        weighted=shared.weighted - shared.precision @ path.mean(shared.weighted),
    )


def _answer(known: _Told, n_days: int) -> tuple[FloatArray, FloatArray, FloatArray, float]:
    """Return log demand against its anchor: mean, variance, modes, and tomorrow's mean."""
    covariance = inverse(known.precision)
    mean = covariance @ known.weighted
    anchor = _anchor(n_days)
    covariance = covariance[:n_days, :n_days]
    with_anchor = covariance @ anchor
    covariance = covariance - with_anchor[:, None] - with_anchor + anchor @ with_anchor
    level = float(anchor @ mean[:n_days])
    modes = leading_modes(covariance)
    variance = np.maximum(np.diag(covariance) - np.square(modes).sum(axis=0), 1e-6)
    return mean[:n_days] - level, variance, modes, float(mean[-1] - level)


def _anchor(n_days: int) -> FloatArray:
    """Return the days' weights in an ordinary day, (n_days,), summing to 1."""
    weight = np.zeros(n_days)
    enough = n_days > ANCHOR_DAYS + STILL_LATE
    weight[-ANCHOR_DAYS - STILL_LATE : -STILL_LATE if enough else None] = 1.0
    return np.asarray(weight / weight.sum())
