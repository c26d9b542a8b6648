"""Forecasts hold what days truly bring: no draw is lost, and lines scatter as they did."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from pipeline.core.history import History
from pipeline.response import FitSettings, fit_response
from pipeline.response.predict import Predictive, predictive
from pipeline.response.usual_days import MATURING_DAYS, day_noise, weekday_factors
from tests.response.advertiser import advertiser

REVENUE = FitSettings(metric="revenue", count="conversions")


def of_line(history: History, line: int) -> History:
    return history.of_lines(np.array([line]))


def ahead_of(history: History) -> Predictive:
    return predictive(fit_response(history, REVENUE), history, np.random.default_rng(1))


def weeks_held(history: History, weeks: int = 6) -> float:
    """Return how many of a line's days its 90 % intervals held, forecast week by week."""
    held = []
    for back in range(weeks, 0, -1):
        end = len(history.days) - 7 * back
        past = replace(
            history,
            days=history.days[:end],
            spend=history.spend[:end],
            outcomes={name: table[:end] for name, table in history.outcomes.items()},
            trusted=history.trusted[:end],
        )
        came = history.outcomes["revenue"][end : end + 7]
        draws = ahead_of(past).outcomes(history.spend[end : end + 7], np.random.default_rng(2))
        low, high = np.quantile(draws, [0.05, 0.95], axis=0)
        held.append((low <= came) & (came <= high))
    return float(np.mean(held))


@pytest.mark.parametrize("level", [2.0, 60.0])
def test_a_portfolio_of_one_line_is_forecast_with_the_scatter_of_its_days(level: float) -> None:
    assert 0.75 <= weeks_held(of_line(advertiser(4, level=level).history, 2)) <= 1.0


def test_a_line_beside_none_has_all_scatter_for_itself() -> None:
    history = of_line(advertiser(5, level=20.0).history, 0)
    shared, _, own = day_noise(history, "revenue")
    assert own[0] > 0.7 / 20  # counting alone scatters by 1 / 20
    assert shared < 0.5 * np.sqrt(own[0])


def test_lines_that_earn_almost_everything_keep_the_scatter_of_the_total() -> None:
    """The smaller a second line becomes, the more the first is as if alone."""
    history = advertiser(5, level=20.0).history.of_lines(np.array([0, 1]))
    shares = np.array([1.0, 1e-6])
    nearly = replace(history, outcomes={k: v * shares for k, v in history.outcomes.items()})
    alone = day_noise(of_line(history, 0), "revenue")
    both = day_noise(nearly, "revenue")
    assert both[2][0] == pytest.approx(alone[2][0], rel=0.3)


@pytest.mark.parametrize("variance", [0.0, 1e-15, 0.1])
def test_noise_never_moves_the_mean(variance: float) -> None:
    ahead = ahead_of(advertiser(6, n_lines=3).history)
    ahead = replace(ahead, line_variance=np.full(3, variance))
    spend = np.tile(ahead.reference, (5, 1))
    draws = ahead.outcomes(spend, np.random.default_rng(3))
    np.testing.assert_allclose(
        draws.mean(axis=(0, 1)), ahead.expected(spend).mean(axis=(0, 1)), rtol=0.1
    )


@pytest.mark.parametrize(("of_day", "of_all"), [(0.7, 0.0), (0.0, 0.7)])
def test_what_nobody_knows_of_demand_never_moves_the_mean(of_day: float, of_all: float) -> None:
    """A factor as often half as double is more than 1 on average, if it is not taken back."""
    history = advertiser(6, n_lines=3).history
    fitted = fit_response(history, REVENUE)
    ahead = predictive(fitted, history, np.random.default_rng(1), n_draws=4000, n_days=7)
    unsure = replace(ahead, shared_sd=np.full(7, of_day), lasting_sd=of_all)
    spend = np.tile(ahead.reference, (7, 1))
    draws = unsure.outcomes(spend, np.random.default_rng(3))
    np.testing.assert_allclose(
        draws.mean(axis=(0, 1)), ahead.expected(spend).mean(axis=(0, 1)), rtol=0.05
    )


def test_a_line_that_earns_nothing_is_forecast_to_earn_nothing() -> None:
    ahead = ahead_of(advertiser(6, n_lines=3).history)
    ahead = replace(ahead, level=0 * ahead.level)
    assert (ahead.outcomes(np.ones((4, 3)), np.random.default_rng(3)) == 0).all()


def test_where_most_days_are_empty_no_forecast_explodes() -> None:
    past = advertiser(1).history
    sells = (np.arange(len(past.days)) % 9 == 0)[:, None]
    few = replace(past, outcomes={name: table * sells for name, table in past.outcomes.items()})
    ahead = ahead_of(few)
    assert (ahead.level > 0).all()
    assert ahead.lasting_sd < 3
    assert ahead.demand.max() < 20
    mean = ahead.expected(np.tile(past.spend[-1], (14, 1))).sum(axis=2).mean()
    assert mean < 5 * past.outcomes["revenue"].sum(axis=1).mean()


def weeks(history: History) -> np.ndarray:
    """Return what the seven days ahead are said to bring, as a share of all seven."""
    days = [history.days[-1] + timedelta(days=1 + i) for i in range(7)]
    factors = weekday_factors(history, "revenue", days)
    return np.asarray(factors / factors.sum())


def with_day(history: History, back: int, factor: float) -> History:
    outcome = history.outcomes["revenue"].copy()
    outcome[-back] *= factor
    return replace(history, outcomes=history.outcomes | {"revenue": outcome})


@pytest.mark.parametrize("back", [20, 21])
def test_no_silent_named_or_odd_day_bends_the_weekdays_ahead(back: int) -> None:
    history = advertiser(7, level=60.0).history
    clean, trusted = weeks(history), history.trusted.copy()
    trusted[-back] = False
    silent = replace(with_day(history, back, 0.0), trusted=trusted)
    name = {history.days[-back]: "sale"}
    named = replace(with_day(history, back, 3.0), special=name)
    for one in (silent, named):
        np.testing.assert_allclose(weeks(one), clean, rtol=0.015)
    np.testing.assert_allclose(weeks(with_day(history, back, 3.0)), clean, rtol=0.04)


def test_days_that_still_come_in_say_nothing_of_their_weekday() -> None:
    history = advertiser(7, level=60.0).history
    late = history
    for back in range(1, MATURING_DAYS + 1):
        late = with_day(late, back, 0.1 * back)
    np.testing.assert_array_equal(weeks(late), weeks(history))


def test_weekdays_of_the_past_are_those_ahead() -> None:
    history = advertiser(7, level=60.0).history
    sunday = np.array([day.weekday() == 6 for day in history.days])[:, None]
    doubled = {"revenue": history.outcomes["revenue"] * np.where(sunday, 2.0, 1.0)}
    busy = replace(history, outcomes=history.outcomes | doubled)
    of = [(history.days[-1] + timedelta(days=1 + i)).weekday() for i in range(7)].index(6)
    others = np.arange(7) != of
    more = (weeks(busy) / weeks(history))[of] / (weeks(busy) / weeks(history))[others]
    np.testing.assert_allclose(more, 1.9, atol=0.15)  # ten weeks, and one of the library's


def test_a_line_whose_level_jumped_scatters_as_if_it_had_not() -> None:
    steady = advertiser(8, level=60.0).history
    doubled = np.ones(steady.spend.shape)
    doubled[:-40, 2] = 0.5
    jumped = replace(steady, outcomes={k: v * doubled for k, v in steady.outcomes.items()})
    posterior = fit_response(jumped, REVENUE)
    (jump,) = posterior.health.jumps
    assert jump.line == steady.lines[2]
    assert jump.age == pytest.approx(39, abs=2)
    usual = ahead_of(steady).line_variance[2]
    freed = predictive(posterior, jumped, np.random.default_rng(1)).line_variance[2]
    assert freed == pytest.approx(usual, rel=0.5)
    assert day_noise(jumped, "revenue")[2][2] > 1.5 * usual
