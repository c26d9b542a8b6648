"""Ledgers with a past, as each earlier version left them, brought up to date."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from pipeline.core.errors import StorageError
from pipeline.io.ledger import open_ledger, schema, upgrade_ledger
from pipeline.io.ledger.audit import FIRST_LINK, AuditHead, entry_hash
from pipeline.io.ledger.database import Database
from pipeline.io.ledger.migrate import run_migrations
from pipeline.io.ledger.verify import verify_ledger

VERSIONS = ["0001", "0002", "0003", "0004"]
BORN = {"publication": "0002", "publication_row": "0002"}
LATER = {"0004": {"impact"}, "0003": {"kind"}}  # what entries and rows did not have before


def happened_long_ago(desk: Any, version: str) -> None:
    """Let caps and a plan be signed, and published where the version could."""
    from pipeline.core.policy import CapSpec

    cap = desk.ledger.propose_cap(CapSpec(max=250.0), desk.ana, desk.policy, "old")
    desk.ledger.approve_cap(cap.id, desk.fin, desk.policy)
    record = desk.propose()
    record = desk.approve(record.plan_id)
    if version >= "0002":
        desk.publish(record)


def as_it_was(desk: Any, version: str, folder: Path, where: str = "") -> tuple[Database, AuditHead]:
    """Return the desk's ledger as the earlier version would have written it.

    Args:
        where: an empty database; a file of the folder by default.
    """
    database = Database(where or folder / "old.sqlite")
    head = AuditHead(folder / "audit-head.json")
    with database.write() as connection:
        run_migrations(connection, version)
    missing = {name for since, names in LATER.items() if since > version for name in names}
    tables = [name for name in schema.metadata.tables if BORN.get(name, "0001") <= version]
    with desk.ledger.database.read() as connection:
        rows = {
            name: [dict(row._mapping) for row in connection.execute(text(f"select * from {name}"))]
            for name in tables
        }
    link = FIRST_LINK
    for row in rows["audit"]:
        payload = {k: v for k, v in json.loads(row["payload"]).items() if k not in missing}
        row |= {
            "payload": json.dumps(payload, sort_keys=True, separators=(",", ":")),
            "prev_hash": link,
        }
        facts = {name: row[name] for name in ("seq", "at", "actor", "action", "subject")}
        link = row["hash"] = entry_hash(**facts, payload=payload, prev_hash=link)
    inserts = [
        (table, {name: value for name, value in row.items() if name not in missing})
        for table, items in rows.items()
        for row in items
    ]
    _fill_unguarded(database, inserts)
    head.write(rows["audit"][-1]["seq"], link)
    return database, head


def _fill_unguarded(database: Database, inserts: list[tuple[str, dict[str, Any]]]) -> None:
    """Insert rows as they are, past the triggers that hold them to the allowed moves."""
    with database.write() as connection:
        guards: list[Any] = []
        if database.is_sqlite:
            named = "select name, sql from sqlite_master where type = 'trigger'"
            guards = list(connection.execute(text(named)))
            for name, _ in guards:
                connection.execute(text(f"drop trigger {name}"))
        else:
            connection.execute(text("set local session_replication_role = 'replica'"))
        for table, row in inserts:
            marks = ", ".join(f":{name}" for name in row)
            connection.execute(
                text(f"insert into {table} ({', '.join(row)}) values ({marks})"), row
            )
        for _, statement in guards:
            connection.exec_driver_sql(statement)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_ledger_with_a_past_is_sound_after_its_upgrade_and_goes_on(
    version: str, tmp_path: Path, desk: Any, request: pytest.FixtureRequest
) -> None:
    is_sqlite = desk.ledger.database.is_sqlite
    place = str(tmp_path / "old.sqlite") if is_sqlite else request.getfixturevalue("postgres")()
    happened_long_ago(desk, version)
    before = desk.ledger.plan("latest")
    database, head = as_it_was(desk, version, tmp_path, place)
    with pytest.raises(StorageError, match="run 'equimarginal ledger upgrade'"):
        open_ledger(place, desk.clock, head_path=head.path)
    moved = (version, schema.SCHEMA_VERSION)
    assert upgrade_ledger(place, desk.clock, head_path=head.path) == moved
    assert verify_ledger(database, head).problems == ()
    ledger = open_ledger(place, desk.clock, head_path=head.path)
    after = ledger.plan("latest")
    assert (after.content, after.status, after.decided_by) == (before.content, "approved", "ana")
    assert after.is_published is (version >= "0002")
    (cap,) = ledger.caps("acme")
    assert (cap.max, cap.status, cap.reason, cap.impact) == (250.0, "approved", "old", "")
    desk.ledger = ledger
    desk.propose("dddddddd", day := before.plan.date.replace(day=23))
    assert desk.approve().plan.date == day
    publication = ledger.start_publication(ledger.plan("latest"), desk.ana, "platform")
    ledger.mark_rows(publication, "send", [0, 1])
    ledger.mark_rows(publication, "bounce", [0], "too low")  # a move that version 5 brought
    ledger.mark_rows(publication, "confirm", [1])
    ledger.finish_publication(publication, desk.ana)
    assert verify_ledger(database, head).is_sound
    with pytest.raises(StorageError), database.write() as connection:  # the guards are back
        connection.execute(text("update publication_row set status = 'intent'"))
    with pytest.raises(StorageError), database.write() as connection:
        connection.execute(text("update audit set actor = 'eve' where seq = 1"))


def test_every_earlier_version_is_tried() -> None:
    folder = Path(run_migrations.__code__.co_filename).parent / "migrations" / "versions"
    found = sorted(path.name[1:5] for path in folder.glob("r*.py"))
    assert found == [*VERSIONS, schema.SCHEMA_VERSION]
