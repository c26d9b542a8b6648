from __future__ import annotations

import shutil
import sqlite3

import pytest
from sqlalchemy import event, text

from pipeline.core.errors import ConfigError, DamagedError, StorageError
from pipeline.io.ledger import ledger_place, open_ledger, schema, upgrade_ledger
from pipeline.io.ledger.audit import AuditHead
from pipeline.io.ledger.database import Database
from pipeline.io.ledger.migrate import run_migrations
from pipeline.io.ledger.verify import verify_ledger


def test_a_new_ledger_is_made_once_with_its_first_entry(desk):
    assert desk.actions() == ["ledger.created"]
    assert desk.open().audit_entries() == desk.ledger.audit_entries()
    assert desk.ledger.head.read() == (1, desk.ledger.audit_entries()[0].hash)


def test_sqlite_keeps_its_rollback_journal_and_waits_for_the_disk(sqlite_desk):
    with sqlite_desk.ledger.database.read() as connection:
        pragmas = {
            name: connection.exec_driver_sql(f"pragma {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "trusted_schema")
        }
    assert pragmas == {
        "journal_mode": "delete",
        "synchronous": 3,
        "foreign_keys": 1,
        "trusted_schema": 0,
    }


def test_a_ledger_that_is_gone_is_not_replaced_by_an_empty_one(sqlite_desk):
    desk = sqlite_desk
    desk.propose()
    file = desk.ledger.database.path
    file.unlink()
    with pytest.raises(DamagedError, match=r"missing, but .*audit-head.json says there was one"):
        desk.open()
    assert not file.exists()
    file.write_bytes(b"")
    with pytest.raises(DamagedError, match="missing"):
        desk.open()


def test_finished_runs_without_a_ledger_are_noticed(tmp_path, sqlite_desk):
    (tmp_path / "runs" / ".work").mkdir(parents=True)
    head = tmp_path / "audit-head.json"
    open_ledger(tmp_path / "a.sqlite", sqlite_desk.clock, head_path=head)
    head.unlink()
    (tmp_path / "runs" / "2026-11-22-00000000").mkdir()
    with pytest.raises(DamagedError, match="2026-11-22-00000000 says there was one"):
        open_ledger(tmp_path / "b.sqlite", sqlite_desk.clock, head_path=head)


def test_yesterdays_copy_of_the_ledger_is_noticed(sqlite_desk):
    desk = sqlite_desk
    file = desk.ledger.database.path
    desk.propose("aaaaaaaa")
    copy = file.with_suffix(".backup")
    shutil.copy(file, copy)
    desk.approve()
    shutil.copy(copy, file)
    with pytest.raises(DamagedError, match=r"is missing .*restore the newest backup"):
        desk.open()


def test_a_ledger_restored_with_its_head_opens(sqlite_desk, tmp_path):
    desk = sqlite_desk
    desk.propose("aaaaaaaa")
    shutil.copytree(desk.folder, tmp_path / "backup")
    desk.approve()
    shutil.rmtree(desk.folder)
    shutil.copytree(tmp_path / "backup", desk.folder)
    assert desk.open().plan("latest").status == "proposed"


@pytest.mark.parametrize("damage", ["truncate", "garbage", "middle"])
def test_a_damaged_file_is_noticed_when_it_is_opened(sqlite_desk, damage):
    desk = sqlite_desk
    desk.propose()
    file = desk.ledger.database.path
    data = file.read_bytes()
    if damage == "truncate":
        file.write_bytes(data[: len(data) // 2])
    elif damage == "garbage":
        file.write_bytes(b"not a database at all" * 100)
    else:
        file.write_bytes(data[:4096] + b"\xff" * 8192 + data[12288:])
    with pytest.raises(DamagedError, match=r"restore it together with audit-head.json"):
        desk.open()


def test_killed_between_creating_and_the_first_head_the_ledger_still_opens(sqlite_desk):
    sqlite_desk.head_path.unlink()
    sqlite_desk.open()
    assert sqlite_desk.ledger.head.read()[0] == 1


def test_the_head_never_goes_back(sqlite_desk):
    head = sqlite_desk.ledger.head
    head.write(7, "a" * 64)
    head.write(5, "b" * 64)
    assert head.read() == (7, "a" * 64)


def old_ledger(folder, version):
    """A ledger as an earlier version left it."""
    database, head = Database(folder / "old.sqlite"), AuditHead(folder / "audit-head.json")
    from pipeline.io.ledger.audit import append_entry

    with database.write() as connection:
        run_migrations(connection, version)
        link = append_entry(
            connection,
            at="2026-01-01T00:00:00.000000+00:00",
            actor="ledger",
            action="ledger.created",
            subject="ledger",
            payload={"version": version},
        )
    head.write(*link)
    return database, head


def test_an_older_ledger_asks_for_its_upgrade_and_works_after_it(tmp_path, make_desk):
    database, head = old_ledger(tmp_path, "0001")
    clock = make_desk("sqlite").clock
    with pytest.raises(StorageError, match=r"version 0001.*equimarginal ledger upgrade"):
        open_ledger(database.path, clock, head_path=head.path)
    assert upgrade_ledger(database.path, clock, head_path=head.path) == (
        "0001",
        schema.SCHEMA_VERSION,
    )
    assert upgrade_ledger(database.path, clock, head_path=head.path) == (schema.SCHEMA_VERSION,) * 2
    ledger = open_ledger(database.path, clock, head_path=head.path)
    assert [entry.action for entry in ledger.audit_entries()] == [
        "ledger.created",
        "ledger.upgraded",
    ]
    assert verify_ledger(database, head).is_sound


def test_an_upgraded_ledger_has_the_tables_of_a_new_one(tmp_path, sqlite_desk):
    database, head = old_ledger(tmp_path, "0001")
    upgrade_ledger(database.path, sqlite_desk.clock, head_path=head.path)
    query = text("select name, sql from sqlite_master order by name")
    with database.read() as old, sqlite_desk.ledger.database.read() as new:
        assert old.execute(query).all() == new.execute(query).all()


def test_a_newer_ledger_asks_for_newer_software(sqlite_desk):
    with sqlite_desk.ledger.database.write() as connection:
        connection.execute(text("update alembic_version set version_num = '9999'"))
    with pytest.raises(StorageError, match="install the newer software"):
        sqlite_desk.open()


def test_there_is_nothing_to_upgrade_where_there_is_no_ledger(tmp_path, sqlite_desk):
    with pytest.raises(StorageError, match="none to upgrade"):
        upgrade_ledger(tmp_path / "no.sqlite", sqlite_desk.clock, head_path=tmp_path / "head.json")


@pytest.mark.parametrize("where", ["mysql://x/y", "sqlite://", "sqlite:///:memory:", "://"])
def test_a_place_that_cannot_hold_a_ledger_is_refused(tmp_path, sqlite_desk, where):
    with pytest.raises(ConfigError):
        open_ledger(where, sqlite_desk.clock, head_path=tmp_path / "head.json")


def test_an_unreachable_server_is_named_without_its_password(tmp_path, sqlite_desk):
    where = "postgresql://me:canary-secret@127.0.0.1:1/none"
    with pytest.raises(StorageError) as caught:
        open_ledger(where, sqlite_desk.clock, head_path=tmp_path / "head.json")
    assert "canary-secret" not in str(caught.value)
    assert "127.0.0.1" in str(caught.value)


def test_a_folder_that_cannot_be_made_is_named(tmp_path, sqlite_desk):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError):
        open_ledger(
            tmp_path / "file" / "l.sqlite", sqlite_desk.clock, head_path=tmp_path / "head.json"
        )


def test_the_tables_that_queries_see_are_the_tables_there_are(desk):
    from sqlalchemy import inspect

    with desk.ledger.database.read() as connection:
        inspector = inspect(connection)
        for table in schema.metadata.tables.values():
            stored = {column["name"] for column in inspector.get_columns(table.name)}
            assert stored == {column.name for column in table.columns}


def test_a_full_disk_changes_nothing(sqlite_desk):
    desk = sqlite_desk
    record = desk.propose()

    def full(connection, _record):
        pages = connection.execute("pragma page_count").fetchone()[0]
        connection.execute(f"pragma max_page_count = {pages}")

    ledger = desk.open()
    event.listen(ledger.database._engine, "connect", full)
    with pytest.raises(StorageError, match="disk is full"):
        for number in range(400):
            ledger.record_denied("x" * 500, "fill the disk", str(number), "y" * 1500)
    assert desk.open().plan("latest") == record
    assert desk.verify().is_sound


def test_a_ledger_held_by_another_process_is_named_after_a_wait(sqlite_desk, monkeypatch):
    monkeypatch.setattr("pipeline.io.ledger.database.WAIT_SECONDS", 0)
    ledger = sqlite_desk.open()
    with sqlite3.connect(sqlite_desk.where) as other:
        other.execute("begin immediate")
        with pytest.raises(StorageError, match="another process held it"):
            ledger.record_denied("a", "b", "c", "d")


def test_a_postgres_ledger_held_by_another_is_named_after_a_wait(make_desk, monkeypatch):
    monkeypatch.setattr("pipeline.io.ledger.database.WAIT_SECONDS", 1)
    desk = make_desk("postgres")
    waited = pytest.raises(StorageError, match="another process held it")
    with desk.ledger.database.write(), waited:
        desk.open().record_denied("a", "b", "c", "d")


def test_what_is_no_error_of_a_driver_is_one_line_too(sqlite_desk):
    refused = pytest.raises(StorageError, match="nothing was changed")
    with refused, sqlite_desk.ledger.database.read() as connection:
        connection.execute(text("select :missing"))


def test_a_ledgers_place_is_a_url_a_path_or_a_variable(tmp_path, monkeypatch):
    assert ledger_place(None, tmp_path) == str(tmp_path / ".equimarginal" / "ledger.sqlite")
    assert ledger_place("state/l.sqlite", tmp_path) == str(tmp_path / "state" / "l.sqlite")
    assert ledger_place("/var/l.sqlite", tmp_path) == "/var/l.sqlite"
    monkeypatch.setenv("LEDGER_URL", "postgresql://me:secret@host/db")
    assert ledger_place("env:LEDGER_URL", tmp_path) == "postgresql://me:secret@host/db"
    with pytest.raises(ConfigError, match="variable NOT_SET is not set"):
        ledger_place("env:NOT_SET", tmp_path)
