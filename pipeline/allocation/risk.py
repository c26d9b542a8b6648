"""Plans that weigh chance: the mean less some spread, or the mean of the worst draws.

Both are the least of many weighted means: `rho(V) = min over w of w . V`, for weights that are not
too far from equal. For fixed weights the problem is the ordinary one on weighted curves, so its
bound is a bound here too; mixing the plans that different weights ask for, and weighting by how
the mix turns out, closes the gap. That is the same master-and-offers scheme as for guardrails.

Sources: Artzner, Delbaen, Eber and Heath (1999), "Coherent measures of risk", for the dual form;
Rockafellar and Uryasev (2000), "Optimization of conditional value-at-risk".
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from pipeline.allocation.curves import Curves
from pipeline.allocation.problem import Problem
from pipeline.allocation.solution import Solution, relative_gap, status_of
from pipeline.allocation.solve import CERTIFIED, is_allowed, solve
from pipeline.allocation.work import Work
from pipeline.core.errors import ConfigError
from pipeline.core.types import FloatArray

_ROUNDS = 40
_CLOSE = 1e-6


class RiskKind(StrEnum):
    """What is weighed against the mean."""

    SPREAD = "spread"
    WORST = "worst"


@dataclass(frozen=True, slots=True, kw_only=True)
class Risk:
    """How chance counts.

    Attributes:
        kind: SPREAD is `mean - amount * standard deviation`; WORST is the mean of the worst
            share `amount` of draws.
        spend: (n_lines, n_knots), strictly ascending, first 0.
        value: (n_draws, n_lines, n_knots), joint over lines; straight between knots.
    """

    kind: RiskKind
    amount: float
    spend: FloatArray
    value: FloatArray

    def __post_init__(self) -> None:
        if self.kind is RiskKind.SPREAD and not 0 <= self.amount < np.inf:
            raise ConfigError(f"risk: need an aversion of at least 0, got {self.amount!r}")
        if self.kind is RiskKind.WORST and not 0 < self.amount <= 1:
            raise ConfigError(f"risk: need a share above 0 and at most 1, got {self.amount!r}")
        if self.value.shape[1:] != self.spend.shape:
            raise ConfigError(
                f"risk: spends {self.spend.shape} and values {self.value.shape} do not fit"
            )

    def outcomes(self, spend: FloatArray) -> FloatArray:
        """Return what a split earns in every draw, (n_draws,)."""
        total = np.zeros(self.value.shape[0])
        for line, money in enumerate(spend.tolist()):
            knots = self.spend[line]
            right = int(np.clip(np.searchsorted(knots, money), 1, knots.size - 1))
            width = knots[right] - knots[right - 1]
            share = min(max((money - knots[right - 1]) / width, 0.0), 1.0)
            total += (1 - share) * self.value[:, line, right - 1]
            total += share * self.value[:, line, right]
        return total

    def measure(self, outcomes: FloatArray) -> float:
        """Return the objective of some outcomes, one per draw."""
        return float(self.weights(outcomes) @ outcomes)

    def weights(self, outcomes: FloatArray) -> FloatArray:
        """Return the weights of the draws, (n_draws,), whose weighted mean is the objective."""
        size = outcomes.size
        if self.kind is RiskKind.SPREAD:
            spread = float(outcomes.std())
            if spread <= 1e-12 * float(np.abs(outcomes).max(initial=0.0)):
                return np.full(size, 1 / size)
            return np.asarray((1 - self.amount * (outcomes - outcomes.mean()) / spread) / size)
        most = 1 / (self.amount * size)
        weights = np.zeros(size)
        order = np.argsort(outcomes, kind="stable")
        full = int(np.floor(self.amount * size + 1e-9))
        weights[order[:full]] = most
        if full < size:
            weights[order[full]] = 1 - full * most
        return weights


def solve_with_risk(problem: Problem, risk: Risk, work: Work | None = None) -> Solution:
    """Return the plan with the best risk-adjusted outcome, its bound and its prices.

    The problem's own curves are replaced by the draws' weighted means; prices and marginal
    returns are those of the last weighting, so they are in risk-adjusted outcome too.

    Args:
        work: how long the search may go on.

    Raises:
        InfeasibleError: no plan can obey the limits.
        UndecidedError: the work ended before a plan was found, or proven impossible.
    """
    work = Work() if work is None else work
    weights = np.full(risk.value.shape[0], 1 / risk.value.shape[0])
    plans: list[FloatArray] = []
    drawn: list[FloatArray] = []
    best: tuple[float, FloatArray] | None = None
    bound = np.inf
    if problem.current is not None and is_allowed(problem, problem.current):
        best = (risk.measure(risk.outcomes(problem.current)), problem.current.copy())
    for _ in range(_ROUNDS):
        offered = _offer(problem, risk, weights, work)
        bound = min(bound, offered.upper_bound)
        plans.append(offered.spend)
        drawn.append(risk.outcomes(offered.spend))
        mix = _best_mix(risk, np.array(drawn))
        mixed = mix @ np.array(plans)
        for plan in (mixed, offered.spend):
            worth = risk.measure(risk.outcomes(plan))
            if (best is None or worth > best[0]) and is_allowed(problem, plan):
                best = (worth, plan)
        next_weights = risk.weights(mix @ np.array(drawn))
        small = best is not None and bound - best[0] <= _CLOSE * max(abs(bound), abs(best[0]))
        if small or work.is_over or np.abs(next_weights - weights).max() <= 1e-14:
            break
        weights = next_weights
    objective, spend = best if best is not None else (-np.inf, offered.spend)
    bound = max(bound, objective)
    gap = relative_gap(objective, bound)
    return replace(
        offered,
        status=status_of(gap <= CERTIFIED, work),
        spend=spend,
        objective=objective,
        upper_bound=bound,
        gap=gap,
        curves=_curves(risk, weights),
    )


def _offer(problem: Problem, risk: Risk, weights: FloatArray, work: Work) -> Solution:
    return solve(problem.changed(curves=_curves(risk, weights), current=None), work=work)


def _curves(risk: Risk, weights: FloatArray) -> Curves:
    values = np.tensordot(weights, risk.value, axes=1)
    return Curves.from_knots(risk.spend, values, smooth=False)


def _best_mix(risk: Risk, drawn: FloatArray) -> FloatArray:
    """Return the shares of the plans whose mixed outcomes measure best, (n_plans,)."""
    size = drawn.shape[0]
    if size == 1:
        return np.ones(1)
    from scipy.optimize import linprog, minimize

    scale = float(np.abs(drawn).max()) or 1.0
    units = drawn / scale
    if risk.kind is RiskKind.WORST:
        draws = units.shape[1]
        # maximise level - sum(short) / (amount * draws), short >= level - outcome
        cost = np.concatenate([np.zeros(size), [-1.0], np.full(draws, 1 / (risk.amount * draws))])
        rows = np.hstack([-units.T, np.ones((draws, 1)), -np.eye(draws)])
        whole = np.concatenate([np.ones(size), np.zeros(draws + 1)])[None, :]
        bounds = [(0, None)] * size + [(None, None)] + [(0, None)] * draws
        solved = linprog(cost, A_ub=rows, b_ub=np.zeros(draws), A_eq=whole, b_eq=[1.0],
                         bounds=bounds, method="highs")  # fmt: skip
        mix = np.maximum(np.asarray(solved.x)[:size], 0.0)
        return np.asarray(mix / mix.sum())
    worth = [risk.measure(row) for row in units]
    start = np.full(size, 0.1 / size)
    start[int(np.argmax(worth))] += 0.9

    def loss(mix: FloatArray) -> float:
        return -risk.measure(mix @ units)

    def slope(mix: FloatArray) -> FloatArray:
        return np.asarray(-(units @ risk.weights(mix @ units)))

    found = minimize(  # type: ignore[call-overload]  # the stubs know only typed constraints
        loss,
        start,
        jac=slope,
        bounds=[(0, 1)] * size,
        constraints=[{"type": "eq", "fun": lambda m: m.sum() - 1, "jac": np.ones_like}],
        method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 200},
    )
    mix = np.maximum(np.asarray(found.x), 0.0)
    return np.asarray(mix / mix.sum())
