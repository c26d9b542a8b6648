"""What plans earned, where the curves and the days are known."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from benchmarks.learning_scores import world_scores
from pipeline.core.forecast import HORIZONS, LEVELS, Forecast
from pipeline.response.curves import RETENTIONS, SHAPES
from pipeline.response.predict import Predictive
from pipeline.runs.gain import judge, under_new_names
from pipeline.scoring.scores import Promised, Realised
from pipeline.scoring.value import DOUBT, Z90

FIRST = date(2026, 1, 1)
LINES = (("search", "a"), ("search", "b"), ("social", "a"))
DAYS, START = 60, 40
SHAPE = 2  # of the library: a Hill curve
AT_ONCE = RETENTIONS.index(0.0)
OLD = np.array([100.0, 200.0, 300.0])


def curves(draws: int = 8) -> Predictive:
    """Return curves that are known exactly: half of the outcome is caused, at once."""
    table = np.full((draws, len(LINES)), 0.5)
    nodes = np.zeros(table.shape, dtype=np.int64)
    return Predictive(
        metric="revenue",
        day=FIRST + timedelta(days=DAYS),
        lines=LINES,
        reference=OLD,
        carried=np.tile(OLD, (len(RETENTIONS), 1)),
        level=table,
        share=table,
        retention=nodes + AT_ONCE,
        shape=nodes + SHAPE,
        walk_sd=table,
        demand=np.ones((14, len(LINES))),
        shared_sd=np.zeros(14),
        lasting_sd=0.0,
        line_variance=np.zeros(len(LINES)),
    )


def outcome_of(spend: np.ndarray, demand: np.ndarray) -> np.ndarray:
    level = np.array([1000.0, 900.0, 800.0])
    return demand[:, None] * level * (0.5 + 0.5 * SHAPES[SHAPE].value(spend / OLD))


def market(moved: np.ndarray) -> tuple[Realised, np.ndarray]:
    """Return what came of moved budgets under a demand that doubles, and what came without."""
    demand = np.linspace(1.0, 2.0, DAYS)
    spend = np.tile(OLD, (DAYS, 1))
    still = outcome_of(spend, demand)
    spend[START:] = moved
    realised = Realised(
        days=tuple(FIRST + timedelta(days=day) for day in range(DAYS)),
        lines=LINES,
        spend=spend,
        outcome=outcome_of(spend, demand),
        complete=np.ones(spend.shape),
        trusted=np.ones(spend.shape, dtype=bool),
    )
    return realised, still


def promise(row: int, planned: np.ndarray, *, is_published: bool = True) -> Promised:
    shape = (len(HORIZONS), len(LINES) + 1)
    forecast = Forecast(
        metric="revenue",
        day=FIRST + timedelta(days=row),
        lines=LINES,
        horizons=HORIZONS,
        spend=np.append(planned, planned.sum()),
        status_quo_spend=np.append(OLD, OLD.sum()),
        mean=np.zeros(shape),
        status_quo=np.zeros(shape),
        slope=np.zeros(shape),
        quantiles=np.zeros((*shape, len(LEVELS))),
    )
    return Promised(plan_id=f"plan-{row}", is_published=is_published, forecast=forecast)


MOVED = np.array([150.0, 200.0, 250.0])


def test_gain_is_that_of_the_days_as_they_were_whatever_demand_did():
    realised, still = market(MOVED)
    seen = judge(curves(), [promise(START, MOVED)], realised)
    assert seen.gain is not None
    assert (seen.gain.days, seen.gain.first_day) == (DAYS - START, FIRST + timedelta(days=START))
    truth = (realised.outcome - still)[START:].sum()
    assert seen.gain.gain == pytest.approx(truth)
    assert seen.gain.high - truth == pytest.approx(Z90 * DOUBT * truth)
    assert seen.gain.money == pytest.approx(0)
    assert seen.worths[0].gain == pytest.approx((realised.outcome - still)[START].sum())
    assert seen.missed == pytest.approx(0, abs=1e-9)


def test_days_that_are_half_reported_count_whole_and_younger_ones_do_not():
    realised, still = market(MOVED)
    complete = np.ones(realised.spend.shape)
    complete[-3:] = np.array([[0.8], [0.5], [0.4]])
    late = replace(realised, outcome=realised.outcome * complete, complete=complete)
    seen = judge(curves(), [promise(START, MOVED)], late)
    assert seen.gain is not None
    assert seen.gain.days == DAYS - START - 1
    assert seen.gain.gain == pytest.approx((realised.outcome - still)[START:-1].sum())


def test_a_day_in_doubt_counts_as_the_line_usually_does():
    realised, still = market(MOVED)
    outcome, trusted = realised.outcome.copy(), realised.trusted.copy()
    outcome[50, 1] *= 100
    trusted[50, 1] = False
    seen = judge(
        curves(), [promise(START, MOVED)], replace(realised, outcome=outcome, trusted=trusted)
    )
    assert seen.gain is not None
    assert seen.gain.gain == pytest.approx((realised.outcome - still)[START:].sum(), rel=0.01)


def test_what_was_not_spent_as_planned_and_what_nobody_signed_are_counted_apart():
    wanted = np.array([200.0, 200.0, 200.0])
    realised, _ = market(MOVED)
    demand = np.linspace(1.0, 2.0, DAYS)
    could = outcome_of(np.tile(wanted, (DAYS, 1)), demand)
    more = (could - realised.outcome).sum(axis=1)
    plans = [promise(START, MOVED), promise(45, wanted), promise(50, wanted, is_published=False)]
    seen = judge(curves(), plans, realised)
    assert seen.missed == pytest.approx(more[45])
    assert seen.missed_unsigned == pytest.approx(more[50])
    assert [item.is_published for item in seen.worths] == [True, True, False]


def test_without_a_published_plan_there_is_no_gain_and_without_a_known_day_nothing():
    realised, _ = market(OLD)
    seen = judge(curves(), [promise(START, MOVED, is_published=False)], realised)
    assert seen.gain is None
    assert seen.missed_unsigned != 0
    assert judge(curves(), [promise(DAYS, MOVED)], realised).worths == ()
    unknown = replace(realised, complete=np.zeros(realised.spend.shape))
    assert judge(curves(), [promise(START, MOVED)], unknown).worths == ()


def test_a_line_that_is_gone_takes_nothing_with_it():
    realised, _ = market(MOVED)
    two = replace(
        realised,
        lines=LINES[:2],
        spend=realised.spend[:, :2],
        outcome=realised.outcome[:, :2],
        complete=realised.complete[:, :2],
        trusted=realised.trusted[:, :2],
    )
    seen = judge(curves(), [promise(START, MOVED)], two)
    assert seen.gain is not None
    assert np.isfinite(seen.gain.gain)


@pytest.mark.parametrize(("kind", "seed"), [("calm", 11), ("confounded", 12)])
def test_scores_hold_the_truth_of_worlds(kind: str, seed: int):
    found = world_scores(kind, seed, 10)
    assert [item.night for item in found] == [10]
    assert all(item.is_inside for item in found)
    assert all(abs(item.gain.gain - item.truth) < 0.08 * item.still for item in found)


def by_hand(seed: int, hand: np.ndarray, *, noise: float = 0.1) -> tuple[Realised, np.ndarray]:
    """Return days on which people set `hand` beside plans, and what came without any change."""
    realised, still = market(hand)
    scatter = np.random.default_rng(seed).lognormal(0.0, noise, realised.spend.shape)
    spend = realised.spend * scatter
    outcome = outcome_of(spend, np.linspace(1.0, 2.0, DAYS))
    return replace(realised, spend=spend, outcome=outcome), still


@pytest.mark.parametrize("seed", range(4))
def test_what_people_changed_beside_the_plans_is_not_counted_as_theirs(seed: int):
    quiet = promise(START, OLD)  # a plan that leaves budgets as they are
    realised, still = by_hand(seed, np.array([250.0, 200.0, 300.0]))
    seen = judge(curves(), [quiet], realised)
    assert (realised.outcome - still)[START:].sum() > 2000
    assert seen.gain is not None
    assert seen.gain.gain == pytest.approx(0)
    assert seen.otherwise > 0.2
    assert seen.missed < 0


@pytest.mark.parametrize("seed", range(4))
def test_moves_that_were_made_count_in_full_however_days_scatter(seed: int):
    realised, still = by_hand(seed, MOVED)
    exact, _ = market(MOVED)
    truth = (exact.outcome - still)[START:].sum()
    seen = judge(curves(), [promise(START, MOVED)], realised)
    assert seen.gain is not None
    assert seen.gain.gain == pytest.approx(truth, rel=0.25)
    assert seen.otherwise < 0.05


def test_a_plan_that_nobody_followed_brought_nothing():
    realised, _ = market(OLD)
    seen = judge(curves(), [promise(START, MOVED)], realised)
    assert seen.gain is not None
    assert seen.gain.gain == pytest.approx(0)
    assert seen.otherwise == pytest.approx(50 / 600)


def test_a_line_that_people_began_and_a_budget_that_they_cut_before_a_later_plan_are_not_its_gain():
    begun = np.array([100.0, 120.0, 500.0])  # set by hand, found so by the second plan
    realised, _ = market(OLD)
    spend = realised.spend.copy()
    spend[START + 5 :] = begun
    seen = replace(realised, spend=spend, outcome=outcome_of(spend, np.ones(DAYS)))
    second = promise(START + 5, begun)
    second = replace(
        second,
        forecast=replace(second.forecast, status_quo_spend=np.append(begun, begun.sum())),
    )
    found = judge(curves(), [promise(START, OLD), second], seen)
    assert found.gain is not None
    assert found.gain.gain == pytest.approx(0)
    assert found.gain.money == pytest.approx(0)
    assert found.otherwise == pytest.approx(0)


def test_a_line_that_never_spends_its_whole_budget_still_makes_its_moves():
    realised, _ = market(0.8 * MOVED)
    spend = realised.spend.copy()
    spend[:START] *= 0.8
    seen = replace(realised, spend=spend, outcome=outcome_of(spend, np.ones(DAYS)))
    found = judge(curves(), [promise(START, MOVED)], seen)
    still = outcome_of(np.tile(0.8 * OLD, (DAYS, 1)), np.ones(DAYS))
    assert found.gain is not None
    assert found.gain.gain == pytest.approx((seen.outcome - still)[START:].sum())
    assert found.otherwise == pytest.approx(0)


def test_moves_under_a_former_name_are_gain_of_the_line_as_it_is_called_now():
    """Before the plan that knows the new name, and after it, when the former one has nothing."""
    realised, _ = market(MOVED)
    plain = judge(curves(), [promise(START, MOVED)], realised)  # which stands until the next one
    old = ("search", "z")
    names = (old, *LINES[1:]), (*LINES, old)
    moneys = np.append(MOVED, MOVED.sum()), np.concatenate([MOVED, [0.0, MOVED.sum()]])
    usual = np.append(OLD, OLD.sum()), np.concatenate([MOVED, [0.0, MOVED.sum()]])
    before, after = (
        replace(
            item,
            forecast=replace(
                item.forecast,
                lines=lines,
                spend=money,
                status_quo_spend=found,
                **dict.fromkeys(("mean", "status_quo", "slope"), np.zeros((3, money.size))),
                quantiles=np.zeros((3, money.size, len(LEVELS))),
            ),
        )
        for item, lines, money, found in zip(
            (promise(START, MOVED), promise(START + 9, MOVED)), names, moneys, usual, strict=True
        )
    )
    kept = [under_new_names(item, {old: LINES[0]}) for item in (before, after)]
    assert kept[0].forecast.lines == LINES
    seen = judge(curves(), kept, realised)
    assert seen.gain is not None and plain.gain is not None
    assert seen.gain.gain == pytest.approx(plain.gain.gain)
    lost = judge(curves(), [before, after], realised)
    assert lost.gain is not None
    assert lost.gain.gain != pytest.approx(plain.gain.gain)


def test_a_line_that_was_renamed_twice_has_its_money_once():
    """A promise of the time between knows both former names, and not the one of now."""
    now = ("search", "c")
    item = under_new_names(promise(START, MOVED), {LINES[0]: now, LINES[1]: now})
    assert item.forecast.lines.count(now) == 1
    spend = dict(zip(item.forecast.lines, item.forecast.spend.tolist(), strict=False))
    assert spend[now] == pytest.approx(MOVED[0] + MOVED[1])
    assert item.forecast.spend[-1] == pytest.approx(sum(MOVED))
