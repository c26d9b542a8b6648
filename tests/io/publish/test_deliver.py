"""A delivery or a sheet that somebody interferes with on the way ends in words, and goes on."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from pipeline.core.errors import DamagedError, StorageError
from pipeline.io.ledger import Actor, Ledger, PlanRecord
from pipeline.io.publish import publish_files
from pipeline.io.publish.deliver import Delivery, deliver, delivery_of, rehearse
from pipeline.io.publish.destinations.order import Order, Seen
from pipeline.io.publish.targets import Target
from pipeline.runs.destinations import Delivered, deliver_everywhere
from tests.io.ledger.test_kinds import propose, rotation


class Shelf:
    """A destination that keeps what it was told, and does something else besides."""

    label, batch, rehearses, restores = "shelf", 2, False, False

    def __init__(self, besides: Callable[[], None] = lambda: None) -> None:
        self.kept: dict[int, int] = {}
        self.deaf: set[int] = set()
        self._besides = besides

    def look(self, orders: Sequence[Order]) -> Mapping[int, Seen]:
        return {item.position: Seen(amount=self.kept.get(item.position)) for item in orders}

    def send(self, orders: Sequence[Order], *, dry_run: bool) -> Mapping[int, str]:
        assert not dry_run
        self.kept |= {i.position: i.amount for i in orders if i.position not in self.deaf}
        self._besides()
        return {}


def signed(desk: Any) -> PlanRecord:
    desk.propose()
    record: PlanRecord = desk.approve()
    return record


def to_shelf(record: PlanRecord, *known: str) -> Delivery:
    targets = {(name,): Target(id=name) for name in known}
    return delivery_of("shelf", record, [0, 1], targets, 0.25)


def test_a_line_without_an_id_is_refused_once_and_the_others_go_on(sqlite_desk: Any) -> None:
    delivery, shelf = to_shelf(signed(sqlite_desk), "search"), Shelf()
    shelf.deaf = {0}
    for _ in range(2):
        with pytest.raises(StorageError, match=r"1 of 1 lines are not confirmed, such as search"):
            deliver(delivery, shelf, sqlite_desk.ledger, sqlite_desk.ana)
    shelf.deaf.clear()
    done = deliver(delivery, shelf, sqlite_desk.ledger, sqlite_desk.ana)
    assert shelf.kept == {0: 11_000}
    (left_out,) = done.to_json()["left_out"]
    assert left_out["why"] == "the night's rows named no id of its own for it"
    assert sqlite_desk.verify().is_sound


def test_a_destination_that_cannot_rehearse_is_only_looked_at(sqlite_desk: Any) -> None:
    shelf = Shelf()
    found = rehearse(to_shelf(signed(sqlite_desk), "search", "social"), shelf)
    assert [item.why for item in found] == ["", ""]
    assert shelf.kept == {}


def test_a_publication_that_vanishes_meanwhile_is_damage(sqlite_desk: Any) -> None:
    def vandalise() -> None:
        sqlite_desk.tamper("delete from publication_row", "delete from publication")

    delivery = to_shelf(signed(sqlite_desk), "search", "social")
    with pytest.raises(DamagedError, match="its publication to shelf is gone"):
        deliver(delivery, Shelf(vandalise), sqlite_desk.ledger, sqlite_desk.ana)


class Interrupted(Ledger):
    """A ledger at which something happens as rows are marked as sent."""

    happens: Callable[[], None]

    def mark_rows(self, publication: Any, move: str, positions: Any, why: str = "") -> None:
        super().mark_rows(publication, move, positions, why)
        if move in {"send", "confirm"}:
            self.happens()


def interrupted(desk: Any, happens: Callable[[], None]) -> Interrupted:
    ledger = Interrupted(desk.ledger.database, desk.clock, desk.ledger.head)
    ledger.happens = happens
    return ledger


def test_files_whose_publication_vanishes_meanwhile_are_damage(sqlite_desk: Any) -> None:
    record = signed(sqlite_desk)
    ledger = interrupted(
        sqlite_desk,
        lambda: sqlite_desk.tamper("delete from publication_row", "delete from publication"),
    )
    with pytest.raises(DamagedError, match="its publication is gone from the ledger"):
        publish_files(record, ledger, sqlite_desk.ana, sqlite_desk.folder / "published")


def test_a_sheet_that_cannot_be_read_back_confirms_nothing(sqlite_desk: Any) -> None:
    record, root = signed(sqlite_desk), sqlite_desk.folder / "published"
    folder = root / record.plan.date.isoformat() / record.plan_id
    (folder / "budgets.csv").mkdir(parents=True)
    with pytest.raises(StorageError):
        publish_files(record, sqlite_desk.ledger, sqlite_desk.ana, root)
    assert not sqlite_desk.ledger.plan("latest").is_published
    shutil.rmtree(folder)
    assert publish_files(record, sqlite_desk.ledger, sqlite_desk.ana, root).left_out == []


def test_a_pointer_to_a_later_day_is_left_and_a_broken_one_is_made_again(sqlite_desk: Any) -> None:
    ledger, ana, root = sqlite_desk.ledger, sqlite_desk.ana, sqlite_desk.folder / "published"

    def pointed(record: PlanRecord) -> str:
        publish_files(record, ledger, ana, root)
        return str(json.loads((root / "latest.json").read_bytes())["plan_id"])

    early, late = signed(sqlite_desk), sqlite_desk.propose(day=date(2026, 11, 23))
    late = sqlite_desk.approve(late.plan_id)
    ledger.start_publication(early, ana)  # interrupted, and overtaken meanwhile
    assert pointed(late) == late.plan_id
    (root / "latest.json").write_text("nonsense")
    ledger.revoke_plan(late.plan_id, ana, sqlite_desk.policy, "slip")
    assert pointed(early) == early.plan_id


def test_a_publication_that_ends_after_a_later_days_leaves_the_pointer(sqlite_desk: Any) -> None:
    ledger, ana, root = sqlite_desk.ledger, sqlite_desk.ana, sqlite_desk.folder / "published"
    early, late = signed(sqlite_desk), sqlite_desk.propose(day=date(2026, 11, 23))
    late = sqlite_desk.approve(late.plan_id)

    def overtake() -> None:
        publish_files(late, sqlite_desk.ledger, ana, root)

    publish_files(early, interrupted(sqlite_desk, overtake), ana, root)
    assert json.loads((root / "latest.json").read_bytes())["plan_id"] == late.plan_id
    assert ledger.newest_signed_day("acme") == date(2026, 11, 23)


def test_only_budgets_go_to_destinations(sqlite_desk: Any, tmp_path: Path) -> None:
    record = propose(sqlite_desk, rotation())
    nowhere: Any = None
    actor = Actor(name="ana", verified_by="name")
    assert deliver_everywhere(nowhere, record, actor, tmp_path) == Delivered()
