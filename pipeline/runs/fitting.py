"""The curves that a night's decision needs, from its facts: fitted and tabulated.

Pure, like the decision. Very many lines are fitted a segment at a time, and of each segment only
what the decision needs is kept: draws and means.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from pipeline.core.curves import ResponseTable
from pipeline.core.types import FloatArray, IntArray, RealArray
from pipeline.response import Fitted, Posterior, fit_metric
from pipeline.response.blocks import RunBlocks, run_here
from pipeline.response.experiments import experiment_finding
from pipeline.response.health import Health, told_as_one
from pipeline.response.joint import JointPosterior, JointPredictive, joint_predictive
from pipeline.response.plausible import Judged, judge
from pipeline.response.predict import Predictive, predictive
from pipeline.response.segments import ahead_as_one, segments_of, shared_tests
from pipeline.response.value import widened
from pipeline.runs.decide import Ahead, Facts, Learned, Models, day_rng
from pipeline.runs.guardrails import guardrail_metrics

KNOTS = np.array([0, 0.25, 0.5, 0.65, *np.arange(0.75, 1.26, 0.05).round(2), 1.35, 1.5, 2, 3])
"""Spends at which curves are tabulated, in units of the line's current budget; linear between."""

DRAWS, FEWEST_DRAWS, DRAWS_AHEAD = 400, 100, 300
"""Joint draws of the curves, usually and at least, and of the days ahead, at most."""

DRAWN_LINES = 50_000
"""Beyond so many lines there are fewer draws, so that their table stays as large; what many lines
earn together needs fewer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What one fit leaves for the decision.

    Attributes:
        learned: curves of its lines.
        health: what findings rest on; None where the fit is joint.
        ahead: draws of the days ahead, where they were asked for.
    """

    learned: Learned
    health: Health | None = None
    ahead: Ahead | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """One fit of a night: a metric on all lines, or on a segment of them.

    Attributes:
        metric: what is counted.
        segment: which; None where there is one fit for all lines.
        places: (n,), of its lines among all.
        facts: of those lines alone.
        n_draws: joint posterior draws.
    """

    metric: str
    segment: int | None
    places: IntArray
    facts: Facts
    n_draws: int

    @property
    def name(self) -> str:
        """What tells a night's fits apart."""
        return self.metric if self.segment is None else f"{self.metric}, segment {self.segment}"

    @property
    def is_objective(self) -> bool:
        """Whether the plan maximises the metric."""
        return self.metric == self.facts.policy.objective.maximize

    def run(self, run_blocks: RunBlocks) -> Fitted:
        """Return the posterior; lines' evidence is computed where `run_blocks` says."""
        facts = self.facts
        return fit_metric(
            facts.history,
            self.metric,
            day_rng(facts, f"fit {self.metric}"),
            is_objective=self.is_objective,
            vintages=facts.vintages,
            lift_tests=facts.lift_tests,
            run_blocks=run_blocks,
        )

    def learn(self, run_blocks: RunBlocks = run_here) -> Part:
        """Return what the decision needs of the posterior; `run_blocks` as in `run`."""
        posterior = self.run(run_blocks)
        grid = spend_grid(self.facts.current, posterior.recent_spend, posterior.reference)
        dice = self._dice("posterior")
        if not isinstance(posterior, Posterior):
            table, mean = posterior.tabulate(grid, dice, self.n_draws)
            _widen(table.value, mean, _widening(self.facts))
            return Part(
                learned=Learned(table=table, mean=mean, findings=posterior.findings),
                ahead=self._joint_ahead(posterior),
            )
        table, mean = posterior.tabulate(grid, dice, self.n_draws, self._common("posterior"))
        _widen(table.value, mean, _widening(self.facts))
        ahead = None
        if self.is_objective:
            ahead = predictive(
                posterior,
                self.facts.history,
                self._dice("ahead"),
                n_draws=min(self.n_draws, DRAWS_AHEAD),
                common=self._common("ahead"),
            )
        learned = Learned(table=table, mean=mean, findings=posterior.findings)
        return Part(learned=learned, health=posterior.health, ahead=ahead)

    def _joint_ahead(self, posterior: JointPosterior) -> JointPredictive | None:
        if not self.is_objective:
            return None
        facts = self.facts
        return joint_predictive(posterior, facts.history, self._dice("ahead"), day=facts.day)

    def _common(self, purpose: str) -> np.random.Generator | None:
        """Return the generator of what lines of all segments share; None where there is one."""
        return None if self.segment is None else day_rng(self.facts, purpose)

    def _dice(self, purpose: str) -> np.random.Generator:
        """Return the generator of one use of chance; metrics share it, segments do not."""
        return day_rng(self.facts, purpose if self.segment is None else f"{purpose} {self.segment}")


def fits_of(facts: Facts, metric: str, *, n_draws: int | None = None) -> Iterator[Fit]:
    """Yield a metric's fits: one, or where lines are very many one a segment.

    Args:
        n_draws: by default as many as the lines leave memory for.
    """
    if n_draws is None:
        few = DRAWS * DRAWN_LINES // max(len(facts.history.lines), 1)
        n_draws = min(max(few, FEWEST_DRAWS), DRAWS)
    segments = segments_of(facts.history)
    facts = replace(facts, lift_tests=_judged(facts, metric).tests)
    for index, places in enumerate(segments):
        is_one = len(segments) == 1
        yield Fit(
            metric=metric,
            segment=None if is_one else index,
            places=places,
            facts=facts if is_one else _of_lines(facts, places),
            n_draws=n_draws,
        )


def _judged(facts: Facts, metric: str) -> Judged:
    """Return what lift tests can teach a metric's fit."""
    is_first = metric == facts.policy.objective.maximize
    return judge(facts.history, metric, facts.lift_tests, of_all=is_first)


def _of_lines(facts: Facts, places: IntArray) -> Facts:
    """Return what a fit of some lines has to know."""
    return replace(
        facts,
        history=facts.history.of_lines(places),
        lift_tests=shared_tests(facts.history, facts.lift_tests, places),
        current=facts.current[places],
        distrusted=facts.distrusted[places],
    )


def fitted_metrics(facts: Facts) -> tuple[str, ...]:
    """Return the metrics whose curves a night learns: the objective, then what guardrails need."""
    metric = facts.policy.objective.maximize
    others = sorted(guardrail_metrics(facts.policy) - {metric})
    return metric, *(name for name in others if name in facts.history.metrics)


def fit_models(
    facts: Facts,
    *,
    n_draws: int | None = None,
    learn: Callable[[Fit], Part] = Fit.learn,
) -> Models:
    """Return what the night's decision needs to know of the curves.

    Args:
        n_draws: joint posterior draws, as in `fits_of`; the dice are those of the day, so all
            metrics share them.
        learn: where a fit is made; in this process by default.
    """
    objective, *others = (
        _gathered(facts, name, map(learn, fits_of(facts, name, n_draws=n_draws)))
        for name in fitted_metrics(facts)
    )
    return Models(
        objective=objective.learned,
        others={part.learned.table.metric: part.learned for part in others},
        ahead=objective.ahead,
    )


def _gathered(facts: Facts, metric: str, parts: Iterator[Part]) -> Part:
    """Return the parts of a metric's fits as one; each is dropped before the next is made."""
    segments, lines = segments_of(facts.history), facts.history.lines
    judged = _judged(facts, metric)
    if len(segments) == 1:
        part = next(parts)
        findings = (*part.learned.findings, *judged.findings)
        return replace(part, learned=replace(part.learned, findings=findings))
    spend, mean = np.empty((2, len(lines), KNOTS.size))
    value, organic = np.empty(0, dtype=np.float32), np.empty(0)
    health, ahead = list[Health](), list[Predictive]()  # segments are never of a joint fit
    for places in segments:
        part = next(parts)
        table = part.learned.table
        if not value.size:
            n_draws = len(table.value)
            value = np.empty((n_draws, *spend.shape), dtype=np.float32)
            organic = np.empty((n_draws, len(lines)))
        spend[places], mean[places] = table.spend, part.learned.mean
        value[:, places], organic[:, places] = table.value, table.organic
        health += [] if part.health is None else [part.health]
        ahead += [part.ahead] if isinstance(part.ahead, Predictive) else []
        del part, table
    tests = (*experiment_finding(facts.history, judged.tests), *judged.findings)
    return Part(
        learned=Learned(
            table=ResponseTable(
                metric=metric, lines=lines, spend=spend, value=value, organic=organic
            ),
            mean=mean,
            findings=told_as_one(health, segments).findings(lines, tests),
        ),
        ahead=ahead_as_one(ahead, segments, lines) if ahead else None,
    )


def _widen(value: RealArray, mean: FloatArray, factor: FloatArray) -> None:
    """Move the draws of lines with a factor away from their mean by it, in place."""
    wide = np.flatnonzero(factor != 1.0)
    if wide.size:
        value[:, wide] = widened(value[:, wide], mean[wide], factor[wide])


def _widening(facts: Facts) -> FloatArray:
    """Return the factor on the spread of each line's curve that alarms ask for, (n_lines,)."""
    watched = facts.watch.by_line()
    return np.array(
        [watched[line].widen if line in watched else 1.0 for line in facts.history.lines]
    )


def spend_grid(current: FloatArray, recent: FloatArray, usual: FloatArray) -> FloatArray:
    """Return the spends at which a night's curves are tabulated, (n_lines, n_knots).

    A line without a budget is tabulated around what it usually spends, where a budget would start
    it: what the first cent earns is a property of the curve's formula and of no market.

    Args:
        current, recent, usual: (n_lines,), budgets in force, spent of late, and on days with spend.
    """
    scale = np.maximum(np.maximum(current, 0.2 * recent), 1e-2)
    return np.asarray(np.where(current > 0, scale, np.maximum(recent, usual))[:, None] * KNOTS)
