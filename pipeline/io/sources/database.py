"""A table or query of any database that SQLAlchemy reaches, read in one transaction."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from pipeline.core.sources import Source
from pipeline.io.sources.files import SourceError
from pipeline.io.sources.pushdown import in_dialect
from pipeline.io.sources.tables import MAX_ROWS, TextTable, check_cells, check_header

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection

Resolver = Callable[[str], str]
"""Returns the URL (or the JSON form) of an Airflow connection id."""

_DRIVERS = {"postgres": "postgresql", "mssql": "mssql+pymssql"}


def read_database(
    source: Source, base: Path, resolve: Resolver | None = None, *, may_be_empty: bool = False
) -> TextTable:
    """Return the rows as texts, sorted, so that the database's order does not matter.

    Args:
        may_be_empty: whether a table with columns and no rows says something.

    Raises:
        SourceError: not reachable, not found, not a query, or beyond the limits. The message
            never holds a password.
    """
    from sqlalchemy import MetaData, Table, create_engine, select, text
    from sqlalchemy.exc import SQLAlchemyError

    url = _url(source, base, resolve)
    name = _label(source)
    try:
        engine = create_engine(url)
    except (SQLAlchemyError, ImportError, ValueError) as error:
        raise SourceError(f"{name}: no driver for it: {_reason(error, url)}") from error
    try:
        with engine.connect() as connection:
            _read_only(connection, url)
            if source.table is not None:
                table = Table(source.table, MetaData(), autoload_with=connection)
                result = connection.execute(select(table))
            else:
                result = connection.execute(text(_query(source, url)))
            if not result.returns_rows:
                raise SourceError(f"{name}: the query returns no rows; need a SELECT")
            header = [str(key) for key in result.keys()]  # noqa: SIM118  not a mapping
            rows = result.fetchmany(MAX_ROWS + 1)
            connection.rollback()
    except (SQLAlchemyError, OSError) as error:
        raise SourceError(f"{name}: cannot be read: {_reason(error, url)}") from error
    finally:
        engine.dispose()
    if not (may_be_empty or rows):
        raise SourceError(f"{name}: has no rows")
    return _text_table(name, header, [tuple(row) for row in rows])


def _query(source: Source, url: URL) -> str:
    """Return the query; one that adds up events is written in the database's dialect."""
    if source.events is None:
        return source.query or ""
    said = in_dialect(source.query or "", url.get_backend_name())
    return said.replace(":", r"\:")  # nothing in it is a parameter


def _text_table(name: str, header: list[str], rows: list[tuple[Any, ...]]) -> TextTable:
    import pyarrow as pa

    check_header(name, header)
    if len(rows) > MAX_ROWS:
        raise SourceError(f"{name}: more than {MAX_ROWS} rows; hand over daily totals")
    texts = sorted(tuple(_text(cell) for cell in row) for row in rows)
    columns = tuple(
        pa.array([row[index] for row in texts], pa.string()) for index in range(len(header))
    )
    row = pa.array(range(2, len(texts) + 2), pa.int64())
    check_cells(name, tuple(header), columns, row)
    return TextTable(name=name, names=tuple(header), columns=columns, row=row)


def _text(cell: Any) -> str:
    """Return the cell as a CSV would hold it."""
    if cell is None:
        return ""
    if isinstance(cell, Decimal) and cell.is_finite():
        return format(cell, "f")
    if isinstance(cell, datetime):
        return cell.isoformat(sep=" ")
    if isinstance(cell, bytes | bytearray | memoryview):
        return "(bytes)"
    return str(cell)


def _url(source: Source, base: Path, resolve: Resolver | None) -> URL:
    """Return the URL that the settings write out, or that an Airflow connection stands for."""
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    where = source.database or ""
    if "://" not in where:
        where = (resolve or _from_environment)(where)
        where = _from_json(where) if where.lstrip().startswith("{") else where
    scheme, _, rest = where.partition("://")
    try:
        url = make_url(f"{_DRIVERS.get(scheme, scheme)}://{rest}")
    except (ArgumentError, ValueError) as error:
        raise SourceError(
            f"database {_label(source)}: not a database URL",
            advice="write it as postgresql://user@host/name or name an Airflow connection",
        ) from error
    if url.drivername == "postgresql" and find_spec("psycopg") is None:
        return url.set(drivername="postgresql+psycopg2")
    if url.get_backend_name() != "sqlite":
        return url
    path = base / (url.database or unquote(url.host or ""))
    if not path.is_file():  # SQLite would make an empty database there
        raise SourceError(f"database {path.name}: no such file")
    return url.set(database=str(path), host=None)


def _from_environment(connection_id: str) -> str:
    variable = f"AIRFLOW_CONN_{connection_id.upper()}"
    value = os.environ.get(variable)
    if not value:
        raise SourceError(
            f"database {connection_id}: no such connection",
            advice=f"set {variable} to its URL, or write the URL under sources",
        )
    return value


def _from_json(text: str) -> str:
    """Return the URL of Airflow's JSON form of a connection."""
    from sqlalchemy import URL

    try:
        spec = json.loads(text)
        port = spec.get("port")
        kind = str(spec["conn_type"])
        if kind == "sqlite":  # its host is the path of the file
            return f"sqlite:///{spec.get('host') or spec.get('schema')}"
        url = URL.create(
            kind,
            username=spec.get("login") or None,
            password=spec.get("password") or None,
            host=spec.get("host") or None,
            port=int(port) if port else None,
            database=spec.get("schema") or None,
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SourceError("database: the Airflow connection's JSON cannot be read") from error
    return url.render_as_string(hide_password=False)


def _read_only(connection: Connection, url: URL) -> None:
    from sqlalchemy import text

    kind = url.get_backend_name()
    if kind == "sqlite":
        connection.execute(text("PRAGMA query_only = ON"))
    elif kind == "postgresql":
        connection.execute(text("SET TRANSACTION READ ONLY"))


def _label(source: Source) -> str:
    """Return a name for messages that holds no secret."""
    where = source.database or ""
    place = where.rsplit("@", 1)[-1].partition("?")[0] if "://" in where else where
    table = source.events.table if source.events else source.table
    return f"{place} {table or 'query'}"


def _reason(error: BaseException, url: URL) -> str:
    """Return the driver's own words on one line, without the password."""
    said = str(getattr(error, "orig", None) or error)
    if url.password:
        said = said.replace(str(url.password), "***").replace(unquote(str(url.password)), "***")
    return " ".join(said.split())[:200]
