"""The commands that sign, limit and audit, called the way a person calls them."""

from __future__ import annotations

import json
import sqlite3
from datetime import date

import pytest

from pipeline.cli import main
from pipeline.core.plan import Mode, Plan, PlanLine
from pipeline.runs.portfolio import open_portfolio
from pipeline.runs.signoff import ready_ledger

CONFIG = """
portfolio: acme
currency: EUR
timezone: Europe/Berlin
line: [channel, audience]
budget: {daily: 300}
caps:
  - {scope: {channel: search, audience: a}, max: 150}
people: {analysts: [ana], finance: [fin, flo]}
sources: {spend: {path: x.csv}, outcomes: {path: x.csv}}
"""
DAY = date(2026, 11, 22)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("EQUIMARGINAL_NOW", "2026-11-22T06:00:00+01:00")
    (tmp_path / "portfolio.yaml").write_text(CONFIG)
    return tmp_path


@pytest.fixture
def run(folder, monkeypatch, capsys):
    def call(*arguments, at=("-w", str(folder))):
        monkeypatch.setattr("sys.argv", ["equimarginal", *arguments, *at])
        try:
            main()
            code = 0
        except SystemExit as end:
            code = end.code or 0
        done = capsys.readouterr()
        assert "Traceback" not in done.err
        return code, done.out, done.err

    return call


def propose(folder, day=DAY, search=100.0, name="a"):
    portfolio = open_portfolio(folder)
    ledger = ready_ledger(portfolio)
    lines = [("search", name, 100.0, search), ("social", "b", 200.0, 300.0 - search)]
    plan = Plan(
        plan_id=f"{day}-00000000",
        portfolio="acme",
        date=day,
        currency="EUR",
        line_columns=("channel", "audience"),
        mode=Mode.OPTIMISED,
        budget=300.0,
        lines=tuple(
            PlanLine(line={"channel": one, "audience": two}, current=now, proposed=new)
            for one, two, now, new in lines
        ),
        caps_version=ledger.caps_version("acme", day),
    )
    return ledger.propose_plan(plan, portfolio.policy)


def test_from_waiting_caps_to_a_published_plan(run, folder):
    code, out, _ = run("caps", "--json")
    overview = json.loads(out)
    assert (code, overview["in_force"], len(overview["waiting"])) == (0, [], 1)
    assert run("caps", "approve", "--all", "--as", "fin")[0] == 0
    code, out, _ = run("caps", "--date", "2026-11-22")
    assert "channel=search, audience=a" in out
    propose(folder, search=110.0)
    code, out, _ = run("plans", "--json")
    assert [plan["status"] for plan in json.loads(out)] == ["proposed"]
    code, out, _ = run("plan", "latest")
    assert (code, "status    proposed" in out, "110.00" in out) == (0, True, True)
    code, out, _ = run("approve", "2026", "--as", "ana", "--json")
    plan = json.loads(out)
    assert (code, plan["status"], plan["publication"]["status"]) == (0, "approved", "published")
    assert list(plan)[:4] == ["plan_id", "portfolio", "date", "currency"]
    code, out, _ = run("audit", "verify")
    assert (code, out.startswith("sound: ")) == (0, True)
    code, out, _ = run("audit", "export")
    actions = [json.loads(line)["action"] for line in out.splitlines()]
    assert actions[-3:] == ["plan.approved", "publication.publishing", "publication.published"]


def test_the_folder_may_stand_before_the_sub_command(run, folder):
    code, out, _ = run("caps", "-w", str(folder), "approve", "--all", "--as", "fin", at=())
    assert (code, "is approved by fin" in out) == (0, True)


def test_a_cap_is_proposed_with_a_scope_and_approved_by_another(run):
    scope = ["--scope", "channel=social", "--scope", "audience=b"]
    life = ["--from", "2026-11-20", "--expires", "2026-12-24", "--reason", "sale"]
    code, out, _ = run("caps", "propose", "--as", "fin", *scope, "--max", "250", *life, "--json")
    (cap,) = json.loads(out)["caps"]
    assert (code, cap["scope"]) == (0, {"audience": "b", "channel": "social"})
    assert (cap["valid_from"], cap["expires"]) == ("2026-11-20", "2026-12-24")
    code, _, err = run("caps", "approve", cap["id"], "--as", "fin")
    assert (code, "somebody else of finance" in err) == (4, True)
    assert run("caps", "approve", cap["id"], "--as", "flo")[0] == 0


def test_a_proposal_says_why_and_what_it_costs_and_the_history_how_each_cap_stands(run):
    scope = ("--scope", "channel=search", "--as", "ana")
    run("caps", "propose", *scope, "--max", "50", "--reason", "sale", "--expires", "2026-11-01")
    run("caps", "propose", *scope, "--max", "60", "--reason", "less", "--from", "2026-12-01")
    code, out, _ = run("caps", "--date", "2026-11-22")
    assert code == 0
    assert "sale; not known: no plan yet" in out
    assert "version sha256:" in out
    code, out, _ = run("caps", "--date", "2026-11-22", "--all", "--json")
    standing = [
        cap["standing"] for cap in json.loads(out)["history"] if cap["proposed_by"] == "ana"
    ]
    assert standing == ["expired", "proposed"]


def test_a_cap_is_rejected_with_its_reason(run):
    (cap,) = json.loads(run("caps", "--json")[1])["waiting"]
    code, out, _ = run("caps", "reject", cap["id"], "--as", "fin", "--why", "too high")
    assert (code, "is rejected by fin" in out) == (0, True)
    code, _, err = run("caps", "approve", cap["id"], "--as", "fin")
    assert (code, "is rejected" in err) == (4, True)


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("approve", "latest", "--as", "fin"), 4, "may not approve plan"),
        (("approve", "latest", "--as", "eve"), 4, "nobody of that name"),
        (("approve", "latest", "--as", "ana", "--hash", "sha256:0"), 4, "read the report"),
        (("approve", "latest", "--as", "ana", "--total", "300.01"), 4, "gives out 300.00 EUR"),
        (("approve", "latest", "--as", "ana", "--total", "300.001"), 4, "gives out 300.00 EUR"),
        (("approve", "latest", "--as", "ana", "--total", "nan"), 4, "--total is nan"),
        (("approve", "latest", "--as", "ana", "--total", "lots"), 2, "--total"),
        (("approve", "nothing", "--as", "ana"), 2, "no such plan"),
        (("approve", "latest"), 2, "--as"),
        (("reject", "latest", "--as", "ana"), 2, "--why"),
        (("reject", "latest", "--as", "ana", "--why", " "), 2, "give the reason"),
        (("revoke", "latest", "--as", "ana", "--why", ""), 2, "give the reason"),
        (("pause", "--as", "ana", "--why", ""), 2, "give the reason"),
        (("resume", "--as", "ana", "--why", ""), 2, "give the reason"),
        (("caps", "reject", "x", "--as", "fin", "--why", ""), 2, "give the reason"),
        (("holdout", "end", "x", "--as", "ana", "--why", ""), 2, "give the reason"),
        (("reject", "latest", "--as", "fin", "--why", "x"), 4, "may not reject"),
        (("revoke", "latest", "--as", "ana", "--why", "x"), 4, "needs to be approved"),
        (("publish", "latest"), 4, "only an approved plan"),
        (("plan", "nothing"), 2, "no such plan"),
        (("caps", "approve", "--as", "fin"), 2, "either the ID of a cap or --all"),
        (("caps", "approve", "x", "--all", "--as", "fin"), 2, "either the ID"),
        (("caps", "approve", "x", "--as", "fin"), 2, "no such cap"),
        (("caps", "approve", "--all", "--as", "ana"), 4, "people.finance"),
        (("caps", "--date", "tomorrow"), 2, "need an ISO date"),
        (("caps", "propose", "--as", "ana"), 2, "needs min, max or fixed"),
        (("caps", "propose", "--as", "ana", "--max", "nan"), 2, "finite number"),
        (("caps", "propose", "--as", "ana", "--max", "inf"), 2, "finite number"),
        (("caps", "propose", "--as", "ana", "--max", "-1"), 2, "must not be negative"),
        (("caps", "propose", "--as", "ana", "--max", "1e30"), 2, "at most 10,000,000,000,000"),
        (("caps", "propose", "--as", "ana", "--max", "1.005"), 2, "EUR has 2 decimals"),
        (("caps", "propose", "--as", "ana", "--max", "1", "--min", "2"), 2, "above its max"),
        (("caps", "propose", "--as", "ana", "--max", "1", "--fixed", "2"), 2, "no min or max"),
        (("caps", "propose", "--as", "ana", "--scope", "x", "--max", "1"), 2, "COLUMN=VALUE"),
        (("caps", "propose", "--as", "ana", "--scope", "x=y", "--max", "1"), 2, "no line column"),
        (("caps", "propose", "--as", "eve", "--max", "1"), 4, "nobody of that name"),
        (("pause", "--as", "eve"), 4, "nobody of that name"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_the_right_code(run, folder, arguments, code, says):
    propose(folder)
    found, out, err = run(*arguments)
    assert (found, out) == (code, "")
    assert says in err
    assert err.count("\n") == 1
    assert json.loads(run("plan", "latest", "--json")[1])["status"] == "proposed"


def test_what_the_plan_shows_is_what_the_signature_may_name_and_the_answer_repeats(run, folder):
    propose(folder)
    _, shown, _ = run("plan", "latest")
    lines = [line.split(maxsplit=1) for line in shown.splitlines()]
    facts = {line[0]: line[1] for line in lines if len(line) > 1}
    assert facts["total"] == "300.00 EUR"
    sign = ("approve", "latest", "--as", "ana", "--hash", facts["hash"], "--total")
    code, _, err = run(*sign, "299.99")
    assert (code, "read it with 'equimarginal plan" in err) == (4, True)
    assert json.loads(run("audit", "export")[1].splitlines()[-1])["action"] == "denied"
    code, out, _ = run(*sign, "300")
    assert code == 0
    assert f"of acme is approved by ana\nit gives out 300.00 EUR, hash {facts['hash']}\n" in out


def test_a_plan_is_signed_once(run, folder):
    propose(folder)
    assert run("approve", "latest", "--as", "ana")[0] == 0
    for again in (("approve", "latest"), ("reject", "latest", "--why", "late")):
        code, _, err = run(*again, "--as", "ana")
        assert (code, "is approved by ana" in err) == (4, True)
    assert run("revoke", "latest", "--as", "ana", "--why", "mistake")[0] == 0


def test_a_paused_portfolio_publishes_when_it_is_resumed(run, folder):
    propose(folder)
    assert run("pause", "--as", "fin", "--why", "alarm")[:2] == (0, "publishing is paused\n")
    code, out, err = run("approve", "latest", "--as", "ana")
    assert (code, "is approved" in out, "not published" in err) == (0, True, True)
    for words in (("plans",), ("plan", "latest"), ("caps",)):
        code, out, err = run(*words)
        assert (code, "publishing is paused" in err) == (0, True), words
    assert run("publish", "latest")[0] == 4
    assert run("resume", "--as", "fin")[0] == 0
    code, out, _ = run("publish", "latest")
    assert (code, "published in" in out) == (0, True)


def test_a_name_of_terminal_codes_reaches_neither_screen_nor_sheet(run, folder):
    propose(folder, name="\x1b[31mred\u202e")
    assert "\x1b[31m" not in run("plan", "latest")[1]
    code, out, err = run("approve", "latest", "--as", "ana")
    assert (code, "\x1b" in out + err, "is not in the sheet" in err) == (0, False, True)


def test_an_altered_ledger_is_told_with_the_first_broken_entry(run, folder):
    propose(folder)
    with sqlite3.connect(folder / ".equimarginal" / "ledger.sqlite") as raw:
        raw.execute("drop trigger audit_is_fixed")
        raw.execute("update audit set actor = 'eve' where seq = 2")
    code, out, err = run("audit", "verify")
    assert (code, out) == (1, "")
    assert "entry 2" in err
    code, out, _ = run("audit", "verify", "--json")
    assert (code, json.loads(out)["problems"][0]["seq"]) == (1, 2)


def test_a_lost_ledger_is_told_and_not_replaced(run, folder):
    propose(folder)
    (folder / ".equimarginal" / "ledger.sqlite").unlink()
    for command in (("audit", "verify"), ("plans",), ("approve", "latest", "--as", "ana")):
        code, _, err = run(*command)
        assert (code, "missing" in err) == (1, True)
    assert not (folder / ".equimarginal" / "ledger.sqlite").exists()


def test_before_the_first_night_a_question_makes_no_ledger(run, folder):
    for command in (
        ("audit", "verify"),
        ("plan", "latest"),
        ("approve", "latest", "--as", "ana"),
        ("reject", "latest", "--as", "ana", "--why", "x"),
        ("publish", "latest"),
    ):
        code, _, err = run(*command)
        assert (code, "equimarginal night" in err) == (2, True)
    assert run("plans", "--json")[:2] == (0, "[]\n")
    assert [path.name for path in folder.iterdir()] == ["portfolio.yaml"]


def test_the_export_can_go_to_a_file(run, folder, tmp_path):
    propose(folder)
    target = tmp_path / "audit.jsonl"
    assert run("audit", "export", "-o", str(target))[:2] == (0, "")
    assert len(target.read_text().splitlines()) == 3


def test_an_up_to_date_ledger_needs_no_upgrade(run, folder):
    propose(folder)
    assert run("ledger", "upgrade")[:2] == (0, "ledger is at version 0005\n")
