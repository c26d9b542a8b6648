"""The curves of a night that is fitted in segments: all lines in order, told as one."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from pipeline.core.history import LiftTest
from pipeline.core.watch import LineWatch, Watch
from pipeline.response import segments
from pipeline.runs.decide import Facts, decide
from pipeline.runs.fitting import DRAWS, FEWEST_DRAWS, fit_models
from tests.runs.shop import Shop
from tests.runs.test_decide import DAY, facts

N_LINES = 90


@pytest.fixture(scope="module")
def wide() -> Facts:
    """Lines of two channels, one of them with two columns; a lift test over lines of both."""
    rng = np.random.default_rng(2)
    known = facts(line=["channel", "audience"])
    lines = tuple(sorted(("ab"[i % 2], f"{i:03d}") for i in range(N_LINES)))
    current = rng.lognormal(4, 0.5, N_LINES)
    spend = current * rng.lognormal(0, 0.3, (60, N_LINES))
    earned = rng.poisson(0.5 * current * (spend / current) ** 0.4).astype(float)
    past = replace(
        known.history,
        lines=lines,
        spend=spend,
        outcomes={"revenue": 6 * earned, "conversions": earned},
        trusted=np.ones(spend.shape, dtype=bool),
    )
    test = LiftTest(
        lines=lines[:60], first_day=past.days[20], last_day=past.days[29], lift=4_000.0,
        standard_error=800.0, spend_change=0.3 * float(spend[20:30, :60].sum()),
    )  # fmt: skip
    return replace(
        known, history=past, lift_tests=(test,), current=current, wanted=float(current.sum()),
        distrusted=np.zeros(N_LINES, dtype=bool),
    )  # fmt: skip


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "SEGMENT_LINES", 30)
    monkeypatch.setattr(segments, "CHANNEL_LINES", 10)


def test_segments_give_the_curves_and_the_findings_of_one_fit(
    wide: Facts, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = fit_models(wide)
    monkeypatch.setattr(segments, "SEGMENT_LINES", 30)
    parts = fit_models(wide)
    one, many = whole.objective, parts.objective
    assert many.table.lines == one.table.lines == wide.history.lines
    np.testing.assert_allclose(many.table.mean(), many.mean, rtol=1e-5)
    np.testing.assert_array_equal(many.table.spend, one.table.spend)
    spread = one.table.value.std(axis=0)[:, 8]
    assert (np.abs(many.mean - one.mean)[:, 8] < spread).all()
    assert [item.check for item in many.findings] == [item.check for item in one.findings]
    told = {item.check: item.message for item in many.findings}
    assert told["model.experiments"].startswith("1 lift test taught")
    assert parts.ahead is not None and whole.ahead is not None
    assert parts.ahead.lines == wide.history.lines
    np.testing.assert_allclose(
        parts.ahead.level.mean(axis=0), whole.ahead.level.mean(axis=0), rtol=0.3
    )
    here, there = decide(wide, parts), decide(wide, whole)
    assert np.abs(here.budgets - there.budgets).sum() < 0.1 * wide.current.sum()


@pytest.mark.usefixtures("small")
def test_lines_of_different_segments_share_what_nobody_knows_of_tomorrow(wide: Facts) -> None:
    table = fit_models(wide).objective.table
    places = segments.segments_of(wide.history)
    assert len(places) == 3
    drawn = [table.value[:, at, 8].sum(axis=1) for at in places]
    assert np.corrcoef(drawn)[0, 1:].min() > 0.5


@pytest.mark.usefixtures("small")
def test_segments_give_the_same_bytes_again_and_alarms_widen_their_lines(wide: Facts) -> None:
    first = fit_models(wide).objective.table
    line = wide.history.lines[70]
    wider = Watch(lines=((line, LineWatch(widen=2.0)),))
    again = fit_models(replace(wide, watch=wider)).objective.table
    others = np.arange(N_LINES) != 70
    assert again.value[:, others].tobytes() == first.value[:, others].tobytes()
    ratio = again.value[:, 70, 8].std() / first.value[:, 70, 8].std()
    assert 1.5 < ratio < 2.1
    assert np.diff(again.value[:, 70], axis=1).min() >= 0  # as wide as it may be without falling
    np.testing.assert_allclose(again.mean()[70], first.mean()[70], rtol=1e-6)


def test_many_lines_get_fewer_draws(wide: Facts, monkeypatch: pytest.MonkeyPatch) -> None:
    assert fit_models(wide).objective.table.value.shape[0] == DRAWS
    monkeypatch.setattr("pipeline.runs.fitting.DRAWN_LINES", 45)
    assert fit_models(wide).objective.table.value.shape[0] == DRAWS // 2
    monkeypatch.setattr("pipeline.runs.fitting.DRAWN_LINES", 1)
    assert fit_models(wide).objective.table.value.shape[0] == FEWEST_DRAWS
    assert wide.day == DAY


def test_a_forecast_in_blocks_of_lines_scatters_as_one_of_all_lines(
    wide: Facts, monkeypatch: pytest.MonkeyPatch
) -> None:
    ahead = fit_models(wide).ahead
    assert ahead is not None
    whole = ahead.forecast(wide.current, 1.1 * wide.current, np.random.default_rng(1))
    monkeypatch.setattr("pipeline.response.predict.FORECAST_LINES", 7)
    parts = ahead.forecast(wide.current, 1.1 * wide.current, np.random.default_rng(1))
    for name in ("mean", "status_quo", "slope"):
        np.testing.assert_allclose(getattr(parts, name), getattr(whole, name), rtol=1e-9)
    spread = [found.quantiles[..., -1] - found.quantiles[..., 0] for found in (parts, whole)]
    # All lines scatter by what they share, which blocks that were drawn alone would lose.
    np.testing.assert_allclose(spread[0][:, -1], spread[1][:, -1], rtol=0.25)
    assert np.median(spread[0] / spread[1]) == pytest.approx(1.0, abs=0.1)
    alone = np.sqrt(np.square(spread[1][:, :-1]).sum(axis=1))
    assert (spread[0][:, -1] > 1.3 * alone).all()


@pytest.mark.parametrize("share", [0.0, 0.3])
def test_a_line_without_a_budget_is_worth_what_a_start_would_earn(
    tmp_path: Path, share: float
) -> None:
    """Paused for six weeks; its organic outcome, where it has one, goes on."""
    shop = Shop(tmp_path, days=120)
    shop.settings["budget"] = {"daily": 800}
    since = (DAY - timedelta(days=42)).isoformat()
    for paid, came in zip(shop.spend, shop.outcomes, strict=True):
        if paid["audience"] == "a" and paid["date"] >= since:
            paid["spend"] = 0
            came["revenue"] = round(share * came["revenue"], 2)
            came["conversions"] = int(share * came["conversions"])
    plan = shop.night()
    paused = next(line for line in plan.lines if line.line["audience"] == "a")
    assert paused.current == paused.proposed == 0
    on = [row for row in zip(shop.spend, shop.outcomes, strict=True) if row[0]["audience"] == "a"]
    money = sum(paid["spend"] for paid, _ in on)
    average = sum(came["revenue"] for paid, came in on if paid["spend"]) / money
    assert 0 < paused.marginal_return.mean < 3 * average
    assert paused.marginal_return.p95 < 5 * average
    assert "no budget" in paused.reason
