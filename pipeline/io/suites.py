"""The suites under expectations/, run on the night's daily tables by Great Expectations.

Importing Great Expectations takes seconds, so it happens in a worker process that starts with the
night and is kept for the next one. Should the worker die, the suites run in this process.
"""

from __future__ import annotations

import atexit
import base64
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.core.findings import Finding
from pipeline.core.types import line_label
from pipeline.io.assets import asset_folder
from pipeline.io.facts import Facts
from pipeline.io.suite_words import finding_of

if TYPE_CHECKING:
    import pyarrow as pa

TABLES = ("experiments", "line_day", "outcomes", "spend")
STALE_OUTCOME_DAYS = 3


@lru_cache(maxsize=8)
def load_suites(tables: tuple[str, ...] = TABLES) -> dict[str, dict[str, Any]]:
    """Return table -> suite, as the files say."""
    folder = asset_folder("expectations")
    return {
        table: json.loads((folder / f"{table}.json").read_text(encoding="utf-8"))
        for table in tables
    }


def start() -> None:
    """Start the worker if none runs: the earlier, the less the night waits."""
    worker()


@dataclass(slots=True)
class PendingSuites:
    """Suites that are being evaluated elsewhere meanwhile."""

    _request: dict[str, Any]
    _worker: subprocess.Popen[str] | None

    def findings(self) -> list[Finding]:
        """Wait for the results and return what they found; empty when all passed."""
        return [item for result in self._results() if (item := finding_of(result)) is not None]

    def _results(self) -> list[dict[str, Any]]:
        answer = _ask(self._worker, self._request["id"]) if self._worker is not None else None
        if answer is None:
            from pipeline.io.suite_worker import evaluate

            return evaluate(self._request)
        if "error" in answer:
            return [{"table": "suites", "type": "suite", "column": "", "errored": answer["error"]}]
        results: list[dict[str, Any]] = answer["results"]
        return results


def begin(
    facts: Facts, metric: str, tests: pa.Table | None = None, *, period_days: int = 1
) -> PendingSuites:
    """Hand the night's tables of budgets to the suites and return at once.

    Args:
        tests: the mart `lift_test`, where the night has any.
        period_days: how many days a row of the sources spans.
    """
    return _begin(request_for(facts, metric, tests, period_days))


def begin_tables(
    tables: Mapping[str, dict[str, Any]], parameters: Mapping[str, Any]
) -> PendingSuites:
    """Hand any tables, column by column, to the suites of their names and return at once."""
    return _begin(
        {
            "id": next(_numbers),
            "suites": load_suites(tuple(tables)),
            "frames": {name: stream(columns) for name, columns in tables.items()},
            "parameters": dict(parameters),
        }
    )


def _begin(request: dict[str, Any]) -> PendingSuites:
    running = worker()
    if running is not None and not _tell(running, request):
        running = None
    return PendingSuites(request, running)


def request_for(
    facts: Facts, metric: str, tests: pa.Table | None = None, period_days: int = 1
) -> dict[str, Any]:
    """Return all that the suites need of a night, as plain values."""
    last_day = facts.days[-1]
    late = timedelta(days=STALE_OUTCOME_DAYS + period_days - 1)
    tables = frames(facts, metric)
    if tests is not None and tests.num_rows:
        tables["experiments"] = experiment_frame(tests, facts)
    return {
        "id": next(_numbers),
        "suites": {name: suite for name, suite in load_suites().items() if name in tables},
        "frames": {name: stream(columns) for name, columns in tables.items()},
        "parameters": {
            "first_day": facts.days[0].isoformat(),
            "last_day": last_day.isoformat(),
            "oldest_newest_outcome": (last_day - late).isoformat(),
            "cells": facts.spend.size,
            "days": len(facts.days),
        },
    }


def frames(facts: Facts, metric: str) -> dict[str, dict[str, Any]]:
    """Return the three tables that the suites speak of, column by column."""
    n_days, n_lines = facts.spend.shape
    days = np.array([day.isoformat() for day in facts.days])
    labels = np.array([line_label(line) for line in facts.lines])
    cells = {"day": np.repeat(days, n_lines), "line": np.tile(labels, n_days)}
    flat = {
        "spend": facts.spend.ravel(),
        "impressions": facts.impressions.ravel(),
        "clicks": facts.clicks.ravel(),
    }
    spoke = facts.has_spend_row.ravel()
    units = facts.outcome_side
    seen = units.outcomes[metric]
    covered = np.repeat(np.isfinite(seen).any(axis=1), seen.shape[1])
    outcomes = {
        "day": np.repeat(days, seen.shape[1]),
        "line": np.tile([line_label(unit) for unit in units.lines], n_days),
        "outcome": seen.ravel(),
    }
    return {
        "spend": {name: values[spoke] for name, values in {**cells, **flat}.items()},
        "outcomes": {name: values[covered] for name, values in outcomes.items()},
        "line_day": {**cells, "spend": flat["spend"], "has_spend_row": spoke.astype(float)},
    }


def experiment_frame(tests: pa.Table, facts: Facts) -> dict[str, Any]:
    """Return one row per test and treated line."""
    labels = [line_label(line) for line in facts.lines]

    def column(name: str) -> list[Any]:
        found: list[Any] = tests.column(name).to_pylist()
        return found

    keys = zip(column("file"), column("row"), strict=True)
    return {
        "test": np.array([f"{file}, row {row}" for file, row in keys]),
        "line": np.array([labels[index] for index in column("line_id")]),
        "first_day": np.array([day.isoformat() for day in column("first_day")]),
        "last_day": np.array([day.isoformat() for day in column("last_day")]),
        "lift": np.array(column("lift"), dtype=float),
        "standard_error": np.array(column("standard_error"), dtype=float),
    }


def stream(columns: dict[str, Any]) -> str:
    """Return a table as an Arrow stream in base64, NaN as null."""
    import pyarrow as pa

    arrays = {
        name: pa.array(values.tolist() if values.dtype.kind == "U" else values, from_pandas=True)
        for name, values in columns.items()
    }
    table = pa.table(arrays)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return base64.b64encode(sink.getvalue()).decode("ascii")


@dataclass(slots=True)
class _Kept:
    """The worker of this process; a forked child must not talk to its parent's."""

    process: subprocess.Popen[str] | None = None
    owner: int = 0


_kept = _Kept()
_numbers = count()


def worker() -> subprocess.Popen[str] | None:
    """Return the running worker, started if need be, or None where processes cannot start."""
    running = _kept.process
    if running is not None and _kept.owner == os.getpid() and running.poll() is None:
        return running
    package_parent = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(filter(None, [package_parent, os.environ.get("PYTHONPATH", "")]))
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", "pipeline.io.suite_worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": path},
            text=True,
            encoding="utf-8",
        )
    except OSError:
        return None
    if _kept.owner != os.getpid():
        atexit.register(_stop)
    _kept.process, _kept.owner = process, os.getpid()
    return process


def _tell(worker: subprocess.Popen[str], request: dict[str, Any]) -> bool:
    if worker.stdin is None:
        return False
    try:
        worker.stdin.write(json.dumps(request) + "\n")
        worker.stdin.flush()
    except OSError:
        return False
    return True


def _ask(worker: subprocess.Popen[str], number: int) -> dict[str, Any] | None:
    """Return the worker's answer to a request, None when it died.

    Answers to requests that nobody waited for come first and are passed over.
    """
    if worker.stdout is None:
        return None
    while True:
        try:
            answer: dict[str, Any] = json.loads(worker.stdout.readline())
        except (OSError, ValueError):
            return None
        if answer["id"] == number:
            return answer


def _stop() -> None:
    process = _kept.process
    if process is None or _kept.owner != os.getpid():
        return
    _kept.process = None
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with suppress(OSError):
                pipe.close()
