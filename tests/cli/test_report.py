from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline.cli.app import build_app
from tests.io.reports.samples import sample_plan
from tests.runs.test_reports import one_night

NOW = "2026-11-22T06:00:00+01:00"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("acme")
    one_night(out)
    return out


def equimarginal(*arguments: str, folder: Path) -> str:
    """Return what the command printed on stdout."""
    result = CliRunner().invoke(
        build_app(),
        ["report", *arguments, "-w", str(folder)],
        env={"EQUIMARGINAL_NOW": NOW},
        catch_exceptions=False,
    )
    assert result.exit_code == 0
    return result.stdout


def test_the_page_s_path_goes_to_stdout(folder):
    path = Path(equimarginal("latest", folder=folder).strip())
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_a_plan_can_be_read_in_other_forms(folder):
    text = equimarginal("2026-11", "--format", "md", folder=folder)
    assert text.startswith("## Move 530.00 EUR between 8 lines")
    sheet = equimarginal("--format", "csv", folder=folder)
    assert len(list(csv.reader(io.StringIO(sheet)))) == 13
    plan = json.loads(equimarginal("--format", "json", folder=folder))
    assert plan["content_hash"] == sample_plan().content_hash


def test_the_other_pages_are_written(folder):
    answer = json.loads(equimarginal("--index", "--json", folder=folder))
    assert answer["identical"]
    assert Path(answer["path"]).name == "index.html"
    assert equimarginal("--caps", folder=folder).strip().endswith("caps.html")


def test_an_unknown_plan_is_one_line(folder):
    result = subprocess.run(
        [sys.executable, "-m", "pipeline", "report", "1999", "-w", str(folder)],
        capture_output=True,
        text=True,
        env={"EQUIMARGINAL_NOW": NOW, "PATH": ""},
        check=False,
    )
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    assert "Traceback" not in result.stderr
