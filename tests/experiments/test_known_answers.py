"""Tests read out where the truth is known: the GeoLift demo, and simulated regions."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from pipeline.core.errors import UsageError
from pipeline.core.panel import Panel
from pipeline.experiments.design import choose, design_geo
from pipeline.experiments.readout import read_out
from pipeline.experiments.sequential import alpha_of_look, spent
from pipeline.io.panel import read_panel

DEMO = Path(__file__).resolve().parents[3] / "shared" / "data" / "holdout_geolift_demo"
START, END = date(2021, 4, 1), date(2021, 4, 15)
FIRST = date(2026, 1, 1)
needs_demo = pytest.mark.skipif(not DEMO.is_dir(), reason="the GeoLift demo data are not here")


def demo(name: str) -> Panel:
    return read_panel(str(DEMO / name), unit="location", day="date", outcome="Y")


@needs_demo
def test_the_geolift_demo_shows_its_published_lift():
    found = read_out(
        demo("GeoLift_Test.csv"),
        ["chicago", "portland"],
        START,
        END,
        rng=np.random.default_rng(1),
    )
    assert found.lift == pytest.approx(0.054, abs=0.01)
    assert found.incremental == pytest.approx(4667, rel=0.1)
    assert found.lift_low < 0.054 < found.lift_high


@needs_demo
def test_two_cells_of_one_demo_are_read_apart():
    panel = demo("GeoLift_Test_MultiCell.csv")
    a, b = ["chicago", "cincinnati"], ["honolulu", "indianapolis"]
    rng = np.random.default_rng(1)
    first = read_out(panel, a, START, END, rng=rng, excluded=b)
    second = read_out(panel, b, START, END, rng=rng, excluded=a)
    assert first.lift == pytest.approx(0.228, abs=0.01)
    assert first.is_significant
    assert second.lift == pytest.approx(0.071, abs=0.01)


def regions(seed: int, *, units: int = 24, days: int = 90) -> Panel:
    """Return regions that share two wandering factors and a week, with serial noise."""
    rng = np.random.default_rng(seed)
    factors = np.cumsum(rng.normal(0, 0.03, (days, 2)), axis=0)
    noise, shock = np.zeros((days, units)), rng.normal(0, 0.05, (days, units))
    for day in range(1, days):
        noise[day] = 0.5 * noise[day - 1] + shock[day]
    week = 1 + 0.15 * np.sin(2 * np.pi * np.arange(days) / 7)[:, None]
    level = np.exp(factors @ (0.5 * rng.normal(1, 0.4, (2, units))) + noise)
    return Panel(
        days=tuple(FIRST + timedelta(days=day) for day in range(days)),
        units=tuple(f"r{unit:02d}" for unit in range(units)),
        outcome=np.exp(rng.normal(6, 0.8, units)) * week * level,
        spend=np.full((days, units), 10.0),
    )


def with_effect(panel: Panel, treated: tuple[str, ...], start: int, lift: float) -> Panel:
    outcome = panel.outcome.copy()
    outcome[start:, panel.columns(treated)] *= 1 + lift
    return Panel(days=panel.days, units=panel.units, outcome=outcome, spend=panel.spend)


def test_a_design_keeps_its_promises_in_worlds_of_known_effect():
    worlds, start = 12, 76
    false_alarms = found = covered = 0
    for seed in range(worlds):
        rng = np.random.default_rng(seed)
        panel = regions(seed)
        chosen = choose(design_geo(panel.until(panel.days[start]), 2, 14, rng), rng)
        for lift in (0.0, chosen.least_effect):
            seen = read_out(
                with_effect(panel, chosen.treated, start, lift),
                chosen.treated,
                panel.days[start],
                panel.days[-1],
                rng=rng,
            )
            covered += seen.lift_low <= lift <= seen.lift_high
            if lift:
                found += seen.is_significant
            else:
                false_alarms += seen.is_significant
    # binomial bounds that a test as promised misses once in a thousand: size 0.1, power 0.8
    assert false_alarms <= 5
    assert found >= 5
    assert covered >= 16


def test_an_effect_is_read_in_its_size_and_direction_and_money():
    panel = regions(5)
    treated = ("r03", "r11")
    spend = panel.spend.copy()
    spend[76:, panel.columns(treated)] = 0
    stopped = with_effect(panel, treated, 76, -0.5)
    seen = read_out(
        Panel(days=panel.days, units=panel.units, outcome=stopped.outcome, spend=spend),
        treated,
        panel.days[76],
        panel.days[-1],
        rng=np.random.default_rng(1),
    )
    assert seen.lift == pytest.approx(-0.5, abs=0.08)
    assert seen.is_significant
    assert seen.spend_change == pytest.approx(-14 * 2 * 10)
    assert seen.iroas == pytest.approx(seen.incremental / seen.spend_change)
    assert seen.iroas > 0


@pytest.mark.parametrize(("n_treated", "need"), [(1, 11), (2, 7), (3, 9), (4, 12)])
def test_a_design_asks_for_as_many_units_as_its_read_out(n_treated, need):
    def both(units):
        panel = regions(1, units=units)
        past = panel.until(panel.days[76])
        yield lambda: design_geo(past, n_treated, 14, np.random.default_rng(1))
        yield lambda: read_out(
            panel, panel.units[:n_treated], panel.days[76], panel.days[89],
            rng=np.random.default_rng(1),
        )  # fmt: skip

    for step in both(need):
        assert step()
    for command, step in zip(("design", "read-out"), both(need - 1), strict=True):
        with pytest.raises(
            UsageError,
            match=rf"^experiment {command}: {need - 1} units with outcomes, {n_treated} of them "
            rf"treated; a read-out needs at least {need}, so that 10 other sets",
        ):
            step()


@pytest.mark.parametrize(
    ("treated", "excluded", "said"),
    [
        (["r01", "r01"], [], "'r01' is named twice"),
        (["r01", "r02"], ["r02"], "'r02' is treated and excluded"),
        (["r01", "r99"], [], "no unit 'r99'"),
    ],
)
def test_a_unit_has_one_role(treated, excluded, said):
    panel, rng = regions(1), np.random.default_rng(1)
    with pytest.raises(UsageError, match=said):
        read_out(panel, treated, panel.days[76], panel.days[-1], rng=rng, excluded=excluded)


def test_without_an_effect_every_set_is_as_likely_to_rank_first():
    """The test is exact: over all sets of a world that chance could draw, p is even."""
    panel = regions(3, units=12)
    window = (panel.days[76], panel.days[-1])
    found = sorted(
        read_out(panel, [unit], *window, rng=np.random.default_rng(1)).p_value
        for unit in panel.units
    )
    assert found == pytest.approx([rank / 12 for rank in range(1, 13)])


def test_a_large_effect_is_never_hidden_by_sets_that_share_a_unit():
    panel = with_effect(regions(4), ("r03", "r11"), 76, 1.0)
    seen = read_out(
        panel, ["r03", "r11"], panel.days[76], panel.days[-1], rng=np.random.default_rng(1)
    )
    assert seen.p_value < 0.05
    assert seen.lift_low < 1.0 < seen.lift_high


def test_designs_rank_by_what_they_find_and_cost_what_is_moved():
    panel = regions(2)
    designs = design_geo(
        panel, 2, 14, np.random.default_rng(1), effect=0.1, spend_change=-1, excluded=["r00"]
    )
    least = [item.least_effect for item in designs]
    assert least == sorted(least)
    assert least[0] > 0
    powers = [item.power for item in designs]
    assert powers[0] == max(powers)
    assert all(item.price == pytest.approx(2 * 14 * 10) for item in designs)
    assert all("r00" not in item.treated for item in designs)
    again = design_geo(
        panel, 2, 14, np.random.default_rng(1), effect=0.1, spend_change=-1, excluded=["r00"]
    )
    assert again == designs


def test_money_moved_is_held_against_units_that_nobody_treated():
    panel = regions(5)
    spend = panel.spend.copy()
    spend[76:, panel.columns(["r03"])] *= 2
    spend[76:, panel.columns(["r05", "r06", "r07", "r08"])] *= 6
    seen = read_out(
        replace(panel, spend=spend),
        ["r03"],
        panel.days[76],
        panel.days[-1],
        rng=np.random.default_rng(1),
        excluded=["r05", "r06", "r07", "r08"],
    )
    assert seen.spend_change == pytest.approx(14 * 10)


@pytest.mark.parametrize("left", [0.0, 1e-7, 0.01])
def test_all_that_stops_is_read_out_as_lost(left):
    """The stop-spending test of a channel that brings everything: what is lost, and how surely."""
    panel = regions(5)
    truth = panel.outcome[76:, panel.columns(["r03", "r11"])].sum()
    seen = read_out(
        with_effect(panel, ("r03", "r11"), 76, left - 1),
        ["r03", "r11"],
        panel.days[76],
        panel.days[-1],
        rng=np.random.default_rng(1),
    )
    lost = (1 - left) * truth
    assert seen.lift == pytest.approx(left - 1, abs=0.01)
    assert seen.is_significant
    assert seen.incremental == pytest.approx(-lost, rel=0.15)
    assert seen.low < -lost < seen.high < 0
    nothing = read_out(
        panel, ["r03", "r11"], panel.days[76], panel.days[-1], rng=np.random.default_rng(1)
    )
    assert seen.standard_error == pytest.approx(nothing.standard_error, rel=0.2)
    assert 2 < (seen.high - seen.low) / seen.standard_error < 5


@pytest.mark.parametrize("lift", [-0.99, -0.6, 1.0, 3.0])
def test_how_sure_a_read_out_is_does_not_depend_on_how_much_was_caused(lift):
    panel = regions(5)
    plain, seen = (
        read_out(item, ["r03", "r11"], panel.days[76], panel.days[-1], rng=np.random.default_rng(1))
        for item in (panel, with_effect(panel, ("r03", "r11"), 76, lift))
    )
    assert seen.standard_error == pytest.approx(plain.standard_error, rel=0.2)
    for bound, other in ((seen.lift_low, plain.lift_low), (seen.lift_high, plain.lift_high)):
        assert 1 + bound == pytest.approx((1 + other) * (1 + lift), rel=0.01)


def test_bounds_of_what_was_caused_are_what_was_seen_less_what_may_have_been():
    panel = with_effect(regions(6), ("r02", "r09"), 76, -0.6)
    seen = read_out(
        panel, ["r02", "r09"], panel.days[76], panel.days[-1], rng=np.random.default_rng(1)
    )
    came = panel.outcome[76:, panel.columns(["r02", "r09"])].sum()
    for caused, lift in (
        (seen.incremental, seen.lift),
        (seen.low, seen.lift_low),
        (seen.high, seen.lift_high),
    ):
        assert caused == pytest.approx(came - came / (1 + lift))


def with_nothing(panel: Panel, units: list[str], days: slice) -> Panel:
    outcome = panel.outcome.copy()
    outcome[days, panel.columns(units)] = 0.0
    return replace(panel, outcome=outcome)


def test_units_without_a_past_are_neither_treated_nor_compared_with():
    panel = regions(3, units=14)
    window = (panel.days[76], panel.days[-1])
    living = panel.without(["r01", "r07"])
    dead = with_nothing(panel, ["r01", "r07"], slice(None))
    late = with_nothing(panel, ["r01", "r07"], slice(0, 76))
    for other in (dead, late):
        found, plain = (
            read_out(item, ["r03"], *window, rng=np.random.default_rng(1))
            for item in (other, living)
        )
        assert found == plain
        past, known = (item.until(panel.days[76]) for item in (other, living))
        assert design_geo(past, 1, 14, np.random.default_rng(1)) == design_geo(
            known, 1, 14, np.random.default_rng(1)
        )
    with pytest.raises(UsageError, match="r01 had no outcome before 2026-03-18"):
        read_out(late, ["r01"], *window, rng=np.random.default_rng(1))


def test_a_unit_that_opened_lately_is_judged_on_the_windows_it_has():
    panel = with_nothing(regions(3, units=12), ["r01"], slice(0, 50))
    found = design_geo(panel.until(panel.days[76]), 1, 14, np.random.default_rng(1))
    assert len(found) == 12
    assert all(np.isfinite([item.least_effect, item.error]).all() for item in found)
    newest = with_nothing(regions(3, units=12), ["r01"], slice(0, 75)).until(panel.days[76])
    assert len(design_geo(newest, 1, 14, np.random.default_rng(1))) == 11


def test_longer_past_and_fewer_units_are_asked_for():
    with pytest.raises(UsageError, match="need 42; load more or shorten --days"):
        design_geo(regions(1, days=40), 2, 14, np.random.default_rng(1))
    with pytest.raises(
        UsageError, match=r"24 units with outcomes, 20 of them treated; .* at least 60"
    ):
        design_geo(regions(1), 20, 14, np.random.default_rng(1))


def test_looks_spend_the_error_once_and_little_of_it_early():
    fractions = [0.2, 0.5, 0.8, 1.0]
    spending = [alpha_of_look(fractions[:i], fractions[i], 0.1) for i in range(4)]
    assert sum(spending) == pytest.approx(0.1)
    assert spending[0] < 0.001
    assert spent(1.0, 0.05) == pytest.approx(0.05)
    # Lan and DeMets (1983): half way through, a two-sided 5 % test may have spent 0.56 %
    assert spent(0.5, 0.05) == pytest.approx(0.00557, abs=5e-5)
    with pytest.raises(UsageError, match="wait"):
        alpha_of_look([0.5], 0.5, 0.1)
