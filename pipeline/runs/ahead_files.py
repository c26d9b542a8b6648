"""Draws of the coming days as files of the run folder, and back.

Where lines have outcomes of their own, one table of lines; where groups of them have, one of lines
and one of groups.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.core.types import FloatArray
from pipeline.io.artefacts import RunFolder

if TYPE_CHECKING:
    from pipeline.response.joint import JointPredictive
    from pipeline.response.predict import Predictive
    from pipeline.runs.decide import Ahead

AHEAD = "ahead.parquet"
GROUP_LINES, GROUPS = "ahead-lines.parquet", "ahead-groups.parquet"
_DRAWS = ("level", "share", "walk_sd")
_DAYS = ("period_days", "lead_days", "past_days")
_GROUP_DRAWS = ("kept", "share", "variance", "odd")


def write_ahead(work: RunFolder, ahead: Ahead) -> None:
    """Write the draws of the coming days."""
    from pipeline.response.predict import Predictive

    if isinstance(ahead, Predictive):
        _write_lines(work, ahead)
    else:
        _write_groups(work, ahead)


def read_ahead(work: RunFolder) -> Ahead | None:
    """Return the draws of the coming days, None where the fit wrote none."""
    return _read_groups(work) if work.exists(GROUPS) else read_line_ahead(work)


def _write_lines(work: RunFolder, ahead: Predictive) -> None:
    import pyarrow as pa

    n_lines = len(ahead.lines)
    table = pa.table(
        {
            "line": pa.array([list(line) for line in ahead.lines]),
            "reference": pa.array(ahead.reference),
            "line_variance": pa.array(ahead.line_variance),
            "carried": _column(ahead.carried, pa.float64()),
            "demand": _column(ahead.demand, pa.float64()),
            "retention": _column(ahead.retention, pa.int8()),
            "shape": _column(ahead.shape, pa.int8()),
            **{name: _column(getattr(ahead, name), pa.float32()) for name in _DRAWS},
            "metric": pa.array([ahead.metric] * n_lines),
            "day": pa.array([ahead.day] * n_lines),
            "shared_sd": pa.array([ahead.shared_sd.tolist()] * n_lines),
            "lasting_sd": pa.array(np.full(n_lines, ahead.lasting_sd)),
        }
    )
    work.write_parquet(AHEAD, table)


def read_line_ahead(work: RunFolder) -> Predictive | None:
    """Return the draws of lines' own coming days, None where there are none."""
    from pipeline.response.predict import Predictive

    if not work.exists(AHEAD):
        return None
    table = work.read_parquet(AHEAD)
    demand = _rows(table, "demand")
    return Predictive(
        metric=str(table.column("metric")[0].as_py()),
        day=table.column("day")[0].as_py(),
        lines=tuple(tuple(line) for line in table.column("line").to_pylist()),
        reference=_numbers(table, "reference"),
        carried=_rows(table, "carried"),
        retention=_rows(table, "retention").astype(np.int8),
        shape=_rows(table, "shape").astype(np.int8),
        **{name: _rows(table, name) for name in _DRAWS},
        demand=demand,
        # One number for all days in runs that knew no calendar.
        shared_sd=np.resize(table.column("shared_sd")[0].as_py(), demand.shape[0]),
        lasting_sd=float(_numbers(table, "lasting_sd")[0]),
        line_variance=_numbers(table, "line_variance"),
    )


def _write_groups(work: RunFolder, ahead: JointPredictive) -> None:
    import pyarrow as pa

    n_units = len(ahead.units)
    paths = ahead.baseline.reshape(-1, n_units)
    lines = {
        "line": pa.array([list(line) for line in ahead.lines], pa.list_(pa.string())),
        "group": pa.array(ahead.unit_of),
        "reference": pa.array(ahead.reference),
        "carried": _column(ahead.carried, pa.float64()),
        "coefficient": _column(ahead.coefficient, pa.float64()),
        "retention": _column(ahead.retention, pa.int8()),
        "shape": _column(ahead.shape, pa.int8()),
    }
    groups = {
        "group": pa.array([list(unit) for unit in ahead.units], pa.list_(pa.string())),
        "metric": pa.array([ahead.metric] * n_units),
        "day": pa.array([ahead.day] * n_units),
        "retentions": pa.array([ahead.retentions.tolist()] * n_units),
        **{name: pa.array([getattr(ahead, name)] * n_units) for name in _DAYS},
        "alike": pa.array([ahead.alike] * n_units),
        "baseline": _column(paths, pa.float64()),
        **{name: _column(getattr(ahead, name), pa.float64()) for name in _GROUP_DRAWS},
    }
    work.write_parquet(GROUP_LINES, pa.table(lines))
    work.write_parquet(GROUPS, pa.table(groups))


def _read_groups(work: RunFolder) -> JointPredictive:
    from pipeline.response.joint import JointPredictive

    lines, groups = work.read_parquet(GROUP_LINES), work.read_parquet(GROUPS)
    coefficient = _rows(lines, "coefficient")
    days: dict[str, Any] = {name: groups.column(name)[0].as_py() for name in _DAYS}
    draws: dict[str, Any] = {name: _rows(groups, name) for name in _GROUP_DRAWS}
    return JointPredictive(
        metric=str(groups.column("metric")[0].as_py()),
        day=groups.column("day")[0].as_py(),
        lines=tuple(tuple(line) for line in lines.column("line").to_pylist()),
        units=tuple(tuple(unit) for unit in groups.column("group").to_pylist()),
        unit_of=_numbers(lines, "group").astype(np.int64),
        reference=_numbers(lines, "reference"),
        carried=_rows(lines, "carried"),
        retentions=np.array(groups.column("retentions")[0].as_py()),
        coefficient=coefficient,
        retention=_rows(lines, "retention").astype(np.int8),
        shape=_rows(lines, "shape").astype(np.int8),
        baseline=_rows(groups, "baseline").reshape(len(coefficient), -1, groups.num_rows),
        **days,
        alike=float(_numbers(groups, "alike")[0]),
        **draws,
    )


def fixed_lists(table: Any, name: str) -> Any:
    """Return a column of lists as one flat array."""
    values = table.column(name).combine_chunks().flatten()
    return np.array(values.to_numpy(zero_copy_only=False))


def _column(values: Any, kind: Any) -> Any:
    """Return a table (n, n_rows) as a column of lists."""
    import pyarrow as pa

    flat = np.ascontiguousarray(values.T).reshape(-1)
    flat = flat.astype(kind.to_pandas_dtype(), copy=False)
    return pa.FixedSizeListArray.from_arrays(pa.array(flat, kind), values.shape[0])


def _rows(table: Any, name: str) -> FloatArray:
    """Return a column of lists as a table (n, n_rows)."""
    return np.ascontiguousarray(fixed_lists(table, name).reshape(table.num_rows, -1).T, dtype=float)


def _numbers(table: Any, name: str) -> FloatArray:
    return np.array(table.column(name).to_numpy(), dtype=float)
