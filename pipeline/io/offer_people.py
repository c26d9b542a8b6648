"""Who can be decided for, and what each may get: consent, eligibility and contact rules in DuckDB.

A run keeps how many people may get what (`snapshot/contexts.parquet`), never who. That is read
again when a signed plan is carried out, so that a consent withdrawn meanwhile counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Set
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.core.findings import Finding
from pipeline.core.offer_rules import OfferRules, quarter_of
from pipeline.core.sources import Source, Sources
from pipeline.io.engine import add_macros, create, engine, quoted, sql_text
from pipeline.io.newest import newest_day_findings
from pipeline.io.offer_log import make_night, who_withdrew
from pipeline.io.people_rows import row_faults
from pipeline.io.sources.database import Resolver
from pipeline.io.sources.stream import name_people, stream_rows

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True, kw_only=True)
class PeopleRead:
    """How many people may get what, the files that say so, and what is wrong with their rows."""

    contexts: pa.Table
    files: tuple[dict[str, Any], ...]
    findings: tuple[Finding, ...]


def customer_contexts(
    sources: Sources,
    base: Path,
    rules: OfferRules,
    day: date,
    today: date,
    resolve: Resolver | None = None,
) -> PeopleRead:
    """Return how many people may get which actions on `day`.

    Raises:
        SourceError: a source cannot be read.
    """
    with people_and_actions(sources, base, rules, day, today, resolve=resolve) as (
        connection,
        files,
    ):
        found = row_faults(connection, "customer_fault", "customers", "docs/offers.md")
        found += row_faults(connection, "touch_fault", "contacts", "docs/offers.md")
        newest = connection.execute("select max(day) from stg_touches").fetchall()[0][0]
        if sources.contacts is not None and rules.rests:
            found += newest_day_findings(
                "contacts",
                newest,
                day,
                "whoever was contacted since may be contacted too soon",
                stops=False,
                advice="fetch the source again",
            )
        contexts = connection.sql(sql_text("marts", "customer_context")).to_arrow_table()
    return PeopleRead(contexts=contexts, files=files, findings=tuple(found))


@contextmanager
def people_and_actions(
    sources: Sources,
    base: Path,
    rules: OfferRules,
    day: date,
    today: date,
    *,
    resolve: Resolver | None = None,
    **more: Any,
) -> Iterator[tuple[DuckDBPyConnection, tuple[dict[str, Any], ...]]]:
    """Yield a connection that holds `person_action` for `day`, and the files it came from.

    Args:
        today: contacts on later days cannot be believed.
        more: further columns of `night`.
    """
    assert sources.customers is not None  # noqa: S101  the policy refuses offers without it
    with engine("customers", advice="hand over fewer people") as connection:
        add_macros(connection)
        name_people(connection, "withdrawn", who_withdrew(sources, base, resolve))
        limits = rules.contact
        make_night(
            connection,
            day=day,
            today=today,
            max_per_week=limits.max_per_week,
            min_gap_days=limits.min_gap_days,
            holdout_seed=quarter_of(day),
            nothing=rules.nothing,
            **more,
        )
        _actions(connection, rules, day)
        files: list[dict[str, Any]] = []
        customers = ("person", "segment", "consent")
        files += _whole(connection, "customers", sources.customers, base, customers, resolve)
        if sources.contacts is None or not rules.rests:
            connection.execute(
                "create table contacts (person text, date text, action text, touches text, "
                "source_file text, source_row bigint)"
            )
        else:
            needed = ("person", "date")
            files += _whole(
                connection,
                "contacts",
                sources.contacts,
                base,
                needed,
                resolve,
                ("action", "touches"),
            )
        for table in ("stg_customers", "stg_touches"):
            create(connection, table, sql_text("staging", table))
        create(connection, "person_action", sql_text("marts", "person_action"))
        yield connection, tuple(files)


def _whole(
    connection: DuckDBPyConnection,
    table: str,
    source: Source,
    base: Path,
    needed: tuple[str, ...],
    resolve: Resolver | None,
    optional: tuple[str, ...] = (),
) -> tuple[dict[str, Any], ...]:
    """Make a table of a source's wanted columns; return its files."""
    texts = ", ".join(f"{quoted(name)} text" for name in (*needed, *optional))
    columns = f"{texts}, source_file text, source_row bigint"
    connection.execute(f"create table {quoted(table)} ({columns})")

    def add(_: Set[str]) -> None:
        connection.execute(f"insert into {quoted(table)} by name from batch")

    return stream_rows(
        connection, "batch", source, base, needed=needed, optional=optional, each=add,
        resolve=resolve,
    ).files  # fmt: skip


def _actions(connection: DuckDBPyConnection, rules: OfferRules, day: date) -> None:
    """Make `offer_action`: what may be given on the day, in the settings' order."""
    connection.execute(
        "create table offer_action (place integer, action text, channel text, is_nothing boolean, "
        "only_in text[], not_in text[], cool_down_days double)"
    )
    for place, item in enumerate(rules.actions):
        if item.runs_on(day):
            connection.execute(
                "insert into offer_action values (?, ?, ?, ?, ?::text[], ?::text[], ?)",
                (
                    place,
                    item.action,
                    item.channel,
                    item.channel is None,
                    list(item.only_in),
                    list(item.not_in),
                    item.cool_down_days,
                ),
            )
