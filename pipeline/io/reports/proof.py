"""What is proven of a plan, and where it stands to the best split."""

from __future__ import annotations

from pipeline.core.plan import Plan
from pipeline.io.reports.headline import metric_name, share_of
from pipeline.io.reports.words import number


def short_of_best(plan: Plan) -> float:
    """Return how much less the plan is expected to bring than the split that was found, or 0."""
    if plan.certificate is None or plan.expected is None:
        return 0.0
    reached = plan.certificate.objective
    short = reached - plan.expected.mean
    return short if short > 1e-4 * max(abs(reached), 1.0) else 0.0


def certificate_words(plan: Plan) -> str:
    """Return what is proven, and where the plan stands to it."""
    if plan.certificate is None:
        return "There is no certificate: these budgets were not computed tonight."
    metric = metric_name(plan)
    best, reached = plan.certificate.upper_bound, plan.certificate.objective
    left = max(best - reached, 0.0)
    if left <= 1e-6 * max(abs(best), 1.0):
        text = (
            f"On these curves and inside these limits the best split earns {number(reached)} "
            f"{metric}: it is proven that no other earns more."
        )
    else:
        text = (
            f"On these curves and inside these limits the split that was found earns "
            f"{number(reached)} {metric}: it is proven that no other earns more than "
            f"{number(best)}, {share_of(left, best)} above it."
        )
    short = short_of_best(plan)
    if plan.expected and short:
        text += (
            f" The plan is expected to bring {number(plan.expected.mean)}, {number(short)} less: "
            "it stops "
            "short of that split where the evidence is thin or where money is spent to learn."
        )
    return text
