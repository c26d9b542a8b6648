"""A platform may refuse a row that was sent to it."""

from __future__ import annotations

from alembic import op

from pipeline.io.ledger.migrations.guards import allow_moves, is_postgres

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Let a sent row become refused; everything else moves as before."""
    for name in ("publication_row_starts", "publication_row_moves"):
        op.execute(f"drop trigger {name}" + (" on publication_row" if is_postgres() else ""))
    allow_moves(
        "publication_row",
        "intent",
        (("intent", "sent"), ("sent", "confirmed"), ("intent", "refused"), ("sent", "refused")),
    )
