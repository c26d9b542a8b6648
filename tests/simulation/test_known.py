"""What an earlier morning learned from: the same as its night did, and nothing that came later."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.core.watch import LineWatch, Watch
from pipeline.io.artefacts import RunFolder, begin_run
from pipeline.runs import storage
from pipeline.runs.fitting import fit_models
from pipeline.runs.inputs import read_inputs
from pipeline.runs.signoff import acting, ready_ledger
from pipeline.simulation.known import Past
from pipeline.simulation.past import own_past
from tests.runs.shop import DAY, LINES, Shop, write_csv

WEEK = DAY - timedelta(days=7)


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """Return a shop whose clicks foretell what it sells, and where a test was made."""
    shop = Shop(tmp_path / "shop", days=70)
    rng = np.random.default_rng(5)
    for paid, row in zip(shop.spend, shop.outcomes, strict=True):
        paid["clicks"] = int(rng.poisson(20 * row["conversions"] + 5))
        paid["impressions"] = 100 * paid["clicks"]
    shop.settings["objective"] = {"maximize": "revenue", "leads": ["clicks"]}
    return shop


def told(shop: Shop, name: str, last: date, **row: Any) -> None:
    """Write a file that tells of one lift test of two weeks."""
    shop.settings["sources"]["experiments"] = {"path": "data/experiments.csv"}
    test = {
        "name": name,
        "channel": "social",
        "from": (last - timedelta(days=13)).isoformat(),
        "to": last.isoformat(),
        "lift": 900,
        "standard_error": 300,
        "spend_change": "all",
        **row,
    }
    write_csv(shop.folder / "data" / "experiments.csv", [test])


def morning(shop: Shop, day: date) -> Past:
    shop.write()
    with own_past(shop.portfolio, DAY) as past:
        return past.on(day)


def with_a_break(shop: Shop, night: RunFolder) -> RunFolder:
    """Return the same night again, whose watch saw that a line had changed."""
    again = begin_run(shop.portfolio.runs, "again")
    for name in night.names():
        again.write_bytes(name, night.read_bytes(name))
    changed = LineWatch(forget_before=DAY - timedelta(days=20))
    again.write_json(storage.WATCH, Watch(lines=((LINES[2], changed),)).model_dump(mode="json"))
    return again.complete(f"{DAY}-ffffffff")


def names(past: Past) -> list[str]:
    return [test.name for test in past.lift_tests]


def test_a_morning_that_had_a_night_learns_what_the_night_learned(shop: Shop) -> None:
    told(shop, "pause", DAY - timedelta(days=15))
    run = with_a_break(shop, shop.run(shop.night()))
    facts = storage.read_facts(run, read_inputs(run))
    past = morning(shop, DAY)
    assert past.as_known
    assert names(past) == ["pause"]
    learned = fit_models(facts, n_draws=2).objective
    rng = np.random.default_rng(0)
    _, mean = past.fitted("revenue", rng).tabulate(learned.table.spend, rng, 2)
    np.testing.assert_array_equal(mean, learned.mean)


def test_a_test_of_a_file_is_known_from_its_last_day_on(shop: Shop) -> None:
    told(shop, "pause", WEEK)
    assert names(morning(shop, WEEK)) == []
    assert names(morning(shop, WEEK + timedelta(days=1))) == ["pause"]


def test_a_test_of_the_ledger_is_known_once_it_was_read_out(shop: Shop) -> None:
    """Nothing that a file says of it either is known before."""
    shop.write()
    first, last = DAY - timedelta(days=30), DAY - timedelta(days=17)
    assigned = {"from": first.isoformat(), "to": last.isoformat(), "scope": {"channel": "social"}}
    found = {"fraction": 1, "incremental": 900.0, "standard_error": 300.0, "spend_change": 5000.0}

    def at(day: date) -> Any:
        shop.moment = datetime.combine(day, time(12), UTC)
        return ready_ledger(shop.portfolio)

    policy, who = shop.portfolio.policy, acting(shop.portfolio, "ana", "read experiment", "spring")
    ledger = at(first - timedelta(days=1))
    ledger.record_assignment("spring", {**assigned, "treated": ["a"]}, who, policy)
    at(WEEK).record_look("spring", found, who, policy)
    at(DAY)
    for _ in range(2):
        assert names(morning(shop, WEEK)) == []
        assert names(morning(shop, WEEK + timedelta(days=1))) == ["spring"]
        told(shop, "spring", last)


def test_what_came_late_is_whole_in_a_past_that_is_reported_long_after(shop: Shop) -> None:
    """So are the metrics that lead it."""
    for paid, row in zip(shop.spend, shop.outcomes, strict=True):
        row["trials"] = paid["clicks"]
    shop.settings["objective"]["leads"] = ["trials"]
    shop.settings["sources"]["outcomes"]["columns"] = {"trials": "trials"}
    past = morning(shop, WEEK)
    assert not past.as_known
    lead = past.history.leads["trials"]
    assert lead.vintages is not None
    for seen in (past.vintages, lead.vintages):
        nights = seen.seen_on - seen.day
        assert set(nights) == set(range(1, 29))
        by_day = {(d, g): set() for d, g in zip(seen.day, seen.group, strict=True)}
        for day, group, value in zip(seen.day, seen.group, seen.outcome, strict=True):
            by_day[day, group].add(value)
        assert {len(values) for values in by_day.values()} == {1}
