"""Plans, their lines, caps, the kill switch, and the audit chain."""

from __future__ import annotations

from alembic import op

from pipeline.io.ledger.migrations.guards import (
    allow_moves,
    create_refusal,
    fix_columns,
    is_postgres,
    keep_rows,
    refuse,
)

revision = "0001"
down_revision = None

_TABLES = (
    """
    create table audit (
      seq bigint primary key check (seq > 0),
      at text not null, actor text not null, action text not null, subject text not null,
      payload text not null,
      prev_hash text not null unique,
      hash text not null unique
    )
    """,
    """
    create table plan (
      plan_id text primary key,
      portfolio text not null, day text not null, currency text not null, mode text not null,
      content {bytes} not null,
      content_hash text not null, caps_version text not null,
      status text not null check (
        status in ('proposed', 'approved', 'rejected', 'expired', 'superseded', 'revoked')),
      proposed_seq bigint not null, proposed_at text not null, expires_at text not null,
      decided_by text not null, decided_at text not null, why text not null,
      verified_by text not null,
      check (status not in ('approved', 'rejected', 'revoked') or decided_by <> '')
    )
    """,
    "create unique index plan_one_approved on plan (portfolio, day) where status = 'approved'",
    "create unique index plan_one_proposed on plan (portfolio, day) where status = 'proposed'",
    """
    create table plan_line (
      plan_id text not null references plan (plan_id),
      position integer not null,
      line text not null,
      current_minor bigint not null check (current_minor >= 0),
      proposed_minor bigint not null check (proposed_minor >= 0),
      primary key (plan_id, position),
      unique (plan_id, line)
    )
    """,
    """
    create table cap (
      cap_id text primary key,
      portfolio text not null, scope text not null, currency text not null,
      min_minor bigint check (min_minor >= 0),
      max_minor bigint check (max_minor >= 0),
      fixed_minor bigint check (fixed_minor >= 0),
      valid_from text not null, expires text not null,
      status text not null check (status in ('proposed', 'approved', 'rejected', 'superseded')),
      proposed_seq bigint not null, proposed_by text not null, proposed_at text not null,
      reason text not null,
      decided_by text not null, decided_seq bigint not null, decided_at text not null,
      why text not null,
      check (min_minor is null or max_minor is null or min_minor <= max_minor),
      check (fixed_minor is null or (min_minor is null and max_minor is null)),
      check (status not in ('approved', 'rejected') or decided_by <> ''),
      check (status <> 'approved' or decided_by <> proposed_by)
    )
    """,
    """
    create table switch (
      portfolio text primary key,
      paused integer not null check (paused in (0, 1)),
      changed_by text not null, changed_at text not null, why text not null
    )
    """,
)

_PLAN_MOVES = (
    ("proposed", "approved"),
    ("proposed", "rejected"),
    ("proposed", "expired"),
    ("proposed", "superseded"),
    ("approved", "superseded"),
    ("approved", "revoked"),
    ("superseded", "proposed"),
    ("expired", "proposed"),
)
_CAP_MOVES = (
    ("proposed", "approved"),
    ("proposed", "rejected"),
    ("proposed", "superseded"),
    ("approved", "superseded"),
)


def upgrade() -> None:
    """Create the tables and what guards them."""
    create_refusal()
    for statement in _TABLES:
        op.execute(statement.format(bytes="bytea" if is_postgres() else "blob"))
    for table in ("audit", "plan", "plan_line", "cap", "switch"):
        keep_rows(table)
    for table in ("audit", "plan_line"):
        refuse(table, "update", f"{table}_is_fixed", f"what {table} says is never changed")
    fix_columns(
        "plan",
        (
            "plan_id",
            "portfolio",
            "day",
            "currency",
            "mode",
            "content",
            "content_hash",
            "caps_version",
        ),
    )
    fix_columns(
        "cap",
        (
            "cap_id",
            "portfolio",
            "scope",
            "currency",
            "valid_from",
            "expires",
            "proposed_by",
            "reason",
        ),
    )
    refuse(
        "cap",
        "update",
        "cap_amounts_are_fixed",
        "what cap says is never changed",
        " or ".join(
            f"coalesce(old.{name}, -1) <> coalesce(new.{name}, -1)"
            for name in ("min_minor", "max_minor", "fixed_minor")
        ),
    )
    allow_moves("plan", "proposed", _PLAN_MOVES)
    allow_moves("cap", "proposed", _CAP_MOVES)
    refuse(
        "plan",
        "update",
        "plan_decided_stays_decided",
        "a plan that people decided is not proposed again",
        "new.status = 'proposed' and old.decided_by <> ''",
    )
