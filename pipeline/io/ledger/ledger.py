"""The ledger opened: the only authority on what is proposed, approved, in force and published."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from datetime import date
from pathlib import Path

from sqlalchemy import Connection, inspect, select

from pipeline.core.clock import Clock
from pipeline.core.errors import ConfigError, DamagedError, StorageError
from pipeline.core.plan import Kind
from pipeline.io.ledger import schema
from pipeline.io.ledger.audit import AuditEntry, AuditHead, append_entry, last_link
from pipeline.io.ledger.base import moment_text
from pipeline.io.ledger.caps import CapBook
from pipeline.io.ledger.database import Database
from pipeline.io.ledger.experiments import ExperimentBook
from pipeline.io.ledger.plans import PlanBook
from pipeline.io.ledger.publications import PublicationBook, newest_published_id
from pipeline.io.ledger.records import PlanRecord
from pipeline.io.stores import make_folder

DEFAULT_PLACE = Path(".equimarginal") / "ledger.sqlite"
_CREATOR = "ledger"


class Ledger(PlanBook, CapBook, PublicationBook, ExperimentBook):
    """Plans, caps, signatures, publications, experiments and the audit chain of one database."""

    @property
    def head(self) -> AuditHead:
        """The newest audit link outside the database."""
        return self._head

    @property
    def database(self) -> Database:
        """The database, for the verifier."""
        return self._database

    def last_published(
        self, portfolio: str, before: date | None = None, kind: Kind = Kind.BUDGET
    ) -> PlanRecord | None:
        """Return the plan whose amounts are set: published last, for a day before `before`."""
        return self._published(portfolio, before, kind, still_signed=False)

    def last_approved(
        self, portfolio: str, before: date | None = None, kind: Kind = Kind.BUDGET
    ) -> PlanRecord | None:
        """Return the published plan to fall back on: as `last_published`, but not a revoked one."""
        return self._published(portfolio, before, kind, still_signed=True)

    def audit_entries(self, after: int = 0) -> tuple[AuditEntry, ...]:
        """Return the audit chain in order, from after a sequence number."""
        query = select(schema.audit).where(schema.audit.c.seq > after).order_by(schema.audit.c.seq)
        with self._database.read() as connection:
            return tuple(
                AuditEntry(**{**row._mapping, "payload": json.loads(row.payload)})
                for row in connection.execute(query)
            )

    def _published(
        self, portfolio: str, before: date | None, kind: Kind, *, still_signed: bool
    ) -> PlanRecord | None:
        with self._database.read() as connection:
            plan_id = newest_published_id(
                connection, portfolio, before, still_signed=still_signed, kind=kind
            )
        return None if plan_id is None else self.plan(plan_id)


def ledger_place(setting: str | None, folder: Path) -> str:
    """Return where a portfolio's ledger is.

    Args:
        setting: `ledger` of the policy: a URL, `env:NAME` for an environment variable that holds
            one, so that no password stands in a file, or a path; none for the default.
        folder: the portfolio's; what a relative path starts from.

    Raises:
        ConfigError: the environment variable is not set.
    """
    if setting is None:
        return str(folder / DEFAULT_PLACE)
    if setting.startswith("env:"):
        name = setting.removeprefix("env:")
        setting = os.environ.get(name, "")
        if not setting:
            raise ConfigError(
                f"ledger: the environment variable {name} is not set; set it to a URL"
            )
    return setting if "://" in setting else str(folder / setting)


def open_ledger(
    where: str | Path, clock: Clock, *, head_path: Path, runs_path: Path | None = None
) -> Ledger:
    """Return the ledger, created where there never was one.

    Args:
        where: a SQLite file or a SQLAlchemy URL.
        head_path: the file that keeps the newest audit link outside the database.
        runs_path: the folder of finished runs; `runs` beside the head by default.

    Raises:
        DamagedError: there was a ledger and it is gone, older than its head, or unreadable.
        StorageError: it is of another version, or cannot be reached.
    """
    database = Database(where)
    head = AuditHead(head_path)
    if database.exists():
        known = head.read()
        with database.read() as connection:
            version = _version(connection)
            if version is not None:
                _check_version(database, version)
                _check_sound(connection, database)
                _check_head(connection, database, head, known)
                return Ledger(database, clock, head)
    _refuse_to_forget(database, head, runs_path or head_path.parent / "runs")
    _create(database, clock, head)
    return Ledger(database, clock, head)


def has_ledger(where: str | Path, *, head_path: Path) -> bool:
    """Return whether there is a ledger, or was one; nothing is made."""
    runs = head_path.parent / "runs"
    return Database(where).exists() or _witness(AuditHead(head_path), runs) is not None


def check_version(database: Database) -> None:
    """Refuse tables of another version.

    Raises:
        StorageError: says whether to upgrade the ledger or the software.
    """
    with database.read() as connection:
        version = _version(connection)
    if version is None:
        raise StorageError(f"ledger {database.shown}: holds no ledger")
    _check_version(database, version)


def upgrade_ledger(where: str | Path, clock: Clock, *, head_path: Path) -> tuple[str, str]:
    """Bring an older ledger's tables up to date; return the versions before and after."""
    from pipeline.io.ledger.migrate import run_migrations

    database, head = Database(where), AuditHead(head_path)
    with database.write() as connection:
        before = _version(connection)
        if before is None:
            raise StorageError(f"ledger {database.shown}: there is none to upgrade")
        if before == schema.SCHEMA_VERSION:
            return before, before
        _check_head(connection, database, head, head.read())
        run_migrations(connection, schema.SCHEMA_VERSION)
        link = append_entry(
            connection,
            at=moment_text(clock()),
            actor=_CREATOR,
            action="ledger.upgraded",
            subject="ledger",
            payload={"from": before, "to": schema.SCHEMA_VERSION},
        )
    head.write(*link)
    return before, schema.SCHEMA_VERSION


def _create(database: Database, clock: Clock, head: AuditHead) -> None:
    """Build the tables and write the first audit entry, all in one transaction."""
    from pipeline.io.ledger.migrate import run_migrations

    if database.is_sqlite:
        try:
            make_folder(database.path.parent)
        except OSError as error:
            raise StorageError(
                f"ledger {database.shown}: its folder cannot be made ({error.strerror})"
            ) from error
    with database.write() as connection:
        if _version(connection) is not None:  # another process was first
            return
        run_migrations(connection, schema.SCHEMA_VERSION)
        link = append_entry(
            connection,
            at=moment_text(clock()),
            actor=_CREATOR,
            action="ledger.created",
            subject="ledger",
            payload={"version": schema.SCHEMA_VERSION},
        )
    head.write(*link)


def _version(connection: Connection) -> str | None:
    """Return the version of the tables, None where there are none."""
    if "alembic_version" not in inspect(connection).get_table_names():
        return None
    from sqlalchemy import text

    return connection.execute(text("select version_num from alembic_version")).scalar()


def _check_version(database: Database, version: str) -> None:
    if version == schema.SCHEMA_VERSION:
        return
    advice = (
        "run 'equimarginal ledger upgrade'"
        if version < schema.SCHEMA_VERSION
        else "install the newer software that wrote it"
    )
    raise StorageError(
        f"ledger {database.shown}: its tables are version {version}, "
        f"this software needs {schema.SCHEMA_VERSION}; {advice}"
    )


def _check_sound(connection: Connection, database: Database) -> None:
    if not database.is_sqlite:
        return
    answer = connection.exec_driver_sql("pragma quick_check(1)").scalar()
    if answer != "ok":
        raise database.damaged(str(answer))


def _check_head(
    connection: Connection, database: Database, head: AuditHead, known: tuple[int, str] | None
) -> None:
    """Refuse a ledger that does not contain the newest link that is known outside of it.

    Args:
        known: the head as it was before `connection` saw the ledger. An entry is committed before
            its head is written, so a head read afterwards may be ahead of what is seen.
    """
    seq, digest = last_link(connection)
    if known is None:
        if seq == 1:  # killed between creating the ledger and writing the head
            head.write(seq, digest)
            return
        raise DamagedError(
            f"{head.path}: missing, so a shortened ledger could not be told; restore it from a "
            "backup together with the ledger; if that ledger is another portfolio's, name one of "
            "its own under ledger"
        )
    stored = connection.execute(
        select(schema.audit.c.hash).where(schema.audit.c.seq == known[0])
    ).scalar()
    if stored != known[1]:
        raise DamagedError(
            f"ledger {database.shown}: entry {known[0]} of the audit chain is "
            f"{'missing' if stored is None else 'another one'} (the ledger ends at {seq}); it was "
            "replaced or cut: restore the newest backup of the ledger"
        )
    if known[0] < seq:  # killed between a commit and its head: until now a cut would not have shown
        with suppress(StorageError):  # reading works without the right to write
            head.write(seq, digest)


def _refuse_to_forget(database: Database, head: AuditHead, runs: Path) -> None:
    """Never start an empty ledger where there was one."""
    witness = _witness(head, runs)
    if witness is not None:
        raise DamagedError(
            f"ledger {database.shown}: missing, but {witness} says there was one; restore the "
            "ledger from a backup, or start a new portfolio folder"
        )


def _witness(head: AuditHead, runs: Path) -> Path | None:
    """Return what shows that there was a ledger once."""
    if head.path.exists():
        return head.path
    if not runs.is_dir():
        return None
    return next((path for path in sorted(runs.iterdir()) if path.name[0] != "."), None)
