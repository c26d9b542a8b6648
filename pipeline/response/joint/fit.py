"""One fit over all lines of outcomes that nobody attributed: totals, or one series a region."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from pipeline.core.errors import PipelineError
from pipeline.core.findings import Finding
from pipeline.core.history import History, LiftTest, Measured
from pipeline.core.types import BoolArray, FloatArray, IntArray, Line
from pipeline.response.blocks import lost_findings
from pipeline.response.curves import carried_spend
from pipeline.response.experiments import experiment_finding, treatments
from pipeline.response.fit import reference_spend
from pipeline.response.joint.design import Design, averaged, baseline_design
from pipeline.response.joint.health import joint_findings, share_finding
from pipeline.response.joint.library import Library, library_for
from pipeline.response.joint.moments import series_moments
from pipeline.response.joint.posterior import JointPosterior
from pipeline.response.joint.residuals import Seen, left_of, residual_findings
from pipeline.response.joint.sampler import Chains, Experiments, Series, sample
from pipeline.response.threads import one_thread

OPEN_DAYS = 3  # the newest totals may still grow; they teach nothing yet
ODD_DOF = 4.0
"""Odd periods count as under a Student t. Source: Lange, Little and Taylor (1989)."""
FIRST_NODE = 2  # of the first pass: some carry-over, a middling Hill curve


@dataclass(frozen=True, slots=True, kw_only=True)
class _Unit:
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


@one_thread()
def fit_joint(
    history: History,
    metric: str,
    rng: np.random.Generator,
    *,
    lift_tests: tuple[LiftTest, ...] = (),
) -> JointPosterior:
    """Return the posterior of every line's curve from outcomes of groups of lines.

    Args:
        history: with `measured` set; the last day is the newest that is known.
        metric: the outcome whose response is wanted.
        rng: the only source of chance.
        lift_tests: experiments, as evidence on the lines they treated.

    Raises:
        PipelineError: there is no such outcome, it is never above zero, or one series has more
            lines than it can tell apart.
    """
    measured = _measured(history, metric)
    unit_of = measured.unit_of(history.lines)
    most = int(np.bincount(unit_of[unit_of >= 0], minlength=1).max())
    library = library_for(max(most, 1))
    reference = reference_spend(history.spend)
    kind = _kinds(history.lines, measured.levels)
    units = [
        _unit(history, measured, metric, unit, np.flatnonzero(unit_of == unit), kind, library)
        for unit in range(len(measured.units))
        if (unit_of == unit).any() and np.nanmax(measured.outcomes[metric][:, unit]) > 0
    ]
    if not units:
        raise PipelineError(f"response: {metric} is never above zero; check its column")
    units = _per_money(units, reference)
    scale = np.zeros(len(history.lines))
    for unit in units:
        scale[unit.series.lines] = unit.scale
    chains = sample(
        tuple(unit.series for unit in units),
        _experiments(history, lift_tests, reference, library, scale),
        library.log_prior,
        rng,
        partial(_decisive, library.elasticities(), scale),
    )
    return _posterior(history, metric, units, library, chains, scale, lift_tests, rng)


def _decisive(
    elasticity: FloatArray, scale: FloatArray, node: IntArray, coefficient: FloatArray
) -> FloatArray:
    """Return what a plan rests on: each line's margin at its usual spend, and what all earn."""
    earned = coefficient * scale
    return np.column_stack([earned * elasticity[node], earned.sum(axis=1)])


def _measured(history: History, metric: str) -> Measured:
    measured = history.measured
    if measured is None or metric not in measured.outcomes:
        known = () if measured is None else sorted(measured.outcomes)
        raise PipelineError(
            f"response: no measured outcome {metric!r}, only {', '.join(known) or 'none'}; "
            "name one of them in the objective"
        )
    return measured


def _kinds(lines: tuple[Line, ...], levels: tuple[int, ...]) -> IntArray:
    """Return a number per line that lines of other series share which differ in nothing else."""
    rest = [tuple(v for i, v in enumerate(line) if i not in levels) for line in lines]
    names = {name: index for index, name in enumerate(sorted(set(rest)))}
    return np.array([names[name] for name in rest], dtype=np.int64)


def _unit(
    history: History,
    measured: Measured,
    metric: str,
    unit: int,
    lines: IntArray,
    kind: IntArray,
    library: Library,
) -> _Unit:
    period = measured.period_days
    spend = history.spend[:, lines]
    outcome = averaged(np.nan_to_num(measured.outcomes[metric][:, unit]), period)
    known = _known(measured.trusted[:, unit], period)
    scale = float(outcome[known].mean()) if known.any() else 1.0
    scale = scale if scale > 0 else 1.0
    controls = {name: table[:, unit] for name, table in measured.controls.items()}
    design = baseline_design(history.days, controls, spend, period, history.special)
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
    )
    reference = reference_spend(history.spend)[lines]
    last = np.flatnonzero(known)[-max(28 // period, 1) :]
    return _Unit(
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


def _per_money(units: list[_Unit], reference: FloatArray) -> list[_Unit]:
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


def _experiments(
    history: History,
    tests: tuple[LiftTest, ...],
    reference: FloatArray,
    library: Library,
    scale: FloatArray,
) -> Experiments:
    """Return what each node of each line would show in each test, for a coefficient of 1."""
    found = treatments(history, tests, history.spend)
    effect = np.zeros((len(found), len(history.lines), library.log_prior.size))
    for index, test in enumerate(found):
        at, window = reference[test.lines], slice(test.begin, test.end)
        difference = library.responses(test.spend, at) - library.responses(test.without, at)
        effect[index, test.lines] = difference[window].sum(axis=0) * scale[test.lines, None]
    return Experiments(
        effect=effect,
        lifts=np.array([test.lift for test in found]),
        precisions=np.array([1 / test.variance for test in found]),
    )


def _posterior(
    history: History,
    metric: str,
    units: list[_Unit],
    library: Library,
    chains: Chains,
    scale: FloatArray,
    tests: tuple[LiftTest, ...],
    rng: np.random.Generator,
) -> JointPosterior:
    spend, retentions = history.spend, np.unique(library.retention)
    posterior = JointPosterior(
        metric=metric,
        lines=history.lines,
        library=library,
        node=chains.node,
        coefficient=chains.coefficient * scale,
        reference=reference_spend(spend),
        carried=np.stack([carried_spend(spend, float(r))[-1] for r in retentions]),
        recent_spend=spend[-7:].mean(axis=0),
        organic=np.zeros((chains.node.shape[0], len(history.lines))),
    )
    caused = _caused(posterior, units)
    posterior = replace(posterior, organic=_organic(posterior, units, caused))
    silent = np.ones(len(history.lines), dtype=bool)
    for unit in units:
        silent[unit.series.lines] = False
    return replace(
        posterior,
        findings=(
            *joint_findings(history, metric, posterior, chains, rng, len(units)),
            share_finding(metric, caused, np.array([unit.recent for unit in units])),
            *_residuals(history, units, library, chains),
            *experiment_finding(history, tests),
            *lost_findings(
                history.lines, silent, f"{metric} of its series is missing or never above zero"
            ),
        ),
    )


def _residuals(
    history: History, units: list[_Unit], library: Library, chains: Chains
) -> tuple[Finding, ...]:
    """Return what is to be said of what the mean of all draws leaves of each series."""
    measured, reference = history.measured, reference_spend(history.spend)
    period = 1 if measured is None else measured.period_days
    left = []
    for unit in units:
        lines = unit.series.lines
        weight = np.zeros((lines.size, library.log_prior.size))
        node, drawn = chains.node[:, lines], chains.coefficient[:, lines]
        np.add.at(weight, (np.arange(lines.size), node), drawn / len(drawn))
        responses = library.responses(history.spend[:, lines], reference[lines])
        caused = averaged(np.einsum("tln,ln->t", responses, weight), period)
        left.append(left_of(unit.seen, caused, period))
    return residual_findings([unit.seen.name for unit in units], left, period)


def _caused(posterior: JointPosterior, units: list[_Unit]) -> FloatArray:
    """Return what spend caused of each series' recent outcome, a day, (n_draws, n_series)."""
    spend = posterior.recent_spend.copy()
    for unit in units:
        spend[unit.series.lines] = unit.spend
    earned = posterior.value_at(spend)
    return np.column_stack([earned[:, unit.series.lines].sum(axis=1) for unit in units])


def _organic(posterior: JointPosterior, units: list[_Unit], caused: FloatArray) -> FloatArray:
    """Return what comes without tomorrow's spend, on the lines by their share of money.

    Nothing comes at least; that a fit claims less is what `share_finding` says.
    """
    out = np.zeros_like(posterior.coefficient)
    for index, unit in enumerate(units):
        base = np.maximum(unit.recent - caused[:, index], 0.0)
        out[:, unit.series.lines] = base[:, None] * unit.money
    return out
