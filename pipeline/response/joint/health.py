"""Whether a joint fit can be believed, said to the person who signs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.core.findings import Finding, Level
from pipeline.core.history import ALL_LINES, History
from pipeline.core.types import FloatArray, line_label
from pipeline.response.joint.gibbs import MEDIA_LOG_SD, SPREADS
from pipeline.response.joint.posterior import JointPosterior
from pipeline.response.joint.sampler import MIXED, Chains

FEW_PERIODS = 80
LEARNED = 0.75
"""Posterior over prior deviation of log marginal return below which the days taught a line."""
TOO_FAR = 1.5
"""Factor beyond which nothing may rest on chains that were let run their longest: more than half of
what a chain says is then where it began."""
PRIOR_DRAWS = 4_000
NEARLY_ALL = 0.95
"""Share beyond which only the rule that something comes without spend keeps a fit from more."""


def joint_findings(
    history: History,
    metric: str,
    posterior: JointPosterior,
    chains: Chains,
    rng: np.random.Generator,
    spans: Sequence[int],
) -> tuple[Finding, ...]:
    """Return what the signer must know of a fit to outcomes that nobody attributed.

    Args:
        spans: periods over which each series of outcomes teaches.
    """
    return (
        _basis(history, metric, spans),
        _identified(posterior, rng),
        mixing_finding(chains.apart, chains.sweeps),
    )


def _basis(history: History, metric: str, spans: Sequence[int]) -> Finding:
    measured = history.measured
    period = 1 if measured is None else measured.period_days
    periods = max(spans)
    is_total = measured is None or measured.units == (ALL_LINES,)
    series = "one total" if is_total else f"{len(spans)} series"
    name = "days" if period == 1 else "weeks"
    few = periods < FEW_PERIODS
    return Finding(
        level=Level.REVIEW if few else Level.PASS,
        check="model.joint",
        message=(
            f"{metric} is known as {series}, not line by line: the curves come from one joint fit "
            f"of {periods} {name}, which tells lines apart by when their spend moved"
        ),
        advice=f"curves lean on the prior below {FEW_PERIODS} {name}" if few else "",
        value=str(periods),
    )


def _identified(posterior: JointPosterior, rng: np.random.Generator) -> Finding:
    ratio = learned_ratio(posterior, rng)
    active = posterior.recent_spend > 0
    weak = (ratio > LEARNED) & active
    total = float(posterior.recent_spend.sum())
    share = float(posterior.recent_spend[weak].sum()) / max(total, 1e-9)
    names = [line_label(posterior.lines[i]) for i in np.flatnonzero(weak)]
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return Finding(
        level=Level.REVIEW if share > 0.5 else Level.PASS,
        check="model.identified",
        message=(
            f"{len(names)} of {len(posterior.lines)} lines ({share:.0%} of recent spend) are "
            f"known mostly from the prior: {', '.join(names[:5])}{more}"
            if names
            else "the days taught every line's curve"
        ),
        advice="move their budgets at different times or run a lift test" if names else "",
        value=f"{share:.3f}",
    )


def learned_ratio(posterior: JointPosterior, rng: np.random.Generator) -> FloatArray:
    """Return posterior over prior deviation of each line's log marginal return, (n_lines,)."""
    elasticity = posterior.library.elasticities()
    earned = np.maximum(posterior.coefficient * elasticity[posterior.node], 1e-12)
    mean = rng.lognormal(0, MEDIA_LOG_SD, PRIOR_DRAWS)
    around = 1 + rng.choice(SPREADS, PRIOR_DRAWS) * rng.standard_normal(PRIOR_DRAWS)
    weight = np.exp(posterior.library.log_prior)
    node = rng.choice(weight.size, PRIOR_DRAWS, p=weight / weight.sum())
    prior = (mean * around * elasticity[node])[around > 0]
    return np.asarray(_log_width(earned) / _log_width(prior[:, None]))


def _log_width(draws: FloatArray) -> FloatArray:
    """Return half the middle 68 % of the logs, first axis: a deviation that tails do not own."""
    low, high = np.quantile(np.log(np.maximum(draws, 1e-12)), [0.16, 0.84], axis=0)
    return np.asarray((high - low) / 2)


def share_finding(metric: str, caused: FloatArray, outcome: FloatArray) -> Finding:
    """Return how much of the outcome spend is said to cause, and whether that can be.

    Args:
        caused: (n_draws, n_series), by the spend of the last four weeks, a day.
        outcome: (n_series,), a day of the same weeks.
    """
    low, middle, high = np.quantile(
        caused.sum(axis=1) / max(float(outcome.sum()), 1e-9), [0.05, 0.5, 0.95]
    )
    over = int((np.median(caused, axis=0) > outcome).sum())
    message = f"spend causes {middle:.0%} of {metric} at present ({low:.0%} to {high:.0%})"
    if over and len(outcome) > 1:
        message += f", and more than there is in {over} of {len(outcome)} series"
    if high <= 1 and middle <= NEARLY_ALL and not over:
        level, advice = Level.PASS, ""
    elif middle <= 1 and low <= NEARLY_ALL:
        level = Level.REVIEW
        advice = "more than all of it is impossible: returns are rather too high than too low"
    else:
        level = Level.FAIL
        advice = (
            f"no spend causes more than there is: see whether {metric} holds all that these lines "
            "sell, in the same currency, and name what else moves it as controls"
        )
    return Finding(
        level=level, check="model.share", message=message, advice=advice, value=f"{middle:.3f}"
    )


def mixing_finding(apart: float, sweeps: int) -> Finding:
    """Return whether the sampler's chains agree on what lines earn.

    Args:
        apart: potential scale reduction of what decisions rest on, the largest.
        sweeps: of each chain.
    """
    level = Level.FAIL if apart > TOO_FAR else Level.REVIEW if apart > MIXED else Level.PASS
    advice = {
        Level.PASS: "",
        Level.REVIEW: "expect other numbers from another run; lines whose spend moves alike are "
        "hard to part, a lift test on one of them parts them",
        Level.FAIL: "nothing can be decided on such a fit; run lift tests, or give lines whose "
        "spend always moves alike one budget",
    }
    return Finding(
        level=level,
        check="model.mixing",
        message=f"after {sweeps:,} sweeps the sampler's chains agree on what lines earn to a "
        f"factor of {apart:.2f} (1 is best)",
        advice=advice[level],
        value=f"{apart:.3f}",
    )
