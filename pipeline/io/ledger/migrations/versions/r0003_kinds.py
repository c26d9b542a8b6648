"""Plans of several kinds: one of each in force for a portfolio and day."""

from __future__ import annotations

from alembic import op

from pipeline.io.ledger.migrations.guards import fix_columns, is_postgres

revision = "0003"
down_revision = "0002"

_KIND = """
alter table plan add column kind text not null default 'budget'
  check (kind in ('budget', 'rotation', 'offers', 'cadence'))
"""
_FIXED = (
    "plan_id",
    "portfolio",
    "day",
    "kind",
    "currency",
    "mode",
    "content",
    "content_hash",
    "caps_version",
)


def upgrade() -> None:
    """Add the kind, and let it be part of what is unique and of what never changes."""
    op.execute(_KIND)
    for status in ("approved", "proposed"):
        op.execute(f"drop index plan_one_{status}")
        op.execute(
            f"create unique index plan_one_{status} on plan (portfolio, day, kind) "
            f"where status = '{status}'"
        )
    op.execute("drop trigger plan_is_fixed" + (" on plan" if is_postgres() else ""))
    fix_columns("plan", _FIXED)
