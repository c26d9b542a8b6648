"""The joint fit of series that began late, closed, rested, or were otherwise before day one."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from pipeline.core.history import History, Measured
from pipeline.response import fit_joint
from pipeline.response.joint import JointPosterior, joint_predictive
from pipeline.response.joint.chain_state import MEDIA_SHARE
from pipeline.response.joint.design import baseline_design
from pipeline.response.joint.library import library_for
from pipeline.response.joint.lives import CLOSED_DAYS, is_over, open_days
from pipeline.response.joint.units import make_unit, per_money

N_DAYS = 364
USUAL = 1000.0
MARGIN = 3 * np.exp(-1.0)
"""What one more unit of money earns at a spend of 1,000."""
KEPT = np.array([0.0, 0.87])


def rng() -> np.random.Generator:
    return np.random.default_rng(5)


def market(seed: int, *, before: float = 1.0, shut: slice = slice(0, 0)) -> History:
    """Return a year of two regions with an index of level 100; spend causes 30 % of what they sell.

    Args:
        before: what was spent before day one, in usual spends; television is remembered for weeks.
        shut: days on which the second region was closed: it has rows of zero, and no spend.
    """
    r = np.random.default_rng(seed)
    walk = np.cumsum(r.normal(0, 0.05, (N_DAYS, 4)), axis=0)
    moved = np.clip(walk - walk.mean(axis=0), -0.7, 0.7) + r.normal(0, 0.1, (N_DAYS, 4))
    spend, kept = USUAL * np.exp(moved), np.tile(KEPT, 2)
    spend[shut, 2:] = 0.0
    carried, state = np.empty_like(spend), np.full(4, before * USUAL)
    for day in range(N_DAYS):
        state = kept * state + (1 - kept) * spend[day]
        carried[day] = state
    caused = 3000 * (1 - np.exp(-carried / USUAL)).reshape(N_DAYS, 2, 2).sum(axis=2)
    demand = r.normal(0, 1, (N_DAYS, 2))
    organic = 8000 * (1 + 0.08 * demand + r.normal(0, 0.03, (N_DAYS, 2)))
    revenue = organic + caused
    revenue[shut, 1] = 0.0
    return History(
        days=tuple(date(2024, 1, 1) + timedelta(days=day) for day in range(N_DAYS)),
        lines=(("a", "search"), ("a", "tv"), ("b", "search"), ("b", "tv")),
        spend=spend,
        outcomes={},
        trusted=np.ones((N_DAYS, 4), dtype=bool),
        measured=Measured(
            levels=(0,),
            units=(("a",), ("b",)),
            outcomes={"revenue": revenue},
            controls={"index": 100 + 3 * demand},
            trusted=np.ones((N_DAYS, 2), dtype=bool),
        ),
    )


def measured(history: History) -> Measured:
    assert history.measured is not None
    return history.measured


def share(found: JointPosterior) -> float:
    return float(next(item.value for item in found.findings if item.check == "model.share"))


def margins(found: JointPosterior) -> np.ndarray:
    """Return draws of each line's marginal return at the usual spend, (n_draws, 4)."""
    at = np.full(4, USUAL)
    return np.asarray((found.value_at(1.05 * at) - found.value_at(at)) / (0.05 * USUAL))


@pytest.mark.parametrize(
    "days",
    [
        pytest.param(slice(0, 180), id="launched"),
        pytest.param(slice(0, 340), id="new"),
        pytest.param(slice(250, None), id="ended"),
        pytest.param(slice(345, None), id="just ended"),
        pytest.param(slice(150, 171), id="shut for three weeks"),
    ],
)
def test_what_a_region_sells_by_itself_is_not_credited_to_the_spend_that_began_with_it(days):
    whole = fit_joint(market(1), "revenue", rng())
    found = fit_joint(market(1, shut=days), "revenue", rng())
    assert 0.2 < share(whole) < 0.4
    assert 0.2 < share(found) < 0.45
    low, high = np.quantile(margins(found), [0.02, 0.98], axis=0)
    assert ((low < MARGIN) & (high > MARGIN)).sum() >= 3


def test_rows_of_zero_before_a_launch_teach_as_much_as_no_rows():
    history = market(2, shut=slice(0, 120))
    trusted = measured(history).trusted.copy()
    trusted[:120, 1] = False
    unknown = replace(history, measured=replace(measured(history), trusted=trusted))
    one, other = (fit_joint(item, "revenue", rng()) for item in (history, unknown))
    np.testing.assert_array_equal(one.coefficient, other.coefficient)


def test_a_new_region_is_forecast_beside_old_ones_and_one_that_ended_is_not():
    for days, names in ((slice(0, 320), ("a", "b")), (slice(300, None), ("a",))):
        history = market(3, shut=days)
        found = fit_joint(history, "revenue", rng())
        ahead = joint_predictive(found, history, rng())
        budgets = history.spend[-7:].mean(axis=0)
        said = ahead.forecast(budgets, budgets, rng())
        assert said.lines == tuple((name,) for name in names)
        came = measured(history).outcomes["revenue"][-31:-3, : len(names)].mean(axis=0)
        np.testing.assert_allclose(said.mean[2, :-1] / 14, came, rtol=0.15)
        assert ahead.odd.shape[1] == len(names)


def test_a_region_of_a_day_or_none_leaves_the_others_their_plan():
    for known in (4, 3):
        found = fit_joint(market(1, shut=slice(0, N_DAYS - known)), "revenue", rng())
        assert np.isfinite(found.coefficient).all()
        assert 0.5 < margins(found)[:, :2].mean() / MARGIN < 1.5
    assert (found.coefficient[:, 2:] == 0).all()
    assert any("too new" in item.advice for item in found.findings)


def test_a_series_is_there_from_its_first_sign_of_life_to_its_last():
    spend, outcome = np.zeros((100, 2)), np.zeros(100)
    outcome[20:80] = 5.0
    spend[10:80, 1] = 1.0  # ads before the first sale
    outcome[30 : 30 + CLOSED_DAYS], spend[30 : 30 + CLOSED_DAYS] = 0.0, 0.0
    outcome[60 : 59 + CLOSED_DAYS], spend[60 : 59 + CLOSED_DAYS] = 0.0, 0.0
    there = open_days(outcome, spend)
    gone = np.r_[0:10, 30 : 30 + CLOSED_DAYS, 80:100]
    np.testing.assert_array_equal(np.flatnonzero(~there), gone)
    newest = open_days(outcome[:85], spend[:85])  # nobody knows yet whether it rests or is over
    np.testing.assert_array_equal(newest, there[:85])
    assert is_over(there)
    assert not is_over(there[: 80 + CLOSED_DAYS - 1])
    spend[:] = 1.0
    assert open_days(np.zeros(100), spend).all()  # zeros under spend are outcomes


def test_a_day_without_a_control_is_between_the_days_around_it():
    history = market(1)
    index = measured(history).controls["index"].copy()
    index[[150, 151, 240]] = np.nan
    index[:5], index[-2:] = np.nan, np.nan
    filled = index.copy()
    filled[[150, 151]] = index[149] + (index[152] - index[149]) * np.array([[1], [2]]) / 3
    filled[240] = (index[239] + index[241]) / 2
    filled[:5], filled[-2:] = index[5], index[-3]
    gaps, known = (
        baseline_design(history.days, {"index": table[:, 0]}, history.spend[:, :2], 1).columns
        for table in (index, filled)
    )
    np.testing.assert_allclose(gaps, known, atol=1e-12)


def test_a_late_region_with_gaps_in_an_index_of_level_100_earns_as_if_there_were_none():
    history = market(4, shut=slice(0, 150))
    index = measured(history).controls["index"].copy()
    index[:150, 1] = np.nan
    index[[160, 250, 251, 300]] = np.nan
    index[-2:] = np.nan
    late = replace(history, measured=replace(measured(history), controls={"index": index}))
    whole, found = (margins(fit_joint(item, "revenue", rng())) for item in (history, late))
    np.testing.assert_allclose(found.mean(axis=0), whole.mean(axis=0), rtol=0.1)
    assert abs(np.log(found.mean() / MARGIN)) < 0.4


@pytest.mark.parametrize("before", [0.0, 3.0])
def test_what_was_spent_before_the_first_day_hardly_matters(before):
    """Adstock starts as if the first fortnight had always been; here it had not."""
    found, usual = [], []
    for seed in range(3):
        usual.append(margins(fit_joint(market(seed), "revenue", rng())).mean(axis=0))
        other = fit_joint(market(seed, before=before), "revenue", rng())
        found.append(margins(other).mean(axis=0))
    assert abs(np.log(np.mean(found) / np.mean(usual))) < 0.15
    assert abs(np.log(np.mean(found) / MARGIN)) < 0.35


@pytest.mark.parametrize("late", [0, 200])
def test_before_any_day_spend_causes_a_quarter_also_where_lines_are_seldom_on_air(late):
    history = market(1, shut=slice(0, late))
    spend = history.spend.copy()
    spend[:, 1] = np.where(np.arange(N_DAYS) % 40 >= 36, 20 * USUAL, 0.0)
    history = replace(history, spend=spend)
    library = library_for(2)
    reference = np.array([USUAL, 20 * USUAL, USUAL, USUAL])
    made = [
        make_unit(
            history,
            measured(history),
            "revenue",
            unit,
            np.array([2 * unit, 2 * unit + 1]),
            np.array([0, 1, 0, 1]),
            library,
        )
        for unit in (0, 1)
    ]
    units = per_money([unit for unit in made if unit is not None], reference, library.log_prior)
    r = rng()
    node = r.choice(library.log_prior.size, p=np.exp(library.log_prior), size=(20_000, 2))
    caused = sum(
        unit.scale * MEDIA_SHARE * item.full * item.shown[np.arange(2), node]
        for unit in units
        for item in [unit.series]
    )
    whole = sum(unit.scale for unit in units)
    assert caused.sum(axis=1).mean() / whole == pytest.approx(MEDIA_SHARE, rel=0.02)
    by_money = units[0].series.full * units[0].scale / reference[:2]
    np.testing.assert_allclose(by_money, by_money[0])  # a unit of usual money earns the same
