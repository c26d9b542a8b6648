"""What a cap was expected to cost when it was proposed: finance decides knowing it."""

from __future__ import annotations

from alembic import op

from pipeline.io.ledger.migrations.guards import refuse

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the words; like everything that a cap says, they never change."""
    op.execute("alter table cap add column impact text not null default ''")
    refuse(
        "cap",
        "update",
        "cap_impact_is_fixed",
        "what cap says is never changed",
        "old.impact <> new.impact",
    )
