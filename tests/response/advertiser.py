"""A small advertiser whose curves are known, for asking whether the truth is found."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from pipeline.core.history import History
from pipeline.core.types import FloatArray
from pipeline.response import Posterior

FIRST_DAY = date(2026, 1, 5)


@dataclass(frozen=True, kw_only=True)
class Advertiser:
    """Lines with power curves: a line's outcome is `level * (organic + effect * spend ** e)`."""

    history: History
    marginal: FloatArray  # revenue tomorrow from one more unit of money at the recent spend


def advertiser(
    seed: int,
    *,
    n_lines: int = 8,
    n_days: int = 180,
    level: float = 60.0,
    variation: float = 0.3,
    chase: float = 0.3,
    elasticity: FloatArray | None = None,
    money: float = 1.0,
) -> Advertiser:
    """Return an advertiser; spend wanders in blocks and follows demand a little."""
    rng = np.random.default_rng(seed)
    steep = np.linspace(0.2, 0.8, n_lines) if elasticity is None else elasticity
    organic = rng.uniform(0.1, 0.5, n_lines)
    usual = 400.0 * np.exp(rng.normal(0, 0.4, n_lines))
    week = 0.15 * np.sin(np.arange(n_days + 1) * 2 * np.pi / 7)
    demand = np.exp(week[:-1] + rng.normal(0, 0.05, n_days))
    blocks = np.repeat(rng.normal(0, variation, (n_days // 10 + 1, n_lines)), 10, axis=0)[:n_days]
    spend = usual * np.exp(blocks + rng.normal(0, 0.05, (n_days, n_lines)))
    spend *= demand[:, None] ** chase
    spend[-14:] = usual
    effect = (1 - organic) * (spend / usual) ** steep
    mean = level * demand[:, None] * (organic + effect)
    conversions = rng.poisson(mean).astype(float)
    value = rng.uniform(30, 90, n_lines)
    days = tuple(FIRST_DAY + timedelta(days=i) for i in range(n_days))
    marginal = level * np.exp(week[-1]) * (1 - organic) * steep / usual * value
    return Advertiser(
        history=History(
            days=days,
            lines=tuple((f"channel_{i % 3}", f"aud_{i:02d}") for i in range(n_lines)),
            spend=spend * money,
            outcomes={"conversions": conversions, "revenue": conversions * value * money},
            trusted=np.ones(spend.shape, dtype=bool),
        ),
        marginal=marginal,
    )


def mean_value(posterior: Posterior, spend: FloatArray) -> FloatArray:
    """Return the exact posterior mean value, (n_lines, n_knots)."""
    _, mean = posterior.tabulate(spend, np.random.default_rng(0), 1)
    return mean
