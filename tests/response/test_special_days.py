"""Holidays and sales: what they do to demand is learned, foreseen, and leaks into no other day."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from pipeline.core.history import History
from pipeline.core.types import FloatArray
from pipeline.response import FitSettings, fit_response
from pipeline.response.joint.design import baseline_design
from pipeline.response.predict import predictive
from pipeline.response.special_days import DAYS_AHEAD, NamedDays, learn_effects
from tests.response.advertiser import advertiser

REVENUE = FitSettings(metric="revenue", count="conversions")
FIRST = date(2025, 1, 6)


def calendar(n_days: int) -> tuple[date, ...]:
    return tuple(FIRST + timedelta(days=index) for index in range(n_days))


def log_demand(named: NamedDays, effect: dict[str, float], noise: float = 0.05) -> FloatArray:
    """Return log demand of four lines with seasons, weekdays and what names do."""
    n_days = named.kind.size - DAYS_AHEAD
    rng = np.random.default_rng(1)
    day = np.arange(n_days)
    log = 0.3 * np.sin(day / 60) + 0.2 * np.sin(day * 2 * np.pi / 7)
    log += [
        effect.get(named.names[kind], 0.0) if kind >= 0 else 0.0 for kind in named.kind[:n_days]
    ]
    return np.asarray(log[:, None] + noise * rng.standard_normal((n_days, 4)))


def test_what_a_name_does_is_found_beside_season_and_weekday():
    days = calendar(400)
    names = {days[40]: "sale", days[150]: "sale", days[320]: "sale", days[100]: "feast"}
    named = NamedDays.of(days, names)
    log = log_demand(named, {"sale": 0.5, "feast": -0.4})
    effects = learn_effects(log, np.full(log.shape, 0.05**2), named)
    assert effects.mean[40] == pytest.approx(0.5, abs=0.1)
    assert effects.mean[100] == pytest.approx(-0.4, abs=0.1)
    assert effects.sd[40] < effects.sd[100] < 0.1
    assert list(effects.seen) == [1, 3]
    ordinary = np.setdiff1d(np.arange(400), [40, 100, 150, 320])
    assert not effects.mean[ordinary].any()


def test_a_name_that_was_never_seen_is_expected_to_be_like_the_others():
    days = calendar(300)
    names = {days[at]: f"feast {at}" for at in (50, 90, 130, 170, 210)}
    coming = {days[-1] + timedelta(days=3): "new feast"}
    log = log_demand(NamedDays.of(days, names), dict.fromkeys(names.values(), -0.3))
    variance = np.full(log.shape, 0.05**2)
    known = learn_effects(log, variance, NamedDays.of(days, names | coming))
    mean, sd = known.ahead()
    assert -0.3 < mean[2] < -0.15
    assert sd[2] > 0.2  # little is known of it all the same
    assert not mean[[0, 1, 3]].any()
    nothing = learn_effects(log, variance, NamedDays.of(days, coming))
    assert nothing.ahead()[0][2] == pytest.approx(0.0)
    assert nothing.ahead()[1][2] > sd[2]


def test_one_feast_beside_another_or_lost_days_teach_nothing_wrong():
    days = calendar(120)
    names = {days[60]: "feast", days[67]: "feast", days[100]: "sale"}
    named = NamedDays.of(days, names)
    log = log_demand(named, {"feast": -0.5, "sale": 0.4})
    variance = np.full(log.shape, 0.05**2)
    variance[93] = variance[107] = np.inf  # nothing to hold the sale against
    log[[93, 107]] = -9.0
    effects = learn_effects(log, variance, named)
    assert effects.mean[60] == pytest.approx(-0.5, abs=0.12)
    assert list(effects.seen) == [2, 0]
    assert effects.mean[100] < 0.0  # like the feasts, as far as is known


def test_a_sale_on_which_all_lines_agree_is_believed_and_tomorrows_may_be_unlike_it():
    days = calendar(300)
    named = NamedDays.of(days, {days[100]: "sale", days[-1] + timedelta(days=1): "sale"})
    log = log_demand(named, {"sale": np.log(3.0)})
    effects = learn_effects(log, np.full(log.shape, 0.05**2), named)
    assert np.exp(effects.mean[100]) == pytest.approx(3.0, rel=0.1)
    mean, sd = (values[0] for values in effects.ahead())
    assert np.exp(mean) == pytest.approx(3.0, rel=0.1)
    assert sd > 0.2


def test_lines_that_disagree_teach_less_of_the_day():
    days = calendar(300)
    named = NamedDays.of(days, {days[100]: "sale"})
    log = log_demand(named, {"sale": 0.5})
    agreed = learn_effects(log, np.full(log.shape, 0.05**2), named)
    log[100] += [0.9, -0.9, 0.6, -0.6]
    split = learn_effects(log, np.full(log.shape, 0.05**2), named)
    assert abs(split.mean[100]) < agreed.mean[100]
    assert split.sd[100] > 2 * agreed.sd[100]


@pytest.mark.parametrize("lines", [slice(0, 1), slice(0, 4)], ids=["one line", "all lines"])
def test_an_outage_with_a_name_says_nothing_of_a_sale(lines):
    days = calendar(300)
    coming = {days[-1] + timedelta(days=2): "sale"}
    names = {days[60]: "outage", days[120]: "spring", days[200]: "autumn"}
    log = log_demand(NamedDays.of(days, names), {"spring": 0.8, "autumn": 1.0})
    variance = np.full(log.shape, 0.05**2)
    without = dict(list(names.items())[1:])
    expected = learn_effects(log, variance, NamedDays.of(days, without | coming)).ahead()
    log[60, lines] -= 3.5
    effects = learn_effects(log, variance, NamedDays.of(days, names | coming))
    if lines == slice(0, 4):
        assert effects.mean[60] == pytest.approx(-3.5, abs=0.3)
        assert effects.ahead()[0][1] == pytest.approx(expected[0][1], abs=0.01)
        assert list(effects.votes) == [True, False, False, True]
    else:
        assert abs(effects.mean[60]) < 0.1  # that day, the others went on


def with_sales(history: History, at: list[int], factor: float) -> History:
    rng = np.random.default_rng(9)
    outcomes = {name: table.copy() for name, table in history.outcomes.items()}
    value = outcomes["revenue"].sum(axis=0) / outcomes["conversions"].sum(axis=0)
    for day in at:
        outcomes["conversions"][day] = rng.poisson(factor * outcomes["conversions"][day])
    outcomes["revenue"] = outcomes["conversions"] * value
    return replace(history, outcomes=outcomes)


def test_tomorrows_sale_is_foreseen_and_the_days_after_are_ordinary():
    past = with_sales(advertiser(2).history, [60, 95, 130], 1.6)
    names = {past.days[day]: "sale" for day in (60, 95, 130)}
    tomorrow = past.days[-1] + timedelta(days=1)
    plain = fit_response(past, REVENUE)
    told = fit_response(replace(past, special=names | {tomorrow: "sale"}), REVENUE)
    ratio = told.demand / plain.demand
    assert np.all((ratio > 1.4) & (ratio < 1.8))
    rng = np.random.default_rng(0)
    ahead, before = predictive(told, past, rng), predictive(plain, past, rng)
    ratio = ahead.demand / before.demand
    assert np.all(ratio[0] > 1.4)
    assert np.all((ratio[1:] > 0.9) & (ratio[1:] < 1.1))
    assert ahead.shared_sd[0] > before.shared_sd[0]
    later = fit_response(
        replace(past, special=names | {tomorrow + timedelta(days=4): "sale"}), REVENUE
    )
    ratio = predictive(later, past, rng).demand / before.demand
    assert np.all(ratio[4] > 1.4)
    assert np.all(ratio[[0, 1, 2, 3, 5]] < 1.1)
    (said,) = [item for item in told.findings if item.check == "model.special-day"]
    assert f"{tomorrow} is sale: demand is expected +" in said.message
    assert "from 3 such days and 0 other special days" in said.message
    assert not [item for item in later.findings if item.check == "model.special-day"]


def test_curves_do_not_change_where_no_day_has_a_name_in_reach():
    past = advertiser(2).history
    far = {past.days[-1] + timedelta(days=DAYS_AHEAD + 1): "sale", date(2001, 1, 1): "feast"}
    one, other = fit_response(past, REVENUE), fit_response(replace(past, special=far), REVENUE)
    assert one.weights.tobytes() == other.weights.tobytes()
    assert one.demand.tobytes() == other.demand.tobytes()


def test_totals_learn_names_too():
    days = calendar(140)
    names = {days[20]: "feast", days[55]: "feast", days[90]: "sale"}
    spend = np.random.default_rng(1).lognormal(0, 0.3, (140, 3))
    plain = baseline_design(days, {}, spend, 1)
    named = baseline_design(days, {}, spend, 1, names)
    assert named.columns.shape[1] == plain.columns.shape[1] + 3  # what all do alike, two names
    alike, feast, sale = named.columns[:, 9:12].T
    assert list(np.flatnonzero(alike)) == [20, 55, 90]
    assert list(np.flatnonzero(feast)) == [20, 55]
    assert list(np.flatnonzero(sale)) == [90]
    weeks = baseline_design(days, {}, spend, 7, names)
    assert weeks.columns[2, 2:5] == pytest.approx([1 / 7, 1 / 7, 0])
