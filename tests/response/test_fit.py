from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from pipeline.core.errors import PipelineError
from pipeline.core.history import History, LiftTest, Vintages
from pipeline.core.types import FloatArray
from pipeline.response import FitSettings, Posterior, fit_response
from tests.response.advertiser import advertiser, mean_value

REVENUE = FitSettings(metric="revenue", count="conversions")


def marginal_draws(posterior: Posterior, n_draws: int = 400) -> FloatArray:
    spend = posterior.recent_spend
    knots = np.stack([0 * spend, 0.97 * spend, 1.03 * spend], axis=1)
    table, _ = posterior.tabulate(knots, np.random.default_rng(0), n_draws)
    return (table.value[:, :, 2] - table.value[:, :, 1]) / (0.06 * spend)


def test_marginal_returns_are_found_and_their_intervals_hold_the_truth():
    errors, covered = [], []
    for seed in range(4):
        truth = advertiser(seed)
        draws = marginal_draws(fit_response(truth.history, REVENUE))
        low, high = np.quantile(draws, [0.05, 0.95], axis=0)
        errors.append(np.abs(np.log(draws.mean(axis=0) / truth.marginal)))
        covered.append((low <= truth.marginal) & (truth.marginal <= high))
    assert np.median(errors) < 0.25
    assert np.mean(covered) >= 0.75


def test_money_that_grows_in_demand_does_not_pass_for_effect():
    truth = advertiser(3, chase=1.0, elasticity=np.full(8, 0.25))
    draws = marginal_draws(fit_response(truth.history, REVENUE))
    assert abs(np.log(draws.mean() / truth.marginal.mean())) < 0.5


@pytest.mark.parametrize("levels", [1, 2])
def test_snapshots_teach_how_late_outcomes_are_however_many_columns_name_a_line(levels: int):
    history = advertiser(1, n_lines=3).history
    lines = tuple((f"c{i}", "all")[:levels] for i in range(3))
    last = history.days[-1].toordinal() + 1
    rows = [
        (float(night), float(night - age), line[0], 500.0)
        for night in range(last - 12, last + 1)
        for age in range(1, 46)
        for line in lines
    ]
    seen_on, day, group, outcome = zip(*rows, strict=True)
    at_once = Vintages(
        seen_on=np.array(seen_on), day=np.array(day), group=group, outcome=np.array(outcome)
    )
    fitted = fit_response(replace(history, lines=lines), REVENUE, vintages=at_once)
    told = next(item for item in fitted.findings if item.check == "model.maturity")
    assert told.message.startswith(("99%", "100%"))


def test_few_data_widen_the_interval():
    rich = marginal_draws(fit_response(advertiser(1).history, REVENUE))
    poor = marginal_draws(fit_response(advertiser(1, level=1.0).history, REVENUE))
    relative = [np.median(d.std(axis=0) / d.mean(axis=0)) for d in (rich, poor)]
    assert relative[1] > 1.3 * relative[0]


def test_the_order_of_lines_does_not_matter():
    history = advertiser(2).history
    order = np.random.default_rng(0).permutation(len(history.lines))
    shuffled = History(
        days=history.days,
        lines=tuple(history.lines[i] for i in order),
        spend=history.spend[:, order],
        outcomes={name: table[:, order] for name, table in history.outcomes.items()},
        trusted=history.trusted[:, order],
    )
    one, other = fit_response(history, REVENUE), fit_response(shuffled, REVENUE)
    knots = np.stack([0.5 * one.recent_spend, one.recent_spend], axis=1)
    np.testing.assert_allclose(
        mean_value(other, knots[order]), mean_value(one, knots)[order], rtol=1e-6
    )


def test_the_currency_does_not_matter():
    one = fit_response(advertiser(2).history, REVENUE)
    other = fit_response(advertiser(2, money=100.0).history, REVENUE)
    knots = np.stack([0.5 * one.recent_spend, one.recent_spend], axis=1)
    np.testing.assert_allclose(
        mean_value(other, 100 * knots), 100 * mean_value(one, knots), rtol=1e-6
    )


def test_the_same_history_gives_the_same_bytes():
    history = advertiser(4).history
    one, other = fit_response(history, REVENUE), fit_response(history, REVENUE)
    assert one.weights.tobytes() == other.weights.tobytes()


def altered(history: History, **outcomes: FloatArray) -> History:
    return replace(history, outcomes={**history.outcomes, **outcomes})


def test_a_day_without_tracking_is_not_a_day_without_demand():
    history = advertiser(5).history
    silent = history.outcomes["conversions"].copy()
    silent[100:103] = 0
    silent[150:156, 2] = 0
    broken = altered(history, conversions=silent)
    one, other = fit_response(history, REVENUE), fit_response(broken, REVENUE)
    knots = one.recent_spend[:, None] * np.array([0.8, 1.0])
    np.testing.assert_allclose(mean_value(other, knots), mean_value(one, knots), rtol=0.1)
    (found,) = [item for item in other.findings if item.check == "model.faults"]
    assert found.level == "review"
    assert f"taught nothing: {' / '.join(history.lines[2])} (9), " in found.message


def test_amounts_in_another_unit_are_left_out():
    history = advertiser(5).history
    spend, revenue = history.spend.copy(), history.outcomes["revenue"].copy()
    spend[170, 1] *= 100
    revenue[60, 3] *= 100
    broken = replace(altered(history, revenue=revenue), spend=spend)
    one, other = fit_response(history, REVENUE), fit_response(broken, REVENUE)
    knots = one.recent_spend[:, None] * np.array([0.8, 1.0])
    np.testing.assert_allclose(mean_value(other, knots), mean_value(one, knots), rtol=0.05)


def test_a_lift_test_moves_the_curve_to_what_it_measured():
    truth = advertiser(6, variation=0.02, n_days=90)
    history = truth.history
    line = history.lines[0]
    extra = 0.2 * float(history.spend[60:74, 0].sum())
    before = marginal_draws(fit_response(history, REVENUE))[:, 0]
    shown = 3.0 * before.mean() * extra
    test = LiftTest(
        lines=(line,), first_day=history.days[60], last_day=history.days[73],
        lift=shown, standard_error=0.05 * shown, spend_change=extra,
    )  # fmt: skip
    after = marginal_draws(fit_response(history, REVENUE, lift_tests=(test,)))[:, 0]
    assert after.mean() > 1.4 * before.mean()
    later = replace(
        test, first_day=history.days[-1] + timedelta(days=1),
        last_day=history.days[-1] + timedelta(days=9),
    )  # fmt: skip
    unmoved = marginal_draws(fit_response(history, REVENUE, lift_tests=(later,)))[:, 0]
    np.testing.assert_allclose(unmoved, before)


def test_a_lift_test_of_a_part_of_a_line_is_compared_at_its_own_spends():
    """Scaled up to the line, it compares spends that the line itself never had."""
    history = advertiser(1).history
    line, days = history.lines[0], history.days
    spend = float(history.spend[-28:, 0].sum())
    level = float(history.outcomes["revenue"][-28:, 0].sum())

    def after(without: float, change: float, lift: float) -> FloatArray:
        test = LiftTest(
            lines=(line,),
            first_day=days[-28],
            last_day=days[-1],
            lift=lift,
            standard_error=0.01 * level,
            spend_change=change,
            spend_without=without,
        )
        posterior = fit_response(history, REVENUE, lift_tests=(test,))
        knots = np.array([[0.0, 1.0, 2.0]]) * posterior.recent_spend[:, None]
        return mean_value(posterior, knots)[0]

    steep = after(spend, spend, 0.5 * level)  # twice the money brought half as much again
    flat = after(spend, spend, 0.02 * level)
    assert (steep[2] - steep[1]) > 3 * (flat[2] - flat[1])
    first = after(0.0, spend, 0.3 * level)  # the money of today brings a third of the outcome
    day = 0.3 * level / 28
    assert first[1] == pytest.approx(day, rel=0.35)


@pytest.mark.parametrize("without", [-1.0, np.inf, 20.0])
def test_a_lift_test_cannot_compare_less_than_nothing(without: float):
    with pytest.raises(PipelineError, match="must be 0 or more"):
        LiftTest(
            lines=(("a",),),
            first_day=advertiser(0).history.days[0],
            last_day=advertiser(0).history.days[9],
            lift=1.0,
            standard_error=1.0,
            spend_change=-21.0,
            spend_without=without,
        )


def test_spend_that_went_against_outcomes_still_gives_finite_curves():
    """All lines spent least when demand was highest: no elasticity, and no crash."""
    history = advertiser(2).history
    wave = 1 + 0.6 * np.sin(np.arange(len(history.days)) / 20)[:, None]
    against = replace(
        history,
        spend=100.0 / wave * np.ones(len(history.lines)),
        outcomes={"conversions": 400.0 * wave**3 * np.ones(len(history.lines))},
    )
    posterior = fit_response(against, FitSettings(metric="conversions"))
    assert np.isfinite(posterior.weights).all()


def test_an_outcome_that_history_lacks_is_named():
    with pytest.raises(PipelineError, match="no outcome 'profit'"):
        fit_response(advertiser(0).history, FitSettings(metric="profit"))


def _cut(history: History, days: slice, lines: slice) -> History:
    return History(
        days=history.days[days],
        lines=history.lines[lines],
        spend=history.spend[days, lines],
        outcomes={name: table[days, lines] for name, table in history.outcomes.items()},
        trusted=history.trusted[days, lines],
    )


def _poor(name: str) -> tuple[History, FitSettings]:
    history = advertiser(7).history
    spend = history.spend.copy()
    conversions = history.outcomes["conversions"].copy()
    if name == "one line":
        return _cut(history, slice(None), slice(0, 1)), REVENUE
    if name == "two lines":
        return _cut(history, slice(None), slice(0, 2)), REVENUE
    if name in ("14 days", "3 days", "1 day"):
        return _cut(history, slice(-int(name.split(maxsplit=1)[0]), None), slice(None)), REVENUE
    if name == "young lines":
        spend[:150, :3] = conversions[:150, :3] = 0
    if name == "idle lines":
        spend[:, 0] = conversions[:, 0] = 0
    if name == "stopped lines":
        spend[-40:, 0] = conversions[-40:, 0] = 0
    if name == "no outcomes on a line":
        conversions[:, 1] = 0
    if name == "no outcomes at all":
        conversions[:] = 0
    if name == "nothing at all":
        spend[:] = conversions[:] = 0
    if name == "missing numbers":
        conversions[50:60] = np.nan
        conversions[:, 4] = np.nan
    if name == "nothing trusted":
        return replace(history, trusted=np.zeros_like(history.trusted)), REVENUE
    value = history.outcomes["revenue"] / np.maximum(history.outcomes["conversions"], 1)
    poor = replace(
        altered(history, conversions=conversions, revenue=conversions * value), spend=spend
    )
    if name == "fractions":
        return altered(poor, conversions=conversions * 0.37), REVENUE
    if name == "constant spend":
        return replace(poor, spend=np.tile(spend.mean(axis=0), (180, 1))), REVENUE
    if name == "only revenue":
        return replace(poor, outcomes={"revenue": conversions * value}), FitSettings(
            metric="revenue"
        )
    return poor, REVENUE


@pytest.mark.parametrize(
    "name",
    [
        "one line", "two lines", "14 days", "3 days", "1 day", "young lines", "idle lines",
        "stopped lines", "no outcomes on a line", "no outcomes at all", "nothing at all",
        "missing numbers", "nothing trusted", "fractions", "constant spend", "only revenue",
    ],
)  # fmt: skip
def test_poor_data_give_wide_but_finite_answers(name):
    history, settings = _poor(name)
    with np.errstate(all="raise", under="ignore"):
        posterior = fit_response(history, settings)
    current = np.maximum(posterior.recent_spend, 1.0)
    knots = current[:, None] * np.array([0.0, 0.5, 1.0, 3.0])
    table, mean = posterior.tabulate(knots, np.random.default_rng(0), 50)
    assert np.isfinite(mean).all() and (mean >= 0).all()
    assert np.isfinite(table.organic).all()
    np.testing.assert_allclose(posterior.weights.sum(axis=(1, 2, 3)), 1.0, rtol=1e-5)
    # No line is promised more than a multiple of everything that was ever earned in a day.
    most = float(np.nansum(history.outcomes[settings.metric], axis=1).max())
    assert mean[:, 2].max() < 5 * max(most, 1.0)
    for item in posterior.summary().values():
        assert np.isfinite(item).all()
        assert (item[:, 1] <= item[:, 2]).all()


@pytest.mark.parametrize("counts", [0.0, np.nan])
@pytest.mark.parametrize("lines", [slice(1), slice(None)])
def test_lines_that_report_money_without_counts_are_learned_from_their_money(counts, lines):
    history = advertiser(2).history
    knots = np.stack([0 * history.spend[-1], history.spend[-1]], axis=1)
    conversions = history.outcomes["conversions"].copy()
    conversions[:, lines] = counts
    known = mean_value(fit_response(history, REVENUE), knots)[:, 1]
    fitted = fit_response(
        replace(history, outcomes={**history.outcomes, "conversions": conversions}), REVENUE
    )
    ratio = mean_value(fitted, knots)[:, 1] / known
    assert ((ratio > 0.5) & (ratio < 2.0)).all()
    assert abs(np.log(ratio)).mean() < 0.35
    (said,) = [item for item in fitted.findings if item.check == "model.counts"]
    assert said.value == str(history.spend[:, lines].shape[1])
    assert not [i for i in fit_response(history, REVENUE).findings if i.check == "model.counts"]


def test_a_line_that_never_spent_is_expected_to_earn_like_the_others():
    history = advertiser(2).history
    spend = history.spend.copy()
    spend[:, 0] = 0.0
    outcomes = {name: table.copy() for name, table in history.outcomes.items()}
    for table in outcomes.values():
        table[:, 0] = 0.0
    posterior = fit_response(replace(history, spend=spend, outcomes=outcomes), REVENUE)
    usual = np.full(spend.shape[1], np.median(spend[:, 1:]))
    earned = mean_value(posterior, np.stack([0 * usual, usual], axis=1))[:, 1]
    assert 0.2 < earned[0] / np.median(earned[1:]) < 5.0
