"""The audit chain: each entry carries the hash of the one before it.

The newest hash is also kept in a file outside the database, so that a cut tail shows.
`pipeline.io.ledger.verify` walks the chain with code of its own.
"""

from __future__ import annotations

import hashlib
import json
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, insert, select

from pipeline.core.canonical import canonical_bytes
from pipeline.core.errors import DamagedError, StorageError
from pipeline.io import artefacts
from pipeline.io.ledger import schema

FIRST_LINK = "0" * 64
_ONE_HEAD_AT_A_TIME = threading.Lock()


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One thing that happened, who did it, and the link to what happened before."""

    seq: int
    at: str
    actor: str
    action: str
    subject: str
    payload: dict[str, Any]
    prev_hash: str
    hash: str

    def to_json(self) -> dict[str, Any]:
        """Return the entry as plain JSON values."""
        return {name: getattr(self, name) for name in self.__slots__}


def entry_hash(
    *, seq: int, at: str, actor: str, action: str, subject: str, payload: Any, prev_hash: str
) -> str:
    """Return the SHA-256 of the entry's canonical form, after a zero byte that marks a leaf."""
    content = canonical_bytes(
        {
            "seq": seq,
            "at": at,
            "actor": actor,
            "action": action,
            "subject": subject,
            "payload": payload,
            "prev_hash": prev_hash,
        }
    )
    return hashlib.sha256(b"\x00" + content).hexdigest()


def last_link(connection: Connection) -> tuple[int, str]:
    """Return sequence number and hash of the newest entry; zero when there is none."""
    row = connection.execute(
        select(schema.audit.c.seq, schema.audit.c.hash).order_by(schema.audit.c.seq.desc()).limit(1)
    ).first()
    return (row.seq, row.hash) if row else (0, FIRST_LINK)


def append_entry(
    connection: Connection,
    *,
    at: str,
    actor: str,
    action: str,
    subject: str,
    payload: dict[str, Any],
) -> tuple[int, str]:
    """Add an entry to the end of the chain; return its sequence number and hash."""
    seq, prev_hash = last_link(connection)
    entry: dict[str, Any] = {
        "seq": seq + 1,
        "at": at,
        "actor": printable(actor),
        "action": action,
        "subject": printable(subject),
        "payload": {key: _clean(value) for key, value in payload.items()},
        "prev_hash": prev_hash,
    }
    digest = entry_hash(**entry)
    text = canonical_bytes(entry["payload"]).decode()
    connection.execute(insert(schema.audit).values({**entry, "payload": text, "hash": digest}))
    return seq + 1, digest


def printable(text: str, limit: int = 2000) -> str:
    r"""Return the text on one line, with control, direction and half characters as `\uXXXX`."""
    return "".join(
        character if character.isprintable() else f"\\u{ord(character):04x}"
        for character in text[:limit]
    )


def _clean(value: Any) -> Any:
    return printable(value) if isinstance(value, str) else value


class AuditHead:
    """The newest link of the chain, as a small file outside the database."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> tuple[int, str] | None:
        """Return the link that the file holds, None where there is no file.

        Raises:
            DamagedError: the file cannot be read as a link.
        """
        try:
            data = json.loads(self.path.read_bytes())
            return int(data["seq"]), str(data["hash"])
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as error:
            raise DamagedError(
                f"{self.path}: not an audit head; restore it together with the ledger from a backup"
            ) from error
        except OSError as error:
            raise StorageError(f"{self.path}: cannot be read ({error.strerror})") from error

    def write(self, seq: int, digest: str) -> None:
        """Put the link into the file, unless a later one is there already."""
        with _ONE_HEAD_AT_A_TIME:
            known = self.read()
            if known is None or known[0] < seq:
                link = canonical_bytes({"seq": seq, "hash": digest})
                artefacts.write_file(self.path, link + b"\n")
