"""Forecasts of totals and regions: exact where they can be, calibrated where truth is known."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from benchmarks.mix import history_of
from pipeline.core.history import History, Measured
from pipeline.response import fit_joint
from pipeline.response.joint import JointPredictive, joint_predictive
from pipeline.response.joint.beside import Beside, baseline_ahead, beside_of
from pipeline.response.joint.design import Design, baseline_design, calendar_ahead
from pipeline.response.joint.moments import NOISES, State, series_moments
from pipeline.response.joint.residuals import Seen
from pipeline.simulation.mix import make_mix


def rng(seed: int = 5) -> np.random.Generator:
    return np.random.default_rng(seed)


def regions(n_days: int, *, period_days: int = 1, common: float = 0.05, seed: int = 4) -> History:
    """Return three regions of two lines whose days share a shock, as days or as weeks."""
    r = rng(seed)
    moved = r.normal(0, 0.3, (n_days, 6)) + np.sin(np.arange(n_days)[:, None] / (9 + np.arange(6)))
    spend = 100 * np.exp(0.4 * moved)
    caused = 60 * np.log1p(spend / 50)
    shock = common * r.normal(size=(n_days, 1)) + 0.02 * r.normal(size=(n_days, 3))
    outcome = 500 * (1 + shock) + caused.reshape(n_days, 3, 2).sum(axis=2)

    def seen(table: np.ndarray) -> np.ndarray:
        whole = table.reshape(-1, period_days, table.shape[1]).mean(axis=1)
        return np.repeat(whole, period_days, axis=0)

    names = ("east", "north", "west")
    return History(
        days=tuple(date(2024, 1, 1) + timedelta(days=i) for i in range(n_days)),
        lines=tuple((name, channel) for name in names for channel in ("search", "tv")),
        spend=seen(spend),
        outcomes={},
        trusted=np.ones((n_days, 6), dtype=bool),
        measured=Measured(
            levels=(0,),
            units=tuple((name,) for name in names),
            outcomes={"revenue": seen(outcome)},
            controls={},
            trusted=np.ones((n_days, 3), dtype=bool),
            period_days=period_days,
        ),
    )


@pytest.fixture(scope="module")
def ahead() -> JointPredictive:
    history = regions(140)
    return joint_predictive(fit_joint(history, "revenue", rng()), history, rng(6))


def test_a_forecast_adds_up_and_is_the_same_for_the_same_budgets(ahead: JointPredictive) -> None:
    budgets = np.array([100.0, 80.0, 120.0, 90.0, 110.0, 100.0])
    found = ahead.forecast(budgets, budgets, rng(1))
    assert (found.lines, found.horizons) == ((("east",), ("north",), ("west",)), (1, 7, 14))
    assert found.day == date(2024, 1, 1) + timedelta(days=140)
    np.testing.assert_allclose(found.mean[:, -1], found.mean[:, :-1].sum(axis=1), rtol=1e-12)
    np.testing.assert_array_equal(found.mean, found.status_quo)
    np.testing.assert_allclose(found.spend, [180, 210, 210, 600])
    assert np.all(np.diff(found.quantiles, axis=-1) >= 0)
    assert np.all((found.quantiles[..., 0] < found.mean) & (found.mean < found.quantiles[..., -1]))
    assert np.all(np.diff(found.mean, axis=0) > 0)


def test_a_forecast_follows_money_by_its_slopes(ahead: JointPredictive) -> None:
    budgets = np.full(6, 100.0)
    more = budgets * np.array([1.05, 1, 1, 1, 1, 1.05])
    found, moved = (ahead.forecast(spend, budgets, rng(1)) for spend in (budgets, more))
    rise = moved.mean - found.mean
    paid = found.paid
    assert paid is not None
    np.testing.assert_allclose(rise[:, 0], 5 * paid.slope[:, 0], rtol=1e-9)
    np.testing.assert_allclose(rise[:, 1], 0, atol=1e-9)
    np.testing.assert_allclose(rise[:, -1], 5 * paid.slope[:, [0, 5]].sum(axis=1), rtol=1e-9)
    by_group = 0.5 * (paid.slope[:, ::2] + paid.slope[:, 1::2])
    np.testing.assert_allclose(found.slope[:, :-1], by_group, rtol=1e-9)
    assert np.all(paid.slope >= 0)


def test_what_regions_share_of_a_day_stays_in_the_total(ahead: JointPredictive) -> None:
    assert 0.6 < ahead.alike < 1.0
    budgets = np.full(6, 100.0)
    width = np.ptp(ahead.forecast(budgets, budgets, rng(1)).quantiles[0], axis=-1)
    assert width[-1] > 0.8 * width[:-1].sum()
    alone = replace(ahead, alike=0.0).forecast(budgets, budgets, rng(1)).quantiles[0]
    assert np.ptp(alone[-1]) < 0.75 * width[-1]
    history = regions(140, common=0.0)
    assert fit_joint(history, "revenue", rng()).alike < 0.3


def test_weeks_are_forecast_whole_from_the_next_one_on() -> None:
    history = regions(182, period_days=7)
    posterior, after = fit_joint(history, "revenue", rng()), history.days[-1] + timedelta(days=1)
    current, budgets = np.full(6, 100.0), np.full(6, 130.0)
    for late, first in ((0, 0), (1, 7), (6, 7)):
        seen = joint_predictive(posterior, history, rng(6), day=after + timedelta(days=late))
        found = seen.forecast(budgets, current, rng(1))
        assert found.horizons == (7, 14)
        assert found.day == after + timedelta(days=first)
        spend = np.tile(budgets, (first + 14, 1))
        spend[:late] = current  # before the plan's day money goes on as it was
        weeks = seen.expected(spend)[:, first // 7 :].mean(axis=0)
        np.testing.assert_allclose(found.mean[1, :-1], weeks.sum(axis=0), rtol=1e-9)


def test_intervals_hold_what_comes() -> None:
    """Markets whose demand wanders and has a season, under the money that was really spent."""
    inside, surprise = [], []
    for period_days, n_days in ((1, 120), (1, 300), (7, 728)):
        for seed in range(1, 7):
            history = history_of(make_mix(seed, n_lines=3, n_days=n_days + 14), period_days)
            past, measured = history.until(n_days), history.measured
            predictive = joint_predictive(fit_joint(past, "revenue", rng()), past, rng(seed))
            drawn = predictive.outcomes(history.spend[-14:], rng(seed + 1))[:, :, 0]
            assert measured is not None
            for days in (1, 7, 14)[period_days > 1 :]:
                total = drawn[:, : days // period_days].sum(axis=1)
                came = measured.outcomes["revenue"][n_days : n_days + days, 0].sum()
                low, high = np.quantile(total, [0.05, 0.95])
                inside.append(low <= came <= high)
                surprise.append((came - total.mean()) / total.std())
    assert 0.8 <= np.mean(inside) <= 0.98
    assert 0.7 <= np.std(surprise) <= 1.3
    assert abs(np.mean(surprise)) < 0.5


def test_what_comes_beside_spend_is_that_of_the_dense_normal() -> None:
    """Level, wandering and what is not known of them, given curves, against plain conditioning.

    A day counts half: its density is taken to the power of one half, and what is known beforehand
    counts whole. Given the coefficients, half of what the days tell of the wandering part counts.
    """
    r, n, n_ahead, n_draws = rng(), 30, 3, 60_000
    days = tuple(date(2024, 1, 1) + timedelta(days=i) for i in range(n))
    design = baseline_design(days, {}, np.ones((n, 1)), 1)
    outcome, response = r.normal(1, 0.2, n), r.random((n, 2))
    known, odd = r.random(n) > 0.1, np.where(r.random(n) > 0.8, 4.0, 1.0)
    known[-2:] = False
    variance, value, kind = 0.04, np.array([0.3]), 4
    sds = np.append(design.sd, design.untold_sd)
    moments = series_moments(
        outcome,
        known,
        odd,
        design.columns,
        design.sd / np.sqrt(variance),
        response,
        (design.untold, design.untold_sd / np.sqrt(variance)),
    )
    draws = (
        np.tile(value, (n_draws, 1)),
        np.full((n_draws, 1), 1),
        np.full(n_draws, variance),
        np.full(n_draws, kind),
    )
    seen = Seen(name=("x",), outcome=outcome, known=known, odd=odd, usual=variance, design=design)
    calendar = calendar_ahead(days, 1, {}, n_ahead)
    beside = beside_of(seen, 1.0, moments, draws)
    found = baseline_ahead([beside], [calendar], 1, rng(1))[:, :, 0]

    kept, share = NOISES[kind]
    columns = np.hstack([design.columns, design.untold])[known]
    n_calendar, n_seen = design.n_calendar, design.sd.size - design.n_calendar
    coming = np.hstack(
        [calendar[:, :n_calendar], np.zeros((n_ahead, n_seen)), calendar[:, n_calendar:]]
    )
    assert np.allclose(design.columns[:, design.n_calendar :], 0)  # one line moves with nothing
    lag = np.abs(np.subtract.outer(np.arange(n), np.arange(n))).astype(float)
    wandering = variance * share * kept**lag
    noise = (wandering + np.diag(variance * (1 - share) * odd))[np.ix_(known, known)]
    beside_curves = (outcome - response[:, 1] * value[0])[known]
    told = columns.T @ np.linalg.inv(noise)
    doubt = np.linalg.inv(0.5 * told @ columns + np.diag(1 / sds**2))
    gamma = 0.5 * doubt @ told @ beside_curves
    gain = wandering[-1, known] @ np.linalg.inv(noise)
    left = variance * share - gain @ wandering[known, -1]
    unknown = 1 / (1 / (variance * share) + 0.5 * (1 / left - 1 / (variance * share)))
    fades = kept ** np.arange(1.0, 1 + n_ahead)
    rows = coming - np.outer(fades, gain @ columns)
    mean = coming @ gamma + fades * (gain @ (beside_curves - columns @ gamma))
    spread = np.diag(rows @ doubt @ rows.T) + fades**2 * unknown
    np.testing.assert_allclose(found.mean(axis=0), mean, atol=0.01)
    np.testing.assert_allclose(found.var(axis=0), spread, rtol=0.05)


def test_what_days_tell_nothing_of_is_as_doubtful_as_before_them() -> None:
    """A season of which a month tells nothing, and a part that has wandered off since."""
    n = 60
    days = tuple(date(2024, 1, 1) + timedelta(days=i) for i in range(n))
    design = baseline_design(days, {}, np.ones((n, 1)), 1)
    known = np.arange(n) < 3
    moments = series_moments(
        np.ones(n), known, np.ones(n), design.columns, 1e-6 * design.sd, np.ones((n, 1))
    )
    seen = Seen(
        name=("x",),
        outcome=np.ones(n),
        known=known,
        odd=np.ones(n),
        usual=1e12,
        design=replace(design, untold_sd=np.empty(0), untold=np.empty((n, 0))),
    )
    draws = (np.zeros((9_000, 1)), np.zeros((9_000, 1), dtype=np.int64), np.ones(9_000))
    beside = beside_of(seen, 1.0, moments, (*draws, np.full(9_000, 4)))
    gamma, wandering = beside.draw(np.zeros((9_000, 0)), rng())
    np.testing.assert_allclose(gamma.std(axis=0), 1e-6 * design.sd, rtol=0.05)
    kept, share = NOISES[4]
    assert wandering.var() == pytest.approx(share, rel=0.05)
    assert kept**57 < 0.06


def controlled(control: np.ndarray) -> np.ndarray:
    """Return where a control of coefficient 1 is expected, (n_draws, 14), with nothing beside."""
    n = control.size
    beside = Beside(
        unit=("x",),
        scale=1.0,
        design=Design(
            columns=np.column_stack([np.ones(n), control]),
            sd=np.ones(2),
            n_calendar=1,
            untold=np.empty((n, 0)),
            untold_sd=np.empty(0),
        ),
        known=np.arange(n) < n - 3,
        odd=np.ones(n),
        kind=np.zeros(500, dtype=np.int64),
        variance=np.full(500, 1e-18),
        gamma=np.tile([0.0, 1.0], (500, 1)),
        wandering=np.zeros(500),
        root=np.tile(np.eye(2), (len(NOISES), 1, 1)),
        state=State(mean=np.zeros((len(NOISES), 2)), variance=np.zeros(len(NOISES))),
    )
    return baseline_ahead([beside], [np.ones((14, 1))], 1, rng())[:, :, 0]


def test_controls_go_on_as_they_used_to() -> None:
    """Nobody knows what controls will be; their past says how they go on."""
    day = np.arange(210)
    weekly = np.where(day % 7 < 5, 1.0, 0.0)
    coming = np.where((210 + np.arange(14)) % 7 < 5, 1.0, 0.0)
    np.testing.assert_allclose(controlled(weekly), np.tile(coming, (500, 1)), atol=1e-6)
    drifting = 30 + np.cumsum(rng(2).normal(size=1050))
    late = controlled(drifting)
    assert abs(late[:, 0].mean() - drifting[1040:1047].mean()) < 2.0
    assert late[:, -1].std() > 1.3 * late[:, 0].std()
    pulses = (rng(3).random(210) < 0.1).astype(float)
    pulses[-7:] = 1.0  # a rush that says nothing of the days after
    assert controlled(pulses).mean() < 0.35
    assert 0 <= controlled(pulses).std() < 0.6


def test_a_past_too_short_to_repeat_goes_on_as_it_is() -> None:
    assert np.ptp(controlled(np.arange(16.0))) < 1e-6
