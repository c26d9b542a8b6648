"""Sample creatives and offers for the example portfolio, made from rates that we know."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.io.stores import write_file
from pipeline.simulation.example import END

SEED = 13

# creative, click rate, and how much of its log rate it loses per doubling of its exposure
_CREATIVES: tuple[tuple[str, float, float], ...] = (
    ("brand film", 0.011, 0.00),
    ("price", 0.019, -0.01),
    ("product close-up", 0.016, -0.02),
    ("spring", 0.021, -0.10),
    ("testimonial", 0.009, 0.00),
)
_AUDIENCES = (("new visitors", 0.8, 9_000), ("returning", 1.3, 6_000), ("customers", 1.0, 2_500))
_EXPOSURE_DAYS = 28

_ROTATION = """
rotation:                          # tomorrow's exposure of each audience, shared between creatives
  reward: clicks
  creatives:                       # only those with a rule, and those that were never shown
    - {creative: creator clip, only_in: [new visitors]}
    - {creative: price, not_in: [customers]}
"""

_ACTIONS = ("none", "voucher", "news")
# segment, people, and the chance of an order after nothing, a voucher, news
_SEGMENTS: tuple[tuple[str, int, tuple[float, float, float]], ...] = (
    ("new", 2_000, (0.040, 0.100, 0.050)),
    ("active", 2_500, (0.090, 0.095, 0.135)),
    ("lapsing", 1_500, (0.025, 0.070, 0.030)),
)
_MARGIN, _VOUCHER_COST = 18.0, 5.0
_DECISION_WEEKS, _DECISIONS_A_WEEK = 10, 6_000

_OFFERS = """
offers:                            # who may get what, learned from logged decisions
  actions:
    - {action: none}               # doing nothing: the one without a channel
    - {action: voucher, channel: email, offer: 5 off}
    - {action: news, channel: push}
  # contact: {max_per_week: 2, min_gap_days: 2}      # needs sources.contacts with persons
"""


def add_creatives(folder: Path) -> None:
    """Add sample exposures and a `rotation` section to the example portfolio."""
    write_file(folder / "data" / "exposures.csv", sheet(exposure_rows()))
    _add(folder, "  exposures: {path: data/exposures.csv}\n", _ROTATION)


def add_offers(folder: Path) -> None:
    """Add a sample log of decisions, its customers and an `offers` section to the example."""
    write_file(folder / "data" / "decisions.csv", sheet(decision_rows()))
    write_file(folder / "data" / "customers.csv", sheet(customer_rows()))
    sources = "  decisions: {path: data/decisions.csv}\n  customers: {path: data/customers.csv}\n"
    _add(folder, sources, _OFFERS)


def exposure_rows() -> Iterator[dict[str, Any]]:
    """Yield a row per day, audience and creative: an even split up to the example's last day."""
    rng = np.random.default_rng([SEED, 1])
    shown = {(audience, item[0]): 0.0 for audience, _, _ in _AUDIENCES for item in _CREATIVES}
    for back in range(_EXPOSURE_DAYS - 1, -1, -1):
        day = END - timedelta(days=back)
        weekend = 0.7 if day.weekday() >= 5 else 1.0
        for audience, level, traffic in _AUDIENCES:
            impressions = round(traffic * weekend / len(_CREATIVES))
            for creative, rate, wear in _CREATIVES:
                worn = np.log2(1 + shown[audience, creative] / 1_000.0)
                chance = level * rate * float(np.exp(wear * worn))
                shown[audience, creative] += impressions
                yield {
                    "date": day.isoformat(),
                    "audience": audience,
                    "creative": creative,
                    "impressions": impressions,
                    "clicks": int(rng.binomial(impressions, chance)),
                }


def decision_rows() -> Iterator[dict[str, Any]]:
    """Yield logged decisions drawn evenly, each with the reward that came of it."""
    rng = np.random.default_rng([SEED, 2])
    people = [(name, index, odds) for name, size, odds in _SEGMENTS for index in range(size)]
    for back in range(_DECISION_WEEKS * 7 - 1, -1, -1):
        day = (END - timedelta(days=back)).isoformat()
        chosen = rng.choice(len(people), size=_DECISIONS_A_WEEK // 7, replace=False)
        actions = rng.integers(len(_ACTIONS), size=chosen.size)
        luck = rng.random(chosen.size)
        for person, action, drawn in zip(chosen.tolist(), actions.tolist(), luck, strict=True):
            segment, index, odds = people[person]
            cost = _VOUCHER_COST if _ACTIONS[action] == "voucher" else 0.0
            yield {
                "date": day,
                "person": f"{segment}-{index}",
                "segment": segment,
                "action": _ACTIONS[action],
                "propensity": 1 / len(_ACTIONS),
                "eligible": "|".join(_ACTIONS),
                "reward": f"{(_MARGIN - cost) * (drawn < odds[action]):g}",
            }


def customer_rows() -> Iterator[dict[str, Any]]:
    """Yield everybody who may be decided for; some agreed to one channel only, some to none."""
    consents = ("email|push", "email|push", "push", "email|push", "email", "")
    for segment, size, _ in _SEGMENTS:
        for index in range(size):
            consent = consents[index % len(consents)]
            yield {"person": f"{segment}-{index}", "segment": segment, "consent": consent}


def sheet(rows: Iterable[dict[str, Any]]) -> bytes:
    """Return rows as CSV."""
    found: Sequence[dict[str, Any]] = list(rows)
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(found[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(found)
    return text.getvalue().encode("utf-8")


def _add(folder: Path, sources: str, section: str) -> None:
    settings = folder / "portfolio.yaml"
    text = settings.read_text(encoding="utf-8")
    text = text.replace("sources:\n", f"sources:\n{sources}", 1) + section
    write_file(settings, text.encode("utf-8"))
