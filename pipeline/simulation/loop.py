"""The closed loop: a policy sees what an advertiser sees and decides; a day passes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from pipeline.core.errors import PipelineError
from pipeline.core.learning import Lesson
from pipeline.core.types import FloatArray
from pipeline.simulation import policies
from pipeline.simulation.policies import Decision, Policy
from pipeline.simulation.worlds import HISTORY_DAYS, NIGHTS, Morning, World, make_world

WorldMaker = Callable[[], World]
Progress = Callable[[], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class NightScore:
    """What a policy claimed one night, and what was true.

    Attributes:
        marginal_covered: share of lines whose 90 % interval of marginal return held the truth.
        marginal_error: median over lines of |mean / truth - 1|.
        uplift_covered: whether the uplift's 90 % interval held the truth.
        uplift_claimed, uplift_true: per night.
        probability_positive: as claimed.
    """

    marginal_covered: float | None = None
    marginal_error: float | None = None
    uplift_covered: bool | None = None
    uplift_claimed: float | None = None
    uplift_true: float | None = None
    probability_positive: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopResult:
    """One policy's nights in one world.

    Attributes:
        kind, seed, policy: whose.
        incremental: (n_nights,), true incremental revenue of each day.
        budgets: (n_nights, n_lines).
        nights: claims against truth, for policies that claim something.
    """

    kind: str
    seed: int
    policy: str
    incremental: FloatArray
    budgets: FloatArray
    nights: tuple[NightScore, ...] = ()

    @property
    def total(self) -> float:
        """True incremental revenue over all nights."""
        return float(self.incremental.sum())


def run_loop(
    world: World,
    policy: Policy,
    *,
    name: str,
    nights: int = NIGHTS,
    progress: Progress | None = None,
) -> LoopResult:
    """Return what a policy earned; the world is used up.

    Args:
        world: on the morning of its first night.
        policy: gets a `Morning`, returns budgets or a `Decision`.
        name: of the policy, for the result.
        nights: how many.
        progress: called after each night.

    Raises:
        PipelineError: the policy left the box or the total.
    """
    scores: list[NightScore] = []
    budgets = np.empty((nights, len(world.truth.lines)))
    explored: FloatArray | None = None
    lessons: tuple[Lesson, ...] = ()
    for night in range(nights):
        morning = replace(world.morning(), explored=explored, lessons=lessons)
        world.take_snapshot()
        answer = policy(morning)
        decision = answer if isinstance(answer, Decision) else Decision(budgets=answer)
        _check(decision.budgets, morning, name)
        if decision.marginal is not None or decision.uplift is not None:
            scores.append(_score(world, decision))
        budgets[night] = decision.budgets
        explored, lessons = decision.explored, decision.lessons
        world.live(decision.budgets)
        if progress is not None:
            progress()
    return _result(world, name, budgets, tuple(scores))


def run_static(make: WorldMaker, nights: int = NIGHTS) -> LoopResult:
    """Return what standing still earns."""
    return _blind(make(), "static", nights, lambda world: world.current)


def run_oracle(make: WorldMaker, nights: int = NIGHTS) -> LoopResult:
    """Return what the better of the two oracles earns."""
    both = [
        _blind(make(), "oracle", nights, lambda world: policies.oracle(world, farsighted=True)),
        _blind(make(), "oracle", nights, lambda world: policies.oracle(world, farsighted=False)),
    ]
    return max(both, key=lambda result: result.total)


def world_maker(
    kind: str, seed: int, *, history_days: int = HISTORY_DAYS, nights: int = NIGHTS
) -> WorldMaker:
    """Return a function that makes the same world afresh for every policy."""
    return lambda: make_world(kind, seed, history_days=history_days, nights=nights)


def captured(result: LoopResult, still: LoopResult, best: LoopResult) -> float:
    """Return the share of the reachable gain: 0 stands still, 1 knows every curve."""
    return (result.total - still.total) / (best.total - still.total)


def lift(result: LoopResult, still: LoopResult) -> float:
    """Return how much more than standing still a policy earned, as a share."""
    return result.total / still.total - 1


def _blind(
    world: World, name: str, nights: int, choose: Callable[[World], FloatArray]
) -> LoopResult:
    """Return the nights of a policy that never looks at reports, which saves drawing them."""
    budgets = np.empty((nights, len(world.truth.lines)))
    for night in range(nights):
        budgets[night] = choose(world)
        world.live(budgets[night], reports=False)
    return _result(world, name, budgets, ())


def _result(
    world: World, name: str, budgets: FloatArray, scores: tuple[NightScore, ...]
) -> LoopResult:
    lived = world.incremental[world.first_night : world.age]
    return LoopResult(
        kind=world.truth.kind,
        seed=world.truth.seed,
        policy=name,
        incremental=lived.sum(axis=1),
        budgets=budgets,
        nights=scores,
    )


def _check(budgets: FloatArray, morning: Morning, name: str) -> None:
    slack = 1e-6 * morning.total + 0.01 * budgets.size  # a cent a line: plans are rounded
    inside = np.all(budgets >= morning.floor - slack) and np.all(budgets <= morning.cap + slack)
    if not inside or abs(float(budgets.sum()) - morning.total) > slack:
        raise PipelineError(
            f"policy {name} on {morning.day}: budgets leave their limits or the total "
            f"{morning.total:.2f}, got {float(budgets.sum()):.2f}"
        )


def _score(world: World, decision: Decision) -> NightScore:
    covered = error = held = claimed = true_uplift = None
    if decision.marginal is not None:
        truth = world.true_marginal()
        mean, p05, p95 = decision.marginal.T
        covered = float(np.mean((truth >= p05) & (truth <= p95)))
        error = float(np.median(np.abs(mean - truth) / np.maximum(truth, 0.05)))
    if decision.uplift is not None:
        true_uplift = world.true_uplift(decision.budgets)
        claimed, low, high = decision.uplift
        held = bool(low <= true_uplift <= high)
    return NightScore(
        marginal_covered=covered,
        marginal_error=error,
        uplift_covered=held,
        uplift_claimed=claimed,
        uplift_true=true_uplift,
        probability_positive=decision.probability_positive,
    )
