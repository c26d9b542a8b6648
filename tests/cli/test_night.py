"""The command line as people and schedulers meet it: exit codes, one line on stderr, clean JSON."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import typer
from click.testing import CliRunner

from pipeline.cli.app import build_app, main
from tests.runs.shop import Shop

DATE = "2026-11-22"
ID = re.compile(r"2026-11-22-[0-9a-f]{8}")


@dataclass(frozen=True)
class Answer:
    code: int
    out: str
    err: str

    @property
    def complaint(self) -> str:
        """The one line that says what went wrong."""
        lines = [line for line in self.err.splitlines() if line.startswith("equimarginal: ")]
        assert len(lines) == 1, self.err
        assert "Traceback" not in self.err
        return lines[0]

    def json(self):
        return json.loads(self.out, parse_constant=lambda name: pytest.fail(f"{name} in JSON"))


Run = Callable[..., Answer]


@pytest.fixture
def run(shop: Shop, monkeypatch, capsys) -> Run:
    """Run a command on the shop's folder, in this process, as the installed script does."""
    monkeypatch.setenv("EQUIMARGINAL_NOW", "2026-11-22T06:00:00+01:00")
    shop.write()

    def command(*arguments: str, here: bool = True) -> Answer:
        where = ["-w", str(shop.folder)] if here else []
        monkeypatch.setattr(sys, "argv", ["equimarginal", *arguments, *where])
        capsys.readouterr()
        code = 0
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
        said = capsys.readouterr()
        return Answer(code, said.out, said.err)

    return command


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path / "shop")


def test_a_night_prints_its_plan_and_the_command_that_signs_it(run):
    answer = run("night", "--date", DATE)
    assert answer.code == 0
    plan_id = ID.search(answer.out).group()
    assert f"equimarginal approve {plan_id} --as ana" in answer.out
    assert "optimised, proposed" in answer.out
    assert Path(re.search(r"report +(\S+)", answer.out).group(1)).is_file()
    assert "equimarginal:" not in answer.err


def test_json_is_all_that_stdout_holds(run):
    night = run("night", "--date", DATE, "--json").json()
    shown = run("plan", "latest", "--json").json()
    assert shown == night
    assert shown["mode"] == "optimised"
    assert [item["plan_id"] for item in run("plans", "--json").json()] == [night["plan_id"]]
    for command in (["caps"], ["check", "--date", DATE], ["replay", "latest"], ["audit", "verify"]):
        answer = run(*command, "--json")
        assert answer.code == 0, answer.err
        answer.json()


def test_a_plan_is_named_by_its_id_a_beginning_of_it_or_latest(run):
    plan_id = run("night", "--date", DATE, "--json").json()["plan_id"]
    for ref in (plan_id, plan_id[:-3], DATE, "latest"):
        assert run("plan", ref, "--json").json()["plan_id"] == plan_id
    missing = run("plan", "2031")
    assert missing.code == 2
    assert "equimarginal plans" in missing.complaint


def test_an_ambiguous_beginning_is_refused(run, shop):
    run("night", "--date", DATE)
    shop.outcomes[-1]["revenue"] += 5
    shop.write()
    run("night", "--date", DATE)
    answer = run("plan", DATE)
    assert answer.code == 2
    assert "give more of the id" in answer.complaint


def test_today_where_the_portfolio_is_gets_the_plan_when_no_day_is_named(run, shop, monkeypatch):
    shop.later()
    shop.settings["timezone"] = "Pacific/Auckland"
    shop.write()
    monkeypatch.setenv("EQUIMARGINAL_NOW", "2026-11-22T20:00:00+01:00")  # the 23rd down there
    answer = run("night", "--json")
    assert answer.code == 0, answer.err
    assert answer.json()["date"] == "2026-11-23"


@pytest.mark.parametrize("date", ["22.11.2026", "2026-13-01", "tomorrow", "", "20261122T"])
def test_a_date_that_is_none_is_bad_usage(run, date):
    answer = run("night", "--date", date)
    assert answer.code == 2
    assert "2026-11-22" in answer.complaint


@pytest.mark.parametrize("command", ["night", "check", "rotate"])
@pytest.mark.parametrize("date", ["0001-01-01", "9999-12-31"])
def test_a_date_centuries_away_is_bad_usage(run, command, date):
    answer = run(command, "--date", date)
    assert answer.code == 2
    assert f"--date: got {date}, need a day from 1970-01-01 to 2199-12-31" in answer.complaint


def test_a_night_a_year_ahead_of_the_clock_is_not_signed(run):
    run("night", "--date", DATE)
    run("approve", "latest", "--as", "ana")
    slip = run("night", "--date", "2099-11-23")
    assert slip.code == 0
    assert "sign    not possible: this is for 2099-11-23" in slip.out
    assert run("approve", "latest", "--as", "ana").code == 4


def test_a_night_names_the_command_that_signs_only_where_the_plan_can_be_signed(run):
    assert "equimarginal approve" in run("night", "--date", DATE).out
    run("approve", "latest", "--as", "ana")
    again = run("night", "--date", DATE).out
    assert "nothing waits: the plan is approved by ana" in again
    late = run("night", "--date", "2026-11-21").out
    assert "not possible: 2026-11-22 is published" in late
    assert "equimarginal approve" not in again + late


def test_approving_and_rejecting_end_in_the_ledger(run, shop):
    run("night", "--date", DATE)
    assert run("approve", "latest", "--as", "ana").code == 0
    shown = run("plan", "latest", "--json").json()
    assert (shown["status"], shown["decision"]["by"]) == ("approved", "ana")
    assert (shop.folder / "published" / "latest.json").is_file()
    again = run("reject", "latest", "--as", "ana", "--why", "late")
    assert again.code == 4
    assert again.complaint


@pytest.mark.parametrize("person", ["fin", "nobody", ""])
def test_somebody_who_may_not_sign_is_refused(run, person):
    run("night", "--date", DATE)
    answer = run("approve", "latest", "--as", person)
    assert answer.code == 4
    assert answer.complaint
    assert run("plan", "latest", "--json").json()["status"] == "proposed"


def test_exit_one_is_a_check_that_says_no(run, shop):
    shop.spend[-1]["spend"] = "n/a"
    shop.outcomes[-1]["revenue"] = "-5"
    shop.write()
    answer = run("check", "--date", DATE)
    assert answer.code == 1
    assert "n/a" in answer.out
    assert "-5" in answer.out
    assert answer.complaint
    as_json = run("check", "--date", DATE, "--json")
    assert (as_json.code, as_json.json()["ok"]) == (1, False)
    assert not (shop.folder / ".equimarginal" / "runs").exists()


@pytest.mark.parametrize(
    "break_settings",
    [
        lambda settings: settings.update(budget={"daily": -1}),
        lambda settings: settings.update(colour="red"),
        lambda settings: settings.update(guardrails=[{"metric": "roas", "min": 1e6}]),
    ],
)
def test_exit_two_is_a_policy_that_cannot_be(run, shop, break_settings):
    break_settings(shop.settings)
    shop.write()
    answer = run("night", "--date", DATE)
    assert answer.code == 2
    assert answer.complaint
    assert answer.out == ""
    assert not list((shop.folder / ".equimarginal").glob("runs/20*"))


def test_exit_two_without_a_portfolio_or_with_an_unknown_option(run, tmp_path):
    for arguments in (
        ["night", "-w", str(tmp_path / "nowhere")], ["plans", "--colour"], ["nihgt"],
        ["approve", "latest"], ["reject", "latest", "--as", "ana"], ["report"],
    ):  # fmt: skip
        answer = run(*arguments, here=False)
        assert answer.code == 2, arguments
        assert answer.complaint


def test_exit_three_is_data_that_cannot_be_trusted(run, shop):
    shop.spend[-1]["spend"] = "nan"
    shop.write()
    answer = run("night", "--date", DATE, "--json")
    assert answer.code == 3
    assert answer.out == ""
    assert "no approved plan" in answer.complaint
    assert "nan" in answer.complaint
    assert run("plans", "--json").json() == []


def test_a_fallback_is_a_plan_and_hence_exit_zero(run, shop, monkeypatch):
    run("night", "--date", DATE)
    run("approve", "latest", "--as", "ana")
    shop.later()
    shop.spend[-1]["spend"] = "nan"
    shop.write()
    monkeypatch.setenv("EQUIMARGINAL_NOW", "2026-11-23T06:00:00+01:00")
    answer = run("night", "--date", "2026-11-23", "--json")
    assert answer.code == 0
    assert answer.json()["mode"] == "fallback"


def test_a_report_is_written_again_byte_by_byte(run, shop):
    plan_id = run("night", "--date", DATE, "--json").json()["plan_id"]
    page = shop.folder / ".equimarginal" / "runs" / plan_id / "report.html"
    before = page.read_bytes()
    run("approve", plan_id, "--as", "ana")
    page.unlink()
    answer = run("report", plan_id)
    assert answer.code == 0, answer.err
    assert page.read_bytes() == before


def test_a_replay_is_identical_and_says_when_a_run_was_altered(run, shop):
    plan_id = run("night", "--date", DATE, "--json").json()["plan_id"]
    for name in ("spend.csv", "outcomes.csv"):
        (shop.folder / "data" / name).unlink()  # a run holds what it rests on
    answer = run("replay", plan_id)
    assert (answer.code, "identical" in answer.out) == (0, True)
    stored = shop.folder / ".equimarginal" / "runs" / plan_id / "snapshot" / "spend.parquet"
    stored.write_bytes(stored.read_bytes()[:-1])
    altered = run("replay", plan_id)
    assert altered.code == 1
    assert "altered" in altered.complaint


def test_an_altered_ledger_is_found(run, shop):
    import sqlite3

    run("night", "--date", DATE)
    run("approve", "latest", "--as", "ana")
    assert run("audit", "verify").code == 0
    with sqlite3.connect(shop.folder / ".equimarginal" / "ledger.sqlite") as database:
        triggers = database.execute("select name from sqlite_master where type='trigger'")
        for (name,) in triggers.fetchall():
            database.execute(f'drop trigger "{name}"')
        database.execute("update audit set actor = 'eve' where seq = 1")
    database.close()
    answer = run("audit", "verify")
    assert answer.code == 1
    assert "1" in answer.complaint


def test_a_new_portfolio_runs_as_it_is_and_is_not_written_over(run, tmp_path):
    folder = tmp_path / "new" / "acme"
    made = run("init", str(folder), here=False)
    assert made.code == 0, made.err
    assert (folder / "portfolio.yaml").read_text().count("#") > 10
    before = sorted(folder.rglob("*"))
    again = run("init", str(folder), here=False)
    assert again.code == 2
    assert "not empty" in again.complaint
    assert sorted(folder.rglob("*")) == before
    checked = run("check", "-w", str(folder), "--date", DATE, here=False)
    assert checked.code == 0, checked.err


def _commands() -> list[list[str]]:
    found: list[list[str]] = []

    def walk(group: object, path: list[str]) -> None:
        found.append(path)
        for name, command in sorted(getattr(group, "commands", {}).items()):
            walk(command, [*path, name])

    walk(typer.main.get_command(build_app()), [])
    return found


def test_every_command_of_the_contract_is_there():
    names = {" ".join(path) for path in _commands()}
    assert {
        "init", "check", "night", "plans", "plan", "approve", "reject", "caps", "caps propose",
        "caps approve", "caps reject", "report", "replay", "audit verify", "allocate", "simulate",
        "backtest",
    } <= names  # fmt: skip


def test_every_command_explains_itself():
    program = typer.main.get_command(build_app())  # once: to read all commands' types is slow
    for path in _commands():
        answer = CliRunner().invoke(program, [*path, "--help"])
        assert answer.exit_code == 0, path
        assert "Usage" in answer.stdout
        assert answer.stderr == ""


def test_without_a_command_the_help_is_shown(run):
    assert "Usage" in (said := run(here=False)).out + said.err


def test_the_debug_switch_shows_the_traceback(run, shop, monkeypatch):
    from pipeline.core.errors import ConfigError

    (shop.folder / "portfolio.yaml").write_text("portfolio: 3")
    with pytest.raises(ConfigError):
        run("night", "--debug")


def test_a_hostile_name_cannot_write_to_the_terminal(run, shop):
    for rows in (shop.spend, shop.outcomes):
        for row in rows:
            row["audience"] = row["audience"].replace("brand", "br\u200fand\u0085")
    shop.write()
    answer = run("night", "--date", DATE)
    assert "\u200f" not in answer.out + answer.err
    assert answer.code == 3


def test_the_installed_program_starts_quickly_and_needs_no_heavy_library(tmp_path):
    code = (
        "import sys, pipeline.cli.app as app; app.build_app(); "
        "heavy = {'airflow', 'pandas', 'great_expectations', 'scipy', 'duckdb', 'sqlalchemy'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=root, check=True
    )
    assert done.stdout == "[]\n"


def test_the_module_is_the_program(shop):
    shop.spend[-1]["spend"] = "x"
    shop.write()
    environment = {**os.environ, "EQUIMARGINAL_NOW": "2026-11-22T06:00:00+01:00"}
    done = subprocess.run(
        [sys.executable, "-m", "pipeline", "night", "-w", str(shop.folder), "--date", DATE],
        capture_output=True, text=True, env=environment, check=False,
        cwd=Path(__file__).resolve().parents[2],
    )  # fmt: skip
    assert done.returncode == 3
    assert done.stdout == ""
    assert done.stderr.splitlines()[-1].startswith("equimarginal: no plan for 2026-11-22")
