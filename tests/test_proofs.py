"""Counts of long runs: kept in parts, and put together for the documents."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.proofs import mutants_table, torture_table
from tests.kept import code, keep


def test_parts_of_a_campaign_are_added_up_with_the_code_they_ran(tmp_path: Path) -> None:
    path = tmp_path / "torture.json"
    for seed, failed in ((1, 0), (2, 3)):
        part = {"campaign": "kills", "code": f"abc{seed}", "seed": seed, "cases": 1500}
        keep(path, part | {"failed": failed, "seconds": 1800, "cpu_seconds": 75, "notes": {}})
    assert len(json.loads(path.read_bytes())) == 2
    table = torture_table(path)
    assert "| `kills` | 3,000 | 10,000 | 3 | 50 | 1.00 | `abc1`, `abc2` |" in table
    assert "| `races` | 0 | 100 | 0 |  | 0.00 |  |" in table


def test_the_newest_count_of_a_module_is_shown(tmp_path: Path) -> None:
    path = tmp_path / "mutants.json"
    for noticed in (5, 9):
        keep(
            path,
            {"module": "core/money", "code": "abc", "changes": 20, "tried": 10, "noticed": noticed},
        )
    table = mutants_table(path)
    assert "| `core/money` | 20 | 10 | 9 | `abc` |" in table
    assert "| all of these | | 10 | 9 (90%) | |" in table
    assert "| all of these | | 0 | 0 | |" in mutants_table(tmp_path / "none")


def test_the_code_that_runs_is_named() -> None:
    assert code()
