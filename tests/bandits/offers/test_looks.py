"""Looks at a growing log share one error: nights repeat a verdict, and weeks do not add up."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.bandits.offers.decide import Choice, Setting, decide_offers
from pipeline.bandits.offers.log import BUCKETS, Contexts, DecisionLog
from pipeline.core.offer_rules import OfferRules
from pipeline.simulation.offer_looks import added_up, look_again
from pipeline.simulation.offers import LOOKS

DATA = Path(__file__).resolve().parents[4] / "shared/data"
HILLSTROM = DATA / "offer_hillstrom_email/hillstrom_train.parquet"
ACTIONS = [{"action": "none"}, {"action": "mail", "channel": "email"}]


@given(
    day=st.dates(date(2026, 1, 1), date(2027, 12, 31)),
    maturity=st.integers(0, 60),
)
def test_nights_of_a_week_judge_the_same_decisions(day: date, maturity: int) -> None:
    rules = OfferRules.model_validate({"actions": ACTIONS, "maturity_days": maturity})
    until = rules.judged_until(day)
    assert until.isoweekday() == 7
    assert 0 <= (day - timedelta(days=1 + maturity) - until).days < 7
    week = {rules.judged_until(day + timedelta(days=ahead)) for ahead in range(7)}
    assert len(week) <= 2


def test_looks_share_the_error_of_the_days_that_a_decision_stays() -> None:
    rules = OfferRules.model_validate({"actions": ACTIONS})
    assert rules.looks == LOOKS == 26
    contexts = Contexts(
        segments=("a",),
        actions=("none", "mail"),
        segment=np.array([0]),
        eligible=np.ones((1, 2), dtype=bool),
    )
    setting = Setting(contexts=contexts, offered=np.ones(2, dtype=bool), looks=rules.looks)
    assert setting.chance * rules.looks == pytest.approx(0.05)


def test_weeks_of_looks_propose_nothing_where_nothing_matters_and_find_a_true_gain() -> None:
    assert look_again("nothing matters", range(3)).erred == 0
    found = look_again("one answer for all", range(4))
    assert found.erred == 0
    assert found.found >= 0.75
    assert found.night <= 35


def test_hillstroms_gain_is_found_by_looks_that_share_the_error() -> None:
    if not HILLSTROM.exists():
        pytest.skip("the Hillstrom data is not here")
    log = hillstrom()
    setting = Setting(
        contexts=log.contexts, offered=np.ones(len(log.contexts.actions), dtype=bool), looks=LOOKS
    )
    order = np.random.default_rng(1).permutation(log.count.size)
    found = []
    for week in range(1, 9):  # its people arrive over eight weeks
        mask = np.zeros(order.size, dtype=bool)
        mask[order[: week * order.size // 8]] = True
        decided = decide_offers(added_up(log.rows(mask)), setting, np.random.default_rng(1))
        found.append(decided.choice)
    assert Choice.KEEP not in found[2:]


def hillstrom() -> DecisionLog:
    """Return visits after a mail or none, drawn evenly; a row is a person."""
    import pyarrow.parquet as pq

    table = pq.read_table(HILLSTROM, columns=["segment", "visit", "womens"])
    names, action = np.unique(table["segment"].to_numpy(), return_inverse=True)
    womens = table["womens"].to_numpy().astype(int)
    visit = table["visit"].to_numpy().astype(float)
    return DecisionLog(
        contexts=Contexts(
            segments=("womens 0", "womens 1"),
            actions=tuple(names.tolist()),
            segment=np.array([0, 1]),
            eligible=np.ones((2, names.size), dtype=bool),
        ),
        context=womens,
        action=action,
        propensity=np.full(visit.size, 1 / 3),
        bucket=np.arange(visit.size) % BUCKETS,
        count=np.ones(visit.size),
        reward=visit,
        reward_sq=visit,
        rewarded=visit,
    )
