"""Risk-averse plans: proven, and better at what they are asked for."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.allocation.curves import Curves
from pipeline.allocation.problem import Problem
from pipeline.allocation.risk import Risk, RiskKind, solve_with_risk
from pipeline.core.errors import ConfigError

KNOTS = np.tile(np.linspace(0, 60, 31), (4, 1))


def _draws(size: int = 80, seed: int = 3) -> np.ndarray:
    rng = np.random.default_rng(seed)
    ceiling = np.array([9.0, 8.0, 7.0, 6.0]) * rng.lognormal(0, [0.9, 0.5, 0.2, 0.05], (size, 4))
    return ceiling[:, :, None] * (1 - np.exp(-KNOTS / 25))


def _problem(draws: np.ndarray, **more) -> Problem:
    return Problem(
        ids=tuple("abcd"),
        curves=Curves.from_knots(KNOTS, draws.mean(axis=0), smooth=False),
        lower=np.zeros(4),
        upper=np.full(4, 60.0),
        budget=100.0,
        **more,
    )


def _risk(kind: RiskKind, amount: float, draws: np.ndarray) -> Risk:
    return Risk(kind=kind, amount=amount, spend=KNOTS, value=draws)


@pytest.mark.parametrize(
    ("kind", "amount"),
    [(RiskKind.SPREAD, 0.0), (RiskKind.SPREAD, 0.5), (RiskKind.SPREAD, 1.5),
     (RiskKind.WORST, 0.1), (RiskKind.WORST, 0.5), (RiskKind.WORST, 1.0)],
)  # fmt: skip
def test_no_random_split_measures_better_than_the_plan_or_its_bound(kind, amount):
    draws = _draws()
    risk = _risk(kind, amount, draws)
    found = solve_with_risk(_problem(draws), risk)
    assert found.spend.sum() == pytest.approx(100)
    assert found.gap <= 1e-3
    assert found.objective == pytest.approx(risk.measure(risk.outcomes(found.spend)))
    rng = np.random.default_rng(0)
    for split in rng.dirichlet(np.ones(4), 300) * 100:
        if split.max() <= 60:
            assert risk.measure(risk.outcomes(split)) <= found.upper_bound * (1 + 1e-9)
            assert risk.measure(risk.outcomes(split)) <= found.objective * (1 + 1e-3)


def test_aversion_moves_money_to_the_safer_line():
    draws = _draws()
    bold = solve_with_risk(_problem(draws), _risk(RiskKind.SPREAD, 0.0, draws)).spend
    careful = solve_with_risk(_problem(draws), _risk(RiskKind.SPREAD, 1.5, draws)).spend
    assert careful[0] < bold[0]
    assert careful[3] > bold[3]


def test_the_mean_of_all_draws_is_the_plain_problem():
    draws = _draws()
    found = solve_with_risk(_problem(draws), _risk(RiskKind.WORST, 1.0, draws))
    mean = draws.mean(axis=0)
    value = sum(np.interp(x, KNOTS[i], mean[i]) for i, x in enumerate(found.spend))
    assert found.objective == pytest.approx(value)


def test_weights_of_the_worst_draws_add_up_to_one():
    weights = _risk(RiskKind.WORST, 0.25, _draws(10)).weights(np.arange(10.0))
    assert weights.sum() == pytest.approx(1)
    assert weights[:2] == pytest.approx([0.4, 0.4])
    assert weights[2] == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("kind", "amount"), [(RiskKind.SPREAD, -1.0), (RiskKind.WORST, 0.0), (RiskKind.WORST, 1.1)]
)
def test_an_amount_that_means_nothing_is_refused(kind, amount):
    with pytest.raises(ConfigError, match="risk"):
        _risk(kind, amount, _draws(5))
