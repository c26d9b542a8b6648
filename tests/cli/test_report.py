from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline.cli.app import build_app
from tests.io.reports.conftest import CHROMIUM
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


def test_a_workbook_is_written_and_its_path_printed(folder):
    path = Path(equimarginal("--format", "xlsx", folder=folder).strip())
    assert path.name == f"{sample_plan().plan_id}.xlsx"
    assert path.read_bytes().startswith(b"PK")


@pytest.mark.skipif(CHROMIUM is None, reason="needs the system's chromium")
def test_a_page_is_printed_by_the_browser_that_is_there(folder):
    answer = json.loads(equimarginal("--format", "pdf", "--json", folder=folder))
    data = Path(answer["path"]).read_bytes()
    assert data.startswith(b"%PDF-")
    assert data.count(b"/Type /Page\n") + data.count(b"/Type /Page>") + data.count(
        b"/Type /Page "
    ) > 2  # fmt: skip


def test_without_a_browser_a_pdf_is_one_line_that_says_what_to_do(folder):
    result = subprocess.run(
        [sys.executable, "-m", "pipeline", "report", "--format", "pdf", "-w", str(folder)],
        capture_output=True,
        text=True,
        env={"EQUIMARGINAL_NOW": NOW, "PATH": ""},
        check=False,
    )
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    assert "apt-get install chromium" in result.stderr


def test_open_shows_what_was_written(folder, tmp_path, monkeypatch):
    told = tmp_path / "told"
    os.mkfifo(told)
    opener = tmp_path / "xdg-open"
    opener.write_text(f'#!/bin/sh\necho "$1" > {told}\n', encoding="utf-8")
    opener.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    path = Path(equimarginal("latest", "--open", folder=folder).strip())
    assert told.read_text(encoding="utf-8").strip().endswith(str(path))


def test_what_is_printed_cannot_be_opened(folder):
    result = CliRunner().invoke(
        build_app(), ["report", "--format", "csv", "--open", "-w", str(folder)]
    )
    assert result.exit_code != 0
