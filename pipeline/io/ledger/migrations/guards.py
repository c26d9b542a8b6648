"""Triggers that refuse a change, in the words of SQLite and of Postgres."""

from __future__ import annotations

from alembic import op

_REFUSE = """
create function ledger_refuse() returns trigger language plpgsql as $$
begin
  raise exception '%', TG_ARGV[0];
end $$
"""


def is_postgres() -> bool:
    """Return whether the ledger being built is on Postgres."""
    return op.get_bind().dialect.name == "postgresql"


def create_refusal() -> None:
    """Create what Postgres triggers call; SQLite has it built in."""
    if is_postgres():
        op.execute(_REFUSE)


def refuse(table: str, event: str, name: str, message: str, when: str = "1 = 1") -> None:
    """Refuse an insert, update or delete of rows for which `when` holds (`old.`, `new.`)."""
    if is_postgres():
        op.execute(
            f"create trigger {name} before {event} on {table} for each row "
            f"when ({when}) execute function ledger_refuse('{message}')"
        )
        return
    op.execute(
        f"create trigger {name} before {event} on {table} when {when} "
        f"begin select raise(abort, '{message}'); end"
    )


def keep_rows(table: str) -> None:
    """Refuse to delete from the table."""
    refuse(table, "delete", f"{table}_is_kept", f"rows of {table} are never deleted")
    if is_postgres():
        message = f"rows of {table} are never deleted"
        op.execute(
            f"create trigger {table}_is_kept_whole before truncate on {table} "
            f"for each statement execute function ledger_refuse('{message}')"
        )


def fix_columns(table: str, columns: tuple[str, ...]) -> None:
    """Refuse to change what was written once. Columns must not hold nulls."""
    changed = " or ".join(f"old.{column} <> new.{column}" for column in columns)
    refuse(table, "update", f"{table}_is_fixed", f"what {table} says is never changed", changed)


def allow_moves(table: str, start: str, pairs: tuple[tuple[str, str], ...]) -> None:
    """Let `status` begin at `start` and change along `pairs` only."""
    starts_elsewhere = f"new.status <> '{start}'"
    refuse(table, "insert", f"{table}_starts", f"{table} starts as {start}", starts_elsewhere)
    allowed = ", ".join(f"'{before}>{after}'" for before, after in pairs)
    refuse(
        table,
        "update",
        f"{table}_moves",
        f"{table} cannot change its status so",
        f"old.status <> new.status and (old.status || '>' || new.status) not in ({allowed})",
    )
