"""Who sets tonight's limits, who verifies the plan and who publishes it agree on random caps.

They share no code: what one calls forced, late or broken, the others have to call the same.
"""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline.allocation.problem import Problem
from pipeline.allocation.solve import solve
from pipeline.allocation.verify import Rules, verify_plan
from pipeline.core.caps import Cap, CapStatus
from pipeline.core.errors import InfeasibleError
from pipeline.core.findings import Level, worst_level
from pipeline.core.plan import Mode, Plan, PlanLine
from pipeline.io.publish import Limits, breaches
from pipeline.runs.limits import day_budget, night_limits
from tests.runs.test_limits import COLUMNS, LINES, MONEY, policy

SCOPES = [
    {},
    {"channel": "search"},
    {"audience": "a"},
    {"audience": "b"},
    {"channel": "search", "audience": "a"},
    {"channel": "search", "audience": "b"},
    {"channel": "social", "audience": "a"},
    {"channel": "tv"},
]


def cap(scope, **amounts):
    name = ",".join(f"{key}={value}" for key, value in scope.items())
    return Cap(id=name or "all", scope=scope, status=CapStatus.APPROVED, proposed_by="x", **amounts)


@st.composite
def nights(draw):
    caps = []
    for scope in draw(st.lists(st.sampled_from(SCOPES), max_size=4, unique_by=str)):
        kind = draw(st.sampled_from(["max", "max", "min", "min", "fixed", "both"]))
        amounts = sorted(draw(st.tuples(MONEY, MONEY)))
        both = {"min": amounts[0] / 2, "max": amounts[1]}
        both["min"] = round(both["min"], 2)
        caps.append(cap(scope, **both) if kind == "both" else cap(scope, **{kind: amounts[0]}))
    current = np.array(draw(st.lists(st.one_of(st.just(0.0), MONEY), min_size=4, max_size=4)))
    held = draw(st.lists(st.sampled_from(SCOPES[1:]), max_size=1))
    return caps, current, held, draw(st.sampled_from([0.7, 1.0, 1.3]))


def planned(limits, total, current, favour):
    """Return the best split of made-up curves, in whole cents, as a night does."""
    from pipeline.allocation.rounding import round_spend

    knots = np.tile([0.0, 500.0, 1000.0, 5000.0], (4, 1))
    problem = Problem.from_tables(
        ids=[" / ".join(line) for line in LINES],
        spend=knots,
        value=np.sqrt(knots) * np.array(favour)[:, None],
        lower=limits.lower,
        upper=limits.upper,
        budget=total,
        current=current,
        groups=limits.groups,
    )
    return round_spend(problem, solve(problem).spend, 0.01)


SHARED = (  # a contract whose lines a floor tells apart, and no money to spare
    [
        cap({"channel": "search"}, fixed=0.08),
        cap({"audience": "a"}, min=0.15),
        cap({"channel": "tv"}, max=0.0),
        cap({"audience": "b"}, max=0.04),
    ],
    np.array([0.0, 0.0, 0.08, 0.0]),
    [],
    0.7,
)
CUT = (  # a cap that cuts a line deeper than the ramp, which a floor must not cut deeper still
    [
        cap({"channel": "search", "audience": "a"}, min=7.0),
        cap({"channel": "tv"}, max=2.0),
        cap({"audience": "b"}, fixed=4.0),
    ],
    np.array([5.0, 0.0, 0.0, 3.0]),
    [],
    0.7,
)


@settings(max_examples=120, deadline=None)
@example(SHARED, [1.0, 2.0, 4.0, 8.0])
@example(CUT, [1.0, 2.0, 4.0, 8.0])
@given(nights(), st.permutations([1.0, 2.0, 4.0, 8.0]))
def test_what_the_night_plans_neither_verifier_nor_publisher_refuses(night, favour):
    caps, current, held, share = night
    wanted = round(share * float(current.sum()), 2)
    doubt = np.zeros(4, dtype=bool)
    try:
        limits = night_limits(policy(), LINES, current, caps, held, doubt, wanted=wanted)
        total, shortfall = day_budget(policy(budget={"monthly": 1e6}), limits, wanted)
        budgets = planned(limits, total, current, favour)
    except InfeasibleError as refusal:
        assert refusal.conflict, refusal
        assert all(name.startswith("cap ") for name in refusal.conflict)
        named = [c for c in caps if any(is_named(c, name) for name in refusal.conflict)]
        with pytest.raises(InfeasibleError):  # at any spend: the caps alone contradict
            night_limits(policy(max_daily_change=1.0), LINES, np.full(4, 1e4), named, (), doubt)
        return
    spent = dict(zip(LINES, budgets.tolist(), strict=True))
    today = dict(zip(LINES, current.tolist(), strict=True))
    rules = Rules(
        columns=COLUMNS,
        currency="EUR",
        total=round(sum(spent.values()), 2),
        exactly=True,
        caps=tuple(caps),
        current=today,
        max_change=0.25,
        held=[line for line in LINES if any(cap(scope).covers(line, COLUMNS) for scope in held)],
    )
    found = verify_plan(spent, rules)
    assert worst_level(found) is not Level.FAIL, [item.message for item in found]
    reasons = (*limits.reasons, *shortfall)
    if any(item.level is Level.REVIEW for item in found):
        assert reasons
    plan = Plan(
        plan_id="2026-11-22-00000000",
        portfolio="acme",
        date=date(2026, 11, 22),
        currency="EUR",
        line_columns=COLUMNS,
        mode=Mode.OPTIMISED,
        budget=rules.total,
        reasons=reasons,
        lines=tuple(
            PlanLine(
                line=dict(zip(COLUMNS, line, strict=True)),
                current=today[line],
                proposed=spent[line],
            )
            for line in LINES
        ),
    )
    hard = Limits(
        caps=tuple(caps),
        held=tuple(held),
        max_daily_change=0.25,
        total=None,
        exactly=True,
        set_now={line: round(100 * amount) for line, amount in today.items()},
    )
    assert breaches(plan, hard) == ()


def is_named(item, name):
    from pipeline.runs.limits import cap_name

    return any(cap_name(item, side, COLUMNS) == name for side in ("min", "max", "fixed"))
