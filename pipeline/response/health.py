"""Whether the fit can be believed, said to the person who signs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pipeline.core.findings import Finding, Level
from pipeline.core.types import BoolArray, FloatArray, IntArray, Line, SingleArray, line_label
from pipeline.response.blocks import lost_findings
from pipeline.response.breaks import Jump
from pipeline.response.plausible import far_from_days
from pipeline.response.population import POOLED_LINES, Population
from pipeline.response.taught import Told, told_whole

FEW_DAYS = 56
RECENT_DAYS = 14
SHOWN = 5  # names in a sentence
LEARNED = 0.75
"""Posterior over prior deviation of log elasticity below which a line's own days taught it."""


def doubt(weights: SingleArray, population: Population) -> FloatArray:
    """Return posterior over prior deviation of each line's log elasticity, (n_lines,).

    The prior is the line's own: what was known of it without its days, all other lines included.

    Args:
        weights: (n_lines, n_retentions, n_shapes, n_shares), summing to 1 a line.
        population: what the lines have in common.
    """
    logs = np.log(population.grid.elasticity)
    out = np.empty(len(weights))
    for first in range(0, out.size, POOLED_LINES):
        lines = slice(first, first + POOLED_LINES)
        before = _deviation(population.before(lines), logs)
        out[lines] = _deviation(weights[lines].sum(axis=1), logs) / np.maximum(before, 1e-9)
    return out


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """What findings rest on, line by line, so that fits of different lines can be told as one.

    Attributes:
        n_days: of history.
        doubt: (n_lines,), posterior over prior deviation of each line's log elasticity.
        money: (n_lines,), spent in the last four weeks.
        surprise: sums over cells of residuals times those of the day before, and of their squares.
        away: (n_lines,), how far the last days are from the curves; 0 where there are too few.
        silent, slipped: (n_lines,), cells left out as faults.
        completeness: share of a day's outcomes known 1, 2, ... days later.
        snapshots: how many nights taught it.
        count: what was counted.
        uncounted: (n_lines,), money without counts.
        lost: (n_lines,), nothing could be learned.
        leads, special: what else is said of the fit.
        told: what lift tests say beside the days.
        jumps: of lines' levels.
    """

    n_days: int
    doubt: FloatArray
    money: FloatArray
    surprise: tuple[float, float]
    away: FloatArray
    silent: IntArray
    slipped: IntArray
    completeness: FloatArray
    snapshots: int
    count: str
    uncounted: BoolArray
    lost: BoolArray
    leads: tuple[Finding, ...] = ()
    special: tuple[Finding, ...] = ()
    told: tuple[Told, ...] = ()
    jumps: tuple[Jump, ...] = ()

    def findings(
        self, lines: tuple[Line, ...], experiments: tuple[Finding, ...]
    ) -> tuple[Finding, ...]:
        """Return what the signer is told.

        Args:
            lines: (n_lines,)
            experiments: what is said of lift tests.
        """
        return (
            _days(self.n_days),
            _identified(lines, self.doubt, self.money),
            surprise_finding(*self.surprise),
            _recent(lines, self.away),
            *_jumped(self.jumps),
            _faults(lines, self.silent, self.slipped),
            _late(self.completeness, self.snapshots),
            *uncounted_finding(lines, self.uncounted, self.count),
            *self.leads,
            *experiments,
            *far_from_days(self.told),
            *lost_findings(lines, self.lost),
            *self.special,
        )


def told_as_one(parts: Sequence[Health], places: Sequence[IntArray]) -> Health:
    """Return the health of fits of different lines; what holds for all lines is the first's.

    Args:
        places: of each part's lines among all.
    """
    order = np.argsort(np.concatenate(places))

    def lines(name: str) -> Any:
        return np.concatenate([getattr(part, name) for part in parts])[order]

    return replace(
        parts[0],
        surprise=(
            sum(part.surprise[0] for part in parts),
            sum(part.surprise[1] for part in parts),
        ),
        told=told_whole([part.told for part in parts]),
        jumps=tuple(jump for part in parts for jump in part.jumps),
        **{
            name: lines(name)
            for name in ("doubt", "money", "away", "silent", "slipped", "uncounted", "lost")
        },
    )


def surprises(standard: SingleArray, usable: BoolArray) -> tuple[float, float]:
    """Return sums of residuals times those of the day before, and of their squares.

    Args:
        standard: (n_days, n_lines), residuals over their expected deviation.
        usable: (n_days, n_lines), cells that taught.
    """
    both = usable[1:] & usable[:-1]
    clipped = np.clip(standard, -3.0, 3.0)
    products = np.where(both, clipped[1:] * clipped[:-1], 0.0).sum(dtype=np.float64)
    return float(products), float(np.where(both, clipped[1:] ** 2, 0.0).sum(dtype=np.float64))


def far_lately(standard: SingleArray, usable: BoolArray) -> FloatArray:
    """Return how many deviations the last fortnight is away from the curves, (n_lines,)."""
    last = usable[-RECENT_DAYS:]
    count = last.sum(axis=0)
    clipped = np.where(last, np.clip(standard[-RECENT_DAYS:], -4.0, 4.0), 0.0)
    score = clipped.sum(axis=0) / np.sqrt(np.maximum(count, 1))
    return np.asarray(np.where(count >= 5, score, 0.0))


def uncounted_finding(
    lines: tuple[Line, ...], uncounted: BoolArray, count: str
) -> tuple[Finding, ...]:
    """Return what the signer is told of lines that report money without counts."""
    names = [line_label(lines[i]) for i in np.flatnonzero(uncounted)][:5]
    if not names:
        return ()
    more = f" and {int(uncounted.sum()) - 5} more" if uncounted.sum() > 5 else ""
    return (
        Finding(
            level=Level.REVIEW,
            check="model.counts",
            message=f"{', '.join(names)}{more}: money came in mostly on days without {count}; "
            "it was learned from the money",
            advice=f"see whether {count} of these lines are still reported",
            value=str(int(uncounted.sum())),
        ),
    )


def _jumped(jumps: tuple[Jump, ...]) -> tuple[Finding, ...]:
    """Return what the signer is told of levels that jumped, newest first."""
    if not jumps:
        return ()
    latest = sorted(jumps, key=lambda jump: (jump.age, jump.line))
    named = ", ".join(
        f"{line_label(jump.line)} {jump.ratio - 1:+.0%} around {jump.day}"
        for jump in latest[:SHOWN]
    )
    more = f" and {len(jumps) - SHOWN} more" if len(jumps) > SHOWN else ""
    is_new = latest[0].age < RECENT_DAYS
    return (
        Finding(
            level=Level.REVIEW if is_new else Level.PASS,
            check="model.jumps",
            message=f"what lines bring at the same spend jumped and stayed: {named}{more}; days "
            "before a jump teach the curve, not the level",
            advice="see what changed there: the plan takes it to last" if is_new else "",
            value=str(len(jumps)),
        ),
    )


def _days(n_days: int) -> Finding:
    level = Level.PASS if n_days >= FEW_DAYS else Level.REVIEW
    return Finding(
        level=level,
        check="model.days",
        message=f"{n_days} days of history taught the curves",
        advice="" if level is Level.PASS else f"curves lean on the prior below {FEW_DAYS} days",
        value=str(n_days),
    )


def _identified(lines: tuple[Line, ...], ratio: FloatArray, recent: FloatArray) -> Finding:
    weak = ratio > LEARNED
    share = float(recent[weak].sum() / max(float(recent.sum()), 1e-9))
    names = [line_label(lines[i]) for i in np.flatnonzero(weak)][:5]
    more = f" and {int(weak.sum()) - 5} more" if weak.sum() > 5 else ""
    if not names:
        message = "every line's own days taught its curve"
    elif weak.all():
        message = (
            "no line's own days taught its curve: what a move earns is what lines like these "
            "usually earn"
        )
    else:
        message = (
            f"{int(weak.sum())} of {len(lines)} lines ({share:.0%} of recent spend) are known "
            f"mostly from the lines around them: {', '.join(names)}{more}"
        )
    level = Level.REVIEW if share > 0.5 else Level.PASS
    return Finding(
        level=level,
        check="model.identified",
        message=message,
        advice="vary their budgets on purpose or run a lift test" if names else "",
        value=f"{share:.3f}",
    )


def surprise_finding(products: float, squares: float, period: str = "day") -> Finding:
    """Return whether what was not expected lasts.

    Args:
        products, squares: sums of surprises times those of the period before, and of squares.
        period: that a surprise is of.
    """
    kept = products / max(squares, 1e-9)
    level = Level.REVIEW if kept > 0.5 else Level.PASS
    lasting = f"something that lasts for {period}s is not in the data"
    return Finding(
        level=level,
        check="model.residuals",
        message=(
            f"a {period}'s surprise is related to the {period} before by {kept:.2f} (0 is best)"
        ),
        advice=lasting if level is not Level.PASS else "",
        value=f"{kept:.3f}",
    )


def _recent(lines: tuple[Line, ...], score: FloatArray) -> Finding:
    off = [lines[i] for i in np.flatnonzero(np.abs(score) > 6.0)]
    return recent_finding(
        off,
        f"the last {RECENT_DAYS} days differ from the curves",
        f"the last {RECENT_DAYS} days are as the curves expect",
        "look for a change of creative, price or tracking there",
    )


def recent_finding(off: Sequence[Line], differs: str, agrees: str, advice: str) -> Finding:
    """Return whether the newest days depart from the fit.

    Args:
        off: lines or series on which they do.
        differs, agrees: what is said where there are some, and where there are none.
        advice: for those.
    """
    labels = ", ".join(map(line_label, off[:SHOWN]))
    more = f" and {len(off) - SHOWN} more" if len(off) > SHOWN else ""
    return Finding(
        level=Level.REVIEW if off else Level.PASS,
        check="model.recent",
        message=f"{differs} on {labels}{more}" if off else agrees,
        advice=advice if off else "",
        value=str(len(off)),
    )


def _faults(lines: tuple[Line, ...], silent: IntArray, slipped: IntArray) -> Finding:
    by_line = silent + slipped
    found = int(by_line.sum())
    where = [f"{line_label(lines[i])} ({by_line[i]})" for i in np.argsort(-by_line, kind="stable")]
    n_lines = int((by_line > 0).sum())
    more = f" and {n_lines - SHOWN} more" if n_lines > SHOWN else ""
    return Finding(
        level=Level.REVIEW if found else Level.PASS,
        check="model.faults",
        message=(
            f"{int(silent.sum())} silent cells and {int(slipped.sum())} in another unit taught "
            f"nothing: {', '.join(where[: min(n_lines, SHOWN)])}{more}"
            if found
            else "no silent tracking and no unit errors in history"
        ),
        advice="ask the source to restate them" if found else "",
        value=str(found),
    )


def _late(curve: FloatArray, snapshots: int) -> Finding:
    said = (
        f"{curve[0]:.0%} of a day's outcomes are known the day after, {curve[6]:.0%} after a "
        f"week, {curve[27]:.0%} after four"
    )
    return Finding(
        level=Level.PASS,
        check="model.maturity",
        message=f"{said}; learned from {snapshots} nights' snapshots"
        if snapshots
        else f"assumed, since no earlier night has seen outcomes arrive: {said}",
        value=f"{curve[0]:.3f}",
    )


def _deviation(weights: SingleArray | FloatArray, values: FloatArray) -> FloatArray:
    mean = (weights * values).sum(axis=(1, 2))
    return np.asarray(np.sqrt(np.maximum((weights * values**2).sum(axis=(1, 2)) - mean**2, 0.0)))
