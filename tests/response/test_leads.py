"""Late outcomes completed from early signs, where the truth is known."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pytest

from pipeline.core.history import History, LeadSeries, Vintages
from pipeline.response import FitSettings, fit_response
from pipeline.response.leads import Completed, complete, lead_findings
from pipeline.response.maturity import MAX_AGE, Maturity
from tests.response.advertiser import mean_value

DAYS, LINES, RATE = 120, 8, 0.1
GROUPS = np.array([0, 0, 0, 0, 1, 1, 1, 1])
USABLE = np.ones((DAYS, LINES), dtype=bool)


@dataclass(frozen=True, kw_only=True)
class Late:
    """Trials at once, orders over weeks; the last fortnight's demand is `lately` of before."""

    mean: np.ndarray
    trials: np.ndarray
    reported: np.ndarray
    maturity: Maturity


def late(seed: int, *, lately: float = 1.0, related: bool = True, rate: float = RATE) -> Late:
    rng = np.random.default_rng(seed)
    curve = 1 - np.exp(-np.arange(1, MAX_AGE + 1) / 14.0)
    share = np.repeat(curve[np.minimum(np.arange(DAYS, 0, -1), MAX_AGE) - 1][:, None], LINES, 1)
    demand = np.exp(rng.normal(0, 0.15, (DAYS, LINES)))
    demand[-14:] *= lately
    trials_mean = rng.uniform(40, 400, LINES) * demand
    trials = rng.poisson(trials_mean).astype(float)
    rates = rate * np.exp(rng.normal(0, 0.2, LINES))
    mean = trials_mean * rates
    if not related:
        trials = rng.poisson(trials_mean.mean(axis=0) * np.exp(rng.normal(0, 1.0, (DAYS, LINES))))
    reported = rng.poisson(mean * share).astype(float)
    log_sd = 0.3 * np.exp(-np.arange(DAYS, 0, -1) / 15.0)
    maturity = Maturity(curve=curve, share=share, log_sd=log_sd, snapshots=20)
    return Late(mean=mean, trials=trials.astype(float), reported=reported, maturity=maturity)


def completed(world: Late) -> Completed:
    return complete(
        world.reported, world.maturity, {"trials": (world.trials, None)}, USABLE, GROUPS
    )


def test_young_days_are_completed_nearer_to_the_truth_and_no_surer_than_they_are():
    for related, gain in ((True, 0.3), (False, 1.0)):
        errors, plain, inside = [], [], []
        for seed in range(20):
            world = late(seed, related=related)
            found = completed(world)
            young = world.maturity.share < 0.5
            value = found.outcome / found.share
            errors.append(np.abs(value - world.mean)[young].mean())
            plain.append(np.abs(world.reported / world.maturity.share - world.mean)[young].mean())
            sd = np.sqrt(world.mean / found.share + (found.log_sd[:, None] * world.mean) ** 2)
            inside.append(np.mean(np.abs(value - world.mean)[young] < 1.645 * sd[young]))
        assert np.mean(errors) < gain * np.mean(plain)
        assert np.mean(inside) >= 0.82  # of 90 % intervals; a lead without a rate is the worst case


def test_a_drop_of_this_week_is_seen_weeks_before_its_orders_are_in():
    found = completed(late(3, lately=0.5))
    value = (found.outcome / found.share).sum(axis=1)
    assert value[-7:].mean() / value[-35:-14].mean() == pytest.approx(0.5, abs=0.08)
    assert (found.share[-7:] > 0.6).all()
    assert (found.share >= late(3).maturity.share).all()
    assert (found.share <= 1).all()


def test_a_lead_that_does_not_predict_is_hardly_listened_to():
    world = late(4, related=False)
    found = completed(world)
    (lead,) = found.leads
    assert lead.strength < 0.2
    good_found = completed(late(4))
    young = world.maturity.share < 0.5
    assert found.share[young].mean() < 0.6 * good_found.share[young].mean()
    (good,) = good_found.leads
    assert good.strength > 0.8
    assert (good.lag_days, good.outcome_lag_days) == (1, 33)


def test_days_that_are_whole_and_faulty_cells_are_left_alone():
    world = late(5)
    usable = USABLE.copy()
    usable[-3:, 2] = False
    world.trials[-2, 4] = 0.0
    found = complete(
        world.reported, world.maturity, {"trials": (world.trials, None)}, usable, GROUPS
    )
    whole = world.maturity.share >= 0.9
    assert np.array_equal(found.outcome[whole], world.reported[whole])
    assert np.array_equal(found.outcome[-3:, 2], world.reported[-3:, 2])
    assert found.outcome[-2, 4] == world.reported[-2, 4]


def test_a_lead_without_a_past_says_so():
    world = late(6)
    nothing = np.zeros_like(world.trials)
    found = complete(world.reported, world.maturity, {"demos": (nothing, None)}, USABLE, GROUPS)
    assert found.leads == ()
    assert np.array_equal(found.outcome, world.reported)
    (finding,) = lead_findings(found.leads, "orders", ["demos"])
    assert finding.level == "review"
    assert "demos predicts nothing yet" in finding.message


def test_what_money_earns_is_learned_from_leads_where_orders_take_weeks():
    """Spend stepped three weeks ago; what it earned is hardly in, but trials are."""
    off = {True: 0.0, False: 0.0}
    days = tuple(date(2026, 11, 22) - timedelta(days=back) for back in range(DAYS, 0, -1))
    elasticity = np.linspace(0.1, 0.9, LINES)
    curve = 1 - np.exp(-np.arange(1, MAX_AGE + 1) / 25.0)
    share = curve[np.minimum(np.arange(DAYS, 0, -1), MAX_AGE) - 1][:, None]
    for seed in range(4):
        rng = np.random.default_rng(seed)
        base = rng.uniform(60, 200, LINES)
        step = np.where(rng.permutation(LINES) % 2, 1.5, 0.65)
        spend = base * rng.lognormal(0, 0.03, (DAYS, LINES))
        spend[-20:] *= step
        trials_mean = rng.uniform(100, 300, LINES) * (spend / base) ** elasticity
        orders = rng.binomial(rng.poisson(RATE * trials_mean), share).astype(float)
        now = RATE * trials_mean[-20:].mean(axis=0)
        for led in off:
            history = History(
                days=days,
                lines=tuple((("a", "b")[g], str(line)) for line, g in enumerate(GROUPS)),
                spend=spend,
                outcomes={"orders": orders},
                trusted=USABLE,
                leads={"trials": LeadSeries(table=rng.poisson(trials_mean) * 1.0)} if led else {},
            )
            settings = FitSettings(metric="orders", is_led=True)
            found = fit_response(history, settings, vintages=two_views(curve, days[-1]))
            value = mean_value(found, np.stack([base * step, 1.25 * base * step], axis=1))
            gain = value[:, 1] - value[:, 0]
            off[led] += float(np.abs(gain - now * (1.25**elasticity - 1)).mean())
            said = [item.message for item in found.findings if item.check == "model.lead"]
            assert bool(said) == led
    assert off[True] < 0.9 * off[False]


def two_views(curve: np.ndarray, last: date) -> Vintages:
    """Return how yesterday and today saw the same days: a thin lesson in lateness."""
    ages = np.arange(1, MAX_AGE)
    today, seen = last.toordinal() + 1.0, 2000 * curve
    return Vintages(
        seen_on=np.repeat([today - 1, today], ages.size),
        day=np.tile(today - 1.0 - ages, 2),
        group=("a",) * (2 * ages.size),
        outcome=np.concatenate([seen[ages - 1], seen[ages]]),
    )
