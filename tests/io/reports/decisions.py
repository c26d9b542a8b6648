"""Small plans of kinds that split no money, offers and a cadence, with what their pages show."""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.core.decision import DecisionLine, DecisionPlan
from pipeline.core.findings import Finding, Level
from pipeline.core.plan import Expected, Kind, Mode, ModelHealth, PlanGuardrail, Uplift
from tests.io.reports.samples import DAY, interval

HASH = "sha256:5d1e41b2a9c5fb0f3c6f8f0f3d3a20f2c3d4c1a9"


def sample_offers() -> DecisionPlan:
    """Two segments, three contexts, three offers, of which one is new and one group is small."""
    # segment, what may be had, offer, now, proposed, reward a decision, chance of best, people
    rows = [
        ("loyal", "none|voucher|news", "news", 0.33, 0.90, 0.246, 0.995, 4200),
        ("loyal", "none|voucher|news", "none", 0.34, 0.05, 0.095, 0.0, 4200),
        ("loyal", "none|voucher|news", "voucher", 0.33, 0.05, 0.102, 0.005, 4200),
        ("new", "none|news", "news", 0.50, 0.60, 0.066, 0.58, 1300),
        ("new", "none|news", "none", 0.50, 0.40, 0.064, 0.42, 1300),
        ("new", "none", "none", 1.00, 1.00, 0.064, 1.0, 20),
    ]
    return DecisionPlan(
        plan_id="offers-2026-11-22-ab5a9cd5",
        portfolio="acme",
        date=DAY,
        kind=Kind.OFFERS,
        currency="EUR",
        unit="share",
        digits=4,
        line_columns=("segment", "allowed", "action"),
        group_columns=2,
        mode=Mode.OPTIMISED,
        reasons=("Shares of its own for each segment earn more; three estimates agree.",),
        expected=Expected(metric="reward", mean=1020.0, p05=985.0, p95=1060.0),
        status_quo=interval(690.0, 0.05),
        uplift=Uplift(mean=330.0, p05=290.0, p95=371.0, probability_positive=0.999),
        lines=tuple(
            DecisionLine(
                line={"segment": row[0], "allowed": row[1], "action": row[2]},
                current=row[3],
                proposed=row[4],
                expected=interval(row[5], 0.1),
                binding=("floor",) if row[4] == 0.05 else (),
                action="raise" if row[4] > row[3] else "reduce" if row[4] < row[3] else "hold",
                reason="its floor, to keep learning" if row[4] == 0.05 else "earns most here",
                figures={"people": float(row[7]), "decisions": 900.0, "probability_best": row[6]},
            )
            for row in rows
        ),
        guardrails=(
            PlanGuardrail(
                metric="gain a decision, at least",
                limit=0.0,
                kind="min",
                expected=0.26,
                status="pass",
            ),
            PlanGuardrail(
                metric="decisions the log is worth",
                limit=500.0,
                kind="min",
                expected=18694.0,
                status="pass",
            ),
            PlanGuardrail(
                metric="share that was logged",
                limit=0.99,
                kind="min",
                expected=0.97,
                status="review",
            ),
        ),
        findings=(Finding(level=Level.REVIEW, check="holdout", message="No holdout is drawn."),),
        model_health=ModelHealth(level="pass", checks=()),
        rules_version=HASH,
        inputs_hash=HASH,
    )


def sample_cadence() -> DecisionPlan:
    """Five segments: one raised, one raised a little, one held, one stopped, one too small."""
    # segment, now, proposed, net value of a person and week, people, who is on which dose, why
    rows = [
        ("active", 2.0, 3.0, 0.53, 29990, {"0": 0.05, "2": 0.12, "3": 0.56, "4": 0.27},
         "touches bring more here than elsewhere: +0.099 a person and week"),
        ("lapsing", 2.0, 2.69, 0.35, 16000, {"0": 0.05, "2": 0.263, "3": 0.585, "4": 0.102},
         "touches bring more here than elsewhere: +0.053 a person and week"),
        ("loyal", 2.0, 2.0, 0.59, 12000, {"0": 0.05, "1": 0.128, "2": 0.594, "3": 0.228},
         "not raised: one more touch is 92% likely to be safe, 95% needed"),
        ("lapsed", 2.0, 0.0, 0.0, 40000, {"0": 1.0},
         "the last touch loses more than it earns: 100% likely"),
        ("staff", 1.0, 1.0, 0.2, 12, {"0": 0.1, "1": 0.9}, "no change is worth its risk"),
    ]  # fmt: skip
    return DecisionPlan(
        plan_id="cadence-2026-11-22-fb468a58",
        portfolio="acme",
        date=DAY,
        kind=Kind.CADENCE,
        currency="EUR",
        unit="touches a week",
        digits=2,
        line_columns=("stage",),
        mode=Mode.OPTIMISED,
        expected=Expected(metric="net value", mean=4715.0, p05=3555.0, p95=6068.0),
        status_quo=interval(2793.0, 0.2),
        uplift=Uplift(mean=1922.0, p05=1617.0, p95=2223.0, probability_positive=0.98),
        lines=tuple(
            DecisionLine(
                line={"stage": row[0]},
                current=row[1],
                proposed=row[2],
                expected=interval(row[3], 0.3),
                binding=("guardrail",) if row[2] == 0 else (),
                action="stop" if row[2] == 0 else "raise" if row[2] > row[1] else "hold",
                reason=row[6],
                figures={"people": float(row[4])},
                parts=row[5],
            )
            for row in rows
        ),
        guardrails=(
            _rail("share that leaves in a week", "active", 0.02, 0.0024, 0.0022, "pass"),
            _rail("more leave per touch", "active", 0.25, 0.089, None, "pass"),
            _rail("more leave per touch", "loyal", 0.25, 0.155, None, "review"),
            _rail("more leave per touch", "lapsed", 0.25, 0.4, None, "review"),
        ),
        model_health=ModelHealth(level="pass", checks=()),
        rules_version=HASH,
        inputs_hash=HASH,
        terms={"never_on": "sunday 2026-12-25", "send_from": "08:00", "send_until": "20:30",
               "timezone": "Europe/Berlin"},
    )  # fmt: skip


def cadence_extras() -> dict[str, Any]:
    """The curves of the segments, one of which only loses, and the capacity they share."""
    grid = np.linspace(0.0, 4.0, 9)
    curves = []
    for name, per, bend in (("active", 0.5, 2.0), ("lapsing", 0.3, 2.0), ("loyal", 0.5, 3.0),
                            ("lapsed", -0.1, 99.0), ("staff", 0.2, 2.0)):  # fmt: skip
        mean = per * grid / (1 + grid / bend)
        ends = np.sort(np.stack([0.7 * mean, 1.3 * mean]), axis=0)
        curves.append({"line": [name], "spend": grid.tolist(), "mean": mean.tolist(),
                       "p05": ends[0].tolist(), "p95": ends[1].tolist()})  # fmt: skip
    return {
        "curves": curves,
        "capacity": {"left": 175_020.0, "limit": 190_000.0, "must_send": 14_980.0,
                     "used": 174_970.0, "price": 0.066, "metric": "net value"},
        "min_group": 50,
    }  # fmt: skip


def _rail(
    metric: str, stage: str, limit: float, expected: float, current: float | None, status: str
) -> PlanGuardrail:
    return PlanGuardrail(metric=metric, limit=limit, kind="max", scope={"stage": stage},
                         expected=expected, current=current, status=status)  # fmt: skip
