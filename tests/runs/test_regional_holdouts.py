"""Standing holdouts where nobody knows which line earned what: regions are held against regions."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from pipeline.core.errors import UsageError
from pipeline.core.history import History, Measured
from pipeline.core.trial import Trial
from pipeline.runs import holdouts
from tests.runs.shop import DAY, Shop

REGIONS = ("north", "south", "east", "west", "upper", "lower", "mid", "coast")
LINES = tuple((region, channel) for region in REGIONS for channel in ("search", "tv"))
COLUMNS = ("region", "channel")
FIRST = date(2026, 6, 1)


def regional(lift: float, days: int = 160, start: int = 100) -> History:
    """Return regions that share their demand; those that follow plans earn more from `start` on."""
    rng = np.random.default_rng(4)
    size = rng.uniform(50, 400, len(REGIONS))
    demand = np.exp(np.cumsum(rng.normal(0, 0.02, days)))[:, None]
    outcome = size * demand * rng.lognormal(0, 0.05, (days, len(REGIONS)))
    outcome[start:, 2:] *= 1 + lift
    spend = np.repeat(size, 2) * rng.lognormal(0, 0.1, (days, len(LINES)))
    return History(
        days=tuple(FIRST + timedelta(days=day) for day in range(days)),
        lines=LINES,
        spend=spend,
        outcomes={},
        trusted=np.ones((days, len(LINES)), dtype=bool),
        measured=Measured(
            levels=(0,),
            units=tuple((region,) for region in REGIONS),
            outcomes={"revenue": outcome},
            controls={},
            trusted=np.ones((days, len(REGIONS)), dtype=bool),
        ),
    )


@pytest.mark.parametrize("lift", [0.0, 0.1])
def test_regional_outcomes_tell_what_plans_are_worth(lift: float):
    history = regional(lift)
    trial = Trial(name="ruler", kind="holdout", first_day=FIRST + timedelta(days=100),
                  unit_column="region", units=REGIONS[:2])  # fmt: skip
    whole = np.ones((len(history.days), len(LINES)))
    (score,) = holdouts.holdout_scores([trial], COLUMNS, history, "revenue", whole)
    assert (score.of, score.held) == (8, REGIONS[:2])
    result = score.result
    assert result is not None
    assert result.low is not None
    assert result.high is not None
    assert result.lift == pytest.approx(lift, abs=0.03)
    assert result.low <= lift <= result.high
    assert (result.low > 0) == (lift > 0)


@pytest.mark.parametrize(
    ("dark", "days"), [(("north",), 12), (("east", "west"), 12), (("coast",), 45), (REGIONS, 12)]
)
def test_an_outage_inside_the_holdout_is_no_loss_of_either_side(dark: tuple[str, ...], days: int):
    history = regional(0.1)
    measured = history.measured
    assert measured is not None
    columns = [REGIONS.index(region) for region in dark]
    outcome, trusted = measured.outcomes["revenue"].copy(), measured.trusted.copy()
    outcome[110 : 110 + days, columns] = 0.0
    trusted[110 : 110 + days, columns] = False
    history = replace(
        history, measured=replace(measured, outcomes={"revenue": outcome}, trusted=trusted)
    )
    trial = Trial(name="ruler", kind="holdout", first_day=FIRST + timedelta(days=100),
                  unit_column="region", units=REGIONS[:2])  # fmt: skip
    whole = np.ones((len(history.days), len(LINES)))
    (score,) = holdouts.holdout_scores([trial], COLUMNS, history, "revenue", whole)
    assert score.result is not None
    assert score.result.lift == pytest.approx(0.1, abs=0.03)
    assert score.result.low is not None
    assert score.result.low > 0
    assert score.result.days == 60 - (days if len(dark) == len(REGIONS) else 0)


def test_units_whose_outcomes_nobody_knows_are_scored_by_nothing():
    history = regional(0.1)
    trial = Trial(name="ruler", kind="holdout", first_day=FIRST + timedelta(days=100),
                  unit_column="channel", units=("tv",))  # fmt: skip
    whole = np.ones((len(history.days), len(LINES)))
    (score,) = holdouts.holdout_scores([trial], COLUMNS, history, "revenue", whole)
    assert score.result is None


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """Return a shop whose outcomes are known by region."""
    few = LINES[::2][:5]
    shop = Shop(tmp_path / "shop", columns=COLUMNS, lines=few, spends=[200.0] * 5)
    summed: dict[tuple[str, str], float] = {}
    for row in shop.outcomes:
        key = row["date"], row["region"]
        summed[key] = round(summed.get(key, 0.0) + row["revenue"], 2)
    shop.outcomes = [
        {"date": day, "region": region, "revenue": amount}
        for (day, region), amount in summed.items()
    ]
    shop.settings["sources"]["outcomes"]["by"] = ["region"]
    return shop


def draw(shop: Shop, by: str) -> list[str]:
    record = holdouts.draw(
        shop.portfolio, "ana", name="ruler", share=0.25, by=by,
        first_day=DAY + timedelta(days=1), seed=3,
    )  # fmt: skip
    return list(record.assignment["treated"])


def test_a_holdout_of_regions_is_kept_and_measured_by_nights(shop: Shop):
    shop.night()
    held = draw(shop, "region")
    plan = shop.night(shop.later(12))
    kept = {item.line["region"] for item in plan.lines if "holdout ruler" in item.reason}
    assert kept == set(held)
    assert len(held) == 1
    (row,) = plan.holdouts
    assert (row.name, row.held, row.of) == ("ruler", 1, 5)
    assert row.lift is not None


def test_what_cannot_be_held_out_is_refused_with_what_can(shop: Shop):
    shop.write()
    with pytest.raises(UsageError, match=r"outcomes are known by region only.*use --by region"):
        draw(shop, "channel")
    shop.settings["sources"]["outcomes"]["by"] = []
    shop.write()
    with pytest.raises(UsageError, match=r"known as one total.*sources\.outcomes\.by"):
        draw(shop, "region")
