"""The ledger's tables as queries see them; `migrations` creates and guards them.

Money is whole minor units. Text columns are never null (empty means none), so that a guard can
compare them. Moments are UTC in ISO form with six decimals, days ISO: both sort as text.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, MetaData, Table, Text

SCHEMA_VERSION = "0005"

metadata = MetaData()


def _text(name: str, *, primary_key: bool = False) -> Column[str]:
    return Column(name, Text, nullable=False, primary_key=primary_key, default="")


def _minor(name: str, *, nullable: bool = False) -> Column[int]:
    return Column(name, BigInteger, nullable=nullable)


audit = Table(
    "audit",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    _text("at"),
    _text("actor"),
    _text("action"),
    _text("subject"),
    _text("payload"),
    _text("prev_hash"),
    _text("hash"),
)

plan = Table(
    "plan",
    metadata,
    _text("plan_id", primary_key=True),
    _text("portfolio"),
    _text("day"),
    _text("kind"),
    _text("currency"),
    _text("mode"),
    Column("content", LargeBinary, nullable=False),
    _text("content_hash"),
    _text("caps_version"),
    _text("status"),
    Column("proposed_seq", BigInteger, nullable=False),
    _text("proposed_at"),
    _text("expires_at"),
    _text("decided_by"),
    _text("decided_at"),
    _text("why"),
    _text("verified_by"),
)

plan_line = Table(
    "plan_line",
    metadata,
    _text("plan_id", primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    _text("line"),
    _minor("current_minor"),
    _minor("proposed_minor"),
)

cap = Table(
    "cap",
    metadata,
    _text("cap_id", primary_key=True),
    _text("portfolio"),
    _text("scope"),
    _text("currency"),
    _minor("min_minor", nullable=True),
    _minor("max_minor", nullable=True),
    _minor("fixed_minor", nullable=True),
    _text("valid_from"),
    _text("expires"),
    _text("status"),
    Column("proposed_seq", BigInteger, nullable=False),
    _text("proposed_by"),
    _text("proposed_at"),
    _text("reason"),
    _text("impact"),
    _text("decided_by"),
    Column("decided_seq", BigInteger, nullable=False, default=0),
    _text("decided_at"),
    _text("why"),
)

switch = Table(
    "switch",
    metadata,
    _text("portfolio", primary_key=True),
    Column("paused", Integer, nullable=False),
    _text("changed_by"),
    _text("changed_at"),
    _text("why"),
)

publication = Table(
    "publication",
    metadata,
    _text("plan_id", primary_key=True),
    _text("target", primary_key=True),
    _text("content_hash"),
    _text("status"),
    _text("started_by"),
    _text("started_at"),
    _text("finished_at"),
    Column("finished_seq", BigInteger, nullable=False, default=0),
)

publication_row = Table(
    "publication_row",
    metadata,
    _text("plan_id", primary_key=True),
    _text("target", primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    _minor("amount_minor"),
    _text("status"),
    _text("why"),
)
