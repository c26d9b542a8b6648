"""Google Ads: campaign budgets over REST, found by the campaign's id.

Documented wire format: GoogleAdsService.Search names each campaign's budget, amounts in micros;
CampaignBudgetService.Mutate takes updates with a mask. With `partialFailure` the operations that
failed are told in `partialFailureError` by their index, and `validateOnly` changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pipeline.core.money import minor_digits
from pipeline.io.feeds.platforms.google_ads import connected
from pipeline.io.feeds.rows import dig
from pipeline.io.publish.destinations.order import Order, Seen
from pipeline.io.web import Credentials, PlatformError

_FIELDS = (
    "campaign.id",
    "campaign.status",
    "campaign_budget.resource_name",
    "campaign_budget.amount_micros",
    "campaign_budget.period",
    "campaign_budget.explicitly_shared",
    "customer.currency_code",
)
_PASSES = {"internalError", "quotaError", "databaseError"}  # kinds of fault that waiting mends
MAX_PAGES = 100


class GoogleAds:
    """The campaign budgets of one customer.

    Args:
        currency: of the plan; another one of the account refuses everything.
    """

    batch = 1000
    rehearses = True
    restores = False

    def __init__(
        self, account: str, login: Credentials, currency: str, sleep: Callable[[float], None]
    ) -> None:
        self.label = f"google_ads {account}"
        self._api, self._customer = connected(account, login, sleep)
        self._currency = currency
        self._micros = 10 ** (6 - minor_digits(currency))
        self._budgets: dict[str, str] = {}

    def look(self, orders: Sequence[Order]) -> Mapping[int, Seen]:
        """Return each campaign's daily budget as it is now."""
        numbers = sorted({item.target.id for item in orders if item.target.id.isdecimal()})
        found: dict[str, Any] = {}
        for start in range(0, len(numbers), self.batch):
            for row in self._search(numbers[start : start + self.batch]):
                found[str(dig(row, "campaign", "id"))] = row
        return {item.position: self._seen(item, found.get(item.target.id)) for item in orders}

    def send(self, orders: Sequence[Order], *, dry_run: bool) -> Mapping[int, str]:
        """Set the budgets of campaigns that `look` has found."""
        answer = self._api.post(
            f"{self._customer}/campaignBudgets:mutate",
            {
                "operations": [
                    {
                        "update": {
                            "resourceName": self._budgets[item.target.id],
                            "amountMicros": str(item.amount * self._micros),
                        },
                        "updateMask": "amount_micros",
                    }
                    for item in orders
                ],
                "partialFailure": True,
                "validateOnly": dry_run,
            },
        )
        if not isinstance(answer, dict):
            raise PlatformError(f"{self.label}: answered something that is no result")
        refused: dict[int, str] = {}
        for error in _errors(answer):
            index = _index(error)
            if index is None or not 0 <= index < len(orders):
                raise PlatformError(f"{self.label}: {_said(error)}")
            if not _PASSES & set(_codes(error)):
                refused[orders[index].position] = _said(error)
        return refused

    def _search(self, numbers: Sequence[str]) -> list[Any]:
        chosen = f"campaign.id IN ({', '.join(numbers)})"
        query = " ".join(["SELECT", ", ".join(_FIELDS), "FROM", "campaign", "WHERE", chosen])
        rows: list[Any] = []
        page = None
        for _ in range(MAX_PAGES):
            body = {"query": query, **({"pageToken": page} if page else {})}
            answer = self._api.post(f"{self._customer}/googleAds:search", body)
            found = dig(answer, "results") or []
            if not isinstance(answer, dict) or not isinstance(found, list):
                raise PlatformError(f"{self.label}: answered what is no list of campaigns")
            rows += found
            page = dig(answer, "nextPageToken")
            if not page:
                return rows
        raise PlatformError(f"{self.label}: more than {MAX_PAGES} pages of campaigns")

    def _seen(self, order: Order, row: Any) -> Seen:
        identity = order.target.id
        if row is None:
            return Seen(why=f"no campaign {identity} in this account")
        currency = str(dig(row, "customer", "currencyCode"))
        if currency != self._currency:
            raise PlatformError(
                f"{self.label}: is billed in {currency}, the plan is in {self._currency}; "
                "name an account of the plan's currency"
            )
        if dig(row, "campaign", "status") == "REMOVED":
            return Seen(why=f"campaign {identity} was removed")
        if dig(row, "campaignBudget", "explicitlyShared"):
            return Seen(why=f"campaign {identity} shares its budget with others")
        period = dig(row, "campaignBudget", "period") or "DAILY"
        if period != "DAILY":
            return Seen(why=f"campaign {identity} has a budget of a {period} period")
        micros = str(dig(row, "campaignBudget", "amountMicros") or "0")
        name = str(dig(row, "campaignBudget", "resourceName") or "")
        if not name or not micros.isdecimal():
            return Seen(why=f"campaign {identity} has no daily budget")
        self._budgets[identity] = name
        minor, rest = divmod(int(micros), self._micros)
        return Seen(amount=minor if rest == 0 else None)


def _errors(answer: Any) -> list[Any]:
    failure = dig(answer, "partialFailureError")
    if not failure:
        return []
    found = [
        error
        for detail in _listed(dig(failure, "details"))
        for error in _listed(dig(detail, "errors"))
    ]
    return found or [{"message": dig(failure, "message") or "some operations failed"}]


def _index(error: Any) -> int | None:
    for part in _listed(dig(error, "location", "fieldPathElements")):
        if dig(part, "fieldName") == "operations":
            index = dig(part, "index") or 0
            return index if isinstance(index, int) else None
    return None


def _codes(error: Any) -> Mapping[str, Any]:
    codes = dig(error, "errorCode")
    return codes if isinstance(codes, dict) else {}


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _said(error: Any) -> str:
    code = ", ".join(str(value) for value in _codes(error).values())
    return f"{code} {dig(error, 'message') or 'refused'}".strip()[:300]
