"""Ledgers with a past, as each earlier version left them, brought up to date."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

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


def as_it_was(desk: Any, version: str, folder: Path) -> tuple[Database, AuditHead]:
    """Return the desk's ledger as the earlier version would have written it."""
    database, head = Database(folder / "old.sqlite"), AuditHead(folder / "audit-head.json")
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
    with contextlib.closing(sqlite3.connect(database.path)) as raw, raw:
        guards = raw.execute(
            "select name, sql from sqlite_master where type = 'trigger'"
        ).fetchall()
        for name, _ in guards:
            raw.execute(f"drop trigger {name}")
        for table, items in rows.items():
            for row in items:
                kept = {name: value for name, value in row.items() if name not in missing}
                marks = ", ".join("?" * len(kept))
                raw.execute(
                    f"insert into {table} ({', '.join(kept)}) values ({marks})", list(kept.values())
                )
        for _, statement in guards:
            raw.execute(statement)
    head.write(rows["audit"][-1]["seq"], link)
    return database, head


@pytest.mark.parametrize("version", VERSIONS)
def test_a_ledger_with_a_past_is_sound_after_its_upgrade_and_goes_on(
    version: str, tmp_path: Path, sqlite_desk: Any
) -> None:
    desk = sqlite_desk
    happened_long_ago(desk, version)
    before = desk.ledger.plan("latest")
    database, head = as_it_was(desk, version, tmp_path)
    assert upgrade_ledger(database.path, desk.clock, head_path=head.path)[0] == version
    assert verify_ledger(database, head).problems == ()
    ledger = open_ledger(database.path, desk.clock, head_path=head.path)
    after = ledger.plan("latest")
    assert (after.content, after.status, after.decided_by) == (before.content, "approved", "ana")
    assert after.is_published is (version >= "0002")
    (cap,) = ledger.caps("acme")
    assert (cap.max, cap.status, cap.reason, cap.impact) == (250.0, "approved", "old", "")
    desk.ledger = ledger
    desk.propose("dddddddd", day := before.plan.date.replace(day=23))
    assert desk.approve().plan.date == day
    assert verify_ledger(database, head).is_sound


def test_every_earlier_version_is_tried() -> None:
    folder = Path(run_migrations.__code__.co_filename).parent / "migrations" / "versions"
    found = sorted(path.name[1:5] for path in folder.glob("r*.py"))
    assert found == [*VERSIONS, schema.SCHEMA_VERSION]
