from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from pipeline.cli.simulate import register
from pipeline.core.errors import DataNotTrustedError, UsageError
from pipeline.simulation.example import write_example


def run(*arguments: str) -> str:
    app = typer.Typer()
    register(app)
    result = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("portfolio")
    write_example(path, days=110)
    return path


def test_simulate_prints_a_table_and_draws_a_picture(tmp_path: Path) -> None:
    picture = tmp_path / "gain.svg"
    shown = run(
        "simulate", "--kinds", "calm", "--nights", "3", "--policies", "rule,regression",
        "--picture", str(picture),
    )  # fmt: skip
    assert "captured" in shown
    assert "regression" in shown
    assert picture.read_bytes().startswith(b"<svg")


def test_simulate_plays_the_strongest_cheap_rival_unasked() -> None:
    answer = json.loads(run("simulate", "--kinds", "calm", "--nights", "1", "--json"))
    assert [row["policy"] for row in answer["summary"]] == ["ours", "grid", "regression", "rule"]


def test_no_number_is_broken_on_a_narrow_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("TERM", "dumb")  # 80 columns
    shown = run(
        "simulate", "--kinds", "channel_demand", "--nights", "2", "--policies", "regression,rule"
    )
    found = [line.split() for line in shown.splitlines()]
    rows = [row for row in found if row[:1] in (["regression"], ["rule"])]
    assert [len(row) for row in rows] == [8, 8]
    assert "captured: 0 is what never moving a cent earns (static), 1 what the oracle" in shown


def test_simulate_answers_in_json() -> None:
    answer = json.loads(
        run("simulate", "--kinds", "calm", "--nights", "2", "--policies", "rule", "--json")
    )
    assert answer["nights"] == 2
    assert answer["summary"][0]["policy"] == "rule"
    assert answer["worlds"][0]["kind"] == "calm"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--kinds", "sunny"], "'sunny' is unknown"),
        (["--policies", "luck"], "'luck': unknown"),
        (["--policies", ","], "need names"),
        (["--files", "--processes", "2"], "one world at a time"),
    ],
)
def test_simulate_refuses_what_it_cannot_do(arguments: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        run("simulate", *arguments)


def test_backtest_scores_the_portfolios_own_weeks(folder: Path) -> None:
    answer = json.loads(
        run("backtest", "-w", str(folder), "--date", "2026-11-22", "--weeks", "3", "--json")
    )
    assert answer["summary"]["weeks"] == 3
    assert answer["summary"]["metric"] == "revenue"
    assert answer["summary"]["weeks_as_known"] == 0
    assert date.fromisoformat(answer["weeks"][0]["day"]) < date(2026, 11, 1)


def test_backtest_says_how_much_of_what_was_asked_it_could_score(folder: Path) -> None:
    shown = run("backtest", "-w", str(folder), "--date", "2026-11-13", "--weeks", "9")
    assert "\n3 weeks of revenue" in shown
    assert "9 weeks were asked for, and 101 days of history have room for 3" in shown


def test_backtest_leaves_the_portfolios_runs_alone(folder: Path) -> None:
    shown = run("backtest", "-w", str(folder), "--date", "2026-11-22", "--weeks", "1")
    assert "90 % interval" in shown
    assert "\n1 week of revenue" in shown
    assert "1 week: of each predicted effect" in shown
    assert "one week cannot tell" in shown
    assert not (folder / ".equimarginal" / "runs").exists()


def test_backtest_says_when_the_sources_cannot_be_used(folder: Path) -> None:
    with pytest.raises(DataNotTrustedError, match="cannot be used"):
        run("backtest", "-w", str(folder), "--date", "2020-01-01")
    with pytest.raises(UsageError, match="--date: got"):
        run("backtest", "-w", str(folder), "--date", "yesterday")
