"""What is said of a fit is true of it: whose days taught it, and whose did not."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from pipeline.core.findings import Finding, Level
from pipeline.core.history import History
from pipeline.response import FitSettings, fit_response
from pipeline.response.breaks import Jump
from tests.response.advertiser import advertiser
from tests.response.test_fit import marginal_draws

REVENUE = FitSettings(metric="revenue", count="conversions")


def said(history: History, check: str) -> Finding:
    (found,) = [i for i in fit_response(history, REVENUE).findings if i.check == check]
    return found


def last_days(history: History, count: int) -> History:
    return replace(
        history,
        days=history.days[-count:],
        spend=history.spend[-count:],
        outcomes={name: table[-count:] for name, table in history.outcomes.items()},
        trusted=history.trusted[-count:],
    )


def since_yesterday(history: History, line: int) -> History:
    """Return the history as if a line had begun on its last day."""
    ran = np.ones(history.spend.shape)
    ran[:-1, line] = 0
    outcomes = {name: table * ran for name, table in history.outcomes.items()}
    return replace(history, spend=history.spend * ran, outcomes=outcomes)


def constant(history: History, lines: slice) -> History:
    spend = history.spend.copy()
    spend[:, lines] = spend[:, lines].mean(axis=0)
    return replace(history, spend=spend)


@pytest.mark.parametrize("seed", [1, 2])
def test_budgets_that_moved_taught_their_curves(seed: int) -> None:
    found = said(advertiser(seed).history, "model.identified")
    assert found.message == "every line's own days taught its curve"
    assert found.level is Level.PASS


def test_budgets_that_never_moved_taught_nothing() -> None:
    found = said(constant(advertiser(1).history, slice(None)), "model.identified")
    assert found.message.startswith("no line's own days taught its curve")
    assert found.level is Level.REVIEW


def test_three_weeks_teach_next_to_nothing() -> None:
    found = said(last_days(advertiser(1).history, 20), "model.identified")
    assert found.message.startswith("no line's own days taught its curve")


def test_lines_without_days_of_their_own_are_named_beside_lines_with_many() -> None:
    past = advertiser(1).history
    young = said(since_yesterday(past, 0), "model.identified")
    assert "1 of 8 lines" in young.message
    assert young.message.endswith("channel_0 / aud_00")
    still = said(constant(past, slice(3, 5)), "model.identified")
    assert "2 of 8 lines" in still.message
    assert "channel_0 / aud_03, channel_1 / aud_04" in still.message


def test_many_lines_that_stood_still_are_not_taken_for_learned_because_they_are_alike() -> None:
    """What a channel's lines teach of each other narrows a line's prior, not its own doubt."""
    past = constant(advertiser(1, n_lines=24).history, slice(0, 20))
    doubt = fit_response(past, REVENUE).health.doubt
    np.testing.assert_allclose(doubt[:20], 1.0, atol=0.02)
    assert (doubt[20:] < 0.5).all()


def doubled(history: History, line: int, first: int) -> History:
    """Return the history as if all that a line brings had doubled on a day, to what it is now."""
    outcomes = {name: table.copy() for name, table in history.outcomes.items()}
    for table in outcomes.values():
        table[:first, line] = np.floor(table[:first, line] / 2)
    return replace(history, outcomes=outcomes)


@pytest.mark.parametrize("first", [60, 110, 158])
def test_a_level_that_jumped_is_named_and_its_curve_stays(first: int) -> None:
    truth = advertiser(1)
    jumped = doubled(truth.history, 4, first)
    found = said(jumped, "model.jumps")
    assert "channel_1 / aud_04 +" in found.message
    near = truth.history.days[first - 2 : first + 3]
    assert any(f"around {day}" in found.message for day in near)
    assert found.level is Level.PASS
    before, after = (
        marginal_draws(fit_response(history, REVENUE))[:, 4].mean()
        for history in (truth.history, jumped)
    )
    assert after == pytest.approx(before, rel=0.35)


def test_a_level_that_jumped_lately_is_above_the_signature() -> None:
    lines, health = advertiser(2).history.lines, fit_response(advertiser(2).history, REVENUE).health
    assert all(item.check != "model.jumps" for item in health.findings(lines, ()))
    jump = Jump(line=lines[3], day=date(2026, 6, 20), age=13, ratio=0.5)
    for age, level in ((13, Level.REVIEW), (14, Level.PASS)):
        told = replace(health, jumps=(replace(jump, age=age),)).findings(lines, ())
        (found,) = [item for item in told if item.check == "model.jumps"]
        assert found.level is level
        assert "aud_03 -50% around 2026-06-20" in found.message
