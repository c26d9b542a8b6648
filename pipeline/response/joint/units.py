"""Each measured outcome made ready: its moments, what is left over, its money."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from pipeline.core.history import History, Measured
from pipeline.core.types import BoolArray, FloatArray, IntArray
from pipeline.response.fit import reference_spend
from pipeline.response.joint.chain_state import Series
from pipeline.response.joint.design import Design, averaged, baseline_design
from pipeline.response.joint.library import Library
from pipeline.response.joint.lives import is_over, open_days
from pipeline.response.joint.moments import series_moments
from pipeline.response.joint.named import name_sizes, series_effects
from pipeline.response.joint.residuals import Seen
from pipeline.response.special_days import NamedDays

OPEN_DAYS = 3  # the newest totals may still grow; they teach nothing yet
ODD_DOF = 4.0
"""Odd periods count as under a Student t. Source: Lange, Little and Taylor (1989)."""
FIRST_NODE = 2  # of the first pass: no carry-over, a middling Hill curve
FIRST_NOISE = 0.05  # of the mean outcome: where the first pass begins
FEW_PERIODS = 7
"""Of fewer, a regression leaves nothing over, and their noise is taken as no less than at first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """A series made ready.

    Attributes:
        scale: its mean outcome a day, the unit of its coefficients.
        recent, spend: its outcome and its lines' spend, (n,), a day in the last four known weeks;
            nothing where it is over.
        money: (n,), each line's part of the series' usual spend.
        seen: what is needed to see what the fit leaves over.
        is_over: whether it closed, and is not expected to go on.
    """

    series: Series
    seen: Seen
    scale: float
    recent: float
    spend: FloatArray
    money: FloatArray
    is_over: bool


def make_unit(
    history: History,
    measured: Measured,
    metric: str,
    unit: int,
    lines: IntArray,
    kind: IntArray,
    library: Library,
) -> Unit | None:
    """Return one measured outcome made ready, None where no period of it teaches anything.

    It begins with the first period that teaches: what is told from how long a series is, a trend or
    a season, is told by its own length. What was spent before is in the carry-over.

    Args:
        unit: its column.
        lines: (n,), its lines among those of the history.
        kind: (n_lines,), as `Series` has it, of all lines.
    """
    period, spend = measured.period_days, history.spend[:, lines]
    daily = np.nan_to_num(measured.outcomes[metric][:, unit])
    there = open_days(daily, spend)
    known = _known(measured.trusted[:, unit] & there, period)
    scale = float(averaged(daily, period)[known].mean()) if known.any() else 0.0
    if scale <= 0:
        return None
    begin = int(np.argmax(known))
    known, days = known[begin:], slice(begin * period, None)
    outcome = averaged(daily[days], period) / scale
    controls = {name: table[days, unit] for name, table in measured.controls.items()}
    named, sizes = NamedDays.of(history.days[days], history.special), None
    if period == 1 and named.names:
        sizes = name_sizes(series_effects(outcome, known, named), named)
    design = baseline_design(
        history.days[days], controls, spend[days], period, history.special, sizes
    )
    reference = reference_spend(history.spend)[lines]
    responses = averaged(library.responses(spend, reference)[days], period)
    usual, odd = _first_pass(outcome, known, design, responses[:, :, FIRST_NODE])
    moments = series_moments(
        outcome,
        known,
        odd,
        design.columns,
        design.sd / np.sqrt(usual),
        responses.reshape(responses.shape[0], -1),
        (design.untold, design.untold_sd / np.sqrt(usual)),
    )
    over, last = is_over(there), np.flatnonzero(known)[-max(28 // period, 1) :]
    return Unit(
        series=Series(
            moments=moments,
            lines=lines,
            full=reference / scale,
            shown=responses[known].mean(axis=0),
            kind=kind[lines],
            noise_scale=usual,
        ),
        seen=Seen(
            name=measured.units[unit],
            outcome=outcome,
            known=known,
            odd=odd,
            usual=usual,
            design=design,
        ),
        scale=scale,
        recent=0.0 if over else float(outcome[last].mean()) * scale,
        spend=(0.0 if over else 1.0) * averaged(spend[days], period)[last].mean(axis=0),
        money=reference / reference.sum(),
        is_over=over,
    )


def per_money(units: list[Unit], reference: FloatArray, log_prior: FloatArray) -> list[Unit]:
    """Return the series with returns in one unit for all: outcome per money.

    Coefficients are in units of their series' mean outcome. In these, a region that sells more
    without any spend would seem to earn more with the same money. With coefficients of `full`, the
    average over the nodes' prior is that spend caused every outcome of the days that teach: a line
    that is on air four days in forty counts for what it can have caused on forty.

    Args:
        reference: (n_lines,), spend at which every shape is 1.
        log_prior: (n_nodes,), of a line's node.
    """
    node = np.exp(log_prior)
    money = sum(float(reference[unit.series.lines] @ (unit.series.shown @ node)) for unit in units)
    whole = sum(unit.scale for unit in units) / max(money, 1e-9)
    return [
        replace(
            unit,
            series=replace(unit.series, full=whole * reference[unit.series.lines] / unit.scale),
        )
        for unit in units
    ]


def _known(trusted: BoolArray, period_days: int) -> BoolArray:
    """Return the periods to learn from: whole ones, and none that holds one of the newest days."""
    count = trusted.size // period_days
    whole = np.all(trusted[: count * period_days].reshape(count, period_days), axis=1)
    ends = period_days * (1 + np.arange(count))
    return np.asarray(whole & (ends <= trusted.size - OPEN_DAYS), dtype=bool)


def _first_pass(
    outcome: FloatArray, known: BoolArray, design: Design, responses: FloatArray
) -> tuple[float, FloatArray]:
    """Return the noise's variance and how odd each period is, from a ridge regression."""
    table = np.hstack([design.columns, responses])
    sd = np.concatenate([design.sd, np.full(responses.shape[1], 0.3)])
    usual, odd = FIRST_NOISE**2, np.ones(outcome.size)
    least = FIRST_NOISE**2 if known.sum() < FEW_PERIODS else 1e-6
    for _ in range(4):
        weight = np.where(known, 1 / odd, 0.0)
        precision = (table.T * weight) @ table + np.diag(usual / np.square(sd))
        left = outcome - table @ np.linalg.solve(precision, table.T @ (weight * outcome))
        usual = max(float(np.median(np.square(left[known])) / 0.455), least)
        odd = np.maximum((ODD_DOF + np.square(left) / usual) / (ODD_DOF + 1), 1.0)
    return usual, np.where(known, np.where(odd > 2.0, odd, 1.0), 1.0)
