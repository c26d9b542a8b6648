"""Lessons through whole nights that decide nothing: they stay lessons, and cost what they cost."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Callable

import pytest

from pipeline.core.plan import Mode, Plan
from pipeline.runs import fitting, signoff, storage
from pipeline.runs.checking import replay_plan
from pipeline.runs.inputs import read_inputs
from tests.runs.shop import Shop

RICH = {"max_share": 0.1, "max_cost_share": 0.05, "horizon_days": 365}


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> tuple[Shop, Plan]:
    """A shop on a Wednesday: Tuesday's plan, which moves money to learn, is in force."""
    shop = Shop(tmp_path_factory.mktemp("lessons") / "shop", days=90)
    shop.settings["exploration"] = RICH
    shop.write()
    plan = shop.night(shop.later(2))
    shop.approve()
    assert plan.exploration is not None
    assert plan.exploration.moves
    return shop, plan


@pytest.fixture
def taught(past: tuple[Shop, Plan], open_shop: Callable[..., Shop]) -> tuple[Shop, Plan]:
    """A copy of that shop, which a test may spoil."""
    shop, plan = past
    own = open_shop("own")
    shutil.copytree(shop.folder, own.folder, dirs_exist_ok=True)
    for name in ("spend", "outcomes", "settings", "moment"):
        setattr(own, name, copy.deepcopy(getattr(shop, name)))
    return own, plan


def lessons(plan: Plan) -> dict[tuple[str, ...], float]:
    return {tuple(line.line.values()): line.exploration for line in plan.lines}


def spoilt(shop: Shop) -> Plan:
    """Return the plan of a morning on which a cell cannot be read; it is mended afterwards."""
    day, row = shop.later(), shop.spend[-1]
    good, row["spend"] = row["spend"], "12,5"
    plan = shop.night(day)
    row["spend"] = good
    return plan


def page(shop: Shop, plan: Plan) -> str:
    return shop.run(plan).read_bytes("report.html").decode()


def resting(how: str, shop: Shop, before: Plan, monkeypatch: pytest.MonkeyPatch) -> Plan:
    """Return the plan of a morning that decides nothing, for one reason or another."""
    if how == "revoked":
        signoff.revoke_plan(shop.portfolio, before.plan_id, "ana", "a mistake")
    if how == "a cap was cut":
        shop.cap(scope={"channel": "search"}, max=10)
    if how == "the model broke":
        monkeypatch.setattr(fitting, "fit_metric", None)
        return shop.night(shop.later())
    return spoilt(shop)


@pytest.mark.parametrize(
    ("how", "mode"),
    [
        ("bad data", Mode.FALLBACK),
        ("the model broke", Mode.FALLBACK),
        ("revoked", Mode.HOLD),
        ("a cap was cut", Mode.HOLD),
    ],
)
def test_a_night_that_decides_nothing_keeps_lessons_as_lessons(taught, how, mode, monkeypatch):
    shop, before = taught
    plan = resting(how, shop, before, monkeypatch)
    assert plan.mode is mode
    assert plan.budgets == before.budgets
    assert lessons(plan) == lessons(before)
    account, moves = plan.exploration, before.exploration.moves
    assert [(item.up, item.down, item.money) for item in account.stays] == [
        (move.up, move.down, move.money) for move in moves
    ]
    assert {item.since for item in account.stays} == {before.date}
    assert (account.moves, account.cost, account.worth) == ((), 0, 0)
    assert account.total_cost == before.exploration.total_cost
    assert replay_plan(shop.portfolio, plan.plan_id).differences == ()
    text = page(shop, plan)
    assert "stays moved to learn as it was" in text
    assert "What that costs tonight is not computed" in text
    assert "No money is moved to learn" not in text


def test_the_night_after_a_signed_fallback_starts_without_the_lessons_and_goes_on_with_them(taught):
    shop, before = taught
    for _ in range(2):
        spoilt(shop)
        shop.approve()
    plan = shop.night(shop.later())
    work = shop.run(plan)
    facts = storage.read_facts(work, read_inputs(work))
    carried = dict(zip(facts.history.lines, facts.explored.tolist(), strict=True))
    assert carried == lessons(before)
    begun = {(move.up, move.down) for move in before.exploration.moves}
    again = [move for move in plan.exploration.moves if (move.up, move.down) in begun]
    assert {move.since for move in again} == {before.date}
    account = plan.exploration
    assert account.total_cost == pytest.approx(before.exploration.total_cost + account.cost)


def test_a_fallback_carries_no_lesson_into_the_next_week(taught):
    shop, before = taught
    spoilt(shop)
    shop.approve()
    plan = shop.night(shop.later(6))
    assert plan.date.isocalendar().week > before.date.isocalendar().week
    assert {move.since for move in plan.exploration.moves} <= {plan.date}


def test_what_learning_has_cost_outlives_its_end(taught):
    shop, before = taught
    shop.settings["exploration"] = {"max_share": 0}
    plan = shop.night(shop.later())
    assert not any(lessons(plan).values())
    assert plan.exploration.moved == plan.exploration.cost == 0
    assert plan.exploration.total_cost == before.exploration.total_cost
    assert "the settings give no money for it" in page(shop, plan)


def test_where_nothing_was_ever_moved_to_learn_a_fallback_speaks_of_no_lesson(open_shop):
    shop = open_shop()
    shop.settings["exploration"] = {"max_share": 0}
    shop.night()
    shop.approve()
    plan = spoilt(shop)
    assert plan.mode is Mode.FALLBACK
    assert plan.exploration is None
