"""The audit chain of a portfolio folder: checked, exported, its tables upgraded."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.core.canonical import canonical_bytes
from pipeline.core.errors import DamagedError, NotFoundError
from pipeline.runs.portfolio import open_portfolio
from pipeline.runs.signoff import HEAD_NAME

if TYPE_CHECKING:
    from pipeline.io.ledger.verify import Verification


def verify_portfolio(folder: str | Path) -> Verification:
    """Return what the verifier found; it reads even what the ledger would refuse to open."""
    from pipeline.io.ledger import ledger_place
    from pipeline.io.ledger.audit import AuditHead
    from pipeline.io.ledger.database import Database
    from pipeline.io.ledger.ledger import check_version
    from pipeline.io.ledger.verify import verify_ledger

    portfolio = open_portfolio(folder)
    database = Database(ledger_place(portfolio.policy.ledger, portfolio.folder))
    head = AuditHead(portfolio.state / HEAD_NAME)
    if not database.exists():
        if head.read() is None:
            raise NotFoundError(
                f"ledger {database.shown}: there is none yet; run 'equimarginal night' first"
            )
        raise DamagedError(
            f"ledger {database.shown}: missing, but {head.path} says there was one; "
            "restore it from a backup"
        )
    check_version(database)
    return verify_ledger(database, head)


def require_sound(folder: str | Path, what: str) -> None:
    """Refuse to answer from a record that was altered.

    Args:
        what: is asked for, for the message.

    Raises:
        DamagedError: names the first broken entry.
    """
    found = verify_portfolio(folder)
    if found.is_sound:
        return
    first = found.problems[0]
    entry = f"entry {first.seq}, " if first.seq is not None else ""
    raise DamagedError(
        f"{what}: the audit chain was altered ({entry}{first.subject}: {first.message}), so who "
        "was treated is not known; run 'equimarginal audit verify' and restore a backup"
    )


def export_lines(folder: str | Path) -> bytes:
    """Return every audit entry as one JSON object per line."""
    entries = open_portfolio(folder).ledger.audit_entries()
    return b"".join(canonical_bytes(entry.to_json()) + b"\n" for entry in entries)


def upgrade_portfolio(folder: str | Path) -> tuple[str, str]:
    """Bring the ledger's tables up to date; return the versions before and after."""
    from pipeline.io.ledger import ledger_place, upgrade_ledger

    portfolio = open_portfolio(folder)
    return upgrade_ledger(
        ledger_place(portfolio.policy.ledger, portfolio.folder),
        portfolio.clock,
        head_path=portfolio.state / HEAD_NAME,
    )
