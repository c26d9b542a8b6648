"""Mutations of good files: whatever a file turns into, the night gets findings or sound tables."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.core.findings import Level
from pipeline.io import warehouse
from pipeline.io.artefacts import begin_run

JUNK = [b",", b'"', b"\n", b"\r", b"\x00", b"\xff", b"-", b"e9", b"NaN", b"inf", b";", b"\t", b"0"]
CODES = {
    "ambiguous-key", "clicks-above-impressions", "conversions-above-clicks", "copied-day",
    "cut-off", "data", "day-jump",
    "foreign-currency", "future-day", "line-step", "missing-days", "missing-group", "missing-lines",
    "late-outcomes", "missing-outcomes", "missing-rows",
    "no-outcome", "no-rows",
    "no-spend", "outage", "outcome-jump", "outcome-without-spend", "partial-day", "paused",
    "price-level", "repeated-row", "restated-part", "short-history", "similar-name", "source",
    "spend-against-budget", "spend-fall", "spend-jump", "stale-outcomes", "stale-spend",
    "swapped-columns",
    "too-many-cells", "unit-cost", "unit-shift", "unreadable-day", "unreadable-number",
    "unusable-name",
}  # fmt: skip


def mutate(data: bytes, rng: random.Random) -> bytes:
    kind = rng.randrange(6)
    at = rng.randrange(len(data))
    if kind == 0:
        return data[:at]
    if kind == 1:
        return data[:at] + rng.choice(JUNK) + data[at:]
    if kind == 2:
        return data[:at] + bytes([data[at] ^ (1 << rng.randrange(8))]) + data[at + 1 :]
    if kind == 3:
        return data[:at] + data[at + rng.randrange(1, 200) :]
    lines = data.splitlines(keepends=True)
    line = rng.randrange(len(lines))
    if kind == 4:
        return b"".join([*lines[:line], lines[line], *lines[line:]])
    rng.shuffle(lines)
    return b"".join(lines)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(seed=st.integers(0, 2**32), times=st.integers(1, 3), which=st.booleans())
def test_a_mutated_file_is_refused_by_name_or_read_soundly(
    tables: Any, night: Any, tmp_path: Path, seed: int, times: int, which: bool
) -> None:
    tables.write()
    path = tables.folder / ("spend.csv" if which else "outcomes.csv")
    rng = random.Random(seed)
    data = path.read_bytes()
    for _ in range(times):
        data = mutate(data, rng) or b","
    path.write_bytes(data)
    night.work = begin_run(str(tmp_path / "runs"), "fuzz")
    found = night()
    assert found.all
    for item in found.all:
        assert item.check in CODES
        assert item.message.isprintable()
        assert len(item.message) < 600
        if item.level is Level.FAIL:
            assert item.source in {"spend", "outcomes"}
    if night.work.exists("line_day.parquet"):
        history = warehouse.read_history(night.work, tables.policy())
        assert np.isfinite(history.spend).all()
        assert (history.spend >= 0).all()
        assert all(np.isfinite(values).all() for values in history.outcomes.values())
