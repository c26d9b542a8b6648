"""The fallback ladder: what a night does when data or model cannot be trusted."""

from __future__ import annotations

import pytest

from pipeline.core.caps import Cap, CapStatus
from pipeline.core.errors import ConfigError, DataNotTrustedError
from pipeline.core.findings import Level
from pipeline.core.plan import Mode
from pipeline.io.vintages import read_vintages
from pipeline.runs import fitting, signoff
from pipeline.runs.checking import replay_plan
from pipeline.runs.night import run_night
from pipeline.runs.verification import cap_breaches
from tests.runs.shop import DAY, amounts, write_csv


def break_spend(shop):
    """Make one cell of the newest day unreadable."""
    shop.spend[-1]["spend"] = "12,5"


def test_bad_data_without_an_approved_plan_gives_no_plan_and_leaves_nothing(shop):
    break_spend(shop)
    shop.write()
    shop.portfolio.ledger  # noqa: B018  so that what is compared is the night's own work
    with pytest.raises(DataNotTrustedError, match="12,5") as failure:
        shop.night()
    assert "no approved plan" in str(failure.value)
    assert failure.value.exit_code == 3
    assert not any(name.startswith("runs/") for name in shop.files())
    assert shop.statuses() == {}


@pytest.mark.parametrize("source", ["spend", "outcomes"])
def test_a_missing_file_is_untrusted_data(shop, source):
    shop.settings["sources"][source] = {"path": "data/nowhere.csv"}
    with pytest.raises(DataNotTrustedError, match=r"nowhere\.csv"):
        shop.night()


def test_an_unsigned_plan_is_nothing_to_fall_back_on(shop):
    shop.night()
    break_spend(shop)
    with pytest.raises(DataNotTrustedError):
        shop.night()


def test_the_last_approved_plan_stays_and_its_age_is_counted(shop):
    signed = shop.night()
    shop.approve()
    for age in (1, 2, 3):
        day = shop.later()
        break_spend(shop)
        plan = shop.night(day)
        assert (plan.mode, plan.status.value) == (Mode.FALLBACK, "proposed")
        assert plan.budgets == signed.budgets
        assert plan.budget == signed.budget
        assert plan.fallback_days == age
        assert f"{age} day" in plan.reasons[0]
        assert signed.plan_id in plan.reasons[0]
        assert any(item.level is Level.FAIL for item in plan.findings)
        assert all(item.proposed == item.current for item in plan.lines)


BREAKS = {
    "missing": lambda path: path.unlink(),
    "empty": lambda path: path.write_text(""),
    "only a header": lambda path: path.write_text(path.read_text().partition("\n")[0] + "\n"),
    "a column lost": lambda path: path.write_text(
        "\n".join(line.partition(",")[2] for line in path.read_text().splitlines())
    ),
}


def test_a_source_that_cannot_be_read_leaves_the_approved_plan_in_force(shop):
    test = {"from": "2026-11-01", "to": "2026-11-14", "lift": 300, "standard_error": 150}
    shop.settings["sources"]["experiments"] = {"path": "data/experiments.csv"}
    path = shop.folder / "data" / "experiments.csv"
    write_csv(path, [{**test, "spend_change": "all", "channel": "social"}])
    signed = shop.night()
    shop.approve()
    day = shop.later()
    whole = path.read_text()
    for source in ("spend", "outcomes", "experiments"):
        for how, spoil in BREAKS.items():
            if (source, how) == ("experiments", "only a header"):
                continue  # that is readable: there was no test
            shop.write()
            path.write_text(whole)
            spoil(shop.folder / "data" / f"{source}.csv")
            plan = run_night(shop.portfolio, day)
            assert (plan.mode, plan.budgets) == (Mode.FALLBACK, signed.budgets), (source, how)
            assert f"{source}.csv" in plan.reasons[1], (source, how)
            assert f"{source}.csv" in shop.run(plan).read_bytes("report.html").decode()
            assert replay_plan(shop.portfolio, plan.plan_id).differences == ()


def test_what_nights_saw_of_late_outcomes_outlives_a_night_that_read_nothing(shop):
    first = shop.night()
    shop.approve()
    day = shop.later()
    shop.write()
    (shop.folder / "data" / "spend.csv").unlink()
    run_night(shop.portfolio, day)
    plan = shop.night(shop.later())
    seen = read_vintages(shop.run(plan), "revenue").seen_on
    assert set(seen) == {first.date.toordinal(), plan.date.toordinal()}


def test_good_data_end_the_fallback(shop):
    shop.night()
    shop.approve()
    day = shop.later()
    good = shop.spend[-1]["spend"]
    break_spend(shop)
    assert shop.night(day).mode is Mode.FALLBACK
    shop.spend[-1]["spend"] = good
    assert shop.night(day).mode is not Mode.FALLBACK
    assert sorted(shop.statuses().values()) == ["approved", "proposed", "superseded"]


def test_a_signed_fallback_counts_on(shop):
    shop.night()
    shop.approve()
    day = shop.later()
    break_spend(shop)
    first = shop.night(day)
    shop.approve()
    day = shop.later()
    second = shop.night(day)
    assert second.mode is Mode.FALLBACK
    assert (first.fallback_days, second.fallback_days) == (1, 2)


def test_days_without_a_night_are_days_without_a_new_plan(shop):
    shop.night()
    shop.approve()
    day = shop.later()
    break_spend(shop)
    assert shop.night(day).fallback_days == 1
    shop.cap(scope={"channel": "search"}, max=100)
    hold = shop.night(shop.later(7))
    assert (hold.mode, hold.fallback_days) == (Mode.HOLD, 8)
    assert shop.night(shop.later()).fallback_days == 9


def test_a_revoked_plan_is_no_fallback(shop):
    signed = shop.night()
    shop.approve()
    signoff.revoke_plan(shop.portfolio, signed.plan_id, "ana", "a mistake")
    day = shop.later()
    break_spend(shop)
    plan = shop.night(day)
    assert plan.mode is Mode.HOLD
    assert plan.budgets == signed.budgets
    assert f"{signed.plan_id}, was revoked by ana" in plan.reasons[1]
    assert "approved plan" not in " ".join(plan.reasons)
    assert replay_plan(shop.portfolio, plan.plan_id).differences == ()
    shop.approve()
    later = shop.night(shop.later())
    assert later.mode is Mode.FALLBACK
    assert plan.plan_id in later.reasons[0]


def test_a_cap_cut_after_the_signature_turns_the_fallback_into_a_hold(shop):
    signed = shop.night()
    shop.approve()
    day = shop.later()
    shop.cap(scope={"channel": "search"}, max=100)
    break_spend(shop)
    plan = shop.night(day)
    assert plan.mode is Mode.HOLD
    assert plan.budgets == signed.budgets
    assert any("cap" in reason for reason in plan.reasons)


def test_a_broken_cap_is_told_with_the_currencys_decimals():
    cap = Cap(id="c", status=CapStatus.APPROVED, proposed_by="fin", max=7.499)
    told = {
        currency: cap_breaches({("tv",): 8.0}, [cap], ("channel",), currency)
        for currency in ("KWD", "JPY")
    }
    assert told == {
        "KWD": ["cap c: 8.000 is above max 7.499"],
        "JPY": ["cap c: 8 is above max 7"],
    }


def test_a_fallback_is_never_signed_by_policy(shop):
    shop.settings["approval"] = {"auto_within": {"line_change": 1.0, "moved": 1.0}}
    shop.night()
    day = shop.later()
    break_spend(shop)
    plan = shop.night(day)
    assert (plan.mode, plan.status.value) == (Mode.FALLBACK, "proposed")


def test_a_model_that_breaks_holds_budgets_and_says_so(shop, monkeypatch):
    def broken(*arguments, **settings):
        raise FloatingPointError("the posterior has no spread")

    monkeypatch.setattr(fitting, "fit_metric", broken)
    plan = shop.night()
    assert plan.mode is Mode.HOLD
    assert all(after == current for current, after in amounts(plan).values())
    assert "model failed" in plan.reasons[0]
    assert "the posterior has no spread" in " ".join(plan.reasons)
    shop.approve()
    monkeypatch.setattr(fitting, "fit_metric", broken)
    later = shop.night(shop.later())
    assert later.mode is Mode.FALLBACK
    assert later.budgets == plan.budgets


def test_two_currencies_are_never_added(shop):
    for row in shop.spend:
        row["currency"] = "EUR"
    shop.spend[-2]["currency"] = "USD"
    with pytest.raises(DataNotTrustedError, match="USD"):
        shop.night()


def test_stale_spend_stops_the_model(shop):
    shop.spend = [row for row in shop.spend if row["date"] < "2026-11-19"]
    with pytest.raises(DataNotTrustedError, match="newest day"):
        shop.night()


def test_an_empty_file_stops_the_model(shop):
    shop.write()
    (shop.folder / "data" / "outcomes.csv").write_text("")
    with pytest.raises(DataNotTrustedError, match=r"outcomes\.csv"):
        run_night(shop.portfolio, DAY)


def test_settings_that_name_no_column_of_the_data_are_said_before_anything_is_planned(shop):
    shop.settings["line"] = ["channel", "country"]
    with pytest.raises((DataNotTrustedError, ConfigError), match="country"):
        shop.night()
    assert shop.statuses() == {}
