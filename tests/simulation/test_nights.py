from __future__ import annotations

from pathlib import Path

import numpy as np

from pipeline.core.plan import Mode
from pipeline.runs.portfolio import open_portfolio
from pipeline.simulation.loop import run_loop
from pipeline.simulation.nights import WholeNights
from pipeline.simulation.past import own_past
from pipeline.simulation.worlds import make_world


def test_whole_nights_run_through_files_ledger_and_signatures(tmp_path: Path) -> None:
    world = make_world("calm", 5, history_days=120, nights=2)
    policy = WholeNights(world, tmp_path)
    result = run_loop(world, policy, name="ours", nights=2)

    assert [plan.mode for plan in policy.plans if plan] == [Mode.OPTIMISED] * 2
    first, second = (plan for plan in policy.plans if plan)
    assert [item.current for item in second.lines] == [item.proposed for item in first.lines]
    assert not np.allclose(result.budgets[0], world.start)

    portfolio = open_portfolio(tmp_path)
    records = portfolio.ledger.plans(portfolio.policy.portfolio)
    assert [record.status.value for record in records] == ["approved", "approved"]

    with own_past(portfolio, second.date) as past:
        known = past.on(second.date)
        assert past.on(first.date).as_known
    assert known.as_known
    assert known.fault == ""
    assert set(known.vintages.seen_on) == {first.date.toordinal(), second.date.toordinal()}
    assert len(known.history.days) == 121
    np.testing.assert_allclose(past.history.spend, known.history.spend)
