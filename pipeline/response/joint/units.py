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
from pipeline.response.joint.moments import series_moments
from pipeline.response.joint.named import name_sizes, series_effects
from pipeline.response.joint.residuals import Seen
from pipeline.response.special_days import NamedDays

OPEN_DAYS = 3  # the newest totals may still grow; they teach nothing yet
ODD_DOF = 4.0
"""Odd periods count as under a Student t. Source: Lange, Little and Taylor (1989)."""
FIRST_NODE = 2  # of the first pass: some carry-over, a middling Hill curve


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """A series made ready.

    Attributes:
        scale: its mean outcome a day, the unit of its coefficients.
        recent, spend: its outcome and its lines' spend, (n,), a day in the last four known weeks.
        money: (n,), each line's part of the series' usual spend.
        seen: what is needed to see what the fit leaves over.
    """

    series: Series
    seen: Seen
    scale: float
    recent: float
    spend: FloatArray
    money: FloatArray


def make_unit(
    history: History,
    measured: Measured,
    metric: str,
    unit: int,
    lines: IntArray,
    kind: IntArray,
    library: Library,
) -> Unit:
    """Return one measured outcome made ready.

    Args:
        unit: its column.
        lines: (n,), its lines among those of the history.
        kind: (n_lines,), as `Series` has it, of all lines.
    """
    period = measured.period_days
    spend = history.spend[:, lines]
    outcome = averaged(np.nan_to_num(measured.outcomes[metric][:, unit]), period)
    known = _known(measured.trusted[:, unit], period)
    scale = float(outcome[known].mean()) if known.any() else 1.0
    scale = scale if scale > 0 else 1.0
    controls = {name: table[:, unit] for name, table in measured.controls.items()}
    named, sizes = NamedDays.of(history.days, history.special), None
    if period == 1 and named.names:
        sizes = name_sizes(series_effects(outcome / scale, known, named), named)
    design = baseline_design(history.days, controls, spend, period, history.special, sizes)
    daily = library.responses(spend, reference_spend(history.spend)[lines])
    responses = averaged(daily, period)
    usual, odd = _first_pass(outcome / scale, known, design, responses[:, :, FIRST_NODE])
    moments = series_moments(
        outcome / scale,
        known,
        odd,
        design.columns,
        design.sd / np.sqrt(usual),
        responses.reshape(responses.shape[0], -1),
        (design.untold, design.untold_sd / np.sqrt(usual)),
    )
    reference = reference_spend(history.spend)[lines]
    last = np.flatnonzero(known)[-max(28 // period, 1) :]
    return Unit(
        series=Series(
            moments=moments,
            lines=lines,
            full=reference / reference.sum(),
            shown=responses[known].mean(axis=0) if known.any() else responses.mean(axis=0),
            kind=kind[lines],
            noise_scale=usual,
        ),
        seen=Seen(
            name=measured.units[unit],
            outcome=outcome / scale,
            known=known,
            odd=odd,
            usual=usual,
            design=design,
        ),
        scale=scale,
        recent=float(outcome[last].mean()) if last.size else 0.0,
        spend=averaged(spend, period)[last].mean(axis=0) if last.size else reference,
        money=reference / reference.sum(),
    )


def per_money(units: list[Unit], reference: FloatArray) -> list[Unit]:
    """Return the series with returns in one unit for all: outcome per money.

    Coefficients are in units of their series' mean outcome. In these, a region that sells more
    without any spend would seem to earn more with the same money.
    """
    money = sum(float(reference[unit.series.lines].sum()) for unit in units)
    whole = sum(unit.scale for unit in units) / money
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
    usual, odd = 0.05**2, np.ones(outcome.size)
    for _ in range(4):
        weight = np.where(known, 1 / odd, 0.0)
        precision = (table.T * weight) @ table + np.diag(usual / np.square(sd))
        left = outcome - table @ np.linalg.solve(precision, table.T @ (weight * outcome))
        usual = max(float(np.median(np.square(left[known])) / 0.455), 1e-6)
        odd = np.maximum((ODD_DOF + np.square(left) / usual) / (ODD_DOF + 1), 1.0)
    return usual, np.where(known, np.where(odd > 2.0, odd, 1.0), 1.0)
