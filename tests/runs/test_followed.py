"""Of which days it is said that nobody carries plans out, and of which it is not."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise

import numpy as np
import pytest

from pipeline.core.forecast import HORIZONS, LEVELS, Forecast
from pipeline.core.types import FloatArray
from pipeline.runs.followed import not_followed
from pipeline.scoring.scores import Promised, Realised

FIRST, START = date(2026, 1, 5), 28  # a Monday
OLD = np.array([300.0, 200.0, 100.0, 50.0])
GOAL = np.array([200.0, 260.0, 60.0, 130.0])
LINES = tuple(("search", name) for name in "abcd")


def budgets(nights: int, growth: float = 1.0) -> FloatArray:
    """Return those of every plan after those that the first one found: a tenth a day at most."""
    rows = [OLD]
    for night in range(nights):
        rows.append(np.clip(GOAL * growth**night, 0.9 * rows[-1], 1.1 * rows[-1]))
    return np.array(rows)


def promises(planned: FloatArray) -> list[Promised]:
    n = len(LINES) + 1
    shape = (len(HORIZONS), n)
    return [
        Promised(
            plan_id=f"plan-{night}",
            is_published=True,
            forecast=Forecast(
                metric="revenue",
                day=FIRST + timedelta(days=START + night),
                lines=LINES,
                horizons=HORIZONS,
                spend=np.append(after, after.sum()),
                status_quo_spend=np.append(before, before.sum()),
                mean=np.zeros(shape),
                status_quo=np.zeros(shape),
                slope=np.zeros(shape),
                quantiles=np.zeros((*shape, len(LEVELS))),
            ),
        )
        for night, (before, after) in enumerate(pairwise(planned))
    ]


def is_said(planned: FloatArray, spend: FloatArray) -> bool:
    table = Realised(
        days=tuple(FIRST + timedelta(days=day) for day in range(len(spend))),
        lines=LINES,
        spend=spend,
        outcome=np.zeros(spend.shape),
        complete=np.ones(spend.shape),
        trusted=np.ones(spend.shape, dtype=bool),
    )
    return bool(not_followed(table, promises(planned)))


def spent(planned: FloatArray, *, noise: float = 0.05, seed: int = 0) -> FloatArray:
    money = np.vstack([np.tile(OLD, (START, 1)), planned[1:]])
    return money * np.random.default_rng(seed).lognormal(0, noise, money.shape)


@pytest.mark.parametrize(("growth", "delivery"), [(1.02, 0.45), (1.02, 0.6), (0.98, 1.4)])
def test_a_month_that_is_paced_where_lines_spend_other_than_they_are_given(growth, delivery):
    for nights in range(3, 20):
        planned = budgets(nights, growth)
        assert not is_said(planned, delivery * spent(planned))


def test_lines_that_rest_on_weekends_say_nothing_on_those_days():
    for nights in range(3, 20):
        planned = budgets(nights)
        spend = spent(planned)
        weekend = [(FIRST + timedelta(days=day)).weekday() > 4 for day in range(len(spend))]
        spend[np.ix_(weekend, [0, 2])] = 0.0
        assert not is_said(planned, spend)
        spend[START:] = np.where(spend[START:] > 0, OLD, 0.0)
        assert is_said(planned, spend) or nights < 5


def test_what_may_be_chance_is_hardly_ever_said():
    """Of a big line and a small one, whose spend goes up and down by half."""
    planned = budgets(8)
    planned[:, 1:3] = OLD[1:3]
    assert sum(is_said(planned, spent(planned, noise=0.5, seed=seed)) for seed in range(80)) <= 1


@pytest.mark.parametrize("noise", [0.05, 0.15])
def test_plans_that_nobody_carries_out_are_said(noise):
    planned = budgets(8)
    still = np.tile(OLD, (len(planned), 1))
    assert is_said(planned, spent(still, noise=noise))
