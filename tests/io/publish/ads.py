"""Two ad platforms on this machine that keep budgets, speak their documented formats, and fail."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.loopback import Answer, Asked, serve


@dataclass(slots=True)
class Fault:
    """What the next matching call answers instead; `after` it did its work, or before."""

    path: str
    status: int = 503
    said: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    is_done_first: bool = False


class AdServer:
    """Campaigns with budgets in whole minor units, read and set over HTTP.

    Attributes:
        budgets: campaign id -> what is set.
        refuses: campaign id -> the platform's words for why it does not take a budget.
        busy: campaign ids that are told to wait, so many times.
        calls: path of every call, in order.
        sets: (campaign id, amount) of every change that was made.
    """

    def __init__(self, currency: str = "EUR") -> None:
        self.url = ""
        self.currency = currency
        self.budgets: dict[str, int] = {}
        self.shared: set[str] = set()
        self.refuses: dict[str, str] = {}
        self.busy: dict[str, int] = {}
        self.silent: dict[str, int] = {}
        self.calls: list[str] = []
        self.bodies: list[Any] = []
        self.sets: list[tuple[str, int]] = []
        self.faults: list[Fault] = []

    def _is_busy(self, campaign: str) -> bool:
        left = self.busy.get(campaign, 0)
        self.busy[campaign] = max(left - 1, 0)
        return left > 0

    def _set(self, campaign: str, amount: int) -> None:
        if self.silent.get(campaign, 0):  # says yes and does nothing
            self.silent[campaign] -= 1
            return
        self.budgets[campaign] = amount
        self.sets.append((campaign, amount))

    # Google Ads

    def google_search(self, body: Any) -> Any:
        wanted = re.search(r"IN \((.*)\)", body["query"])
        assert wanted is not None
        return {
            "results": [
                {
                    "campaign": {"id": campaign, "status": "ENABLED"},
                    "campaignBudget": {
                        "resourceName": f"customers/1/campaignBudgets/9{campaign}",
                        "amountMicros": str(self.budgets[campaign] * 10_000),
                        "period": "DAILY",
                        "explicitlyShared": campaign in self.shared,
                    },
                    "customer": {"currencyCode": self.currency},
                }
                for campaign in wanted[1].split(", ")
                if campaign in self.budgets
            ]
        }

    def google_mutate(self, body: Any) -> Any:
        assert body["partialFailure"] is True
        errors, results = [], []
        for index, operation in enumerate(body["operations"]):
            assert operation["updateMask"] == "amount_micros"
            name = operation["update"]["resourceName"]
            campaign = name.rsplit("/", 1)[1].removeprefix("9")
            where = {"fieldPathElements": [{"fieldName": "operations", "index": index}]}
            if self._is_busy(campaign):
                code = {"databaseError": "CONCURRENT_MODIFICATION"}
                errors.append({"errorCode": code, "message": "try again", "location": where})
                results.append({})
            elif campaign in self.refuses:
                code = {"campaignBudgetError": "MONEY_AMOUNT_TOO_SMALL"}
                said = self.refuses[campaign]
                errors.append({"errorCode": code, "message": said, "location": where})
                results.append({})
            else:
                results.append({"resourceName": name})
                if not body["validateOnly"]:
                    self._set(campaign, int(operation["update"]["amountMicros"]) // 10_000)
        failure = {
            "code": 3,
            "message": "Multiple errors in 'details'.",
            "details": [{"@type": "…GoogleAdsFailure", "errors": errors}],
        }
        return {"results": results, **({"partialFailureError": failure} if errors else {})}

    # Meta

    def meta_batch(self, requests: list[Any]) -> Any:
        return [self._meta_one(item) for item in requests]

    def _meta_one(self, item: Any) -> Any:
        campaign = item["relative_url"].split("?")[0].split("/")[1]
        if self._is_busy(campaign):
            return self._meta_error(400, 613, "Calls to this api have exceeded the rate limit.")
        if campaign not in self.budgets:
            return self._meta_error(400, 100, f"Object with ID '{campaign}' does not exist")
        if item["method"] == "GET":
            budget = self.budgets[campaign]
            body = {
                "account_id": "42",
                "id": campaign,
                "effective_status": "ACTIVE",
                **({"daily_budget": str(budget)} if budget else {"lifetime_budget": "900000"}),
            }
            return {"code": 200, "body": json.dumps(body)}
        form = {key: values[0] for key, values in parse_qs(item["body"]).items()}
        if campaign in self.refuses:
            return self._meta_error(400, 100, self.refuses[campaign])
        if form.get("execution_options") != '["validate_only"]':
            self._set(campaign, int(form["daily_budget"]))
        return {"code": 200, "body": json.dumps({"success": True})}

    def _meta_error(self, status: int, code: int, message: str) -> Any:
        return {"code": status, "body": json.dumps({"error": {"code": code, "message": message}})}

    def answer(self, method: str, path: str, raw: str) -> Any:
        parts = urlsplit(path).path
        if parts.endswith("googleAds:search"):
            return self.google_search(json.loads(raw))
        if parts.endswith("campaignBudgets:mutate"):
            return self.google_mutate(json.loads(raw))
        if method == "GET" and "/act_" in parts:
            return {"currency": self.currency}
        form = {key: values[0] for key, values in parse_qs(raw).items()}
        return self.meta_batch(json.loads(form["batch"]))


@contextmanager
def ad_server() -> Iterator[AdServer]:
    served = AdServer()

    def answer(asked: Asked) -> Answer:
        served.calls.append(asked.path)
        served.bodies.append(asked.body)
        where = asked.path + asked.body
        fault = next((item for item in served.faults if item.path in where), None)
        if fault is None:
            return Answer(served.answer(asked.method, asked.target, asked.body))
        served.faults.remove(fault)
        if fault.is_done_first:
            served.answer(asked.method, asked.target, asked.body)
        said = fault.said if fault.said is not None else {"error": "down"}
        return Answer(said, fault.status, fault.headers)

    with serve(answer) as served.url:
        yield served
