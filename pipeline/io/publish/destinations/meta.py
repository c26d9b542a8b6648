"""Meta: daily budgets of campaigns or ad sets, in batches of the Graph interface.

Documented wire format: a batch of up to 50 requests is posted as a form; its answer has a status
and a body of JSON text for each, or null where time ran out. Budgets are in the account currency's
smallest unit, and `execution_options=["validate_only"]` changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from pipeline.core.errors import ConfigError
from pipeline.core.money import minor_digits
from pipeline.io.feeds.platforms.meta import connected, fault_of
from pipeline.io.feeds.rows import dig
from pipeline.io.publish.destinations.order import Order, Seen
from pipeline.io.web import Credentials, PlatformError


class Meta:
    """The daily budgets of one ad account's campaigns or ad sets."""

    batch = 50
    rehearses = True
    restores = False

    def __init__(
        self,
        account: str,
        level: str,
        login: Credentials,
        currency: str,
        sleep: Callable[[float], None],
    ) -> None:
        self.label = f"meta {account}"
        if minor_digits(currency) > 2:
            raise ConfigError(f"{self.label}: budgets in {currency} cannot be set there exactly")
        self._account = account.removeprefix("act_")
        self._what = "ad set" if level == "group" else "campaign"
        self._currency = currency
        self._api, self._version = connected(account, login, sleep)

    def look(self, orders: Sequence[Order]) -> Mapping[int, Seen]:
        """Return each campaign's or ad set's daily budget as it is now."""
        self._check_currency()
        fields = "account_id,daily_budget,lifetime_budget,effective_status"
        seen: dict[int, Seen] = {}
        for start in range(0, len(orders), self.batch):
            part = orders[start : start + self.batch]
            known = [item for item in part if item.target.id.isdecimal()]
            asked = [
                {
                    "method": "GET",
                    "relative_url": f"{self._version}/{item.target.id}?"
                    + urlencode({"fields": fields}),
                }
                for item in known
            ]
            answers = self._batch(asked)
            seen |= {
                item.position: Seen(why=f"{item.target.id!r} is no id")
                for item in part
                if item not in known
            }
            for item, (status, body) in zip(known, answers, strict=True):
                seen[item.position] = self._seen(item, status, body)
        return seen

    def send(self, orders: Sequence[Order], *, dry_run: bool) -> Mapping[int, str]:
        """Set the daily budgets; whoever is busy is left for reading back to tell."""
        options = {"execution_options": '["validate_only"]'} if dry_run else {}
        answers = self._batch(
            [
                {
                    "method": "POST",
                    "relative_url": f"{self._version}/{item.target.id}",
                    "body": urlencode({"daily_budget": item.amount, **options}),
                }
                for item in orders
            ]
        )
        refused: dict[int, str] = {}
        for item, (_, body) in zip(orders, answers, strict=True):
            fault = fault_of(body)
            if fault is not None and not fault[1]:
                refused[item.position] = fault[0]
        return refused

    def _check_currency(self) -> None:
        """Refuse an account that is billed in another currency than the plan's."""
        account = self._api.get(f"{self._version}/act_{self._account}", fields="currency")
        currency = str(dig(account, "currency"))
        if currency != self._currency:
            raise PlatformError(
                f"{self.label}: is billed in {currency}, the plan is in {self._currency}; "
                "name an account of the plan's currency"
            )

    def _batch(self, requests: Sequence[Mapping[str, str]]) -> list[tuple[int, Any]]:
        """Return status and body of each request; 0 and an empty body where there was none."""
        if not requests:
            return []
        answer = self._api.form("", {"batch": json.dumps(requests), "include_headers": "false"})
        if not isinstance(answer, list) or len(answer) != len(requests):
            raise PlatformError(f"{self.label}: answered another number of requests than were sent")
        return [_parsed(item) for item in answer]

    def _seen(self, order: Order, status: int, body: Any) -> Seen:
        name = f"{self._what} {order.target.id}"
        if fault := fault_of(body):
            if fault[1]:
                raise PlatformError(f"{self.label}: {name}: {fault[0]}")
            return Seen(why=f"{name}: {fault[0]}")
        if status != 200:
            raise PlatformError(f"{self.label}: {name}: no answer in time")
        if str(dig(body, "account_id")) != self._account:
            return Seen(why=f"{name} is not in this account")
        if dig(body, "effective_status") in {"DELETED", "ARCHIVED"}:
            return Seen(why=f"{name} was removed")
        budget = str(dig(body, "daily_budget") or "0")
        if not budget.isdecimal() or int(budget) == 0:
            other = "a lifetime budget" if str(dig(body, "lifetime_budget") or "0") != "0" else ""
            level = "its ad sets'" if self._what == "campaign" else "its campaign's"
            return Seen(why=f"{name} has no daily budget but {other or level + ' own'}")
        return Seen(amount=int(budget))


def _parsed(item: Any) -> tuple[int, Any]:
    if item is None:
        return 0, {}
    try:
        return int(dig(item, "code") or 0), json.loads(str(dig(item, "body") or "{}"))
    except (TypeError, ValueError):
        return 0, {}
