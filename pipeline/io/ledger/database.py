"""One connection per transaction, on SQLite or Postgres; writers wait for each other, briefly.

SQLite keeps its rollback journal with `synchronous=EXTRA`: the write-ahead log of many versions in
use can lose a committed transaction, and without EXTRA a power cut may bring the journal of a
committed one back and undo it. A writer takes the write lock before its first read, so what
it checked is still true when it writes. On Postgres an advisory lock does the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, create_engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from pipeline.core.errors import ConfigError, DamagedError, StorageError

WAIT_SECONDS = 15
_WRITER = "ledger_writer"
_LOCK_KEY = 0x65716D6C  # "eqml": any number, the same for every writer
_BROKEN = ("malformed", "not a database", "disk image", "unsupported file format")


class Database:
    """Where the ledger's tables live."""

    def __init__(self, where: str | Path) -> None:
        self.url = _parse(where)
        self.shown = self.url.render_as_string(hide_password=True)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        if self.is_sqlite:
            self.shown = str(self.path)
            self._engine = create_engine(
                self.url, poolclass=NullPool, connect_args={"timeout": WAIT_SECONDS}
            )
            event.listen(self._engine, "connect", _prepare_sqlite)
            event.listen(self._engine, "begin", _begin_sqlite)
        else:
            self._engine = _postgres_engine(self.url, self.shown)

    @property
    def path(self) -> Path:
        """The SQLite file."""
        return Path(self.url.database or "")

    def exists(self) -> bool:
        """Return whether there is anything to open: a file with content, or a server."""
        return not self.is_sqlite or (self.path.is_file() and self.path.stat().st_size > 0)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Give a connection that sees one moment of the ledger."""
        with self._named_errors(), self._engine.connect() as connection:
            if not self.is_sqlite:
                connection.execution_options(isolation_level="REPEATABLE READ")
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Give the only connection that may write now; commit at the end, undo on any error."""
        with self._named_errors(), self._engine.connect() as connection:
            connection.execution_options(**{_WRITER: True})
            with connection.begin():
                if not self.is_sqlite:
                    connection.execute(text(f"set local lock_timeout = '{WAIT_SECONDS}s'"))
                    connection.execute(text(f"select pg_advisory_xact_lock({_LOCK_KEY})"))
                yield connection

    @contextmanager
    def _named_errors(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            raise self._named(str(error.orig)) from error
        except SQLAlchemyError as error:
            raise self._named(str(error)) from error

    def damaged(self, reason: str) -> DamagedError:
        """Return what to tell of a file that reads as damaged; a failing disk looks the same."""
        return DamagedError(
            f"ledger {self.shown}: the file is damaged ({reason}), or its disk fails; if it says "
            "so again, restore it together with audit-head.json from a backup, then run "
            "'equimarginal audit verify'"
        )

    def _named(self, reason: str) -> DamagedError | StorageError:
        first = reason.strip().splitlines()[0] if reason.strip() else "no reason given"
        if any(word in first for word in _BROKEN):
            return self.damaged(first)
        if "locked" in first or "lock timeout" in first:
            return StorageError(
                f"ledger {self.shown}: another process held it for {WAIT_SECONDS} s; try again"
            )
        return StorageError(
            f"ledger {self.shown}: {first}; nothing was changed: see that there is room and "
            "that it may be written, then run the command again"
        )


def _parse(where: str | Path) -> URL:
    text_form = str(where)
    if "://" not in text_form:
        return URL.create("sqlite", database=text_form)
    try:
        url = make_url(text_form)
    except ArgumentError as error:
        raise ConfigError(
            "ledger: got text that is no database URL; need a file path or postgresql://"
        ) from error
    if url.drivername in {"postgres", "postgresql"}:
        url = url.set(drivername=f"postgresql+{_postgres_driver()}")
    if url.get_backend_name() not in {"sqlite", "postgresql"}:
        raise ConfigError(
            f"ledger: got a {url.get_backend_name()!r} URL, need a file path or postgresql://"
        )
    if url.get_backend_name() == "sqlite" and url.database in {None, "", ":memory:"}:
        raise ConfigError("ledger: a ledger in memory would be lost; name a file")
    return url


def _postgres_driver() -> str:
    """Return the driver that is installed; either will do."""
    from importlib.util import find_spec

    return next((name for name in ("psycopg", "psycopg2") if find_spec(name)), "psycopg2")


def _postgres_engine(url: URL, shown: str) -> Any:
    try:
        return create_engine(url, poolclass=NullPool)
    except (ImportError, NoSuchModuleError) as error:
        raise ConfigError(
            f"ledger {shown}: the Postgres driver is not installed ({error}); "
            "run \"pip install 'equimarginal[postgres]'\""
        ) from error


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves, see _begin_sqlite
    cursor = connection.cursor()
    for pragma in ("foreign_keys = on", "synchronous = extra", "trusted_schema = off"):
        cursor.execute(f"pragma {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    is_writer = connection.get_execution_options().get(_WRITER, False)
    connection.exec_driver_sql("begin immediate" if is_writer else "begin")
