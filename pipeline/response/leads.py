"""Complete the last days of a late outcome from metrics that arrive early and predict it.

Two things speak of a young day: what of its outcome has been reported, and the lead that is nearly
whole already, at the rate that older days showed. Each is weighted by how sure it is. The day then
counts as if that share had been reported which is worth as much evidence, and not as complete.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.core.findings import Finding, Level
from pipeline.core.types import BoolArray, FloatArray, IntArray
from pipeline.response.maturity import Maturity
from pipeline.response.noise import dispersion, starting_level

MATURE = 0.9
"""Share reported from which a day teaches the rate, and below which it is completed."""

HALF_LIFE = 28.0  # days: what one of a lead is worth wanders
PRIOR_OUTCOMES = 20.0  # that a channel's rate is worth to a line
LEAST_DAYS = 14  # of mature days before a lead is believed
LEAST_DAY_SD = 0.03
"""No rate is known better than this for tomorrow, all lines alike."""

ARRIVED = 0.9  # of a metric: the age that is called its lag


@dataclass(frozen=True, slots=True, kw_only=True)
class Lead:
    """What was learned of one lead.

    Attributes:
        lag_days: after which nine tenths of it are reported.
        outcome_lag_days: the same of the outcome that it predicts.
        strength: share of the outcome's variation from day to day and line to line that it
            explains beyond counting noise, 0-1.
        rate: (n_lines,), outcome per one of it.
        rate_sd: relative, of a line's rate.
        counting: (n_lines,), variance over mean of the outcome by counting alone.
        misfit: relative standard deviation of a line's day around its rate, beyond counting.
        day_sd: the same of all lines together on a day.
    """

    name: str
    lag_days: int
    outcome_lag_days: int
    strength: float
    rate: FloatArray
    rate_sd: FloatArray
    counting: FloatArray
    misfit: float
    day_sd: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """A metric as if more of it had been reported.

    Attributes:
        outcome: (n_days, n_lines), what would have been reported at `share`.
        share: (n_days, n_lines), never below what really was.
        log_sd: (n_days,), doubt about the level of a day that all lines share.
        leads: what was learned, in the order of the settings.
    """

    outcome: FloatArray
    share: FloatArray
    log_sd: FloatArray
    leads: tuple[Lead, ...]


def complete(
    outcome: FloatArray,
    maturity: Maturity,
    leads: Mapping[str, tuple[FloatArray, Maturity | None]],
    usable: BoolArray,
    groups: IntArray,
) -> Completed:
    """Return the outcome with its young days completed.

    Args:
        outcome: (n_days, n_lines), as reported so far.
        leads: name -> (n_days, n_lines) as reported, and its lateness; None is reported at once.
        usable: (n_days, n_lines), cells that may teach and be completed.
        groups: (n_lines,), channel of every line.
    """
    learned = [
        lead
        for name, (table, late) in leads.items()
        if (lead := _learn(name, outcome, maturity, table, late, usable, groups)) is not None
    ]
    out, share = outcome.copy(), maturity.share.copy()
    trust = np.zeros(outcome.shape)  # in the leads, 0-1
    doubt = np.zeros(outcome.shape)
    best = np.full(outcome.shape, np.inf)
    for lead in learned:
        table, late = leads[lead.name]
        counting = lead.counting
        found = _combined(outcome, maturity, lead, table, _share(late, table), counting)
        use = usable & (maturity.share < MATURE) & (table > 0) & (found.variance < best)
        out[use] = (found.value * found.share)[use]
        share[use] = found.share[use]
        trust[use], doubt[use], best[use] = found.trust[use], lead.day_sd, found.variance[use]
    weight = np.maximum(out / share, 1e-9)
    mean_trust = (trust * weight).sum(axis=1) / weight.sum(axis=1)
    mean_doubt = (doubt * trust * weight).sum(axis=1) / weight.sum(axis=1)
    log_sd = np.hypot((1 - mean_trust) * maturity.log_sd, mean_doubt)
    return Completed(outcome=out, share=share, log_sd=log_sd, leads=tuple(learned))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Combined:
    """Both voices together: expected final outcome, its own variance, weight of the lead."""

    value: FloatArray
    variance: FloatArray
    share: FloatArray
    trust: FloatArray


def _combined(
    outcome: FloatArray,
    maturity: Maturity,
    lead: Lead,
    table: FloatArray,
    table_share: FloatArray,
    counting: FloatArray,
) -> _Combined:
    predicted = lead.rate * table / table_share
    scale = np.maximum(predicted, 1e-9)
    seen = maturity.share
    own = counting * scale / seen
    unit = dispersion(table, starting_level(table, np.ones(table.shape, dtype=bool)))
    led = np.square(lead.rate) * unit * table / table_share**2
    led = led + (lead.misfit**2 + np.square(lead.rate_sd)) * scale**2
    late = np.square(maturity.log_sd)[:, None] * scale**2
    trust = (own + late) / (own + late + led + (lead.day_sd * scale) ** 2)
    variance = (1 - trust) ** 2 * own + trust**2 * led
    worth = np.clip(counting * scale / np.maximum(variance, 1e-12), seen, 1.0)
    return _Combined(
        value=(1 - trust) * outcome / seen + trust * predicted,
        variance=variance + (1 - trust) ** 2 * late + (trust * lead.day_sd * scale) ** 2,
        share=worth,
        trust=trust,
    )


def _learn(
    name: str,
    outcome: FloatArray,
    maturity: Maturity,
    table: FloatArray,
    late: Maturity | None,
    usable: BoolArray,
    groups: IntArray,
) -> Lead | None:
    """Return the rate of a lead and how well it holds; None where too little is known of it."""
    share = _share(late, table)
    teaches = usable & (maturity.share >= MATURE) & (table > 0)
    days = teaches.any(axis=1)
    if days.sum() < LEAST_DAYS or not (outcome * teaches).sum() > 0:
        return None
    age = np.arange(outcome.shape[0], 0, -1)[:, None]
    weight = teaches * 0.5 ** (age / HALF_LIFE)
    final, led = outcome / maturity.share, table / share
    got, had = (weight * final).sum(axis=0), (weight * led).sum(axis=0)
    member = np.eye(int(groups.max()) + 1)[groups]
    channel = ((got @ member) / np.maximum(had @ member, 1e-12))[groups]
    unit = dispersion(outcome, starting_level(outcome, teaches))
    prior = PRIOR_OUTCOMES * unit
    rate = (got + prior) / np.maximum(had + prior / np.maximum(channel, 1e-12), 1e-12)
    if not (outcome == np.round(outcome)).all():
        # what misses by the size of the outcome itself, whichever guess of it is the better one
        guesses = (rate * led, np.broadcast_to(_level(final, teaches), final.shape))
        unit = np.full(unit.shape, min(_dispersion(final, guess, teaches) for guess in guesses))
    misfit, day_sd, strength = _scatter(final, rate * led, unit, teaches)
    return Lead(
        name=name,
        lag_days=_lag(late.curve) if late else 1,
        outcome_lag_days=_lag(maturity.curve),
        strength=strength,
        rate=rate,
        rate_sd=np.sqrt(unit / np.maximum(got + prior, 1e-12)),
        counting=unit,
        misfit=misfit,
        day_sd=max(day_sd, LEAST_DAY_SD),
    )


def _dispersion(final: FloatArray, predicted: FloatArray, teaches: BoolArray) -> float:
    """Return variance over mean by counting, from how misses grow with the size of a cell."""
    from scipy.optimize import nnls

    scale = np.maximum(predicted[teaches], 1e-9)
    per = np.square(final[teaches] - predicted[teaches]) / scale
    weight = 1.0 / (per.mean() + scale)
    rows = np.stack([weight, weight * scale], axis=1)
    found, _ = nnls(rows, weight * np.minimum(per, 20 * per.mean()))
    return float(found[0])


def _level(final: FloatArray, teaches: BoolArray) -> FloatArray:
    """Return each line's mean, (n_lines,)."""
    return np.asarray((final * teaches).sum(axis=0) / np.maximum(teaches.sum(axis=0), 1))


def _scatter(
    final: FloatArray, predicted: FloatArray, unit: FloatArray, teaches: BoolArray
) -> tuple[float, float, float]:
    """Return the relative misfit of a cell beyond counting, of whole days, and the strength."""
    scale = np.where(teaches, np.maximum(predicted, 1e-9), 1.0)
    rest = np.where(teaches, final - predicted, 0.0)
    weight = teaches * scale**2 / (unit + 0.05 * scale) ** 2
    excess = np.clip((np.square(rest) - unit * scale) / scale**2, -4.0, 4.0)
    misfit2 = max(float((weight * excess).sum() / weight.sum()), 0.0)
    total, noise = (scale * teaches).sum(axis=1), (unit * scale * teaches).sum(axis=1)
    days = total > 0
    off = np.square(rest.sum(axis=1)[days]) - noise[days]
    alone = misfit2 * (np.square(scale) * teaches).sum(axis=1)[days]  # lines on their own
    day2 = max(float(np.clip((off - alone) / total[days] ** 2, -1.0, 1.0).mean()), 0.0)
    moved = np.where(teaches, final - _level(final, teaches), 0.0)
    varied = max(float((np.square(moved) - unit * scale * teaches).sum()), 1e-12)
    unexplained = max(float((np.square(rest) - unit * scale * teaches).sum()), 0.0)
    return np.sqrt(misfit2), np.sqrt(day2), float(np.clip(1 - unexplained / varied, 0.0, 1.0))


def _share(late: Maturity | None, table: FloatArray) -> FloatArray:
    return np.ones(table.shape) if late is None else late.share


def _lag(curve: FloatArray) -> int:
    """Return the age in days at which nine tenths are reported."""
    return int(np.argmax(curve >= ARRIVED)) + 1


def lead_findings(leads: Sequence[Lead], outcome: str, asked: Iterable[str]) -> tuple[Finding, ...]:
    """Return what each lead that was asked for does tonight, in a sentence."""
    known = {lead.name: lead for lead in leads}
    return tuple(_finding(known.get(name), name, outcome) for name in asked)


def _finding(lead: Lead | None, name: str, outcome: str) -> Finding:
    if lead is None:
        return Finding(
            level=Level.REVIEW,
            check="model.lead",
            message=f"{name} predicts nothing yet: fewer than {LEAST_DAYS} days have both it and "
            f"{outcome} whole",
            advice="wait, or name another lead in the objective",
        )
    return Finding(
        level=Level.PASS,
        check="model.lead",
        message=f"{name} is in after {lead.lag_days} days, {outcome} after "
        f"{lead.outcome_lag_days}; it explains {lead.strength:.0%} of how {outcome} varies, and "
        f"a line's day is within {lead.misfit:.0%} of it beyond chance; younger days are "
        "completed with it",
    )
