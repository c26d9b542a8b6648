"""What each night saw of the same days: how outcomes fill up as they arrive late.

A night for a past day sees what is known by now. How late it was is kept with what it saw, or else
nights that are caught up over one file would teach that nothing ever arrives late.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.core.errors import NotFoundError
from pipeline.core.history import Vintages
from pipeline.core.policy import Policy
from pipeline.io.artefacts import RunFolder
from pipeline.io.facts import Facts

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

VINTAGES = "vintages.parquet"
VINTAGE_DAYS = 45  # outcomes that are still moving after that are corrections, not delay
KEPT_DAYS = 180  # of nights looked back on
_VINTAGE_NAMES = ("seen_on", "day", "group", "metric", "outcome", "late_days")


def read_vintages(work: RunFolder, metric: str) -> Vintages:
    """Return what this and earlier nights saw of the last days, for one metric."""
    import pyarrow.compute as pc

    try:
        table = _read(work)
    except NotFoundError:
        table = _empty()

    table = table.filter(pc.equal(table.column("metric"), metric))
    return Vintages(
        seen_on=table.column("seen_on").to_numpy().astype(float),
        day=table.column("day").to_numpy().astype(float),
        group=tuple(str(name) for name in table.column("group").to_pylist()),
        outcome=table.column("outcome").to_numpy().astype(float),
        late_days=table.column("late_days").to_numpy().astype(float),
    )


def vintage_table(
    facts: Facts, policy: Policy, day: date, today: date, previous: RunFolder | None
) -> pa.Table:
    """Return tonight's totals of the last days, after what earlier nights had seen.

    Args:
        day: the plan's.
        today: on which the data were read, not before `day`.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    tonight = _tonight(facts, policy, day, today)
    if previous is None or not previous.exists(VINTAGES):
        return tonight
    earlier = _read(previous)
    horizon = day.toordinal() - KEPT_DAYS
    keep = pc.and_(
        pc.less(earlier.column("seen_on"), day.toordinal()),
        pc.greater_equal(earlier.column("seen_on"), horizon),
    )
    return pa.concat_tables([earlier.filter(keep), tonight]).combine_chunks()


def goes_on(connection: DuckDBPyConnection, day: date) -> bool:
    """Return whether outcomes go on from `day`, so that they were read later than its morning.

    Outcomes that end before are what its morning saw, whenever the night is run: so is learned how
    late they are where past nights are lived again, each over the file of its own day.
    """
    later = connection.table("stg_outcomes").filter(f"day >= date '{day}' and value is not null")
    return bool(later.limit(1).fetchall())


def _read(run: RunFolder) -> pa.Table:
    """Return what a run kept, taken to have been in time where it does not say how late it was."""
    import pyarrow as pa

    table = run.read_parquet(VINTAGES)
    if "late_days" in table.column_names:
        return table
    return table.append_column("late_days", pa.array([0] * table.num_rows, pa.int32()))


def _tonight(facts: Facts, policy: Policy, day: date, today: date) -> pa.Table:
    import pyarrow as pa

    objective = policy.objective
    wanted = sorted({objective.maximize, "conversions", *objective.leads} & set(facts.outcomes))
    group_of = np.array(facts.groups())
    start = max(0, len(facts.days) - VINTAGE_DAYS)
    late_days = (today - day).days
    rows: list[tuple[int, int, str, str, float, int]] = []
    for metric in wanted:
        values = facts.outcomes[metric][start:]
        for group in sorted(set(group_of.tolist())):
            totals = values[:, group_of == group].sum(axis=1)
            rows += [
                (day.toordinal(), seen.toordinal(), group, metric, float(total), late_days)
                for seen, total in zip(facts.days[start:], totals, strict=True)
                if np.isfinite(total)
            ]
    return pa.Table.from_arrays(
        [pa.array([row[index] for row in rows], kind) for index, kind in enumerate(_kinds())],
        names=list(_VINTAGE_NAMES),
    )


def _kinds() -> list[Any]:
    import pyarrow as pa

    return [pa.int32(), pa.int32(), pa.string(), pa.string(), pa.float64(), pa.int32()]


def _empty() -> pa.Table:
    import pyarrow as pa

    return pa.Table.from_arrays(
        [pa.array([], kind) for kind in _kinds()], names=list(_VINTAGE_NAMES)
    )
