"""Whatever JSON a platform answers, it is a named error, a refusal with words, or an amount."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline.io.publish.destinations.google_ads import GoogleAds
from pipeline.io.publish.destinations.meta import Meta
from pipeline.io.publish.destinations.order import Order, Seen
from pipeline.io.publish.destinations.webhook import Webhook
from pipeline.io.publish.targets import Target
from pipeline.io.web import Credentials, PlatformError
from tests.loopback import Answer, serve

ORDERS = [
    Order(position=n, line=(f"line{n}",), target=Target(id=str(7 + n)), amount=100, before=90)
    for n in range(2)
]
_WORDS = (
    "results", "campaign", "campaignBudget", "customer", "currencyCode", "EUR", "id", "7",
    "status", "amountMicros", "period", "resourceName", "explicitlyShared", "nextPageToken",
    "partialFailureError", "details", "errors", "errorCode", "location", "fieldPathElements",
    "fieldName", "operations", "index", "message", "code", "body", "account_id", "42",
    "daily_budget", "content_hash", "sha256:1", "refused", "line", "why", "error",
    "error_subcode",
)  # fmt: skip
WORDS = st.sampled_from(_WORDS)
LEAVES = st.none() | st.booleans() | st.integers(-2, 10**7) | st.floats(0, 9) | WORDS
JSON = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=12,
)


@pytest.fixture(scope="module")
def said() -> Iterator[list[Any]]:
    """What the platform says to everything; its address is in the second place."""
    words: list[Any] = [None]
    with serve(lambda _: Answer(words[0])) as url:
        yield [words, url]


def place(kind: str, url: str) -> Any:
    secret = f"whsec_{base64.b64encode(bytes(32)).decode()}"
    login = Credentials(name="x", host=url, token=secret, extra={"developer_token": "d"})
    if kind == "google":
        return GoogleAds("1", login, "EUR", lambda _: None)
    if kind == "meta":
        return Meta("42", "campaign", login, "EUR", lambda _: None)
    about = {"plan_id": "p", "destination": "own", "content_hash": "sha256:1"}
    return Webhook(about, ("channel",), login, lambda: datetime(2026, 1, 1, tzinfo=UTC), _no_wait)


def _no_wait(_: float) -> None:
    return None


def sends(kind: str, url: str) -> Callable[[], Any]:
    destination = place(kind, url)
    if kind == "google":
        destination._budgets = {item.target.id: f"b{item.target.id}" for item in ORDERS}
    return lambda: destination.send(ORDERS, dry_run=False)


@pytest.mark.parametrize("kind", ["google", "meta", "webhook"])
@given(answer=JSON)
@example(answer="yes")
@example(answer={"results": 1})
@example(answer={"results": [{"campaign": {"id": "7"}, "campaignBudget": "none"}]})
@example(answer={"partialFailureError": {"details": [{"errors": ["x"]}]}})
@example(answer={"partialFailureError": {"details": 3, "message": "m"}})
@example(answer={"partialFailureError": {"details": [{"errors": [{"errorCode": "e"}]}]}})
@example(answer=[{"code": [], "body": "{"}, None])
@example(answer={"error": {"code": []}})
@example(answer={"error": {"status": [], "message": {}}})
@example(answer={"content_hash": "sha256:1", "refused": 3})
@example(answer={"content_hash": "sha256:1", "refused": [{"line": 3}, {"line": ["line0"]}]})
@settings(max_examples=60, deadline=None, database=None)
def test_no_answer_is_taken_for_more_than_it_says(kind: str, said: list[Any], answer: Any) -> None:
    words, url = said
    words[0] = answer
    try:
        seen = place(kind, url).look(ORDERS)
    except PlatformError:
        pass
    else:
        assert seen.keys() == {0, 1}
        assert all(isinstance(item, Seen) for item in seen.values())
        if kind != "webhook":
            assert all(item.why or str(item.amount) in json.dumps(answer) for item in seen.values())
    try:
        refused = sends(kind, url)()
    except PlatformError as error:
        assert str(error).isprintable()
    else:
        assert refused.keys() <= {0, 1}
        assert all(refused.values())
