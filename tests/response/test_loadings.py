"""Lines that feel demand more than others do, in markets where everybody's money follows it."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np

from pipeline.core.history import History
from pipeline.core.types import FloatArray
from pipeline.response import FitSettings, fit_response
from tests.response.test_fit import marginal_draws

REVENUE = FitSettings(metric="revenue", count="conversions")
N_DAYS, N_LINES, WORTH = 180, 10, 50.0


def market(seed: int) -> tuple[History, FloatArray, FloatArray]:
    """Return a history, how strongly each line feels demand, and its true marginal return."""
    rng = np.random.default_rng(seed)
    demand = np.zeros(N_DAYS)
    for day in range(1, N_DAYS):
        demand[day] = 0.9 * demand[day - 1] + rng.normal(0, 0.25 * np.sqrt(1 - 0.9**2))
    loading = rng.uniform(0.5, 1.4, N_LINES)
    elasticity = rng.uniform(0.15, 0.5, N_LINES)
    usual = 400 * np.exp(rng.normal(0, 0.4, N_LINES))
    blocks = np.repeat(rng.normal(0, 0.15, (N_DAYS // 12, N_LINES)), 12, axis=0)
    wiggles = rng.normal(0, 0.03, (N_DAYS, N_LINES))
    spend = usual * np.exp(blocks + 0.8 * demand[:, None] + wiggles)
    mean = 60 * np.exp(demand[:, None] * loading) * (spend / usual) ** elasticity
    conversions = rng.poisson(mean).astype(float)
    history = History(
        days=tuple(date(2026, 1, 5) + timedelta(days=day) for day in range(N_DAYS)),
        lines=tuple((f"channel_{i % 3}", f"aud_{i:02d}") for i in range(N_LINES)),
        spend=spend,
        outcomes={"conversions": conversions, "revenue": WORTH * conversions},
        trusted=np.ones(spend.shape, dtype=bool),
    )
    recent = spend[-7:].mean(axis=0)
    level = 60 * np.exp(demand[-28:].mean() * loading) * (recent / usual) ** elasticity
    return history, loading, WORTH * level * elasticity / recent


def test_a_line_that_feels_demand_more_is_not_believed_to_respond_more() -> None:
    held, alike = [], []
    for seed in range(6):
        history, loading, truth = market(seed)
        draws = marginal_draws(fit_response(history, REVENUE))
        low, high = np.quantile(draws, [0.05, 0.95], axis=0)
        held.append((low <= truth) & (truth <= high))
        alike.append(np.corrcoef(np.log(draws.mean(axis=0) / truth), loading)[0, 1])
    assert np.mean(held) > 0.85  # 0.80 where lines are taken to feel demand alike
    assert np.mean(alike) < 0.6  # 0.85
