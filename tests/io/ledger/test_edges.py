"""What seldom happens to a ledger: damaged indexes, forged entries, races, absent drivers."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import sys
from pathlib import Path

import pytest
from sqlalchemy import text

from pipeline.core.errors import ConfigError, DamagedError, NotFoundError, StorageError
from pipeline.io.ledger import ledger as opening
from pipeline.io.ledger.audit import append_entry
from pipeline.io.ledger.database import Database
from pipeline.io.ledger.identity import system_login
from pipeline.io.ledger.ledger import check_version, open_ledger
from pipeline.io.ledger.plan_rows import stored_plan
from pipeline.io.ledger.verify import verify_ledger


def test_a_head_that_cannot_be_read_is_named(sqlite_desk):
    sqlite_desk.head_path.unlink()
    sqlite_desk.head_path.mkdir()
    with pytest.raises(StorageError, match="cannot be read"):
        sqlite_desk.ledger.head.read()


def test_a_driver_that_is_not_installed_is_named_with_the_way_to_install_it():
    with pytest.raises(ConfigError, match=r"not installed .*equimarginal\[postgres\]"):
        Database("postgresql+pg8000://user:secret@host/name")


def test_an_account_without_a_name_is_its_number(monkeypatch):
    monkeypatch.setattr(os, "getuid", lambda: 4242424)
    assert system_login() == "uid 4242424"


def test_a_system_without_an_account_table_says_its_own_name(monkeypatch):
    monkeypatch.setitem(sys.modules, "pwd", None)
    monkeypatch.setenv("LOGNAME", "windows-user")
    assert system_login() == "windows-user"


def test_a_database_without_a_ledger_holds_none(tmp_path):
    with pytest.raises(StorageError, match="holds no ledger"):
        check_version(Database(tmp_path / "empty.sqlite"))


def test_whoever_is_second_to_create_a_ledger_leaves_the_first_ones(sqlite_desk, monkeypatch):
    before = sqlite_desk.actions()
    monkeypatch.setattr(Database, "exists", lambda _: False)  # looked before the other was done
    sqlite_desk.head_path.rename(sqlite_desk.folder / "away.json")
    opening.open_ledger(sqlite_desk.where, sqlite_desk.clock, head_path=sqlite_desk.head_path)
    assert sqlite_desk.actions() == before


def damage_an_index(desk):
    """Let an index lack a row that its table has, which no query notices."""
    with contextlib.closing(sqlite3.connect(desk.where)) as raw:
        (root,) = raw.execute(
            "select rootpage from sqlite_master where name like 'sqlite_autoindex_plan_1'"
        ).fetchone()
        (size,) = raw.execute("pragma page_size").fetchone()
    with Path(desk.where).open("r+b") as file:
        file.seek((root - 1) * size + 3)
        file.write(b"\0\0")  # the page says that it holds nothing


def test_a_damaged_index_is_noticed_when_the_ledger_is_opened_and_when_it_is_verified(make_desk):
    desk = make_desk("sqlite", busy=True)
    damage_an_index(desk)
    result = verify_ledger(desk.ledger.database, desk.ledger.head)
    assert "the file is damaged" in result.problems[0].message
    with pytest.raises(DamagedError, match="is damaged"):
        open_ledger(desk.where, desk.clock, head_path=desk.head_path)


def test_a_row_without_its_plan_is_found(make_desk):
    desk = make_desk("sqlite", busy=True)
    desk.tamper("delete from plan where status = 'approved'")
    messages = [item.message for item in desk.verify().problems]
    assert "a row refers to nothing" in messages


@pytest.mark.parametrize(
    ("action", "subject"),
    [
        ("plan.approved", "nothing"),
        ("plan.proposed", "known"),
        ("cap.approved", "nothing"),
        ("publication.published", "nothing"),
    ],
)
def test_an_entry_about_nothing_or_said_twice_is_found_though_the_chain_is_whole(
    desk, action, subject
):
    record = desk.propose()
    with desk.ledger.database.write() as connection:
        link = append_entry(
            connection, at=desk.ledger.now(), actor="eve", action=action,
            subject=record.plan_id if subject == "known" else subject, payload={},
        )  # fmt: skip
    desk.ledger.head.write(*link)
    messages = [item.message for item in desk.verify().problems]
    assert f"{action}: there is nothing it could be about, or twice" in messages


def test_content_that_is_no_plan_is_found(busy_desk):
    busy_desk.tamper("update plan set content = :bytes", bytes=b'{"currency":"EUR","lines":[{}]}')
    assert not busy_desk.verify().is_sound


def test_a_cap_that_nobody_proposed_is_found(busy_desk):
    busy_desk.tamper("update cap set cap_id = 'cap-00000000' where max_minor is not null")
    subjects = {item.subject for item in busy_desk.verify().problems}
    assert "cap-00000000" in subjects


def test_a_plan_that_is_not_stored_is_not_found(desk):
    with desk.ledger.database.read() as connection, pytest.raises(NotFoundError):
        stored_plan(connection, "2026-11-22-ffffffff")


def test_a_plan_of_no_lines_is_stored_and_published(desk):
    record = desk.propose(lines=(), budget=0.0)
    assert record.money == ()
    publication = desk.ledger.start_publication(desk.approve(), desk.ana)
    desk.ledger.finish_publication(publication, desk.ana)
    assert desk.ledger.plan("latest").is_published
    assert desk.verify().is_sound


def test_a_target_without_lines_begins_and_ends(desk):
    desk.propose()
    publication = desk.ledger.start_publication(desk.approve(), desk.ana, "nowhere", [])
    desk.ledger.finish_publication(publication, desk.ana)
    (stored,) = desk.ledger.plan("latest").destinations
    assert (stored.target, stored.rows) == ("nowhere", ())


def test_the_wrong_plans_portfolio_is_named(desk):
    from pipeline.core.errors import NotAllowedError
    from pipeline.io.ledger import Stated

    record = desk.propose()
    with pytest.raises(NotAllowedError, match="is of portfolio acme, --portfolio is acme-test"):
        desk.ledger.approve_plan(
            record.plan_id, desk.ana, desk.policy, Stated(portfolio="acme-test")
        )
    assert desk.actions()[-1] == "denied"


def test_tampering_by_sql_text_alone_is_refused(desk):
    desk.propose()
    with pytest.raises(StorageError), desk.ledger.database.write() as connection:
        connection.execute(text("update plan set status = 'approved'"))
