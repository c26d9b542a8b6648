"""A canary in every place that may hold a secret: no output, file or error shows it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.runs.shop import Shop

ROOT = Path(__file__).resolve().parents[2]
CANARY = "c4n4ry-0f-the-mine"
SHUT = f"postgresql://reader:{CANARY}@127.0.0.1:1/db?connect_timeout=1"
PLACES: dict[str, dict[str, Any]] = {
    "the ledger's password": {"ledger": "env:THE_LEDGER"},
    "a source's password": {"spend": {"database": "shut", "table": "daily"}},
    "a setting that should not hold it": {"spend": {"database": SHUT, "table": "daily"}},
    "a store's address": {"spend": {"path": f"s3://key:{CANARY}@bucket/x.csv"}},
}
NIGHT = ["night", "--date", "2026-11-22", "--debug"]


@pytest.mark.parametrize("place", PLACES)
def test_a_secret_is_in_no_output_and_in_no_file(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = Shop(tmp_path / "shop")
    shop.write()
    settings, changes = dict(shop.settings), dict(PLACES[place])
    if "spend" in changes:
        settings["sources"] = {**settings["sources"], "spend": changes.pop("spend")}
    (shop.folder / "portfolio.yaml").write_text(yaml.safe_dump({**settings, **changes}))
    monkeypatch.setenv("THE_LEDGER", SHUT)
    monkeypatch.setenv("AIRFLOW_CONN_SHUT", SHUT)
    monkeypatch.setenv("EQUIMARGINAL_NOW", shop.moment.isoformat())
    done = subprocess.run(
        [sys.executable, "-m", "pipeline", *NIGHT, "-w", str(shop.folder)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert CANARY not in done.stdout + done.stderr
    assert done.returncode in {1, 2, 3}, done.stderr  # with a traceback it is 1
    for path in shop.folder.rglob("*"):
        if path.is_file() and path.name != "portfolio.yaml":
            assert CANARY.encode() not in path.read_bytes(), path
