"""`equimarginal experiment`: designed, assigned before it starts, looked at, and learned from."""

from __future__ import annotations

import json
import sys
from datetime import date, timedelta

import numpy as np
import pytest

from pipeline.cli.app import main
from pipeline.runs.audit import verify_portfolio
from tests.runs.shop import DAY, Shop, write_csv

LENGTH = 14
FIRST = DAY + timedelta(days=1)


@pytest.fixture
def shop(tmp_path) -> Shop:
    made = Shop(tmp_path / "shop")
    made.write()
    return made


@pytest.fixture
def experiment(shop, monkeypatch, capsys):
    monkeypatch.setenv("EQUIMARGINAL_NOW", f"{DAY}T06:00:00+01:00")
    monkeypatch.chdir(shop.folder)

    def command(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["equimarginal", "experiment", *arguments])
        code = 0
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
        said = capsys.readouterr()
        return code, said.out, said.err

    return command


def regions(path, last: date, *, treated=(), first: date = FIRST, lift: float = 0.0) -> str:
    """Write 16 regions from 60 days before the test to `last`; the past is always the same."""
    rng = np.random.default_rng(4)
    start = FIRST - timedelta(days=60)
    sizes = np.exp(rng.normal(4, 0.6, 16))
    rows = []
    for index in range((last - start).days + 1):
        day, common = start + timedelta(days=index), 1 + rng.normal(0, 0.1)
        for unit, (size, noise) in enumerate(zip(sizes, rng.normal(0, 0.05, 16), strict=True)):
            name = f"r{unit:02d}"
            on = name in treated and day >= first
            outcome = size * common * (1 + noise) * (1 + lift * on)
            rows.append(
                {"region": name, "date": day, "outcome": outcome, "spend": 20 if on else 10}
            )
    write_csv(path, rows)
    return str(path)


def assigned(shop, experiment, *more: str) -> dict:
    data = regions(shop.folder / "past.csv", DAY)
    code, out, err = experiment(
        "assign", "spring", "--data", data, "--units", "2", "--days", str(LENGTH), "--as", "ana",
        "--from", str(FIRST), "--spend-column", "spend", "--scope", "channel=tv", "--json", *more,
    )  # fmt: skip
    assert code == 0, err
    return json.loads(out)


def read(experiment, data: str, *more: str) -> tuple[int, str, str]:
    return experiment(
        "read-out", "spring", "--data", data, "--spend-column", "spend", "--as", "ana", *more
    )


def test_a_test_is_recorded_looked_at_and_read_on_time(shop, experiment):
    plan = assigned(shop, experiment)
    assert plan["to"] == str(FIRST + timedelta(days=LENGTH - 1))
    treated = plan["treated"]

    early = regions(shop.folder / "early.csv", FIRST + timedelta(days=3), treated=treated, lift=0.3)
    code, out, err = read(experiment, early, "--json")
    assert code == 0, err
    look = json.loads(out)
    assert look["fraction"] == pytest.approx(4 / LENGTH)
    assert look["verdict"].startswith("not yet")
    assert (look["lift_low"], look["lift_high"]) == (None, None)
    assert read(experiment, early, "--append", "rows.csv")[0] == 2  # no evidence before its end
    assert not (shop.folder / "rows.csv").exists()

    last = FIRST + timedelta(days=LENGTH - 1)
    full = regions(shop.folder / "full.csv", last, treated=treated, lift=0.3)
    code, out, err = read(experiment, full, "--json", "--append", "rows.csv")
    assert code == 0, err
    final = json.loads(out)
    assert final["lift"] == pytest.approx(0.3, abs=0.06)
    assert final["lift_low"] < 0.3 < final["lift_high"]
    assert final["verdict"].startswith("an effect")
    assert final["spend_change"] == pytest.approx(LENGTH * 2 * 10)
    assert look["alpha"] + final["alpha"] == pytest.approx(0.1)
    head, row = (shop.folder / "rows.csv").read_text().splitlines()
    cells = dict(zip(head.split(","), row.split(","), strict=True))
    assert cells["channel"] == "tv"
    assert float(cells["lift"]) == pytest.approx(final["incremental"])
    assert float(cells["spend_change"]) == pytest.approx(280)

    again = read(experiment, full, "--json", "--append", "rows.csv")
    assert json.loads(again[1]) == final
    assert "has a row of 'spring' already" in again[2]
    code, out, err = read(experiment, early)
    assert code == 2
    assert "looked at when 100% of it was over, now 29%" in err

    code, out, err = experiment("list", "--json")
    (known,) = json.loads(out)["experiments"]
    assert [item["fraction"] for item in known["looks"]] == [look["fraction"], 1.0]
    assert known["assigned_at"] < known["from"]
    assert "spring" in experiment("list")[1]
    assert verify_portfolio(shop.folder).is_sound


def test_the_same_seed_draws_the_same_units(shop, experiment):
    first = assigned(shop, experiment, "--seed", "7")
    code, _, err = experiment(
        "assign", "spring", "--data", str(shop.folder / "past.csv"), "--units", "2", "--days", "14",
        "--as", "ana", "--from", str(FIRST),
    )  # fmt: skip
    assert code == 4
    assert "assigned already" in err
    other = Shop(shop.folder.parent / "other")
    other.write()
    second = assigned(other, experiment, "--seed", "7", "-w", str(other.folder))
    assert second["treated"] == first["treated"]


def test_lines_under_test_are_held_while_it_runs(shop, experiment):
    plan = assigned(shop, experiment, "--hold", "150")
    shop_caps = [cap for cap in shop.portfolio.ledger.caps("acme") if cap.id == plan["cap"]]
    (cap,) = shop_caps
    assert cap.fixed == 150
    assert (cap.valid_from, cap.expires) == (FIRST, FIRST + timedelta(days=LENGTH - 1))
    assert cap.reason == "experiment spring"


def test_a_row_that_was_read_out_teaches_the_night(shop, experiment):
    begin, end = DAY - timedelta(days=21), DAY - timedelta(days=8)
    data = regions(shop.folder / "r.csv", DAY, treated=("r03", "r09"), first=begin, lift=0.2)
    code, out, err = experiment(
        "read-out", "--data", data, "--treated", "r03", "--treated", "r09", "--from", str(begin),
        "--to", str(end), "--moved", "280", "--append", "data/experiments.csv",
        "--scope", "channel=social", "--scope", "audience=a", "--json",
    )  # fmt: skip
    assert code == 0, err
    result = json.loads(out)
    assert result["spend_change"] == 280
    assert result["iroas"] == pytest.approx(result["incremental"] / 280)
    shop.settings["sources"]["experiments"] = {"path": "data/experiments.csv"}
    plan = shop.night()
    (finding,) = [f for f in plan.model_health.checks if f.check == "model.experiments"]
    assert finding.message == f"1 lift test taught the curves: test {begin}"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("read-out",), 2, "give the NAME of an assigned test"),
        (("read-out", "winter", "--as", "ana"), 2, "no plan yet"),
        (("read-out", "winter"), 2, "give --as USER"),
        (
            ("read-out", "--treated", "x", "--from", "2026-11-01", "--to", "2026-11-09"),
            2,
            "no unit",
        ),
        (("design", "--units", "2", "--days", "0"), 2, "--days: got 0, need at least 1"),
        (("design", "--units", "2", "--days", "9", "--alpha", "1.5"), 2, "between 0 and 1"),
        (("design", "--units", "2", "--days", "90"), 2, "load more or shorten --days"),
        (("design", "--units", "12", "--days", "9"), 2, "needs at least 36"),
        (
            ("assign", "a", "--units", "6", "--days", "9", "--as", "ana", "--from", str(FIRST)),
            2,
            "16 units with outcomes, 6 of them treated; a read-out needs at least 18",
        ),
        (
            ("assign", "a", "--units", "2", "--days", "9", "--as", "ana", "--from", str(DAY)),
            2,
            "recorded before the first day",
        ),
        (
            ("assign", "a", "--units", "2", "--days", "9", "--as", "eve", "--from", str(FIRST)),
            4,
            "nobody of that name",
        ),
    ],
)
def test_what_cannot_be_done_is_one_line(shop, experiment, arguments, code, said):
    data = regions(shop.folder / "past.csv", DAY)
    got, out, err = experiment(*arguments, "--data", data)
    assert said in err
    assert err.count("\n") == 1
    assert out == ""
    assert got == code


def test_a_design_is_a_table_with_power_and_price(shop, experiment):
    data = regions(shop.folder / "past.csv", DAY)
    code, out, err = experiment(
        "design", "--data", data, "--units", "2", "--days", "14", "--effect", "0.1",
        "--spend-column", "spend",
    )  # fmt: skip
    assert code == 0, err
    assert "least lift found in 80%" in out
    assert "280.00" in out


def test_a_switchback_is_designed_assigned_looked_at_and_read_out(shop, experiment):
    past = regions(shop.folder / "past.csv", DAY)
    asked = ("switchback", "--data", past, "--unit", "r03", "--days", "40", "--block", "4",
             "--washout", "1", "--spend-column", "spend")  # fmt: skip
    code, out, err = experiment(*asked, "--effect", "0.2", "--json")
    assert code == 0, err
    design = json.loads(out)
    assert (design["pairs"], design["days"]) == (5, 40)
    assert design["price"] == pytest.approx(20 * 10)
    assert 0 < design["least_effect"] < 0.2
    assert design["power"] > 0.8
    assert experiment(*asked[:-6], "--block", "14", "--washout", "1")[0] == 2

    begin = ("--assign", "flip", "--from", str(FIRST), "--scope", "channel=tv")
    assert experiment(*asked, *begin)[0] == 2  # nobody said who assigns it
    code, out, err = experiment(*asked, *begin, "--as", "ana", "--json")
    assert code == 0, err
    plan = json.loads(out)
    on = {date.fromisoformat(day) for day in plan["treated_days"]}
    assert len(on) == 20
    assert experiment(*asked, *begin, "--as", "ana")[0] == 4

    def seen_until(last: date) -> str:
        path = regions(shop.folder / f"until-{last}.csv", last)
        rows = (shop.folder / f"until-{last}.csv").read_text().splitlines()
        out = [rows[0]]
        for row in rows[1:]:
            unit, day, outcome, spend = row.split(",")
            treated = unit == "r03" and date.fromisoformat(day) in on
            out.append(f"{unit},{day},{float(outcome) * (1.3 if treated else 1)},{spend}")
        (shop.folder / f"until-{last}.csv").write_text("\n".join(out) + "\n")
        return path

    assert read_flip(experiment, seen_until(FIRST + timedelta(days=2)))[0] == 2  # no pair is over
    code, out, err = read_flip(experiment, seen_until(FIRST + timedelta(days=23)))
    assert code == 0, err
    early = json.loads(out)
    assert early["fraction"] == pytest.approx(0.6)
    assert early["verdict"].startswith("not yet")
    code, out, err = read_flip(experiment, seen_until(FIRST + timedelta(days=39)))
    assert code == 0, err
    final = json.loads(out)
    assert final["fraction"] == 1
    assert final["lift"] == pytest.approx(0.3, abs=0.08)
    assert final["alpha"] + early["alpha"] == pytest.approx(0.1)
    assert verify_portfolio(shop.folder).problems == ()


def read_flip(experiment, data: str) -> tuple[int, str, str]:
    return experiment("read-out", "flip", "--data", data, "--as", "ana", "--json")
