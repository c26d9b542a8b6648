"""Whether the fit can be believed, in sentences to the person who signs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.core.findings import Finding, Level
from pipeline.core.types import BoolArray, FloatArray, IntArray, Line, line_label
from pipeline.response.breaks import Jump

FEW_DAYS = 56
RECENT_DAYS = 14
SHOWN = 5  # names in a sentence
LEARNED = 0.75
"""Posterior over prior deviation of log elasticity below which a line's own days taught it."""


def uncounted_findings(
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


def jump_findings(jumps: tuple[Jump, ...]) -> tuple[Finding, ...]:
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


def days_finding(n_days: int) -> Finding:
    """Return how much history taught."""
    level = Level.PASS if n_days >= FEW_DAYS else Level.REVIEW
    return Finding(
        level=level,
        check="model.days",
        message=f"{n_days} days of history taught the curves",
        advice="" if level is Level.PASS else f"curves lean on the prior below {FEW_DAYS} days",
        value=str(n_days),
    )


def identified_finding(lines: tuple[Line, ...], ratio: FloatArray, recent: FloatArray) -> Finding:
    """Return which lines are known mostly from others.

    Args:
        ratio: (n_lines,), posterior over prior deviation.
        recent: (n_lines,), money of the last weeks; a line without any is left out.
    """
    active = recent > 0
    weak = (ratio > LEARNED) & active
    share = float(recent[weak].sum() / max(float(recent.sum()), 1e-9))
    names = [line_label(lines[i]) for i in np.flatnonzero(weak)][:5]
    more = f" and {int(weak.sum()) - 5} more" if weak.sum() > 5 else ""
    if not names:
        message = "every line's own days taught its curve"
    elif weak[active].all():
        message = (
            "no line's own days taught its curve: what a move earns is what lines like these "
            "usually earn"
        )
    else:
        message = (
            f"{int(weak.sum())} of {int(active.sum())} lines ({share:.0%} of recent spend) are "
            f"known mostly from the lines around them: {', '.join(names)}{more}"
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


def far_finding(lines: tuple[Line, ...], score: FloatArray) -> Finding:
    """Return which lines' newest days are far from their curves.

    Args:
        score: (n_lines,), how many deviations.
    """
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


def fault_finding(lines: tuple[Line, ...], silent: IntArray, slipped: IntArray) -> Finding:
    """Return how many cells of which lines were left out as faults."""
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


def late_finding(curve: FloatArray, snapshots: int) -> Finding:
    """Return how late outcomes are, and who says so."""
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
