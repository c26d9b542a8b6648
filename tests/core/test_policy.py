"""Settings are refused by name, all problems of one file together, and nothing is guessed."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.core.errors import ConfigError
from pipeline.core.policy import Policy, parse_policy
from pipeline.io.yaml import load_yaml

GOOD = """
portfolio: acme
currency: EUR
timezone: Europe/Berlin
line: [channel, audience]
objective: {maximize: revenue}
guardrails:
  - {metric: cost_per_conversion, max: 45}
  - {metric: roas, min: 1.5, scope: {channel: social}}
budget: {daily: 10000}
max_daily_change: 0.25
exploration: {max_share: 0.05}
caps:
  - {scope: {channel: search}, max: 5000}
  - {scope: {channel: social, audience: aud_01}, min: 100, max: 900}
  - {scope: {channel: tv}, fixed: 1000}
people:
  analysts: [ana, {name: lou, login: lou}]
  finance: [fin]
approval:
  auto_within: {line_change: 0.05, moved: 0.03}
sources:
  spend: {path: data/spend.csv}
  outcomes: {path: data/outcomes.csv}
"""


def parse(folder: Path, text: str) -> Policy:
    path = folder / "portfolio.yaml"
    path.write_text(text, encoding="utf-8")
    return parse_policy(load_yaml(path), "portfolio.yaml")


def test_the_contracts_example_is_read_as_it_says(tmp_path):
    policy = parse(tmp_path, GOOD)
    assert policy.line == ("channel", "audience")
    assert policy.budget.daily == 10_000
    assert policy.max_daily_change == 0.25
    assert [cap.fixed for cap in policy.caps] == [None, None, 1000]
    assert [(person.name, person.login) for person in policy.people.analysts] == [
        ("ana", None), ("lou", "lou"),
    ]  # fmt: skip
    assert policy.approval.auto_within is not None
    assert policy.approval.auto_within.moved == 0.03


def test_what_may_be_left_out_has_a_default(tmp_path):
    policy = parse(
        tmp_path,
        "portfolio: a\ncurrency: EUR\nline: [channel]\nbudget: {monthly: 3.5e4}\n"
        "sources: {spend: {path: a.csv}, outcomes: {path: a.csv}}\n",
    )
    assert policy.timezone == "UTC"
    assert policy.objective.maximize == "revenue"
    assert policy.budget.monthly == 35_000
    assert policy.caps == ()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("daily: 10000", "daily: .nan", "budget.daily"),
        ("daily: 10000", "daily: .inf", "budget.daily"),
        ("daily: 10000", "daily: -1", "not be negative"),
        ("daily: 10000", "daily: true", "budget.daily"),
        ("daily: 10000", "daily: '10000'", "budget.daily"),
        ("daily: 10000", "daily: 10_000", "budget.daily"),
        ("daily: 10000", "daily: 10.000,00", "budget.00"),
        ("{daily: 10000}", "{daily: 10000, monthly: 300000}", "exactly one of daily and monthly"),
        ("{daily: 10000}", "{}", "exactly one of daily and monthly"),
        ("budget: {daily: 10000}", "", "budget"),
        ("max_daily_change: 0.25", "max_daily_change: 0", "max_daily_change"),
        ("max_daily_change: 0.25", "max_daily_change: 25", "max_daily_change"),
        ("max_daily_change: 0.25", "max_daily_change: .nan", "max_daily_change"),
        ("max_daily_change: 0.25", "max_daily_chnage: 0.25", "max_daily_chnage"),
        ("max_share: 0.05", "max_share: 5", "exploration.max_share"),
        ("max_share: 0.05", "share: 0.05", "exploration.share"),
        ("currency: EUR", "currency: euro", "currency"),
        ("currency: EUR", "currency: E1R", "currency"),
        ("Europe/Berlin", "Berlin", "timezone"),
        ("Europe/Berlin", "../../etc/passwd", "timezone"),
        ("portfolio: acme", "portfolio: Acme Corp", "portfolio"),
        ("portfolio: acme", "portfolio: ../acme", "portfolio"),
        ("line: [channel, audience]", "line: []", "line"),
        ("line: [channel, audience]", "line: [a, b, c, d, e]", "line"),
        ("line: [channel, audience]", "line: [channel, channel]", "named twice"),
        ("line: [channel, audience]", "line: [channel, spend]", "cannot name a line"),
        ("scope: {channel: tv}", "scope: {chanel: tv}", "chanel"),
        ("scope: {channel: social}}", "scope: {region: de}}", "region"),
        ("min: 1.5,", "min: 1.5, max: 2,", "exactly one of min and max"),
        ("min: 1.5,", "", "exactly one of min and max"),
        ("min: 1.5", "min: .nan", "finite"),
        ("max: 5000", "max: -5", "not be negative"),
        ("max: 5000", "max: .inf", "finite"),
        ("max: 5000", "max: yes", "caps.0.max"),
        ("max: 5000", "limit: 5000", "caps.0.limit"),
        ("channel: search}, max: 5000}", "channel: search}}", "needs min, max or fixed"),
        ("min: 100, max: 900", "min: 1000, max: 900", "above its max"),
        ("fixed: 1000", "fixed: 1000, max: 2000", "fixed has no min or max"),
        ("scope: {channel: tv}", "scope: {channel: search}", "given twice"),
        ("analysts: [ana", "analysts: [ana, ana", "twice"),
        ("finance: [fin]", "finance: [{name: lou, login: other}]", "two different logins"),
        ("finance: [fin]", "finance: [{name: fin, login: lou}]", "one account is one person"),
        ("finance: [fin]", "finance: [\u0430na]", r"'ana' and '\u0430na' look alike"),
        ("finance: [fin]", "finances: [fin]", "people.finances"),
        ("line_change: 0.05", "line_change: -0.05", "line_change"),
        ("{path: data/spend.csv}", "{}", "exactly one of path and database"),
        ("{path: data/spend.csv}", "{path: a, database: b, table: c}", "exactly one of path"),
        ("{path: data/spend.csv}", "{database: sqlite:///a.db}", "exactly one of query, table"),
        ("{path: data/spend.csv}", "{path: a.csv, table: t}", "belong to a database"),
        ("{maximize: revenue}", "{maximise: revenue}", "objective.maximise"),
        ("{path: data/spend.csv}", "{database: 'pg://u:s3cret@h/d', table: t}", "holds a password"),
        ("{path: data/spend.csv}", "{path: 'https://u:s3cret@h/x.csv'}", "holds a password"),
        ("{path: data/spend.csv}", "{path: 'x://h/d?password=s3cret'}", "holds a password"),
    ],
)  # fmt: skip
def test_a_setting_that_cannot_be_is_refused_by_name(tmp_path, old, new, said):
    assert GOOD.count(old) == 1
    with pytest.raises(ConfigError) as refusal:
        parse(tmp_path, GOOD.replace(old, new))
    message = str(refusal.value)
    assert said in message
    assert "s3cret" not in message
    assert message.startswith("portfolio.yaml: ")
    assert "\n" not in message
    assert refusal.value.exit_code == 2


def test_all_problems_of_a_file_are_said_together(tmp_path):
    text = GOOD.replace("daily: 10000", "daily: -1").replace("max: 5000", "max: .nan")
    with pytest.raises(ConfigError) as refusal:
        parse(tmp_path, text.replace("fin]", "fin]\nbudgets: 3", 1))
    for word in ("budget.daily", "caps.0.max", "budgets"):
        assert word in str(refusal.value)


@pytest.mark.parametrize(
    "text",
    ["", "- a\n- b\n", "just text", "portfolio: [a", "a: 1\na: 2\n", "1: 2\n", "a: &x [*x]\n"],
)
def test_a_file_that_is_no_mapping_is_refused_in_one_line(tmp_path, text):
    with pytest.raises(ConfigError) as refusal:
        parse(tmp_path, text)
    assert "portfolio.yaml" in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_names_that_look_like_numbers_stay_names(tmp_path):
    policy = parse(tmp_path, GOOD.replace("channel: tv", 'channel: "007"'))
    assert policy.caps[2].scope == {"channel": "007"}


def test_a_name_that_a_reader_would_take_for_a_number_says_to_quote_it(tmp_path):
    with pytest.raises(ConfigError, match="scope"):
        parse(tmp_path, GOOD.replace("channel: tv", "channel: 7"))
