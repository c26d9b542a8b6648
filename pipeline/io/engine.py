"""One DuckDB in memory: no files, no network, our macros; what every staging step queries with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING

from pipeline.core.errors import StorageError
from pipeline.io.assets import asset_folder

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MEMORY = "4GB"


@contextmanager
def engine(what: str, *, advice: str) -> Iterator[DuckDBPyConnection]:
    """Yield a fresh connection.

    Args:
        what: the run or source, for the message.
        advice: what to do when it does not fit.

    Raises:
        StorageError: the tables do not fit into the memory that a night may use.
    """
    import duckdb

    connection = duckdb.connect(
        ":memory:",
        config={
            "enable_external_access": "false",
            "threads": "1",  # sums in one order; a night's tables are small
            "memory_limit": MEMORY,
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
        },
    )
    try:
        yield connection
    except duckdb.OutOfMemoryException as error:
        raise StorageError(f"{what}: staging needs more than {MEMORY}; {advice}") from error
    finally:
        connection.close()


def add_macros(connection: DuckDBPyConnection) -> None:
    """Give the connection the macros that staging queries read cells with."""
    for macro in ("plain_number", "plain_amount", "iso_day", "no_name", "bare_name"):
        connection.execute(sql_text("macros", macro))


def create(connection: DuckDBPyConnection, name: str, select: str) -> None:
    """Make a table of a query."""
    connection.execute(f"create table {quoted(name)} as {select}")


@lru_cache(maxsize=128)
def sql_text(folder: str, name: str) -> str:
    """Return the text of one file under sql/."""
    return (asset_folder("sql") / folder / f"{name}.sql").read_text(encoding="utf-8")


def quoted(identifier: str) -> str:
    """Return the identifier as SQL: the one place where a name becomes part of a statement."""
    return '"' + identifier.replace('"', '""') + '"'
