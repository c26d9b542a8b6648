"""The learning loop against known truth: alarms, tests, holdouts, exploring.

    .venv/bin/python -m benchmarks.learning [alarms tests holdouts gains loop] [--worlds 200]

`make numbers` writes the tables of the first three into docs/experiments.md and docs/learning.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

import numpy as np

from pipeline.core.panel import Panel
from pipeline.core.types import IntArray
from pipeline.experiments.design import choose, design_geo
from pipeline.experiments.readout import read_out
from pipeline.experiments.sequential import alpha_of_look
from pipeline.experiments.standing import draw_holdout, value_of_plans
from pipeline.experiments.switchback import (
    Schedule,
    design_switchback,
    draw_schedule,
    read_switchback,
)
from pipeline.scoring.drift import LEARNING_DAYS, alarm_limit, find_shifts

FIRST = date(2026, 1, 1)
LOOKS = (0.5, 0.8, 1.0)
PAST = 120
NOTICED_WITHIN = 60  # days after a shift; later is too late
UNPRICED = 365.0  # nights: so long a horizon pays for almost any move


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarms:
    """What a kind of series alarmed.

    Attributes:
        expected: false alarms that were set, over all its days and series.
        noticed: day of each false alarm.
        late: by size of the shift, days until each series alarmed, the rest of its days if never.
    """

    name: str
    days: int
    expected: float
    noticed: IntArray
    late: dict[float, IntArray]


def measure_alarms() -> list[Alarms]:
    """Return false alarms for the rate that was set, and how late shifts are found, by size."""
    n, days, rate = 1000, 180, 40.0
    found = []
    for name, kept, heavy in (("independent", 0.0, False), ("persistent, 0.6", 0.6, False),
                              ("heavy-tailed, 0.3", 0.3, True)):  # fmt: skip
        shifts = find_shifts(_series(days, n, kept, heavy, 5), alarm_limit(n, rate))
        late_by_size = {}
        for size in (0.5, 1.0, 2.0, 3.0):
            table = _series(days, 300, kept, heavy, 7)
            table[100:] += size
            late = np.full(300, days - 100)
            for shift in find_shifts(table, alarm_limit(100, 1.0)):
                if shift.noticed >= 100:
                    late[shift.series] = min(late[shift.series], shift.noticed - 100)
            late_by_size[size] = late
        found.append(
            Alarms(
                name=name,
                days=days,
                expected=rate * (days - LEARNING_DAYS) / 365,
                noticed=np.array([shift.noticed for shift in shifts], dtype=np.int64),
                late=late_by_size,
            )
        )
    return found


def alarms(found: Sequence[Alarms]) -> list[tuple[str, ...]]:
    """Return the table of what was measured."""
    return [
        (
            item.name,
            f"{item.noticed.size / item.expected:.1f}",
            *(
                f"{np.median(late):.0f} days, {(late > NOTICED_WITHIN).mean():.0%} "
                f"not in {NOTICED_WITHIN}"
                for late in item.late.values()
            ),
        )
        for item in found
    ]


def tests(worlds: int) -> list[tuple[str, ...]]:
    """Return size, power and cover of geo and switchback tests, one look and three."""
    return [_geo(worlds), _switchback(worlds)]


def holdouts(worlds: int) -> list[tuple[str, ...]]:
    """Return how often the interval of a standing holdout holds the truth, and its width."""
    rows = []
    for lift in (0.0, 0.05):
        held = covered = 0
        width, error = [], []
        for seed in range(worlds):
            outcome, spend = _market(seed)
            rng = np.random.default_rng([seed, 7])
            drawn = draw_holdout(spend[0], 0.2, rng)
            outcome[110:, np.setdiff1d(np.arange(24), drawn)] *= 1 + lift
            found = value_of_plans(outcome, spend, drawn, 110, rng)
            assert found is not None
            assert found.low is not None
            assert found.high is not None
            covered += found.low <= lift <= found.high
            held += not found.low <= 0 <= found.high
            width.append(found.high - found.low)
            error.append(found.lift - lift)
        rows.append(
            (
                f"{lift:.0%}",
                f"{np.mean(error):+.1%}",
                f"{covered / worlds:.0%}",
                f"{held / worlds:.0%}",
                f"{np.mean(width) / 2:.1%}",
            )
        )
    return rows


def loop(kind: str, seed: int, nights: int) -> list[tuple[str, ...]]:
    """Return what our nights did in one world, with exploration and without, night by night."""
    from pipeline.simulation.loop import run_loop, run_oracle, run_static, world_maker

    make = world_maker(kind, seed, nights=nights)
    still, best = run_static(make, nights), run_oracle(make, nights)
    log: list[dict[str, float]] = []
    priced = run_loop(make(), _policy(0.05, 28.0, log), name="exploring", nights=nights)
    none = run_loop(make(), _policy(0.0, 28.0, []), name="not exploring", nights=nights)
    return [
        (
            str(night + 1),
            f"{still.incremental[night]:,.0f}",
            f"{best.incremental[night]:,.0f}",
            f"{priced.incremental[night]:,.0f}",
            f"{none.incremental[night]:,.0f}",
            f"{row.get('cost', 0.0):,.1f}",
            f"{row.get('moves', 0):.0f}",
            f"{row.get('unpaid', 0):.0f}",
            "data refused, budgets stay" if row.get("held") else "",
        )
        for night, row in enumerate(log)
    ]


def gains(nights: int) -> list[tuple[str, ...]]:
    """Return the share of the reachable gain that is captured without, with, and with unpriced
    exploration, by world.
    """
    from pipeline.simulation.loop import captured, run_loop, run_oracle, run_static, world_maker

    rows = []
    for kind in ("quiet", "confounded", "drifting", "everything"):
        make = world_maker(kind, 0, nights=nights)
        still, best = run_static(make, nights), run_oracle(make, nights)
        cells, moved = [], 0.0
        for share, horizon in ((0.0, 28.0), (0.05, 28.0), (0.05, UNPRICED)):
            log: list[dict[str, float]] = []
            run = run_loop(make(), _policy(share, horizon, log), name="ours", nights=nights)
            cells.append(f"{captured(run, still, best):.2f}")
            if horizon < UNPRICED:
                moved = float(np.mean([row.get("moves", 0.0) for row in log]))
        rows.append((kind, *cells, f"{moved:.1f}"))
        print(rows[-1], flush=True)
    return rows


def _policy(share: float, horizon: float, log: list[dict[str, float]]) -> Callable[[Any], Any]:
    """Return our night with an exploration of its own, which notes its account."""
    from pipeline.core.policy import Exploration
    from pipeline.runs.decide import decide
    from pipeline.runs.exploring import lessons_of
    from pipeline.runs.fitting import fit_models
    from pipeline.simulation.ours import facts_of
    from pipeline.simulation.policies import Decision

    is_priced = horizon < UNPRICED
    rules = Exploration(
        max_share=share, max_cost_share=0.01 if is_priced else 1.0, horizon_days=min(horizon, 365.0)
    )

    def choose_budgets(morning: Any) -> Any:
        facts = facts_of(morning)
        if facts is None:
            log.append({"held": 1.0})
            return Decision(budgets=morning.current)
        known = replace(facts, policy=facts.policy.model_copy(update={"exploration": rules}))
        decision = decide(known, fit_models(known))
        account = decision.exploration
        log.append(
            {}
            if account is None
            else {
                "cost": sum(move.cost for move in account.moves),
                "moves": len(account.moves),
                "unpaid": account.unpaid,
            }
        )
        return Decision(
            budgets=decision.budgets,
            explored=decision.explored,
            lessons=lessons_of(known, account),
        )

    return choose_budgets


def _geo(worlds: int) -> tuple[str, ...]:
    start, days = 76, 14
    alarms = looked = found = covered = 0
    least = []
    for seed in range(worlds):
        rng, panel = np.random.default_rng(seed), _regions(seed)
        chosen = choose(design_geo(panel.until(panel.days[start]), 2, days, rng), rng)
        least.append(chosen.least_effect)
        for lift in (0.0, chosen.least_effect):
            outcome = panel.outcome.copy()
            outcome[start:, panel.columns(chosen.treated)] *= 1 + lift
            after = replace(panel, outcome=outcome)
            whole = read_out(after, chosen.treated, panel.days[start], panel.days[-1], rng=rng)
            covered += whole.lift_low <= lift <= whole.lift_high
            if lift:
                found += whole.is_significant
                continue
            alarms += whole.is_significant
            looked += any(
                read_out(
                    after,
                    chosen.treated,
                    panel.days[start],
                    panel.days[start + round(share * days) - 1],
                    rng=rng,
                    alpha=alpha_of_look(LOOKS[:place], share, 0.1),
                ).is_significant
                for place, share in enumerate(LOOKS)
            )
    return _row("geo, 2 of 24 regions, 14 days", worlds, least, alarms, looked, found, covered)


def _switchback(worlds: int) -> tuple[str, ...]:
    alarms = looked = found = covered = 0
    least = []
    for seed in range(worlds):
        rng, panel = np.random.default_rng([seed, 1]), _two(seed)
        past = panel.until(panel.days[PAST])
        design = design_switchback(past, ["a"], 80, 4, 1, rng)
        schedule = draw_schedule(80, 4, 1, rng)
        least.append(design.least_effect)
        for lift in (0.0, design.least_effect):
            after = _switched(panel, schedule, lift)
            first = panel.days[PAST]
            whole = read_switchback(after, ["a"], first, schedule)
            covered += whole.lift_low <= lift <= whole.lift_high
            if lift:
                found += whole.is_significant
                continue
            alarms += whole.is_significant
            looked += any(
                read_switchback(
                    after.until(panel.days[PAST] + timedelta(days=round(80 * share))),
                    ["a"],
                    first,
                    schedule,
                    alpha=alpha_of_look(LOOKS[:place], share, 0.1),
                ).is_significant
                for place, share in enumerate(LOOKS)
            )
    return _row(
        "switchback, 10 pairs of 4-day blocks", worlds, least, alarms, looked, found, covered
    )


def _row(
    name: str, worlds: int, least: list[float], alarms: int, looked: int, found: int, covered: int
) -> tuple[str, ...]:
    return (
        name,
        f"{np.median(least):.1%}",
        f"{alarms / worlds:.1%}",
        f"{looked / worlds:.1%}",
        f"{found / worlds:.0%}",
        f"{covered / (2 * worlds):.0%}",
    )


def _series(days: int, n: int, kept: float, heavy: bool, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    step = rng.standard_t(4, (days, n)) / np.sqrt(2) if heavy else rng.standard_normal((days, n))
    out = step.copy()
    for day in range(1, days):
        out[day] += kept * out[day - 1]
    return np.asarray(out * np.sqrt(1 - kept**2))


def _regions(seed: int, units: int = 24, days: int = 90) -> Panel:
    rng = np.random.default_rng(seed)
    factors = np.cumsum(rng.normal(0, 0.03, (days, 2)), axis=0)
    noise, shock = np.zeros((days, units)), rng.normal(0, 0.05, (days, units))
    for day in range(1, days):
        noise[day] = 0.5 * noise[day - 1] + shock[day]
    week = 1 + 0.15 * np.sin(2 * np.pi * np.arange(days) / 7)[:, None]
    level = np.exp(factors @ (0.5 * rng.normal(1, 0.4, (2, units))) + noise)
    return _panel(np.exp(rng.normal(6, 0.8, units)) * week * level)


def _two(seed: int, days: int = PAST + 80) -> Panel:
    rng = np.random.default_rng(seed)
    noise, shock = np.zeros((days, 2)), rng.normal(0, 0.08, (days, 2))
    for day in range(1, days):
        noise[day] = 0.6 * noise[day - 1] + shock[day]
    shared = np.cumsum(rng.normal(0, 0.03, days)) + 0.2 * np.sin(2 * np.pi * np.arange(days) / 7)
    found = _panel(np.exp(np.array([5.0, 7.0]) + shared[:, None] + noise))
    return replace(found, units=("a", "rest"))


def _switched(panel: Panel, schedule: Schedule, lift: float) -> Panel:
    outcome = panel.outcome.copy()
    for day in range(schedule.days):
        outcome[PAST + day, 0] *= 1 + lift * schedule.is_treated(day)
    return replace(panel, outcome=outcome)


def _market(seed: int, days: int = 160, units: int = 24) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    season = 1 + 0.3 * np.sin(np.arange(days) / 9)[:, None]
    wander = np.exp(np.cumsum(rng.normal(0, 0.01, (days, units)), axis=0))
    size = np.exp(rng.normal(4, 0.6, units))
    outcome = size * season * wander * rng.lognormal(0, 0.2, (days, units))
    return outcome, np.broadcast_to(size, outcome.shape)


def _panel(outcome: np.ndarray) -> Panel:
    return Panel(
        days=tuple(FIRST + timedelta(days=day) for day in range(outcome.shape[0])),
        units=tuple(f"r{unit:02d}" for unit in range(outcome.shape[1])),
        outcome=outcome,
    )


ALARM_HEAD = ("series", "false alarms found for 1 set", "shift of 0.5 sd", "1 sd", "2 sd", "3 sd")
TEST_HEAD = ("test", "least effect (median)", "false alarms, one look", "three looks", "power",
             "90 % interval holds the truth")  # fmt: skip
HOLDOUT_HEAD = ("true worth of plans", "bias", "90 % interval holds it", "says it is not 0",
                "half width")  # fmt: skip
GAIN_HEAD = ("world", "not exploring", "exploring while it pays", "exploring for a year's use",
             "pairs moved a night, while it pays")  # fmt: skip
LOOP_HEAD = ("night", "standing still", "best possible", "exploring", "not exploring",
             "cost of learning", "pairs moved", "unpaid", "")  # fmt: skip


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """Return a table in Markdown."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "parts", nargs="*", default=["alarms", "tests", "holdouts", "gains", "loop"]
    )
    parser.add_argument("--worlds", type=int, default=200)
    parser.add_argument("--kind", default="everything")
    parser.add_argument("--nights", type=int, default=60)
    given = parser.parse_args()
    if "alarms" in given.parts:
        print(table(ALARM_HEAD, alarms(measure_alarms())))
    if "tests" in given.parts:
        print(table(TEST_HEAD, tests(given.worlds)))
    if "holdouts" in given.parts:
        print(table(HOLDOUT_HEAD, holdouts(given.worlds)))
    if "gains" in given.parts:
        print(table(GAIN_HEAD, gains(given.nights)))
    if "loop" in given.parts:
        print(table(LOOP_HEAD, loop(given.kind, 0, given.nights)))


if __name__ == "__main__":
    main()
