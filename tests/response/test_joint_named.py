"""Totals and regions before a day with a name: what is expected, how surely, and what is said."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from pipeline.core.findings import SPECIAL_DAY
from pipeline.core.history import History
from pipeline.response import fit_joint
from pipeline.response.joint import joint_predictive
from pipeline.response.joint.design import baseline_design, calendar_ahead
from pipeline.response.joint.named import name_sizes, series_effects
from pipeline.response.special_days import NamedDays
from tests.response.test_joint_lives import market
from tests.response.test_joint_predict import regions, rng

SALE = 70


def with_sale(history: History, factor: float, *coming: str) -> History:
    """Return the history with a sale in the past, and names of the days that follow."""
    assert history.measured is not None
    table = history.measured.outcomes["revenue"].copy()
    period = history.measured.period_days
    first = SALE - SALE % period
    table[first : first + period] *= 1 + (factor - 1) / period
    names = {
        history.days[-1] + timedelta(days=1 + i): name for i, name in enumerate(coming) if name
    }
    return replace(
        history,
        measured=replace(history.measured, outcomes={"revenue": table}),
        special=names | {history.days[SALE]: "sale"},
    )


def series(does: dict[int, float], coming: str) -> tuple[NamedDays, np.ndarray]:
    days = tuple(date(2024, 1, 1) + timedelta(days=i) for i in range(200))
    names = {days[at]: f"day {at}" for at in does} | {days[-1] + timedelta(days=1): coming}
    outcome = 1 + 0.05 * rng().standard_normal(200)
    for at, factor in does.items():
        outcome[at] *= factor
    return NamedDays.of(days, names), outcome


def test_a_name_may_go_as_far_as_it_went_and_a_coming_day_elsewhere() -> None:
    named, outcome = series({40: 3.0, 90: 1.05}, coming="day 40")
    sizes = name_sizes(series_effects(outcome, np.ones(200, dtype=bool), named), named)
    sale, quiet = sizes.own
    assert 1.7 < sale < 2.5
    assert quiet < 0.25
    assert 0.4 < sizes.change[0] < 1.2


def test_a_name_that_was_never_seen_may_be_what_others_were() -> None:
    named, outcome = series({40: 3.0, 90: 2.0}, coming="new")
    sizes = name_sizes(series_effects(outcome, np.ones(200, dtype=bool), named), named)
    assert sizes.own[-1] > 0.5
    assert sizes.change[-1] == 0


def test_the_calendar_ahead_has_a_place_for_every_coming_name() -> None:
    history = with_sale(regions(140), 2.0, "sale", "", "fair")
    design = baseline_design(history.days, {}, history.spend, 1, history.special)
    ahead = calendar_ahead(history.days, 1, history.special, 7)
    assert design.unlike_sd.size == 2
    assert ahead.shape[1] == design.n_calendar + design.untold_sd.size + 2
    assert ahead[:, -2:].tolist() == [[0, 1], [0, 0], [1, 0], *[[0, 0]] * 4]


def test_the_plan_for_a_sale_says_so_and_expects_it_without_being_too_sure() -> None:
    history = with_sale(regions(140), 2.5, "sale")
    posterior = fit_joint(history, "revenue", rng())
    (said,) = [item for item in posterior.findings if item.check == SPECIAL_DAY]
    assert said.message.startswith(f"{history.days[-1] + timedelta(days=1)} is sale: demand is")
    assert said.message.endswith("learned from 1 such day and 0 other special days")
    forecast = joint_predictive(posterior, history, rng(6)).outcomes(
        np.tile(history.spend[-28:].mean(axis=0), (7, 1)), rng(7)
    )
    total = forecast.sum(axis=2)
    usual = float(np.median(total[:, 1]))
    low, middle, high = np.quantile(total[:, 0], [0.05, 0.5, 0.95]) / usual
    assert middle == pytest.approx(2.5, rel=0.12)
    assert low < 2.2
    assert high > 2.8
    later = fit_joint(with_sale(regions(140), 2.5, "", "sale"), "revenue", rng())
    assert not [item for item in later.findings if item.check == SPECIAL_DAY]


@pytest.mark.parametrize(("factor", "others"), [(0.01, "0 other special days"), (0.3, "1 other")])
def test_an_outage_with_a_name_is_no_other_special_day(factor: float, others: str) -> None:
    """A holiday on which far less is sold is one."""
    history = with_sale(regions(140), 2.5, "sale")
    assert history.measured is not None
    table = history.measured.outcomes["revenue"].copy()
    table[100] *= factor
    quiet = replace(
        history,
        measured=replace(history.measured, outcomes={"revenue": table}),
        special={**history.special, history.days[100]: "quiet"},
    )
    posterior = fit_joint(quiet, "revenue", rng())
    (said,) = [item for item in posterior.findings if item.check == SPECIAL_DAY]
    assert f"learned from 1 such day and {others}" in said.message


def test_a_week_with_a_sale_says_so() -> None:
    history = with_sale(regions(280, period_days=7), 2.5, "", "sale")
    posterior = fit_joint(history, "revenue", rng())
    (said,) = [item for item in posterior.findings if item.check == SPECIAL_DAY]
    assert f"{history.days[-1] + timedelta(days=2)} is sale: its week's demand is" in said.message


def test_a_region_that_has_closed_takes_nothing_from_what_a_sale_brings() -> None:
    def told(shut: slice) -> float:
        history = market(1, shut=shut)
        assert history.measured is not None
        table = history.measured.outcomes["revenue"].copy()
        table[[200, 290]] *= 2.0
        tomorrow = history.days[-1] + timedelta(days=1)
        sales = (history.days[200], history.days[290], tomorrow)
        sale = replace(
            history,
            measured=replace(history.measured, outcomes={"revenue": table}),
            special=dict.fromkeys(sales, "sale"),
        )
        said = [f for f in fit_joint(sale, "revenue", rng()).findings if f.check == SPECIAL_DAY]
        return float(said[0].message.split("expected +")[1].split("%")[0])

    assert told(slice(304, 364)) == pytest.approx(told(slice(0, 0)), abs=15)
