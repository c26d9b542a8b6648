from __future__ import annotations

import numpy as np
import pytest

from pipeline.runs.decide import decide
from pipeline.runs.fitting import fit_models
from pipeline.runs.plan import Heading, optimised_plan
from pipeline.simulation.ours import facts_of, nightly_decision
from pipeline.simulation.worlds import make_world


def test_ours_stays_inside_the_box_and_claims_something_about_every_line() -> None:
    morning = make_world("sparse", 4, history_days=120, nights=1).morning()
    decision = nightly_decision(morning)
    assert (decision.budgets >= morning.floor - 0.01).all()
    assert (decision.budgets <= morning.cap + 0.01).all()
    assert abs(decision.budgets.sum() - morning.total) < 0.01
    assert decision.marginal is not None
    mean, low, high = decision.marginal.T
    assert ((low <= mean) & (mean <= high)).all()


def test_the_same_morning_gives_the_same_decision() -> None:
    morning = make_world("calm", 4, history_days=100, nights=1).morning()
    first, second = nightly_decision(morning), nightly_decision(morning)
    np.testing.assert_array_equal(first.budgets, second.budgets)
    assert first.uplift == second.uplift


def test_silent_days_and_slipped_units_are_kept_from_the_fit() -> None:
    world = make_world("unit_errors", 0)
    facts = facts_of(world.morning())
    assert facts is not None
    faults = world.truth.faults
    slipped = (faults.spend_factor > 1)[: world.age]
    kept = facts.history.trusted & slipped
    assert slipped.sum() > 3
    assert kept.sum() <= 1  # a line of little money may slip through
    mended = slipped & ~kept
    ratio = facts.history.spend[mended] / world.spend[: world.age][mended]
    assert ((ratio > 0.3) & (ratio < 3)).all()


def test_a_night_on_which_everything_is_silent_changes_nothing() -> None:
    world = make_world("calm", 4, history_days=100, nights=1)
    world.truth.faults.silent[97:100] = True
    morning = world.morning()
    assert facts_of(morning) is None
    np.testing.assert_array_equal(nightly_decision(morning).budgets, morning.current)


@pytest.mark.parametrize("kind", ["calm", "quiet"])
def test_what_a_simulated_night_claims_is_what_its_plan_would_show(kind: str) -> None:
    morning = make_world(kind, 4, history_days=100, nights=1).morning()
    facts = facts_of(morning)
    assert facts is not None
    models, decision = fit_models(facts), nightly_decision(morning)
    heading = Heading(plan_id="p", inputs_hash="", caps_version="")
    made = decide(facts, models)
    plan = optimised_plan(heading, facts, models, made, made.budgets, ())
    assert plan.uplift is not None
    assert decision.uplift == pytest.approx((plan.uplift.mean, plan.uplift.p05, plan.uplift.p95))
    assert decision.probability_positive == pytest.approx(plan.uplift.better)
