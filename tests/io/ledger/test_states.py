"""The table of moves and the database's own guards must say the same, pair by pair."""

from __future__ import annotations

import itertools

import pytest
from sqlalchemy import text

from pipeline.core.caps import CapStatus
from pipeline.core.errors import StorageError
from pipeline.core.plan import Status
from pipeline.io.ledger.states import (
    CAP_MOVES,
    PLAN_MOVES,
    PUBLICATION_MOVES,
    ROW_MOVES,
    PublicationStatus,
    RowStatus,
    allowed_pairs,
)


class UndoError(Exception):
    """Raised to roll a try back."""


def is_allowed(desk, table, before, after):
    """Put the row into a state with the guards off, then try the change with the guards on."""
    signer = where = ""
    if table == "plan":
        undecided = after == "proposed" and before in {"superseded", "expired"}
        signer = f", decided_by = '{'' if undecided else 'ana'}'"
        where = " where plan_id = '2026-11-22-aaaaaaaa'"
    if table == "cap":
        signer = ", decided_by = 'fin'"
    force = text(f"update {table} set status = '{before}'{signer}{where}")
    try:
        with desk.ledger.database.write() as connection:
            if desk.ledger.database.is_sqlite:
                query = "select name, sql from sqlite_master where type = 'trigger'"
                guards = connection.execute(text(f"{query} and tbl_name = '{table}'")).all()
                for guard in guards:
                    connection.execute(text(f"drop trigger {guard.name}"))
                connection.execute(force)
                for guard in guards:
                    connection.exec_driver_sql(guard.sql)
            else:
                connection.execute(text("set local session_replication_role = 'replica'"))
                connection.execute(force)
                connection.execute(text("set local session_replication_role = 'origin'"))
            connection.execute(text(f"update {table} set status = '{after}'{where}"))
            raise UndoError
    except UndoError:
        return True
    except StorageError as error:
        assert "cannot change its status" in str(error) or "not proposed again" in str(error)
        return False


@pytest.mark.parametrize(
    ("table", "states", "moves"),
    [
        ("plan", Status, PLAN_MOVES),
        ("cap", CapStatus, CAP_MOVES),
        ("publication", PublicationStatus, PUBLICATION_MOVES),
        ("publication_row", RowStatus, ROW_MOVES),
    ],
)
def test_the_database_allows_exactly_the_moves_of_the_table(busy_desk, table, states, moves):
    found = {
        (before, after)
        for before, after in itertools.permutations([str(state) for state in states], 2)
        if is_allowed(busy_desk, table, before, after)
    }
    assert found == allowed_pairs(moves)


@pytest.mark.parametrize(
    "statement",
    [
        "delete from audit",
        "delete from plan",
        "delete from plan_line",
        "delete from cap",
        "delete from publication_row",
        "delete from publication",
        "update audit set actor = 'eve'",
        "update plan set content_hash = 'x'",
        "update plan set content = content_hash",
        "update plan set caps_version = 'x'",
        "update plan set day = '2026-01-01'",
        "update plan set status = 'nonsense'",
        "update plan set status = 'proposed'",
        "update plan_line set proposed_minor = 1",
        "update cap set max_minor = 1",
        "update cap set max_minor = null",
        "update cap set scope = '{}'",
        "update cap set status = 'approved', decided_by = proposed_by",
        "update publication_row set amount_minor = 1",
        "update publication set content_hash = 'x'",
        "update publication set status = 'nonsense'",
        "insert into plan_line values ('none', 0, '[]', 1, 1)",
        "insert into publication values ('none', 'files', 'x', 'publishing', 'a', 'b', '', 0)",
    ],
)
def test_the_database_itself_refuses_to_rewrite_what_happened(busy_desk, statement):
    with pytest.raises(StorageError), busy_desk.ledger.database.write() as connection:
        connection.execute(text(statement))


def test_the_database_starts_nothing_half_way(desk):
    row = (
        "insert into plan values ('p', 'acme', '2026-11-22', 'EUR', 'hold', {blob}, 'h', 'v', "
        "'approved', 1, 'a', 'b', 'eve', 'c', '', '', 'budget')"
    )
    blob = "x'00'" if desk.ledger.database.is_sqlite else "'x'::bytea"
    starts = pytest.raises(StorageError, match="starts as proposed")
    with starts, desk.ledger.database.write() as connection:
        connection.execute(text(row.format(blob=blob)))


def test_an_unapproved_plan_cannot_be_published_by_hand(desk):
    record = desk.propose()
    values = {"plan": record.plan_id, "hash": record.content_hash}
    refused = pytest.raises(StorageError, match="only an approved plan")
    with refused, desk.ledger.database.write() as connection:
        connection.execute(
            text(
                "insert into publication values "
                "(:plan, 'files', :hash, 'publishing', 'eve', 'now', '', 0)"
            ),
            values,
        )
