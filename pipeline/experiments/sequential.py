"""Looking at a test before it ends: how much of its error rate each look may spend.

Each look rejects only with the error that it newly spends, so the error of all looks together
keeps the promise however their results depend on each other. The spending follows O'Brien and
Fleming: almost nothing early, nearly everything at the end.
Source: Lan and DeMets (1983), "Discrete sequential boundaries for clinical trials".
"""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.core.errors import UsageError


def spent(fraction: float, alpha: float) -> float:
    """Return the error that may be spent until `fraction` of the test is over."""
    from scipy.stats import norm

    if not 0 < fraction <= 1:
        raise UsageError(f"look: fraction {fraction:g} of the test, need above 0 and at most 1")
    return float(2 * norm.sf(norm.isf(alpha / 2) / fraction**0.5))


def alpha_of_look(earlier: Sequence[float], fraction: float, alpha: float) -> float:
    """Return what this look may spend.

    Args:
        earlier: fractions of the test at which it was looked at before.
        fraction: of the test that is over now.
        alpha: of the test as a whole.

    Raises:
        UsageError: nothing has happened since the last look.
    """
    last = max(earlier, default=0.0)
    if fraction <= last:
        raise UsageError(
            f"look: the test was looked at when {last:.0%} of it was over, now {fraction:.0%}; wait"
        )
    return round(spent(fraction, alpha) - (spent(last, alpha) if last else 0.0), 12)
