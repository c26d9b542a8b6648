"""Plans written by hand, as a night would leave them, for the pages to show."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np

from pipeline.core.decision import DecisionLine, DecisionPlan
from pipeline.core.findings import Finding, Level
from pipeline.core.plan import (
    Certificate,
    Expected,
    Interval,
    Kind,
    Mode,
    ModelHealth,
    Plan,
    PlanCap,
    PlanGuardrail,
    PlanLine,
    Uplift,
)
from pipeline.io.reports import (
    Brought,
    Frontier,
    LineExtras,
    Pacing,
    Promise,
    ReportExtras,
    Running,
    WaitingCap,
)

DAY = date(2026, 11, 22)
SIGN = "equimarginal approve 2026-11-22-1a2b3c4d --as ana"

# channel, audience, current, proposed, half saturation, what the next euro earns at the proposed
# budget, action, reason, binding, exploration
_LINES = [
    ("search", "brand", 1400.00, 1120.00, 500, 0.48, "cut",
     "Most of its conversions come without the spend.", ("daily change −20%",), 0.0),
    ("search", "generic", 2100.00, 2480.00, 2900, 1.51, "scale",
     "The steepest curve of all; it would take more if the cap allowed it.",
     ("cap search max",), 0.0),
    ("search", "competitor", 600.00, 540.00, 420, 0.94, "cut",
     "Saturated since early November.", (), 0.0),
    ("social", "lookalike_1pct", 900.00, 1010.00, 1300, 0.94, "scale",
     "Earns more than the average line at this spend.", (), 0.0),
    ("social", "interest_home", 750.00, 660.00, 700, 0.94, "cut",
     "Creatives tire: the curve fell by 18% in three weeks.", (), 0.0),
    ("social", "retargeting", 500.00, 500.00, 380, 1.12, "watch",
     "Its tracker was silent on two days; kept until the figures are complete.",
     ("data incomplete",), 0.0),
    ("video", "awareness_18_34", 800.00, 840.00, 1700, 0.91, "test",
     "The widest curve of all; a week at 40.00 more halves its interval.", (), 40.0),
    ("video", "awareness_35_54", 450.00, 410.00, 900, 0.96, "test",
     "Pays for the test next to it.", (), -40.0),
    ("tv", "national", 1000.00, 1000.00, 2400, 0.54, "fixed", "Contract until 31 December.",
     ("cap tv fixed",), 0.0),
    ("affiliate", "all", 500.00, 500.00, 800, 0.99, "hold",
     "No move is likely enough to be better.", (), 0.0),
    ("display", "prospecting", 600.00, 540.00, 500, 0.62, "cut",
     "Earns least of all lines that may move.", ("daily change −10%",), 0.0),
    ("display", "remarketing", 400.00, 400.00, 250, 1.31, "hold",
     "Held: the cap on display / remarketing waits for finance.", ("waits for finance",), 0.0),
]  # fmt: skip
ORGANIC = 24150.0  # revenue that comes without tomorrow's spend


def ceiling(row: tuple) -> float:
    proposed, half, marginal = row[3:6]
    return marginal * (proposed + half) ** 2 / half


def hill(spend: np.ndarray, ceiling: float, half: float) -> np.ndarray:
    return ceiling * spend / (spend + half)


def earns(row: tuple, spend: float) -> float:
    return float(hill(np.array(spend), ceiling(row), row[4]))


def interval(mean: float, spread: float) -> Interval:
    return Interval(mean=mean, p05=mean * (1 - spread), p95=mean * (1 + spread))


def sample_plan(**changes: object) -> Plan:
    """A night of twelve lines: moves, tests, a silent tracker, caps that bind, one that waits."""
    lines = tuple(
        PlanLine(
            line={"channel": row[0], "audience": row[1]},
            current=row[2],
            proposed=row[3],
            expected=interval(earns(row, row[3]), 0.12 + 0.02 * i),
            marginal_return=interval(row[5], 0.2 + 0.03 * i),
            binding=row[8],
            action=row[6],
            reason=row[7],
            exploration=row[9],
        )
        for i, row in enumerate(_LINES)
    )
    then = ORGANIC + sum(earns(row, row[3]) for row in _LINES)
    now = ORGANIC + sum(earns(row, row[2]) for row in _LINES)
    plan = Plan(
        plan_id="2026-11-22-1a2b3c4d",
        portfolio="acme",
        date=DAY,
        currency="EUR",
        line_columns=("channel", "audience"),
        mode=Mode.OPTIMISED,
        budget=10000.00,
        expected=Expected(metric="revenue", mean=then, p05=then - 3020, p95=then + 3310),
        status_quo=Interval(mean=now, p05=now - 3070, p95=now + 3290),
        uplift=Uplift(
            mean=then - now, p05=then - now - 240, p95=then - now + 260, probability_positive=0.972
        ),
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
        certificate=Certificate(objective=then, upper_bound=then, gap=0.0),
        budget_price=0.94,
        inputs_hash="sha256:9c0e6d8ab1f24e51a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e6f70819",
    )  # fmt: skip
    return plan.model_copy(update=changes)


def sample_extras(plan: Plan | None = None) -> ReportExtras:
    """Everything that a page can show beyond the plan."""
    plan = plan or sample_plan()
    rng = np.random.default_rng(7)
    drawn = []
    for i, row in enumerate(_LINES):
        channel, audience, current, proposed = row[:4]
        grid = np.linspace(0, 4 * max(current, proposed), 41)
        mean = hill(grid, ceiling(row), row[4])
        spread = (0.10 + 0.02 * i) * (0.6 + grid / grid[-1])
        weeks = current * rng.uniform(0.6, 1.15, size=8)
        drawn.append(
            LineExtras(
                line=(channel, audience),
                spend=tuple(grid),
                mean=tuple(mean),
                p05=tuple(mean * (1 - spread)),
                p95=tuple(mean * (1 + spread)),
                past_spend=tuple(current * rng.uniform(0.55, 1.2, size=60)),
                points_spend=tuple(weeks),
                points_value=tuple(np.interp(weeks, grid, mean) * rng.uniform(0.85, 1.15, size=8)),
                points_day=tuple(DAY - timedelta(days=7 * k) for k in range(9, 1, -1)),
            )
        )
    budgets = np.linspace(6000, 14000, 17)
    then = plan.expected.mean if plan.expected else 0.0
    outcome = then + 9400 * (np.log(budgets) - np.log(10000))
    return ReportExtras(
        lines=tuple(drawn),
        waiting_caps=(
            WaitingCap(id="cap-0004", scope={"channel": "display", "audience": "remarketing"},
                       max=900.0, proposed_by="ana", reason="Black Friday needs room.",
                       held_lines=1, held_money=400.0),
        ),
        cap_costs={"cap-0001": 187.0},
        frontier=Frontier(
            budget=tuple(budgets),
            mean=tuple(outcome),
            p05=tuple(outcome * 0.9),
            p95=tuple(outcome * 1.11),
            price=tuple(9400 / budgets),
        ),
        pacing=Pacing(label="November 2026", budget=300000.0, spent=209480.12,
                      planned_by_now=210000.0, forecast=298300.0,
                      planned=tuple(10000.0 * day for day in range(1, 31)),
                      course=tuple(9975.2438 * day for day in range(1, 31)), passed=21),
        promises=tuple(
            Promise(day=DAY - timedelta(days=k), plan_id=f"plan-{k}",
                    promised=Interval(mean=37900 - 40 * k, p05=34800, p95=41300),
                    realised=None if k == 1 else 36500 + 990 * (k % 4),
                    adopted_share=0.97 - 0.01 * k,
                    complete_share=None if k == 1 else 0.86 + 0.02 * k)
            for k in range(1, 6)
        ),
        exploration_cost=3.1,
        brought=Brought(plans=11, first_day=DAY - timedelta(days=14),
                        gain=Interval(mean=3921.0, p05=1210.0, p95=6402.0), planned=4480.0,
                        otherwise=0.062,
                        unsigned=310.0, unsigned_plans=1),
        experiments=(Running(name="tv_north", first_day=DAY - timedelta(days=3),
                             last_day=DAY + timedelta(days=18), units=4, scope={"channel": "tv"},
                             price=7200.0),),
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


def sample_rotation() -> DecisionPlan:
    """Two audiences with their creatives: one wins, one tires, one is new."""
    # audience, creative, now, proposed, clicks per impression, chance of being best, what, why
    rows = [
        ("young", "summer_video", 0.40, 0.52, 0.031, 0.86, "scale",
         "Most likely the best of this audience, though two more days of it will say so better."),
        ("young", "studio_still", 0.45, 0.33, 0.024, 0.13, "reduce", "Tires: a fifth in ten days."),
        ("young", "newcomer", 0.00, 0.10, 0.025, 0.01, "start", "New: the even slice for a week."),
        ("young", "old_banner", 0.15, 0.05, 0.009, 0.00, "reduce", "Earns a third of the best."),
        ("old", "studio_still", 0.50, 0.50, 0.018, 0.55, "hold", "No change is sure enough."),
        ("old", "summer_video", 0.50, 0.50, 0.017, 0.45, "hold", "No change is sure enough."),
    ]  # fmt: skip
    return DecisionPlan(
        plan_id="rotation-2026-11-22-9f8e7d6c",
        portfolio="acme",
        date=DAY,
        kind=Kind.ROTATION,
        currency="EUR",
        unit="share",
        digits=4,
        line_columns=("audience", "creative"),
        group_columns=1,
        mode=Mode.OPTIMISED,
        expected=Expected(metric="clicks", mean=2310.0, p05=2190.0, p95=2440.0),
        status_quo=interval(2220.0, 0.05),
        uplift=Uplift(mean=90.0, p05=22.0, p95=161.0, probability_positive=0.98),
        lines=tuple(
            DecisionLine(
                line={"audience": row[0], "creative": row[1]},
                current=row[2],
                proposed=row[3],
                expected=interval(row[4], 0.08),
                action=row[6],
                reason=row[7],
                figures={"impressions": 40000.0, "probability_best": row[5]},
            )
            for row in rows
        ),
        guardrails=(
            PlanGuardrail(metric="largest share", limit=0.98, kind="max", expected=0.52,
                          current=0.5, status="pass"),
        ),
        findings=(
            Finding(level=Level.PASS, check="freshness", message="Exposures end on 2026-11-21."),
        ),
        model_health=ModelHealth(level="pass", checks=()),
        rules_version="sha256:5d1e41b2a9c5fb0f3c6f8f0f3d3a20f2c3d4c1a9",
        inputs_hash="sha256:9c0e6d8ab1f24e51a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e6f70819",
    )  # fmt: skip
