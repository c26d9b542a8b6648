from __future__ import annotations

import numpy as np
import pytest

from pipeline.core.errors import PipelineError
from pipeline.core.learning import Lesson
from pipeline.simulation.loop import (
    captured,
    lift,
    run_loop,
    run_oracle,
    run_static,
    world_maker,
)
from pipeline.simulation.plain_grid import plain_grid
from pipeline.simulation.policies import Decision, regression, rule, static
from pipeline.simulation.worlds import Morning, make_world

NIGHTS = 20


@pytest.fixture(scope="module")
def make():
    return world_maker("calm", 3, history_days=120, nights=NIGHTS)


def test_the_oracle_earns_more_than_standing_still(make) -> None:
    still, best = run_static(make, NIGHTS), run_oracle(make, NIGHTS)
    assert lift(best, still) > 0.02
    assert captured(still, still, best) == 0
    assert captured(best, still, best) == 1


@pytest.mark.parametrize("policy", [rule, regression, plain_grid])
def test_rivals_stay_inside_their_limits_and_below_the_oracle(make, policy) -> None:
    result = run_loop(make(), policy, name="rival", nights=NIGHTS)
    assert np.allclose(result.budgets.sum(axis=1), make().start.sum())
    assert captured(result, run_static(make, NIGHTS), run_oracle(make, NIGHTS)) < 1


def test_standing_still_through_the_loop_equals_the_blind_one(make) -> None:
    seen = run_loop(make(), static, name="static", nights=NIGHTS)
    np.testing.assert_array_equal(seen.incremental, run_static(make, NIGHTS).incremental)


def test_the_same_policy_earns_the_same_twice(make) -> None:
    first, second = (run_loop(make(), regression, name="r", nights=5) for _ in range(2))
    np.testing.assert_array_equal(first.incremental, second.incremental)


def test_a_policy_that_leaves_the_ramp_is_refused(make) -> None:
    def wild(morning: Morning) -> Decision:
        budgets = morning.current.copy()
        budgets[0] *= 2
        return Decision(budgets=budgets * morning.total / budgets.sum())

    with pytest.raises(PipelineError, match="leave their limits"):
        run_loop(make(), wild, name="wild", nights=1)


def test_one_who_claims_the_truth_is_always_covered() -> None:
    world = make_world("calm", 3, history_days=120, nights=3)

    def honest(morning: Morning) -> Decision:
        truth = world.true_marginal()
        return Decision(
            budgets=morning.current,
            marginal=np.column_stack([truth, truth - 0.01, truth + 0.01]),
            uplift=(0.0, -1.0, 1.0),
            probability_positive=0.5,
        )

    result = run_loop(world, honest, name="honest", nights=3)
    assert all(night.marginal_covered == 1 and night.uplift_covered for night in result.nights)


def test_a_policy_is_told_the_lessons_that_it_began_and_nothing_else(make) -> None:
    told = []

    def learner(morning: Morning) -> Decision:
        told.append(morning.lessons)
        lesson = Lesson(up="a", down="b", money=len(told), since=morning.day)
        return Decision(budgets=morning.current, lessons=(lesson,))

    run_loop(make(), learner, name="learner", nights=3)
    assert [[lesson.money for lesson in lessons] for lessons in told] == [[], [1], [2]]
