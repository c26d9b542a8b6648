"""Log-level rows are added up where they lie: one query, said in the database's own dialect.

A source with `events` names a table with a row per impression, click or sale. The warehouse adds
them up by business day and line, and only daily rows come back. The query is built once and
transpiled by sqlglot; nothing of it is text from settings: names are identifiers, quoted as each
dialect does.
"""

from __future__ import annotations

from pipeline.core.policy import Policy
from pipeline.core.sources import Events, Source
from pipeline.io.sources.files import SourceError

DIALECTS = {
    "bigquery": "bigquery",
    "databricks": "databricks",
    "duckdb": "duckdb",
    "hive": "spark",
    "postgresql": "postgres",
    "snowflake": "snowflake",
}
"""Kind of database URL -> the dialect that its query is written in."""

_BUILT_IN = "snowflake"  # has a function for time zones that every other dialect can be told in
_MONEY = "decimal(38, 9)"


def pushed_down(policy: Policy, name: str, source: Source, metrics: list[str]) -> Source:
    """Return the source as the query of its daily rows; any other one as it is.

    Args:
        name: `spend` or `outcomes`.
        metrics: the outcome columns that the settings cannot do without.
    """
    if source.events is None:
        return source
    lines = policy.line if source.by is None else source.by
    if name == "spend":
        sums = ["spend", *(key for key in ("impressions", "clicks") if key in source.columns)]
    else:
        own = {"date", "currency", *policy.line}
        sums = sorted({*metrics, *(key for key in source.columns if key not in own)})
    query = daily_query(source.events, source.columns, tuple(lines), tuple(sums), policy.timezone)
    return source.model_copy(update={"query": query, "columns": {}})


def daily_query(
    events: Events,
    columns: dict[str, str],
    lines: tuple[str, ...],
    sums: tuple[str, ...],
    zone: str,
) -> str:
    """Return the query of daily rows, in the dialect that `in_dialect` starts from.

    Args:
        columns: our name -> the table's column; `*` counts rows.
        lines: the columns that rows are grouped by beside the day, and `currency` where mapped.
        sums: the columns that are added up.
        zone: whose days count; moments are in UTC.
    """
    from sqlglot import exp, parse_one

    def column(name: str) -> exp.Expression:
        return exp.column(columns.get(name, name), quoted=True)

    moment = exp.column(events.moment, quoted=True)
    day = parse_one(f"convert_timezone('UTC', {exp.Literal.string(zone).sql()}, m)", read=_BUILT_IN)
    local = day.transform(lambda node: moment if isinstance(node, exp.Column) else node)
    keys = [(name, exp.cast(column(name), "text")) for name in lines]
    keys += [("currency", exp.cast(column("currency"), "text"))] if "currency" in columns else []
    grouped: list[exp.Expression] = [exp.cast(local, "date"), *(key for _, key in keys)]
    added = [
        exp.Count(this=exp.Star())
        if columns.get(name) == "*"
        else exp.Sum(this=exp.cast(column(name), _MONEY))
        for name in sums
    ]
    names = ["date", *(name for name, _ in keys), *sums]
    selected = [
        exp.alias_(item, name, quoted=True)
        for item, name in zip([*grouped, *added], names, strict=True)
    ]
    table, schema, catalog = [*reversed(events.table.split(".")), None, None][:3]
    place = exp.table_(table or "", db=schema, catalog=catalog, quoted=True)
    query = exp.select(*selected).from_(place)
    if events.since is not None:
        first = exp.cast(exp.Literal.string(events.since.isoformat()), "date")
        query = query.where(exp.GTE(this=exp.cast(local.copy(), "date"), expression=first))
    return str(query.group_by(*(item.copy() for item in grouped)).sql(dialect=_BUILT_IN))


def in_dialect(query: str, kind: str) -> str:
    """Return the query as a kind of database says it.

    Raises:
        SourceError: no dialect is known for it.
    """
    from sqlglot import transpile

    if kind not in DIALECTS:
        raise SourceError(
            f"database: events cannot be added up on {kind}",
            advice=f"need one of {', '.join(sorted(DIALECTS))}, or a query of daily rows",
        )
    return str(transpile(query, read=_BUILT_IN, write=DIALECTS[kind])[0])
