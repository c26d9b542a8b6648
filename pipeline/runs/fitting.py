"""The curves that a night's decision needs, from its facts: fitted and tabulated.

Pure, like the decision. Very many lines are fitted a segment at a time, and of each segment only
what the decision needs is kept: draws and means.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from pipeline.core.curves import ResponseTable
from pipeline.core.findings import Finding
from pipeline.core.types import FloatArray, IntArray, Line, RealArray
from pipeline.response import Fitted, Posterior, fit_metric
from pipeline.response.blocks import RunBlocks, run_here
from pipeline.response.experiments import experiment_finding
from pipeline.response.health import Health, told_as_one
from pipeline.response.metric import experiments_on
from pipeline.response.predict import Predictive, predictive
from pipeline.response.segments import ahead_as_one, segments_of, shared_tests
from pipeline.runs.decide import Facts, Learned, Models, day_rng
from pipeline.runs.guardrails import guardrail_metrics

KNOTS = np.array([0, 0.25, 0.5, 0.65, *np.arange(0.75, 1.26, 0.05).round(2), 1.35, 1.5, 2, 3])
"""Spends at which curves are tabulated, in units of the line's current budget."""

DRAWS, FEWEST_DRAWS, DRAWS_AHEAD = 400, 100, 300
"""Joint draws of the curves, usually and at least, and of the days ahead, at most."""

DRAWN_LINES = 50_000
"""Beyond so many lines there are fewer draws, so that their table stays as large; what many lines
earn together needs fewer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """One fit of a night: a metric on all lines, or on a segment of them.

    Attributes:
        metric: what is counted.
        segment: which; None where there is one fit for all lines.
        places: (n,), of its lines among all.
        facts: of those lines alone.
    """

    metric: str
    segment: int | None
    places: IntArray
    facts: Facts

    @property
    def name(self) -> str:
        """What tells a night's fits apart."""
        return self.metric if self.segment is None else f"{self.metric}, segment {self.segment}"

    def run(self, run_blocks: RunBlocks) -> Fitted:
        """Return the posterior; lines' evidence is computed where `run_blocks` says."""
        facts = self.facts
        return fit_metric(
            facts.history,
            self.metric,
            day_rng(facts, f"fit {self.metric}"),
            is_objective=self.metric == facts.policy.objective.maximize,
            vintages=facts.vintages,
            lift_tests=facts.lift_tests,
            run_blocks=run_blocks,
        )

    def dice(self, purpose: str) -> np.random.Generator:
        """Return the generator of one use of chance; metrics share it, segments do not."""
        return day_rng(self.facts, purpose if self.segment is None else f"{purpose} {self.segment}")


def fits_of(facts: Facts, metric: str) -> Iterator[Fit]:
    """Yield a metric's fits: one, or where lines are very many one a segment."""
    segments = segments_of(facts.history)
    if len(segments) == 1:
        yield Fit(metric=metric, segment=None, places=segments[0], facts=facts)
        return
    for index, places in enumerate(segments):
        part = replace(
            facts,
            history=facts.history.of_lines(places),
            lift_tests=shared_tests(facts.history, facts.lift_tests, places),
            current=facts.current[places],
            distrusted=facts.distrusted[places],
        )
        yield Fit(metric=metric, segment=index, places=places, facts=part)


def fitted_metrics(facts: Facts) -> tuple[str, ...]:
    """Return the metrics whose curves a night learns: the objective, then what guardrails need."""
    metric = facts.policy.objective.maximize
    others = sorted(guardrail_metrics(facts.policy) - {metric})
    return metric, *(name for name in others if name in facts.history.metrics)


def fit_models(
    facts: Facts,
    *,
    n_draws: int | None = None,
    run_blocks: Callable[[str], RunBlocks] | None = None,
) -> Models:
    """Return what the night's decision needs to know of the curves.

    Args:
        n_draws: joint posterior draws; the dice are those of the day, so all metrics share them.
            By default as many as the lines leave memory for.
        run_blocks: name of a fit -> where its lines' evidence is computed; in this process by
            default.
    """
    if n_draws is None:
        few = DRAWS * DRAWN_LINES // max(len(facts.history.lines), 1)
        n_draws = min(max(few, FEWEST_DRAWS), DRAWS)
    blocks = run_blocks or (lambda name: run_here)
    objective, *others = fitted_metrics(facts)
    learned, ahead = _learn(facts, objective, n_draws, blocks, is_ahead=True)
    return Models(
        objective=learned,
        others={name: _learn(facts, name, n_draws, blocks)[0] for name in others},
        ahead=ahead,
    )


def _learn(
    facts: Facts,
    metric: str,
    n_draws: int,
    blocks: Callable[[str], RunBlocks],
    *,
    is_ahead: bool = False,
) -> tuple[Learned, Predictive | None]:
    """Return the tabulated curves of all lines, and if asked for draws of the days ahead."""
    gathered = _Gathered(len(facts.history.lines), n_draws)
    for fit in fits_of(facts, metric):
        posterior = fit.run(blocks(fit.name))
        learned = _tabulated(facts, fit, posterior, n_draws)
        ahead = None
        if is_ahead and isinstance(posterior, Posterior):
            draws = min(n_draws, DRAWS_AHEAD)
            ahead = predictive(posterior, fit.facts.history, fit.dice("ahead"), n_draws=draws)
        if fit.segment is None:
            return learned, ahead
        gathered.add(fit.places, learned, posterior, ahead)
    tests = experiments_on(metric, facts.lift_tests)
    experiments = experiment_finding(facts.history, tests)
    return gathered.learned(metric, facts.history.lines, experiments), gathered.days_ahead(
        facts.history.lines
    )


def _tabulated(facts: Facts, fit: Fit, posterior: Fitted, n_draws: int) -> Learned:
    """Return one fit's draws and means."""
    grid, dice = spend_grid(fit.facts.current, posterior.recent_spend), fit.dice("posterior")
    if fit.segment is not None and isinstance(posterior, Posterior):
        alike = day_rng(facts, "posterior").standard_normal(n_draws)
        table, mean = posterior.tabulate(grid, dice, n_draws, alike)
    else:
        table, mean = posterior.tabulate(grid, dice, n_draws)
    _widen(table.value, mean, _widening(fit.facts))
    return Learned(table=table, mean=mean, findings=posterior.findings)


class _Gathered:
    """The tables of all lines, filled a segment at a time: they are the largest of a night."""

    def __init__(self, n_lines: int, n_draws: int) -> None:
        self.spend, self.mean = np.empty((2, n_lines, KNOTS.size))
        self.value = np.empty((n_draws, n_lines, KNOTS.size), dtype=np.float32)
        self.organic = np.empty((n_draws, n_lines))
        self.places: list[IntArray] = []
        self.health: list[Health] = []
        self.ahead: list[Predictive] = []

    def add(
        self, places: IntArray, learned: Learned, posterior: Fitted, ahead: Predictive | None
    ) -> None:
        """Take a segment's tables."""
        table = learned.table
        self.spend[places], self.mean[places] = table.spend, learned.mean
        self.value[:, places], self.organic[:, places] = table.value, table.organic
        self.places.append(places)
        self.health += [posterior.health] if isinstance(posterior, Posterior) else []
        self.ahead += [] if ahead is None else [ahead]

    def learned(
        self, metric: str, lines: tuple[Line, ...], experiments: tuple[Finding, ...]
    ) -> Learned:
        """Return the tables of all lines."""
        table = ResponseTable(
            metric=metric, lines=lines, spend=self.spend, value=self.value, organic=self.organic
        )
        findings = told_as_one(self.health, self.places).findings(lines, experiments)
        return Learned(table=table, mean=self.mean, findings=findings)

    def days_ahead(self, lines: tuple[Line, ...]) -> Predictive | None:
        """Return the draws of the days ahead of all lines, if any were added."""
        return ahead_as_one(self.ahead, self.places, lines) if self.ahead else None


def _widen(value: RealArray, mean: FloatArray, factor: FloatArray) -> None:
    """Move the draws of lines with a factor away from their mean by it, in place."""
    for line in np.flatnonzero(factor != 1.0).tolist():
        value[:, line] = mean[line] + factor[line] * (value[:, line] - mean[line])


def _widening(facts: Facts) -> FloatArray:
    """Return the factor on the spread of each line's curve that alarms ask for, (n_lines,)."""
    watched = facts.watch.by_line()
    return np.array(
        [watched[line].widen if line in watched else 1.0 for line in facts.history.lines]
    )


def spend_grid(current: FloatArray, recent: FloatArray) -> FloatArray:
    """Return the spends at which a night's curves are tabulated, (n_lines, n_knots)."""
    scale = np.maximum(np.maximum(current, 0.2 * recent), 1e-2)
    return np.asarray(scale[:, None] * KNOTS)
