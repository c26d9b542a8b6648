"""What was published where, line by line."""

from __future__ import annotations

from alembic import op

from pipeline.io.ledger.migrations.guards import (
    allow_moves,
    fix_columns,
    is_postgres,
    keep_rows,
)

revision = "0002"
down_revision = "0001"

_TABLES = (
    """
    create table publication (
      plan_id text not null references plan (plan_id),
      target text not null,
      content_hash text not null,
      status text not null check (status in ('publishing', 'published')),
      started_by text not null, started_at text not null, finished_at text not null,
      finished_seq bigint not null,
      primary key (plan_id, target)
    )
    """,
    """
    create table publication_row (
      plan_id text not null,
      target text not null,
      position integer not null,
      amount_minor bigint not null check (amount_minor >= 0),
      status text not null check (status in ('intent', 'sent', 'confirmed', 'refused')),
      why text not null,
      primary key (plan_id, target, position),
      foreign key (plan_id, target) references publication (plan_id, target),
      foreign key (plan_id, position) references plan_line (plan_id, position)
    )
    """,
)

_APPROVED_FIRST = {
    "sqlite": (
        """
        create trigger publication_needs_approval before insert on publication
        when not exists (
          select 1 from plan where plan_id = new.plan_id
          and status = 'approved' and content_hash = new.content_hash)
        begin select raise(abort, 'only an approved plan is published'); end
        """,
    ),
    "postgresql": (
        """
        create function ledger_needs_approval() returns trigger language plpgsql as $$
        begin
          if not exists (
            select 1 from plan where plan_id = new.plan_id
            and status = 'approved' and content_hash = new.content_hash) then
            raise exception 'only an approved plan is published';
          end if;
          return new;
        end $$
        """,
        """
        create trigger publication_needs_approval before insert on publication
        for each row execute function ledger_needs_approval()
        """,
    ),
}


def upgrade() -> None:
    """Create the tables and what guards them."""
    for statement in _TABLES:
        op.execute(statement)
    for table in ("publication", "publication_row"):
        keep_rows(table)
    fix_columns("publication", ("plan_id", "target", "content_hash", "started_by", "started_at"))
    fix_columns("publication_row", ("plan_id", "target", "position", "amount_minor"))
    allow_moves("publication", "publishing", (("publishing", "published"),))
    allow_moves(
        "publication_row",
        "intent",
        (("intent", "sent"), ("sent", "confirmed"), ("intent", "refused")),
    )
    for statement in _APPROVED_FIRST["postgresql" if is_postgres() else "sqlite"]:
        op.execute(statement)
