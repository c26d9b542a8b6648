"""`equimarginal what-if`: other limits against a stored night, and nothing written for it."""

from __future__ import annotations

import json
import sys
from xml.etree import ElementTree

import pytest

from pipeline.cli.app import main
from tests.runs.shop import Shop


@pytest.fixture(scope="module")
def shop(tmp_path_factory) -> Shop:
    """A shop with two caps in force and a night behind it."""
    made = Shop(tmp_path_factory.mktemp("what-if") / "shop")
    made.cap(scope={"channel": "social"}, max=430)
    made.cap(scope={"channel": "tv"}, fixed=150)
    made.night()
    return made


@pytest.fixture
def ask(shop, monkeypatch, capsys):
    monkeypatch.setenv("EQUIMARGINAL_NOW", "2026-11-22T06:00:00+01:00")

    def command(*arguments: str) -> tuple[int, str, str]:
        argv = ["equimarginal", "what-if", *arguments, "-w", str(shop.folder)]
        monkeypatch.setattr(sys, "argv", argv)
        code = 0
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
        said = capsys.readouterr()
        return code, said.out, said.err

    return command


def _bytes(shop: Shop) -> dict[str, bytes]:
    state = shop.folder / ".equimarginal"
    return {str(p): p.read_bytes() for p in sorted(state.rglob("*")) if p.is_file()}


def test_more_money_and_a_wider_cap_earn_more_and_nothing_is_written(shop, ask):
    before = _bytes(shop)
    code, out, err = ask("--budget", "1100", "--cap", "channel=social:max=600", "--json")
    assert code == 0, err
    found = json.loads(out)
    assert [split["name"] for split in found["splits"][:3]] == [
        "today's budgets", "the night's plan", "best inside tonight's limits",
    ]  # fmt: skip
    base, changed = found["splits"][2], found["splits"][3]
    assert base["against_best_tonight"] == 0
    assert changed["budget"] == pytest.approx(1100)
    assert changed["against_best_tonight"] > 0
    assert changed["certificate"]["gap"] <= 1e-3
    spends = {tuple(row["line"].values()): row["spend"] for row in changed["lines"]}
    assert spends["tv", "x"] == pytest.approx(150)
    outcomes = [point["outcome"] for point in found["curve"]]
    assert outcomes == sorted(outcomes)
    assert _bytes(shop) == before


def test_what_a_cap_costs_is_what_lifting_it_earns(ask):
    caps = {cap["scope"]["channel"]: cap for cap in json.loads(ask("--json")[1])["caps"]}
    lifted = json.loads(ask("--without", caps["social"]["id"], "--json")[1])["splits"][-1]
    assert caps["social"]["gain_without"] > 0
    assert lifted["against_best_tonight"] == pytest.approx(
        caps["social"]["gain_without"], rel=0.05, abs=0.5
    )


def test_a_narrower_cap_is_kept_and_costs(ask):
    found = json.loads(ask("--cap", "channel=social:max=400", "--json")[1])
    changed = found["splits"][-1]
    social = sum(r["spend"] for r in changed["lines"] if r["line"]["channel"] == "social")
    assert social <= 400 + 1e-6


def test_people_get_tables_and_a_picture_and_a_file(shop, ask, tmp_path):
    picture = tmp_path / "picture.svg"
    code, out, err = ask("--budget", "1100", "--svg", str(picture))
    assert code == 0, err
    assert "budget 1,100.00" in out
    assert "W budget 1,100.00" in out
    assert "search / brand" in out
    assert ElementTree.parse(picture).getroot().tag.endswith("svg")


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["--cap", "channel=radio:max=3"], "channel=radio"),
        (["--cap", "chanel=search:max=3"], "columns are channel, audience"),
        (["--cap", "search"], "need SCOPE:LIMITS"),
        (["--cap", "channel=search:max=much"], "'much'"),
        (["--cap", "channel=search:max=nan"], "max"),
        (["--cap", "channel=search:min=9,max=3"], "min"),
        (["--cap", "channel=search:least=3"], "least"),
        (["--cap", "channel=search:max=3", "--cap", "channel=search:max=4"], "twice"),
        (["--cap", "channel=search:min=5000"], "floors"),
        (["--without", "nope"], "'nope'"),
        (["--budget", "-1"], "from 0 to"),
        (["--budget", "nan"], "from 0 to"),
        (["--budget", "1e30"], "from 0 to"),
        (["--ramp", "25"], "share from 0 to 1"),
        (["--ramp", "nan"], "share from 0 to 1"),
        (["nothing-like-it"], "no such plan"),
    ],
)
def test_what_makes_no_sense_ends_with_2_and_one_line(ask, options, word):
    code, out, err = ask(*options)
    assert (code, out) == (2, "")
    assert word in err
    assert len(err.strip().splitlines()) == 1


def test_where_the_daily_limit_stops_every_line_no_price_of_nothing_is_told(ask):
    code, out, err = ask("--budget", "2000")
    assert code == 0, err
    (row,) = [line for line in out.splitlines() if "budget 2,000.00" in line and "%" in line]
    assert row.split("%")[-1].strip() == "limits allow no more"
    code, out, err = ask("--budget", "1010")
    (row,) = [line for line in out.splitlines() if "budget 1,010.00" in line and "%" in line]
    assert float(row.split("%")[-1]) > 0
