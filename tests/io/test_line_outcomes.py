"""Newest outcomes that single lines lack: lost, late as ever, or nothing sold."""

from __future__ import annotations

import dataclasses
from datetime import timedelta

import numpy as np
import pytest

from pipeline.core.findings import Level
from pipeline.io.facts import Facts
from pipeline.io.lags import Lag, lag_table, lags_of
from pipeline.io.line_outcomes import check_line_outcomes
from pipeline.io.verdict import Verdict
from tests.io.test_named_days import N_DAYS, judged, shop

LINE = 2


def without_outcomes(facts: Facts, *cells: tuple[int, int]) -> Facts:
    """Return the facts without the outcome rows of some cells (day, line)."""
    there = facts.has_outcome_row.copy()
    there[tuple(np.transpose(cells))] = False
    outcomes = {name: np.where(there, table, 0.0) for name, table in facts.outcomes.items()}
    return dataclasses.replace(facts, has_outcome_row=there, outcomes=outcomes)


def without_zero_rows(facts: Facts) -> Facts:
    return without_outcomes(facts, *map(tuple, np.argwhere(facts.outcomes["conversions"] == 0)))


def found(facts: Facts, before: Facts | None = None) -> Verdict:
    verdict = Verdict()
    check_line_outcomes(facts, verdict, () if before is None else lags_of(before))
    return verdict


@pytest.mark.parametrize(
    ("days", "span"), [(1, "2026-06-29"), (3, "2026-06-27 to 2026-06-29")], ids=["one", "three"]
)
def test_newest_outcomes_that_one_line_lacks_are_unknown_and_named(days: int, span: str) -> None:
    cells = [(N_DAYS - 1 - back, LINE) for back in range(days)]
    said = judged(without_outcomes(shop(), *cells))
    (finding,) = [item for item in said.findings if item.check == "missing-outcomes"]
    assert finding.message == (
        f"outcomes: no row of search / a2 on {span}, and one on every day of the four weeks "
        "before; taken as unknown, not as zero"
    )
    newest = shop().days[-1]
    assert set(said.untrusted) == {
        (newest - timedelta(days=back), ("search", "a2")) for back in range(days)
    }


def rested() -> Facts:
    facts = without_outcomes(shop(), (-1, LINE))
    facts.spend[-1, LINE] = 0.0
    return facts


def cut(share: float) -> Facts:
    """Return facts in which the line, whose newest outcomes are not there, spends less lately."""
    facts = without_outcomes(shop(), (-1, LINE))
    facts.spend[-3:, LINE] *= share
    return facts


def test_a_line_that_plans_have_cut_is_judged_by_what_it_spends() -> None:
    """Two nights of a quarter each are more than the whole of what counted before."""
    assert [item.check for item in found(cut(0.5)).findings] == ["missing-outcomes"]
    assert not found(cut(0.02)).findings


def rare() -> Facts:
    facts = shop()
    facts.outcomes["conversions"][-9, LINE] = facts.outcomes["revenue"][-9, LINE] = 0.0
    return without_outcomes(facts, (-1, LINE))


def slow() -> Facts:
    facts = shop()
    for table in facts.outcomes.values():
        table[-1] *= 0.1  # of the newest day little has arrived from anybody
    return without_outcomes(facts, (-1, LINE))


@pytest.mark.parametrize("facts", [rested(), rare(), slow()], ids=["rested", "rare", "slow"])
def test_a_line_without_newest_outcomes_that_is_nothing_odd_is_not_named(facts: Facts) -> None:
    assert not found(facts).findings


def thin(seed: int, sold: float) -> Facts:
    """Return lines that sell a few a day, of a source that writes no row where nothing was sold."""
    facts = shop(seed)
    counts = np.random.default_rng(seed).poisson(sold, facts.spend.shape).astype(float)
    outcomes = {"conversions": counts, "revenue": counts * 60.0}
    return without_zero_rows(dataclasses.replace(facts, outcomes=outcomes))


def test_a_day_on_which_a_thin_line_sold_nothing_is_believed() -> None:
    nights = [thin(seed, 4.0).until(end) for seed in range(5) for end in range(100, N_DAYS, 2)]
    assert sum(not night.has_outcome_row[-1].all() for night in nights) > 10
    assert not any(found(night).findings for night in nights)


def test_a_line_whose_outcomes_always_come_a_day_late_is_late_and_not_lost() -> None:
    nights = [without_outcomes(shop().until(end), (-1, LINE)) for end in (N_DAYS - 1, N_DAYS)]
    (late,) = found(nights[1], nights[0]).findings
    assert (late.level, late.check) == (Level.PASS, "late-outcomes")
    assert late.message.endswith("no later than within the four weeks before")
    lost = found(without_outcomes(nights[1], (-2, LINE)), nights[0])
    again = found(nights[1], nights[1])
    first = found(nights[1])
    for verdict in (lost, again, first):
        assert [item.check for item in verdict.findings] == ["missing-outcomes"]


def test_outcomes_that_somebody_uploads_once_a_week_are_held_in_the_first_week_only() -> None:
    """Each night the line is a day later, until all of its days come at once."""
    earlier, said = (), []
    for end in range(N_DAYS - 14, N_DAYS + 1):
        since = (end - N_DAYS) % 7
        cells = [(end - 1 - back, LINE) for back in range(since)]
        facts = shop().until(end)
        facts = without_outcomes(facts, *cells) if cells else facts
        verdict = Verdict()
        check_line_outcomes(facts, verdict, earlier)
        said.append([item.check for item in verdict.findings])
        day = facts.days[-1] + timedelta(days=1)
        table = lag_table(earlier, lags_of(facts), day)
        earlier = [Lag(**{**row, "line": tuple(row["line"])}) for row in table.to_pylist()]
    assert said[1:7] == [["missing-outcomes"]] * 6
    assert said[8:14] == [["late-outcomes"]] * 6
    assert said[0] == said[7] == said[14] == []


def test_two_lines_that_lack_other_days_are_told_apart() -> None:
    cells = [(N_DAYS - 1, LINE), *((N_DAYS - 1 - back, 0) for back in range(3))]
    (finding,) = found(without_outcomes(shop(), *cells)).findings
    assert "on 2026-06-27 to 2026-06-29 (the newest 1 of these days at least)" in finding.message


def test_outcomes_that_are_not_counted_are_judged_by_how_they_scatter() -> None:
    facts = shop()
    earned = {"revenue": facts.outcomes["revenue"]}
    steady = dataclasses.replace(facts, outcomes=earned)
    assert found(without_outcomes(steady, (-1, LINE))).findings
    scatter = np.random.default_rng(3).gamma(2.0, 0.5, facts.spend.shape)
    lumpy = dataclasses.replace(facts, outcomes={"revenue": earned["revenue"] * scatter})
    assert not found(without_outcomes(lumpy, (-1, LINE))).findings


def test_outcomes_that_have_not_come_are_no_outage_as_well() -> None:
    cells = [(N_DAYS - 1 - back, LINE) for back in range(9)]
    found = {item.check for item in judged(without_outcomes(shop(), *cells)).findings}
    assert "missing-outcomes" in found
    assert "outage" not in found
    zeros = {name: table.copy() for name, table in shop().outcomes.items()}
    for table in zeros.values():
        table[-8:-3, LINE] = 0.0  # there, and nothing in them
    silent = dataclasses.replace(shop(), outcomes=zeros)
    assert "outage" in {item.check for item in judged(silent).findings}
