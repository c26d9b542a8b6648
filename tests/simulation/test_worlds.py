from __future__ import annotations

import numpy as np
import pytest

from pipeline.core.errors import UsageError
from pipeline.simulation.worlds import HELD_OUT, RECIPES, TUNED, make_world
from pipeline.simulation.worlds.curves import FAMILIES, draw_curves


@pytest.fixture(scope="module")
def slow():
    return make_world("slow", 1, history_days=90, nights=30)


def test_every_kind_makes_a_world_that_shows_a_whole_calendar() -> None:
    for kind in RECIPES:
        world = make_world(kind, 0, history_days=60, nights=2)
        morning = world.morning()
        assert len(morning.history.days) == 60, kind
        assert np.isfinite(morning.history.outcomes["revenue"]).all(), kind
        assert (morning.floor < morning.cap).all(), kind
        assert morning.total == pytest.approx(morning.current.sum()), kind


def test_the_same_seed_gives_the_same_world_and_another_seed_another() -> None:
    first, again, other = (
        make_world("calm", seed, history_days=40, nights=1) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first.history().spend, again.history().spend)
    np.testing.assert_array_equal(
        first.history().outcomes["revenue"], again.history().outcomes["revenue"]
    )
    assert first.history().spend.shape != other.history().spend.shape or not np.array_equal(
        first.history().spend, other.history().spend
    )


def test_later_mornings_only_add_to_what_was_reported(slow) -> None:
    before = slow.history().outcomes["conversions"]
    slow.live(slow.current)
    after = slow.history().outcomes["conversions"][:-1]
    assert (after >= before).all()
    assert after[-1].sum() > before[-1].sum()


def test_the_last_days_are_incomplete_as_the_kind_says(slow) -> None:
    final = slow._seen[0, : slow.age, :, -1].sum()
    at_first = slow._seen[0, : slow.age, :, 0].sum()
    assert at_first / final == pytest.approx(0.25, abs=0.05)


def test_vintages_hold_what_each_morning_showed() -> None:
    world = make_world("slow", 2, history_days=60, nights=5)
    shown = world.history().outcomes["conversions"][-1].sum()
    world.take_snapshot()
    world.live(world.current)
    vintages = world.vintages()
    yesterday = vintages.day == vintages.seen_on - 1
    assert vintages.outcome[yesterday].sum() == shown
    assert (vintages.day < vintages.seen_on).all()


def test_silent_days_report_nothing_and_unit_errors_a_hundredfold() -> None:
    world = make_world("outages", 1, history_days=180, nights=1)
    silent = world.truth.faults.silent[:180]
    assert silent.any()
    assert (world.history().outcomes["conversions"][silent] == 0).all()
    world = make_world("unit_errors", 1, history_days=180, nights=1)
    slipped = world.truth.faults.spend_factor[:180] > 1
    assert slipped.any()
    ratio = world.history().spend[slipped] / world.spend[:180][slipped]
    np.testing.assert_allclose(ratio, 100)


def test_true_marginal_return_is_the_slope_of_true_value() -> None:
    world = make_world("calm", 4, history_days=60, nights=1)
    step = world.current * 1.02
    value = world.true_values(np.stack([world.current, step], axis=1))
    slope = (value[:, 1] - value[:, 0]) / (step - world.current)
    kinked = np.abs(slope / world.true_marginal() - 1) > 0.1
    assert kinked.mean() < 0.2
    assert np.allclose(world.true_values(np.zeros((len(world.start), 1))), 0)


def test_every_family_starts_at_nothing_rises_and_is_one_at_the_reference() -> None:
    rng = np.random.default_rng(5)
    for family in FAMILIES:
        curves = draw_curves((family,), rng.uniform(0.1, 0.9, 6), rng)
        spend = np.linspace(0, 4, 60)[:, None] * np.ones(6)
        value = curves(spend)
        assert np.allclose(value[0], 0, atol=1e-12), family
        assert (np.diff(value, axis=0) >= -1e-12).all(), family
        assert np.allclose(curves(np.ones(6)), 1), family


def test_smooth_families_get_the_elasticity_they_were_asked_for() -> None:
    wanted = np.array([0.2, 0.5, 0.8])
    for family in ("hill", "exponential", "power", "log"):
        curves = draw_curves((family,), wanted, np.random.default_rng(1))
        assert curves.elasticity() == pytest.approx(wanted, abs=0.01), family


def test_worlds_that_are_only_scored_are_never_tuned_on() -> None:
    assert not set(TUNED) & set(HELD_OUT)
    assert {kind for kind, _ in HELD_OUT} - {kind for kind, _ in TUNED}


def test_an_unknown_kind_is_refused_by_name() -> None:
    with pytest.raises(UsageError, match="'sunny': unknown"):
        make_world("sunny", 1)
