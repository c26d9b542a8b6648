"""What seldom happens on the way to a platform: odd settings, sheets, pages and answers."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.core.destinations import Destination
from pipeline.core.errors import ConfigError, DamagedError
from pipeline.io.publish.destinations.bulk_sheets import GoogleAdsEditor, MetaCampaigns
from pipeline.io.publish.destinations.google_ads import GoogleAds
from pipeline.io.publish.destinations.meta import Meta
from pipeline.io.publish.destinations.order import Order
from pipeline.io.publish.destinations.webhook import Webhook
from pipeline.io.publish.sheets import amount_units, read_sheet, sheet_bytes
from pipeline.io.publish.targets import Target
from pipeline.io.web import Credentials, PlatformError
from tests.core.test_decision import decision
from tests.io.publish.test_answers import ORDERS, place
from tests.loopback import Answer, Asked, serve


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"to": "google_ads", "account": "1"}, "needs a connection"),
        ({"to": "meta_bulk", "connection": "x"}, "is a sheet and needs no connection"),
        ({"to": "meta", "connection": "x"}, "needs an account"),
        (
            {"to": "google_ads", "connection": "x", "account": "1", "level": "group"},
            "budgets belong to campaigns",
        ),
    ],
)
def test_a_destination_that_cannot_be_is_refused_by_name(settings: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Destination.model_validate(settings)


def order(campaign: str = "spring", amount: int = 100) -> Order:
    target = Target(id="7", campaign=campaign, campaign_id="7")
    return Order(position=0, line=("a",), target=target, amount=amount, before=90)


def test_editor_takes_no_line_without_a_name_and_none_of_zero(tmp_path: Any) -> None:
    sheet = GoogleAdsEditor(tmp_path / "x.csv", "EUR")
    assert "no `campaign`" in sheet.look([order(campaign="")])[0].why
    assert "no budget of 0" in sheet.look([order(amount=0)])[0].why
    assert sheet.look([order()])[0].why == ""


def test_a_sheet_is_not_written_for_a_rehearsal_and_not_over_another_file(tmp_path: Any) -> None:
    path = tmp_path / "x.csv"
    sheet = MetaCampaigns(path, "EUR")
    assert sheet.send([order()], dry_run=True) == {}
    assert not path.exists()
    path.write_text("something else\n")
    with pytest.raises(DamagedError, match="is not the sheet that was written"):
        sheet.look([order()])
    path.write_text("")
    with pytest.raises(DamagedError, match="is not the sheet"):
        sheet.look([order()])


def test_a_sheet_whose_amount_is_no_money_confirms_nothing(tmp_path: Any) -> None:
    sheet = GoogleAdsEditor(tmp_path / "x.csv", "EUR")
    sheet.send([order()], dry_run=False)
    assert sheet.look([order()])[0].amount == 100
    text = sheet.path.read_text().replace("1.00", "one")
    sheet.path.write_text(text)
    assert sheet.look([order()])[0].amount is None


@pytest.mark.parametrize("words", ["", "one", "1.001", "NaN", "Infinity", "1e9999999"])
def test_what_is_no_amount_of_cents_is_none(words: str) -> None:
    assert amount_units(words, 2) is None


def test_the_parts_of_a_line_are_in_its_row_and_read_back() -> None:
    plan = decision()
    parts = {"0": 0.25, "1": 0.75}
    whole = plan.model_copy(
        update={"lines": tuple(item.model_copy(update={"parts": parts}) for item in plan.lines)}
    )
    line = tuple(whole.lines[0].line[column] for column in whole.line_columns)
    sheet = sheet_bytes(whole, [(line, 1)])
    assert b"0:0.25 1:0.75" in sheet
    assert read_sheet(sheet, whole) == {line: 1}


def google(answers: list[Any]) -> Any:
    """Return what Google's interface does with each answer in turn."""
    asked: list[Any] = []

    def answer(question: Asked) -> Answer:
        asked.append(question)
        return Answer(answers[min(len(asked), len(answers)) - 1])

    return answer


CAMPAIGN = {
    "campaign": {"id": "7", "status": "ENABLED"},
    "customer": {"currencyCode": "EUR"},
    "campaignBudget": {"resourceName": "b7", "amountMicros": "900000", "period": "DAILY"},
}


REMOVED = {**CAMPAIGN, "campaign": {"id": "7", "status": "REMOVED"}}


def changed(**budget: Any) -> dict[str, Any]:
    return {**CAMPAIGN, "campaignBudget": {**CAMPAIGN["campaignBudget"], **budget}}


@pytest.mark.parametrize(
    ("answers", "amount", "why"),
    [
        ([{"results": [CAMPAIGN]}], 90, ""),
        ([{"results": [changed(amountMicros="900001")]}], None, ""),  # finer than a cent
        ([{"nextPageToken": "x"}, {"results": [CAMPAIGN]}], 90, ""),
        (
            [{"results": [{**CAMPAIGN, "campaign": {"id": "7", "status": "REMOVED"}}]}],
            None,
            "removed",
        ),
        ([{"results": [changed(period="CUSTOM_PERIOD")]}], None, "a CUSTOM_PERIOD period"),
        ([{"results": [changed(resourceName="")]}], None, "has no daily budget"),
        ([{"results": [changed(explicitlyShared=True)]}], None, "shares its budget"),
        ([{}], None, "no campaign 7"),
    ],
)
def test_a_google_campaign_is_seen_as_it_is(answers: list[Any], amount: Any, why: str) -> None:
    with serve(google(answers)) as url:
        seen = place("google", url).look(ORDERS[:1])[0]
    assert seen.amount == amount
    assert why in seen.why
    assert bool(seen.why) is bool(why)


def test_google_pages_without_an_end_are_given_up() -> None:
    with (
        serve(lambda _: Answer({"nextPageToken": "x"})) as url,
        pytest.raises(PlatformError, match="more than 100 pages"),
    ):
        place("google", url).look(ORDERS[:1])


@pytest.mark.parametrize("index", [None, 2, -1, "0"])
def test_a_google_error_about_no_operation_of_ours_is_about_all(index: Any) -> None:
    path = [{"fieldName": "operations", **({} if index is None else {"index": index})}]
    where = {"fieldPathElements": [{"fieldName": "other"}, *([] if index is None else path)]}
    error = {"errorCode": {"budgetError": "BAD"}, "message": "no", "location": where}
    said = {"partialFailureError": {"details": [{"errors": [error]}]}}
    with serve(lambda _: Answer(said)) as url:
        destination: GoogleAds = place("google", url)
        destination._budgets = {"7": "b7", "8": "b8"}
        with pytest.raises(PlatformError, match="BAD no"):
            destination.send(ORDERS, dry_run=False)


def meta(body: Any, code: int = 200) -> Any:
    """Return what Meta's interface does: an account in EUR, and one answer in each batch."""
    import json

    def answer(asked: Asked) -> Answer:
        if asked.method == "GET":
            return Answer({"currency": "EUR"})
        return Answer([{"code": code, "body": json.dumps(body)}])

    return answer


GOOD = {"account_id": "42", "daily_budget": "90", "effective_status": "ACTIVE"}


@pytest.mark.parametrize(
    ("body", "amount", "why"),
    [
        (GOOD, 90, ""),
        ({**GOOD, "account_id": "43"}, None, "is not in this account"),
        ({**GOOD, "effective_status": "ARCHIVED"}, None, "was removed"),
        ({**GOOD, "daily_budget": "0"}, None, "no daily budget but its ad sets' own"),
        ({**GOOD, "daily_budget": "0", "lifetime_budget": "9"}, None, "a lifetime budget"),
        ({"error": {"code": 100, "message": "gone"}}, None, "code 100: gone"),
    ],
)
def test_a_meta_campaign_is_seen_as_it_is(body: Any, amount: Any, why: str) -> None:
    with serve(meta(body)) as url:
        seen = place("meta", url).look(ORDERS[:1])[0]
    assert seen.amount == amount
    assert why in seen.why
    assert bool(seen.why) is bool(why)


@pytest.mark.parametrize(
    ("body", "code", "says"),
    [
        ({"error": {"code": 100, "message": "later", "is_transient": True}}, 400, "later"),
        ({}, 0, "no answer in time"),
    ],
)
def test_a_meta_campaign_that_is_not_told_is_asked_again_later(
    body: Any, code: int, says: str
) -> None:
    with serve(meta(body, code)) as url, pytest.raises(PlatformError, match=says):
        place("meta", url).look(ORDERS[:1])


def test_meta_is_not_asked_about_what_is_no_id_and_nothing_is_sent_for_nothing() -> None:
    named = Order(position=3, line=("a",), target=Target(id="x"), amount=1, before=1)
    with serve(meta(GOOD)) as url:
        destination: Meta = place("meta", url)
        assert destination.look([named])[3].why == "'x' is no id"
        assert destination.send([], dry_run=False) == {}


def test_meta_cannot_set_a_currency_of_three_decimals() -> None:
    with pytest.raises(ConfigError, match="cannot be set there exactly"):
        Meta("42", "campaign", Credentials(name="x", token="t"), "KWD", lambda _: None)


def webhook(host: str, token: str) -> Webhook:
    from datetime import UTC, datetime

    about = {"plan_id": "p", "destination": "own", "content_hash": "sha256:1"}
    login = Credentials(name="own", host=host, token=token)
    return Webhook(about, ("channel",), login, lambda: datetime.now(UTC), lambda _: None)


@pytest.mark.parametrize(
    ("host", "token", "says"),
    [
        ("", "", "has no host"),
        ("http://x", "whsec_!!", "is no webhook secret"),
        ("http://x", "whsec_c2hvcnQ=", "at least 24 bytes"),
    ],
)
def test_a_webhook_without_an_address_or_a_secret_is_refused(
    host: str, token: str, says: str
) -> None:
    with pytest.raises(PlatformError, match=says):
        webhook(host, token)


def test_a_webhook_is_not_called_for_a_rehearsal() -> None:
    calls: list[Any] = []
    with serve(lambda asked: calls.append(asked) or Answer({})) as url:
        assert place("webhook", url).send(ORDERS, dry_run=True) == {}
    assert calls == []
