"""Every campaign of `make torture`, a five-hundredth of each, with the same invariants."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.torture import disk

ROOT = Path(__file__).resolve().parents[2]
CAMPAIGNS = (
    "kills", "faults", "powercuts", "deliveries", "upgrades", "nights", "files", "plan-bytes",
    "audit-edits", "hostile-plans", "money", "splits",
)  # fmt: skip


def torture(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "tools/torture.py", *arguments],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.skipif(bool(disk.missing()), reason=f"torture: {disk.missing()}")
def test_a_small_torture_finds_nothing_and_says_what_it_did() -> None:
    done = torture(*CAMPAIGNS, "--scale", "0.002", "--seed", "5", "--json")
    assert done.returncode == 0, done.stderr
    counts = json.loads(done.stdout)
    assert counts.keys() == set(CAMPAIGNS)
    for name, result in counts.items():
        assert result["failed"] == 0
        assert result["cases"] > 0, name
        assert f"{name}: {result['cases']} " in done.stderr
    assert counts["kills"]["notes"]["write points"] >= 40
    assert counts["nights"]["notes"]["published plans"] > 0
    assert counts["splits"]["notes"]["prices"] > 0


def test_a_campaign_that_does_not_exist_is_named() -> None:
    done = torture("kittens")
    assert done.returncode == 2
    assert "no campaign kittens; there are kills" in done.stderr


def test_a_campaign_whose_time_is_over_says_what_it_did() -> None:
    done = torture("money", "--minutes", "0", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["money"]["failed"] == 0
    assert "money: " in done.stderr
