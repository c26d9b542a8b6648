"""Spoilt source files: each gives findings of a closed list, with a place, or sound tables."""

from __future__ import annotations

import random
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np

from pipeline.core.findings import Level
from pipeline.io import warehouse
from pipeline.io.artefacts import begin_run
from tests.io.conftest import Night, Tables
from tests.io.test_fuzz import CODES, mutate
from tests.torture.report import Outcome, Tell

SLOW_SECONDS = 30


def files(count: int, seed: int, tell: Tell) -> Outcome:
    """Mutate good files and read them as a night does; no model runs on what was refused."""
    outcome = Outcome(unit="files")
    rng = random.Random(seed)
    root = Path(tempfile.mkdtemp(prefix="torture-"))
    folder = root / "portfolio"
    folder.mkdir()
    tables = Tables(folder)
    tables.write()
    good = {name: (folder / name).read_bytes() for name in ("spend.csv", "outcomes.csv")}
    taken = []
    for case in range(count):
        tell(case, count)
        name = rng.choice(sorted(good))
        data = good[name]
        for _ in range(rng.randrange(1, 4)):
            data = mutate(data, rng) or b","
        for other, whole in good.items():
            (folder / other).write_bytes(data if other == name else whole)
        began = time.process_time()
        try:
            level = _read(tables, root)
        except Exception as error:  # noqa: BLE001  whatever it is, it is a failure
            outcome.fail(f"case {case}: {name}: {type(error).__name__}: {error}")
        else:
            outcome.note(f"ended in {level.value}")
        taken.append(time.process_time() - began)
        outcome.cases += 1
    outcome.notes["ms median"] = round(1000 * float(np.median(taken)))
    outcome.notes["ms worst"] = round(1000 * max(taken))
    if max(taken) > SLOW_SECONDS:
        outcome.fail(f"one file took {max(taken):.0f} s")
    shutil.rmtree(root, ignore_errors=True)
    return outcome


def _read(tables: Tables, root: Path) -> Level:
    """Return the worst level; a refusal names its source, and what is let through is sound."""
    night = Night(tables, begin_run(str(root / "runs"), "fuzz"))
    found = night()
    assert found.all, "no finding at all"
    for item in found.all:
        assert item.check in CODES, f"unlisted code {item.check}"
        assert item.message.isprintable()
        assert len(item.message) < 600, "endless message"
        if item.level is Level.FAIL:
            assert item.source in {"spend", "outcomes"}, f"{item.check} has no place"
    if night.work.exists("line_day.parquet"):
        history = warehouse.read_history(night.work, tables.policy())
        assert np.isfinite(history.spend).all()
        assert (history.spend >= 0).all()
        assert all(np.isfinite(values).all() for values in history.outcomes.values())
    return Level.FAIL if found.fails else Level.REVIEW if found.reviews else Level.PASS
