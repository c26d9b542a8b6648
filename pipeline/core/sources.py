"""Where a portfolio's tables are, and what is known in them: `sources` of `portfolio.yaml`."""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import AfterValidator, Field, model_validator

from pipeline.core.settings import Column, Name, Strict


def _without_password(value: str) -> str:
    """Refuse a password, without repeating it: settings are kept with every night."""
    if re.search(r"://[^/?#\s]*:[^/?#\s]*@", value) or re.search(r"[?&;]pass(word|wd)?=", value):
        raise ValueError(
            "holds a password; name an Airflow connection (AIRFLOW_CONN_NAME), "
            "or for the ledger env:NAME"
        )
    return value


Credit: TypeAlias = Literal["platform", "modelled", "crm", "experiment"]
"""How outcomes were credited to lines: by the platform that sold the ads, by an attribution model,
by a CRM that knows the customer, or by an experiment."""

Place = Annotated[Name, AfterValidator(_without_password)]


class Events(Strict):
    """A table with a row per event, which the database adds up by day and line.

    Attributes:
        table: with its schema and catalog where they are needed, separated by dots.
        moment: the column that says when, in UTC.
        since: the first business day that is wanted; all by default.
    """

    table: Annotated[
        str, Field(strict=True, pattern=r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_-]*){0,2}$")
    ]
    moment: Column
    since: date | None = None


class Source(Strict):
    """Where a table is read from: files by path, glob or object-store URL, or a database.

    Attributes:
        wide: of a spend table with a column per line: value of the last `line` column -> column.
        by: of outcomes that are not attributed to lines: the `line` columns they are known by;
            none for a total. Left out, outcomes are known line by line.
        controls: columns of such outcomes that move them and that nobody paid for.
        credit: of outcomes: who says that a line earned them; one word, or one for each name of the
            outermost line column where several systems credit them; None where nobody said.
    """

    path: Place | None = None
    database: Place | None = None
    query: str | None = None
    table: Column | None = None
    events: Events | None = None
    columns: dict[Column, Name] = Field(default_factory=dict)
    wide: dict[Name, Name] = Field(default_factory=dict)
    by: tuple[Column, ...] | None = None
    controls: tuple[Column, ...] = ()
    credit: Credit | dict[Name, Credit] | None = None

    def credited_by(self, outermost: str) -> str:
        """Return who credits outcomes to the lines under an outermost name; empty if unsaid."""
        if isinstance(self.credit, dict):
            return self.credit.get(outermost, "")
        return self.credit or ""

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.path is None) == (self.database is None):
            raise ValueError("give exactly one of path and database")
        given = [item for item in (self.query, self.table, self.events) if item is not None]
        if self.database is None and given:
            raise ValueError("query, table and events belong to a database")
        if self.database is not None and len(given) != 1:
            raise ValueError("a database needs exactly one of query, table and events")
        if self.events is not None and self.wide:
            raise ValueError("events have a row each, not a column per line")
        return self


class Sources(Strict):
    """The tables that a night reads; spend and outcomes may be the same file.

    `exposures` are read by the rotation of creatives; `contacts` by the lifecycle cadence and by
    next best offers, which also read `decisions` (the log), the `rewards` that came of them and
    `customers`; `withdrawals` by every decision whose rows name a person. `period` is what a row
    of spend and outcomes spans; a week has its first day.
    """

    spend: Source
    outcomes: Source
    experiments: Source | None = None
    exposures: Source | None = None
    decisions: Source | None = None
    rewards: Source | None = None
    customers: Source | None = None
    contacts: Source | None = None
    withdrawals: Source | None = None
    period: Literal["day", "week"] = "day"

    @model_validator(mode="after")
    def _each_its_own(self) -> Self:
        for name, source in (("spend", self.spend), ("experiments", self.experiments)):
            if source is not None and (source.by is not None or source.controls):
                raise ValueError(f"{name}: by and controls belong to outcomes")
        for name, source in (
            ("experiments", self.experiments),
            ("exposures", self.exposures),
            ("withdrawals", self.withdrawals),
        ):
            if source is not None and source.events is not None:
                raise ValueError(f"{name}: events belong to spend and outcomes")
        for name, source in (("outcomes", self.outcomes), ("experiments", self.experiments)):
            if source is not None and source.wide:
                raise ValueError(f"{name}: wide belongs to spend")
        if self.spend.credit is not None:
            raise ValueError("spend: credit belongs to outcomes, it says who credited them")
        if self.outcomes.by is not None and self.outcomes.credit is not None:
            raise ValueError(
                "outcomes: credit says who credited lines with them, and by says that nobody did; "
                "leave one of them out"
            )
        if self.outcomes.controls and self.outcomes.by is None:
            raise ValueError("outcomes: controls need by: they enter the joint fit of totals")
        if self.period == "week" and self.outcomes.by is None:
            raise ValueError(
                "period: weekly rows are fitted jointly; say under outcomes what they are known "
                "by: all line columns where they are known line by line, by: [] for a total"
            )
        return self

    @property
    def period_days(self) -> int:
        """How many days a row spans."""
        return 7 if self.period == "week" else 1
