"""One fit over all lines of outcomes that nobody attributed: totals, or one series a region."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import numpy as np

from pipeline.core.errors import PipelineError
from pipeline.core.findings import Finding
from pipeline.core.history import History, LiftTest, Measured
from pipeline.core.types import FloatArray, IntArray, Line
from pipeline.response.blocks import lost_findings
from pipeline.response.curves import carried_spend
from pipeline.response.experiments import Treatment, experiment_finding, treatments
from pipeline.response.fit import reference_spend
from pipeline.response.joint.beside import Beside, beside_of
from pipeline.response.joint.chain_state import Experiments
from pipeline.response.joint.design import averaged
from pipeline.response.joint.health import joint_findings, share_finding
from pipeline.response.joint.library import Library, library_for
from pipeline.response.joint.named import special_findings
from pipeline.response.joint.posterior import JointPosterior
from pipeline.response.joint.residuals import Left, alike_share, left_of, residual_findings
from pipeline.response.joint.sampler import Chains, sample
from pipeline.response.joint.units import Unit, make_unit, per_money
from pipeline.response.plausible import far_from_days
from pipeline.response.taught import Told
from pipeline.response.threads import one_thread


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
    made = (
        make_unit(history, measured, metric, unit, np.flatnonzero(unit_of == unit), kind, library)
        for unit in range(len(measured.units))
        if (unit_of == unit).any()
    )
    units = [unit for unit in made if unit is not None]
    if not units:
        raise PipelineError(
            f"response: {metric} is never above zero on a day that teaches; check its column"
        )
    units = per_money(units, reference, library.log_prior)
    scale = np.zeros(len(history.lines))
    for unit in units:
        scale[unit.series.lines] = unit.scale
    tests = treatments(history, lift_tests, history.spend)
    experiments = _experiments(tests, reference, library, scale)
    make = partial(
        sample,
        tuple(unit.series for unit in units),
        log_prior=library.log_prior,
        decisive=partial(_decisive, library.elasticities(), scale),
    )
    chains, far = make(experiments, rng=rng), tuple[Finding, ...]()
    if tests:
        days = make(_experiments((), reference, library, scale), rng=rng.spawn(1)[0])
        far = far_from_days(_told(tests, experiments, days))
    posterior = _posterior(history, metric, units, library, chains, scale, lift_tests, rng)
    return replace(posterior, findings=(*posterior.findings, *far))


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


def _experiments(
    tests: tuple[Treatment, ...], reference: FloatArray, library: Library, scale: FloatArray
) -> Experiments:
    """Return what each node of each line would show in each test, for a coefficient of 1."""
    effect = np.zeros((len(tests), reference.size, library.log_prior.size))
    for index, test in enumerate(tests):
        at, window = reference[test.lines], slice(test.begin, test.end)
        difference = library.responses(test.spend, at) - library.responses(test.without, at)
        effect[index, test.lines] = difference[window].sum(axis=0) * scale[test.lines, None]
    return Experiments(
        effect=effect,
        lifts=np.array([test.lift for test in tests]),
        precisions=np.array([1 / test.variance for test in tests]),
    )


def _told(tests: tuple[Treatment, ...], experiments: Experiments, days: Chains) -> tuple[Told, ...]:
    """Return what each test says beside draws that heard of no test.

    What many lines may have caused of one total is skewed, so the doubt is that of the draws on
    the test's side of their mean.
    """
    shown = experiments.effect[:, np.arange(days.node.shape[1]), days.node]
    told = []
    for test, drawn in zip(tests, (shown * days.coefficient).sum(axis=2), strict=True):
        away = drawn - drawn.mean()
        beside = away[away * (test.lift - drawn.mean()) >= 0]
        told.append(
            Told(
                name=test.name,
                lift=test.lift,
                variance=test.variance,
                expected=float(drawn.mean()),
                doubt=float(np.square(beside).mean()),
            )
        )
    return tuple(told)


def _posterior(
    history: History,
    metric: str,
    units: list[Unit],
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
        beside=tuple(_beside(units, library, chains)),
    )
    caused, left = _caused(posterior, units), _left(history, units, library, chains)
    surprises = np.array([unit.scale * np.sqrt(unit.seen.usual) for unit in units])
    posterior = replace(
        posterior,
        organic=_organic(posterior, units, caused),
        alike=alike_share(left, surprises),
    )
    silent = np.ones(len(history.lines), dtype=bool)
    for unit in units:
        silent[unit.series.lines] = False
    return replace(
        posterior,
        findings=(
            *joint_findings(history, metric, posterior, chains, rng, _spans(units)),
            share_finding(metric, caused, np.array([unit.recent for unit in units])),
            *residual_findings([unit.seen.name for unit in units], left, _period(history)),
            *experiment_finding(history, tests),
            *lost_findings(
                history.lines,
                silent,
                f"{metric} of its series is missing, never above zero or too new",
            ),
            *special_findings(history, posterior.beside, _usual(units, _period(history)), rng),
        ),
    )


def _beside(units: list[Unit], library: Library, chains: Chains) -> Iterator[Beside]:
    """Yield what comes beside spend in the series that go on, of all where none does."""
    n_nodes, all_over = library.log_prior.size, all(unit.is_over for unit in units)
    for index, unit in enumerate(units):
        if unit.is_over and not all_over:
            continue
        lines = unit.series.lines
        yield beside_of(
            unit.seen,
            unit.scale,
            unit.series.moments,
            (
                chains.coefficient[:, lines],
                np.arange(lines.size) * n_nodes + chains.node[:, lines],
                chains.noise[:, index],
                chains.noise_kind[:, index],
            ),
        )


def _left(history: History, units: list[Unit], library: Library, chains: Chains) -> list[Left]:
    """Return what the mean of all draws leaves of each series."""
    reference, period = reference_spend(history.spend), _period(history)
    left = []
    for unit in units:
        lines = unit.series.lines
        weight = np.zeros((lines.size, library.log_prior.size))
        node, drawn = chains.node[:, lines], chains.coefficient[:, lines]
        np.add.at(weight, (np.arange(lines.size), node), drawn / len(drawn))
        responses = library.responses(history.spend[:, lines], reference[lines])
        caused = averaged(np.einsum("tln,ln->t", responses, weight), period)
        caused = caused[caused.size - unit.seen.known.size :]
        left.append(left_of(unit.seen, caused, period))
    return left


def _usual(units: list[Unit], period_days: int) -> float:
    """Return what all series that go on bring on a usual day of their last four known weeks.

    Of all series where none goes on, as `_beside` takes them.
    """
    last, all_over = max(28 // period_days, 1), all(unit.is_over for unit in units)
    return sum(
        unit.scale * float(np.median(unit.seen.outcome[unit.seen.known][-last:]))
        for unit in units
        if unit.seen.known.any() and (all_over or not unit.is_over)
    )


def _spans(units: list[Unit]) -> list[int]:
    """Return over how many periods each series teaches."""
    return [unit.seen.known.size for unit in units]


def _period(history: History) -> int:
    return 1 if history.measured is None else history.measured.period_days


def _caused(posterior: JointPosterior, units: list[Unit]) -> FloatArray:
    """Return what spend caused of each series' recent outcome, a day, (n_draws, n_series)."""
    spend = posterior.recent_spend.copy()
    for unit in units:
        spend[unit.series.lines] = unit.spend
    earned = posterior.value_at(spend)
    return np.column_stack([earned[:, unit.series.lines].sum(axis=1) for unit in units])


def _organic(posterior: JointPosterior, units: list[Unit], caused: FloatArray) -> FloatArray:
    """Return what comes without tomorrow's spend, on the lines by their share of money.

    Nothing comes at least; that a fit claims less is what `share_finding` says.
    """
    out = np.zeros_like(posterior.coefficient)
    for index, unit in enumerate(units):
        base = np.maximum(unit.recent - caused[:, index], 0.0)
        out[:, unit.series.lines] = base[:, None] * unit.money
    return out
