"""A year of clean days: real nights on data without faults, each signed, published and lived.

Every day spends what was published, give or take, and earns along known curves with weekdays, a
season and chance. Good data must not be refused, and what is published obeys every limit.
"""

from __future__ import annotations

import math
import random
import tempfile
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from pipeline.core.errors import PipelineError
from pipeline.core.findings import Level
from pipeline.core.plan import Mode
from pipeline.io.ledger.verify import verify_ledger
from tests.runs.shop import BUDGET, DAY, LINES, SPENDS, Shop, amounts
from tests.torture.report import Outcome, Tell

STEP = 0.25
TOLERATED = 0.01  # of clean days may be called unclean
CAP = 420.0


def clean_days(count: int, seed: int, tell: Tell) -> Outcome:
    """Live so many days; refused days are failures once they are more than one in a hundred."""
    outcome = Outcome(unit="clean days")
    refused: list[str] = []
    with tempfile.TemporaryDirectory(prefix="torture-") as place:
        shop = Shop(Path(place), days=60, seed=seed)
        shop.sign_caps()
        shop.cap(scope={"channel": "search", "audience": "generic"}, max=CAP)
        rng = random.Random(seed)
        set_now: dict[Any, float] = {}  # until the first plan says what is set
        for number in range(count):
            tell(number, count)
            day = DAY + timedelta(days=number)
            outcome.cases += 1
            try:
                plan = shop.night(day)
                if plan.mode is Mode.HOLD:  # no change was likely enough to pay
                    outcome.note("held")
                if plan.mode is Mode.FALLBACK or _failed(plan):
                    refused.append(f"{day}: {plan.mode.value}, {'; '.join(plan.reasons)[:200]}")
                shop.approve()
                set_now = set_now or {line: now for line, (now, _) in amounts(plan).items()}
                if wrong := _wrong(shop, plan, set_now):
                    outcome.fail(f"{day}: {wrong}")
                set_now = {line: new for line, (_, new) in amounts(plan).items()}
            except PipelineError as error:
                refused.append(f"{day}: {error}")
            _live(shop, day, set_now, rng)
        sound = verify_ledger(shop.portfolio.ledger.database, shop.portfolio.ledger.head)
        for problem in sound.problems:
            outcome.fail(problem.message)
    outcome.notes["refused"] = len(refused)
    if len(refused) > TOLERATED * count:
        for item in refused:
            outcome.fail(item)
    return outcome


def _failed(plan: Any) -> bool:
    return any(item.level is Level.FAIL for item in plan.findings)


def _wrong(shop: Shop, plan: Any, before: dict[Any, float]) -> str:
    """Return which promise a published plan breaks, or nothing."""
    record = shop.portfolio.ledger.plan(plan.plan_id)
    if not record.is_published:
        return "was not published"
    cents = {item.line: item.proposed for item in record.money}
    if sum(cents.values()) != round(BUDGET * 100) and not plan.reasons:
        return f"adds up to {sum(cents.values())}"
    for line, amount in cents.items():
        low = math.floor(round(before[line] * 100) * (1 - STEP))
        high = math.ceil(round(before[line] * 100) * (1 + STEP))
        if not low <= amount <= high:
            return f"{line} goes from {before[line]} to {amount / 100}"
    if cents["search", "generic"] > CAP * 100:
        return "is above the cap"
    return ""


def _live(shop: Shop, day: date, budgets: dict[Any, float], rng: random.Random) -> None:
    """Add what the day spent and earned, and go on to the next morning."""
    season = 1 + 0.15 * math.sin(2 * math.pi * day.timetuple().tm_yday / 365)
    weekday = (1.0, 0.98, 1.0, 1.03, 1.1, 0.9, 0.85)[day.weekday()]
    for index, line in enumerate(LINES):
        key = {"date": day.isoformat(), "channel": line[0], "audience": line[1]}
        usual = SPENDS[index]
        paid = (budgets[line] if budgets else usual) * rng.lognormvariate(0, 0.08)
        earned = (2 + index) * usual * (paid / usual) ** (0.3 + 0.1 * (index % 4))
        revenue = (earned + usual) * season * weekday * rng.lognormvariate(0, 0.08)
        orders = max(0, round(rng.gauss(revenue / 20, math.sqrt(revenue / 20))))
        shop.spend.append({**key, "spend": round(paid, 2), "impressions": 1000, "clicks": 10})
        shop.outcomes.append({**key, "conversions": orders, "revenue": round(revenue, 2)})
    shop.moment += timedelta(days=1)
