"""From what is known to what is proposed: limits, allocation, step, exploration.

Pure: everything comes in as values, so that the night, a replay, a backtest and a simulation take
the same decision from the same facts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from pipeline.allocation.explore import Exploration
from pipeline.allocation.problem import Problem
from pipeline.allocation.solution import Solution
from pipeline.allocation.solve import solve
from pipeline.allocation.work import UNITS, Work
from pipeline.core.caps import Cap
from pipeline.core.curves import ResponseTable
from pipeline.core.errors import InfeasibleError, UndecidedError
from pipeline.core.findings import Finding
from pipeline.core.history import History, LiftTest, Vintages
from pipeline.core.learning import Lesson
from pipeline.core.policy import Policy
from pipeline.core.types import BoolArray, FloatArray, Line, line_label
from pipeline.core.watch import Watch
from pipeline.response.blocks import LOST
from pipeline.response.joint import JointPredictive
from pipeline.response.predict import Predictive
from pipeline.runs.exploring import explore_tonight, kept_lessons, stuck_lessons
from pipeline.runs.guardrails import guardrails_of, loosened
from pipeline.runs.kept import LOW_DATA, Kept, reasons_of
from pipeline.runs.limits import Limits, day_budget, month_words, night_limits
from pipeline.runs.newcomers import LearningBudgets, kept_in, learning_budgets
from pipeline.runs.pauses import Stopped
from pipeline.runs.step import is_trifle, left_to_move, take_step, without_lessons

if TYPE_CHECKING:
    from pipeline.runs.holdouts import HoldoutScore


Ahead: TypeAlias = Predictive | JointPredictive
"""What will be reported on the coming days: of lines, or of what outcomes are known by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything a decision rests on.

    Attributes:
        current: (n_lines,), in `history.lines` order.
        explored: (n_lines,), what of `current` is there to learn only; the step starts without it.
        lessons: the pairs of lines that were moved for it.
        caps: in force on the day; `held_scopes` wait for finance.
        wanted: the day's money.
        distrusted: (n_lines,), lines whose newest day cannot be trusted.
        watch: what alarms ask for.
        learned_for: outcome that published plans have given up for learning so far.
        kept: lines that stay on purpose tonight, and why.
        stopped: lines that do not spend the money in force.
        holdouts: standing ones, with what they have shown.
        names: former name of a line -> its name now, under which `history` has its past.
    """

    policy: Policy
    day: date
    history: History
    vintages: Vintages | None
    lift_tests: tuple[LiftTest, ...]
    current: FloatArray
    caps: tuple[Cap, ...]
    held_scopes: tuple[dict[str, str], ...]
    wanted: float
    distrusted: BoolArray
    explored: FloatArray | None = None
    lessons: tuple[Lesson, ...] = ()
    watch: Watch = field(default_factory=Watch)
    learned_for: float = 0.0
    kept: Mapping[Line, Kept] = field(default_factory=dict)
    stopped: Mapping[Line, Stopped] = field(default_factory=dict)
    holdouts: tuple[HoldoutScore, ...] = ()
    names: Mapping[Line, Line] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """What the posterior of one metric says about tomorrow, tabulated.

    Attributes:
        table: joint draws of every line's value on a grid of spends.
        mean: (n_lines, n_knots), the exact posterior mean on the same grid.
        findings: health of the fit.
    """

    table: ResponseTable
    mean: FloatArray
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Models:
    """The objective's posterior, and that of every metric that a guardrail needs.

    `ahead` is what will be reported on the coming days, for the plan's own promise.
    """

    objective: Learned
    others: Mapping[str, Learned] = field(default_factory=dict)
    ahead: Ahead | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BestSplit:
    """The split that earns most inside tonight's limits, before caution and exploration.

    Attributes:
        total: what is split tonight.
        reasons: why it is not all of the day's money, or not every limit as it was set.
        learning: what newcomers keep.
    """

    limits: Limits
    total: float
    problem: Problem
    solution: Solution
    reasons: tuple[str, ...]
    learning: LearningBudgets = field(default_factory=LearningBudgets)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What is proposed, and the numbers that explain it.

    Attributes:
        budgets: (n_lines,), before rounding to cents.
        explored: (n_lines,), money moved on purpose to learn, in `budgets` already.
        exploration: its account; None where there may be none.
        total: what is split tonight.
        table: draws of every line's value on a grid of spends.
        others: draws of the guardrail metrics on the same grid.
        trifle: what the best step would move, too little to sign; None where more moves.
        learning: what newcomers keep.
    """

    budgets: FloatArray
    explored: FloatArray
    exploration: Exploration | None
    total: float
    limits: Limits
    problem: Problem
    solution: Solution
    table: ResponseTable
    others: Mapping[str, ResponseTable]
    reasons: tuple[str, ...]
    trifle: float | None = None
    learning: LearningBudgets = field(default_factory=LearningBudgets)


def decide(facts: Facts, models: Models) -> Decision:
    """Return tonight's decision.

    Raises:
        InfeasibleError: the policy's limits contradict each other.
    """
    best = best_split(facts, models)
    problem, solution = best.problem, best.solution
    table = models.objective.table
    others = {name: model.table for name, model in models.others.items()}
    budgets = step = take_step(facts, problem, solution, table)
    exploration = explore_tonight(facts, problem, budgets, models)
    moved = np.zeros_like(budgets) if exploration is None else exploration.budgets - budgets
    budgets, explored = budgets + moved, moved + stuck_lessons(facts, problem)
    pairs = {(move.up, move.down) for move in exploration.moves} if exploration else set()
    trifle = None
    if is_trifle(facts, problem, budgets, explored, pairs):
        trifle = left_to_move(facts, problem, step)
        budgets, base = facts.current, without_lessons(facts)
        explored = np.zeros_like(budgets) if facts.explored is None else facts.explored
        exploration = kept_lessons(facts, base, models, exploration)
    return Decision(
        budgets=budgets,
        explored=explored,
        exploration=exploration,
        total=best.total,
        limits=best.limits,
        problem=problem,
        solution=solution,
        table=table,
        others=others,
        trifle=trifle,
        reasons=best.reasons,
        learning=best.learning,
    )


def best_split(facts: Facts, models: Models) -> BestSplit:
    """Return the split with the largest expected outcome inside tonight's limits.

    Newcomers keep their learning budgets, as long as nothing else gives way for that.

    Raises:
        InfeasibleError: the policy's limits contradict each other.
    """
    best = _split(facts, models, {})
    learning = learning_budgets(facts, best, models.objective.table)
    if floors := learning.floors():
        free, best = best, _beside(facts, models, floors, best)
        cost = max(free.solution.objective - best.solution.objective, 0.0)
        learning = replace(kept_in(best.solution.spend, learning), cost=cost)
    return replace(best, learning=learning)


def _beside(
    facts: Facts, models: Models, floors: Mapping[int, float], free: BestSplit
) -> BestSplit:
    """Return the best split with learning budgets; without, where anything would give way."""
    try:
        found = _split(facts, models, floors)
    except (InfeasibleError, UndecidedError):
        return free
    return found if (found.total, found.reasons) == (free.total, free.reasons) else free


def _split(facts: Facts, models: Models, floors: Mapping[int, float]) -> BestSplit:
    ending = {line: item.why for line, item in facts.stopped.items() if item.is_off}
    kept = {
        line: item
        for line, item in facts.kept.items()
        if item.kind != LOW_DATA or line not in ending  # it has no more to show
    }
    limits = night_limits(
        facts.policy,
        facts.history.lines,
        facts.current,
        facts.caps,
        facts.held_scopes,
        facts.distrusted,
        _to_hold(facts, models) | reasons_of(kept),
        floors,
        ending=ending,
        wanted=facts.wanted,
    )
    spent = month_words(facts.policy, facts.history, facts.day)
    total, shortfall = day_budget(facts.policy, limits, facts.wanted, spent)
    problem = _problem(facts, limits, total, models)
    problem, solution, eased = _solve(problem, facts.current, facts.policy.search_effort)
    return BestSplit(
        limits=limits,
        total=total,
        problem=problem,
        solution=solution,
        reasons=(*limits.reasons, *shortfall, *eased),
    )


def _to_hold(facts: Facts, models: Models) -> dict[Line, str]:
    """Return the lines that alarms hold, that just stopped, or whose curve was not learned."""
    held = {old: f"it goes on as {line_label(new)}" for old, new in facts.names.items()}
    held |= {line: item.why for line, item in facts.stopped.items() if not item.is_off}
    held |= {line: item.hold for line, item in facts.watch.lines if item.hold}
    for learned in (models.objective, *models.others.values()):
        held |= {
            tuple(item.line): "its curve could not be learned tonight"
            for item in learned.findings
            if item.check == LOST and item.line
        }
    return held


def _problem(facts: Facts, limits: Limits, total: float, models: Models) -> Problem:
    names = [line_label(line) for line in facts.history.lines]
    table = models.objective.table
    return Problem.from_tables(
        ids=names,
        spend=table.spend,
        value=models.objective.mean,
        lower=limits.lower,
        upper=limits.upper,
        budget=total,
        exactly=facts.policy.budget.spend == "exactly",
        current=facts.current,
        groups=limits.groups,
        guardrails=guardrails_of(
            facts.policy,
            facts.history.lines,
            table,
            {name: model.table for name, model in models.others.items()},
        ),
        metrics={name: model.mean for name, model in models.others.items()},
        limit_names={key: f"{names[key[0]]}: {name}" for key, name in limits.names.items()},
    )


def _solve(
    problem: Problem, current: FloatArray, effort: float
) -> tuple[Problem, Solution, tuple[str, ...]]:
    """Solve; a guardrail out of tonight's reach is approached as far as the ramp allows.

    Args:
        effort: how much work the proof is worth, 1 being the usual; counted, so that the same
            night ends with the same bytes.
    """
    work = Work(units=effort * UNITS)
    try:
        return problem, solve(problem, explain=not problem.guardrails, work=work), ()
    except (InfeasibleError, UndecidedError):
        if not problem.guardrails:
            raise
    eased, reasons = loosened(problem, current)
    return eased, solve(eased, work=Work(units=effort * UNITS)), reasons


def day_rng(facts: Facts, purpose: str) -> np.random.Generator:
    """Return the generator of one use of chance on the day: the same night rolls the same dice."""
    text = f"{facts.policy.portfolio}|{facts.day.isoformat()}|{purpose}"
    return np.random.default_rng(int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big"))
