from __future__ import annotations

import numpy as np
import pytest

from pipeline.cadence.harm import learn_hazards
from pipeline.cadence.power import weeks_per_arm

GROWTH = np.array([0.02, 0.15, 0.3])


def leavers(weeks_each: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    weeks = np.full((3, 5), weeks_each)
    hazard = 0.005 * np.exp(np.outer(GROWTH, np.arange(5)))
    return weeks, rng.poisson(weeks * hazard).astype(float)


def test_the_effect_of_a_touch_is_found_and_its_interval_holds_the_truth() -> None:
    inside, errors = [], []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        hazards = learn_hazards(*leavers(50_000, rng), rng, 400)
        low, high = np.quantile(hazards.growth, [0.05, 0.95], axis=0)
        inside.append((low - 1e-9 <= GROWTH) & (high + 1e-9 >= GROWTH))
        errors.append(hazards.growth.mean(axis=0) - GROWTH)
    assert np.abs(np.mean(errors, axis=0)).max() < 0.02
    assert np.mean(inside) > 0.8


def test_without_leavers_the_prior_speaks_and_it_is_not_sure() -> None:
    hazards = learn_hazards(np.zeros((2, 4)), np.zeros((2, 4)), np.random.default_rng(0), 2_000)
    assert hazards.growth.mean() == pytest.approx(0.11, abs=0.02)
    assert (hazards.chance_of_rise_below(0.25) < 0.95).all()
    assert (hazards.weekly(np.array([9.0, 9.0])) <= 1).all()


def test_lehrs_rule_is_near_the_exact_sample_size() -> None:
    from statsmodels.stats.power import NormalIndPower
    from statsmodels.stats.proportion import proportion_effectsize

    exact = NormalIndPower().solve_power(
        proportion_effectsize(0.0055, 0.005), power=0.8, alpha=0.05
    )
    assert weeks_per_arm(0.005, 1.1) == pytest.approx(exact, rel=0.1)
    assert weeks_per_arm(0.005, 1.0) == np.inf
