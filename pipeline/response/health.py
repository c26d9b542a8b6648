"""Whether the fit can be believed, said to the person who signs."""

from __future__ import annotations

import numpy as np

from pipeline.core.findings import Finding, Level
from pipeline.core.types import BoolArray, FloatArray, Line, SingleArray, line_label
from pipeline.response.faults import Screened
from pipeline.response.grid import FULL
from pipeline.response.maturity import Maturity

FEW_DAYS = 56
RECENT_DAYS = 14
LEARNED = 0.75
"""Posterior over prior deviation of log elasticity below which a line's own days taught it."""


def identified(weights: SingleArray) -> FloatArray:
    """Return posterior over prior deviation of each line's log elasticity, (n_lines,)."""
    logs = np.log(FULL.elasticity)
    prior = _deviation(np.outer(FULL.shape_prior, FULL.share_prior)[None], logs)[0]
    return np.asarray(_deviation(weights.sum(axis=1), logs) / prior)


def model_findings(
    lines: tuple[Line, ...],
    weights: SingleArray,
    spend: FloatArray,
    standard: SingleArray,
    usable: BoolArray,
    screened: Screened,
    maturity: Maturity,
) -> tuple[Finding, ...]:
    """Return the health of a fit.

    Args:
        lines: (n_lines,)
        weights: posterior over the grid.
        spend: (n_days, n_lines), cleaned.
        standard: (n_days, n_lines), residuals over their expected deviation.
        usable: (n_days, n_lines), cells that taught.
        screened: what was left out as a fault.
        maturity: how complete the last days are.
    """
    return (
        _days(spend.shape[0]),
        _identified(lines, weights, spend),
        _residuals(standard, usable),
        _recent(lines, standard, usable),
        _faults(screened),
        _late(maturity),
    )


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


def _days(n_days: int) -> Finding:
    level = Level.PASS if n_days >= FEW_DAYS else Level.REVIEW
    return Finding(
        level=level,
        check="model.days",
        message=f"{n_days} days of history taught the curves",
        advice="" if level is Level.PASS else f"curves lean on the prior below {FEW_DAYS} days",
        value=str(n_days),
    )


def _identified(lines: tuple[Line, ...], weights: SingleArray, spend: FloatArray) -> Finding:
    ratio = identified(weights)
    recent = spend[-28:].sum(axis=0)
    weak = ratio > LEARNED
    share = float(recent[weak].sum() / max(float(recent.sum()), 1e-9))
    names = [line_label(lines[i]) for i in np.flatnonzero(weak)][:5]
    more = f" and {int(weak.sum()) - 5} more" if weak.sum() > 5 else ""
    if not names:
        message = "every line's own days taught its curve"
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


def _residuals(standard: SingleArray, usable: BoolArray) -> Finding:
    both = usable[1:] & usable[:-1]
    clipped = np.clip(standard, -3.0, 3.0)
    products = np.where(both, clipped[1:] * clipped[:-1], 0.0).sum()
    squares = np.where(both, clipped[1:] ** 2, 0.0).sum()
    kept = float(products / max(squares, 1e-9))
    level = Level.REVIEW if kept > 0.5 else Level.PASS
    return Finding(
        level=level,
        check="model.residuals",
        message=f"a day's surprise is related to the day before by {kept:.2f} (0 is best)",
        advice="something that lasts for days is not in the data" if level != Level.PASS else "",
        value=f"{kept:.3f}",
    )


def _recent(lines: tuple[Line, ...], standard: SingleArray, usable: BoolArray) -> Finding:
    last = usable[-RECENT_DAYS:]
    count = last.sum(axis=0)
    clipped = np.where(last, np.clip(standard[-RECENT_DAYS:], -4.0, 4.0), 0.0)
    score = clipped.sum(axis=0) / np.sqrt(np.maximum(count, 1))
    off = np.flatnonzero((np.abs(score) > 6.0) & (count >= 5))
    names = [line_label(lines[i]) for i in off][:5]
    return Finding(
        level=Level.REVIEW if names else Level.PASS,
        check="model.recent",
        message=(
            f"the last {RECENT_DAYS} days differ from the curves on {', '.join(names)}"
            if names
            else f"the last {RECENT_DAYS} days are as the curves expect"
        ),
        advice="look for a change of creative, price or tracking there" if names else "",
        value=str(off.size),
    )


def _faults(screened: Screened) -> Finding:
    found = screened.silent + screened.slipped
    return Finding(
        level=Level.REVIEW if found else Level.PASS,
        check="model.faults",
        message=(
            f"{screened.silent} silent cells and {screened.slipped} in another unit taught nothing"
            if found
            else "no silent tracking and no unit errors in history"
        ),
        advice="ask the source to restate them" if found else "",
        value=str(found),
    )


def _late(maturity: Maturity) -> Finding:
    curve = maturity.curve
    source = f"{maturity.snapshots} nights' snapshots" if maturity.snapshots else "experience"
    return Finding(
        level=Level.PASS,
        check="model.maturity",
        message=(
            f"{curve[0]:.0%} of a day's outcomes are known the day after, {curve[6]:.0%} after a "
            f"week, {curve[27]:.0%} after four; learned from {source}"
        ),
        value=f"{curve[0]:.3f}",
    )


def _deviation(weights: SingleArray | FloatArray, values: FloatArray) -> FloatArray:
    mean = (weights * values).sum(axis=(1, 2))
    return np.asarray(np.sqrt(np.maximum((weights * values**2).sum(axis=(1, 2)) - mean**2, 0.0)))
