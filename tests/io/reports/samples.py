"""Plans written by hand, as a night would leave them, for the pages to show."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np

from pipeline.core.findings import Finding, Level
from pipeline.core.plan import (
    Certificate,
    Expected,
    Interval,
    Mode,
    ModelHealth,
    Plan,
    PlanCap,
    PlanGuardrail,
    PlanLine,
    Uplift,
)
from pipeline.io.reports import (
    Curve,
    Frontier,
    Pacing,
    PastDays,
    Promise,
    ReportExtras,
    WaitingCap,
)

DAY = date(2026, 11, 22)
SIGN = "equimarginal approve 2026-11-22-1a2b3c4d --as ana"

# channel, audience, current, proposed, ceiling, half saturation, action, reason, binding, exploration
_LINES = [
    ("search", "brand", 1400.00, 1120.00, 2600, 500, "cut",
     "Most of its conversions come without the spend; the next euro earns 0.71.",
     ("daily change −20%",), 0.0),
    ("search", "generic", 2100.00, 2480.00, 9800, 2900, "scale",
     "The steepest curve that is free to move; its chance of being better is 0.96.",
     ("cap search max",), 0.0),
    ("search", "competitor", 600.00, 540.00, 1500, 420, "cut",
     "Saturated since early November.", (), 0.0),
    ("social", "lookalike_1pct", 900.00, 1010.00, 3900, 1300, "scale",
     "Earns more than the average line at this spend.", (), 0.0),
    ("social", "interest_home", 750.00, 660.00, 1800, 700, "cut",
     "Creatives tire: the curve fell by 18% in three weeks.", (), 0.0),
    ("social", "retargeting", 500.00, 500.00, 2100, 380, "watch",
     "Tracker was silent on two days; kept until the figures are complete.", (), 0.0),
    ("video", "awareness_18_34", 800.00, 840.00, 2200, 1700, "test",
     "The widest curve of all; 40.00 more for a week halves its interval.", (), 40.0),
    ("video", "awareness_35_54", 450.00, 410.00, 1100, 900, "test",
     "Pays for the test next to it.", (), -40.0),
    ("tv", "national", 1000.00, 1000.00, 2600, 2400, "fixed", "Contract until 31 December.",
     ("cap tv fixed",), 0.0),
    ("affiliate", "all", 500.00, 500.00, 1900, 800, "hold",
     "No move is likely enough to be better.", (), 0.0),
    ("display", "prospecting", 600.00, 540.00, 900, 500, "cut",
     "Earns least of all free lines.", ("daily change −10%",), 0.0),
    ("display", "remarketing", 400.00, 400.00, 1000, 250, "hold",
     "Held: the cap on display / remarketing waits for finance.", (), 0.0),
]  # fmt: skip


def hill(spend: np.ndarray, ceiling: float, half: float) -> np.ndarray:
    return ceiling * spend / (spend + half)


def interval(mean: float, spread: float) -> Interval:
    return Interval(mean=mean, p05=mean * (1 - spread), p95=mean * (1 + spread))


def sample_plan(**changes: object) -> Plan:
    """A night of twelve lines: moves, tests, a silent tracker, caps that bind, one that waits."""
    lines = tuple(
        PlanLine(
            line={"channel": channel, "audience": audience},
            current=current,
            proposed=proposed,
            expected=interval(ceiling * proposed / (proposed + half), 0.12 + 0.02 * i),
            marginal_return=interval(ceiling * half / (proposed + half) ** 2, 0.2 + 0.03 * i),
            binding=binding,
            action=action,
            reason=reason,
            exploration=exploration,
        )
        for i, (
            channel, audience, current, proposed, ceiling, half, action, reason, binding, exploration,
        ) in enumerate(_LINES)
    )  # fmt: skip
    plan = Plan(
        plan_id="2026-11-22-1a2b3c4d",
        portfolio="acme",
        date=DAY,
        currency="EUR",
        line_columns=("channel", "audience"),
        mode=Mode.OPTIMISED,
        budget=10000.00,
        expected=Expected(metric="revenue", mean=18412.3, p05=16320.5, p95=20760.2),
        status_quo=Interval(mean=17790.1, p05=15655.0, p95=20115.7),
        uplift=Uplift(mean=622.2, p05=104.8, p95=1190.4, probability_positive=0.972),
        lines=lines,
        caps=(
            PlanCap(id="cap-0001", scope={"channel": "search"}, max=4140.0, binding=True,
                    shadow_price=0.57, approved_by="fin"),
            PlanCap(id="cap-0002", scope={"channel": "social", "audience": "lookalike_1pct"},
                    min=100.0, max=1500.0, approved_by="fin"),
            PlanCap(id="cap-0003", scope={"channel": "tv"}, fixed=1000.0, binding=True,
                    approved_by="fin"),
        ),
        caps_version="sha256:5d1e41b2a9c5fb0f3c6f8f0f3d3a20f2c3d4c1a9",
        guardrails=(
            PlanGuardrail(metric="cost_per_conversion", limit=45.0, kind="max", expected=41.3,
                          current=42.9, status="pass"),
            PlanGuardrail(metric="roas", limit=1.5, kind="min", scope={"channel": "social"},
                          expected=1.52, current=1.61, status="pass", shadow_price=0.08),
            PlanGuardrail(metric="new_customers", limit=120.0, kind="min", expected=None,
                          status="review"),
        ),
        findings=(
            Finding(level=Level.REVIEW, check="silent_tracker", source="outcomes.csv",
                    column="conversions", line=("social", "retargeting"),
                    message="social / retargeting reported no conversions on 2026-11-19 and "
                    "2026-11-20 while it spent 986.40 EUR.",
                    advice="Ask the owner of the tracker; both days are left out of the fit."),
            Finding(level=Level.PASS, check="freshness", message="Both sources end on 2026-11-21."),
            Finding(level=Level.PASS, check="grain", message="2,160 rows, one per day and line."),
            Finding(level=Level.PASS, check="currency", message="Every row is in EUR."),
        ),
        model_health=ModelHealth(
            level="review",
            checks=(
                Finding(level=Level.PASS, check="calibration",
                        message="90% intervals held 88% of the last 420 days and lines."),
                Finding(level=Level.REVIEW, check="drift", message="social / interest_home earns "
                        "18% less than three weeks ago.", advice="Refresh its creatives."),
                Finding(level=Level.PASS, check="baseline", message="71% of revenue comes without "
                        "spend; plausible for this portfolio."),
            ),
        ),
        certificate=Certificate(objective=18412.3, upper_bound=18412.3, gap=0.0),
        budget_price=0.94,
        inputs_hash="sha256:9c0e6d8ab1f24e51a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e6f70819",
    )  # fmt: skip
    return plan.model_copy(update=changes)


def sample_extras(plan: Plan | None = None) -> ReportExtras:
    """Everything that a page can show beyond the plan."""
    plan = plan or sample_plan()
    rng = np.random.default_rng(7)
    curves, past = {}, {}
    for i, row in enumerate(_LINES):
        channel, audience, current, proposed, ceiling, half = row[:6]
        grid = np.linspace(0, 4 * max(current, proposed), 41)
        mean = hill(grid, ceiling, half)
        spread = (0.10 + 0.02 * i) * (0.6 + grid / grid[-1])
        curves[channel, audience] = Curve(
            spend=grid, mean=mean, p05=mean * (1 - spread), p95=mean * (1 + spread)
        )
        spend = current * rng.uniform(0.7, 1.12, size=60)
        past[channel, audience] = PastDays(spend=spend, outcome=hill(spend, ceiling, half))
    budgets = np.linspace(6000, 14000, 17)
    outcome = 18412.3 + 9400 * (np.log(budgets) - np.log(10000))
    return ReportExtras(
        curves=curves,
        past=past,
        waiting_caps=(
            WaitingCap(id="cap-0004", scope={"channel": "display", "audience": "remarketing"},
                       max=900.0, proposed_by="ana", reason="Black Friday needs room.",
                       held_lines=1, held_money=400.0),
        ),
        cap_costs={"cap-0001": 187.0},
        frontier=Frontier(budget=budgets, mean=outcome, p05=outcome * 0.9, p95=outcome * 1.11),
        pacing=Pacing(label="November 2026", budget=300000.0, spent=209480.12,
                      planned_by_now=211000.0, forecast=298300.0),
        promises=tuple(
            Promise(day=DAY - timedelta(days=k), plan_id=f"plan-{k}",
                    promised=Interval(mean=17900 - 40 * k, p05=16100, p95=19900),
                    realised=None if k == 1 else 17500 + 390 * (k % 4),
                    adopted_share=0.97 - 0.01 * k, complete_share=None if k == 1 else 0.86 + 0.02 * k)
            for k in range(1, 6)
        ),
        exploration_cost=3.1,
        previous=plan.model_copy(
            update={
                "lines": tuple(
                    line.model_copy(update={"proposed": line.current}) for line in plan.lines
                ),
                "caps": plan.caps[:2],
                "uplift": Uplift(mean=410.0, p05=-20.0, p95=900.0, probability_positive=0.93),
            }
        ),
        expires="Monday 23 November 2026, 06:12 CET",
    )  # fmt: skip


def large_plan(n_lines: int) -> Plan:
    """A plan of many lines over five channels."""
    rng = np.random.default_rng(n_lines)
    lines = []
    for i in range(n_lines):
        current = round(float(rng.uniform(20, 900)), 2)
        proposed = round(current * float(rng.choice([0.8, 0.9, 1.0, 1.0, 1.1, 1.25])), 2)
        earns = proposed * float(rng.uniform(0.8, 3))
        lines.append(
            PlanLine(
                line={"channel": f"channel_{i % 5}", "audience": f"audience_{i:04d}"},
                current=current,
                proposed=proposed,
                expected=interval(earns, 0.2),
                marginal_return=interval(earns / proposed / 2, 0.3),
                action="scale" if proposed > current else "cut" if proposed < current else "hold",
                reason="Earns more from its next euro than the lines it takes from."
                if proposed > current
                else "No move is likely enough to be better.",
            )
        )
    total = round(sum(line.proposed for line in lines), 2)
    return sample_plan(lines=tuple(lines), budget=total, findings=())
