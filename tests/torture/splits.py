"""Splits of money against judges that share no code with the solver.

Small problems with everything a file can say are tried in every whole amount; concave ones go to a
cone solver, rough tables to an integer solver; each price is held against what a little more of
its limit earns; order of lines and unit of money must not matter.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from pipeline.allocation.document import parse_problem
from pipeline.allocation.problem import Problem
from pipeline.allocation.solution import Solution
from pipeline.allocation.solve import is_allowed, solve
from pipeline.core.errors import InfeasibleError, PipelineError, UndecidedError
from tests.torture.report import Outcome, Tell

PROVEN = 1e-3
CONE = 1e-8
"""How far a cone solver's plan may break a limit."""
UNITS = (1e-9, 1e-2, 1e3, 1e12)
Document = dict[str, Any]


def splits(count: int, seed: int, tell: Tell) -> Outcome:
    """Solve problems of every kind, each held against another way of knowing the answer."""
    outcome = Outcome(unit="problems")
    for case in range(count):
        tell(case, count)
        rng = np.random.default_rng([seed, case])
        judge = JUDGES[case % len(JUDGES)]
        outcome.cases += 1
        outcome.note(judge.__name__.strip("_").replace("_", " "))
        try:
            wrong = judge(rng, outcome)
        except Exception as error:  # noqa: BLE001  a crash is a finding like any other
            wrong = f"{type(error).__name__}: {error}"
        if wrong:
            outcome.fail(f"case {case} of seed {seed} ({judge.__name__}): {wrong}")
    return outcome


def _against_every_whole_amount(rng: np.random.Generator, outcome: Outcome) -> str:
    document = _document(rng)
    try:
        made = parse_problem(document, "torture").problem
    except PipelineError:
        outcome.note("refused as written")
        return ""
    best = _enumerated(document, made)
    try:
        found = solve(made)
    except InfeasibleError as error:
        outcome.note("impossible")
        return f"{error.conflict} called impossible, but {best} is there" if best > -np.inf else ""
    except UndecidedError:
        outcome.note("undecided")
        return ""
    if found.gap > PROVEN and found.upper_bound > 1e-4:
        outcome.note("gaps above a thousandth")
    return _judged(made, found, best)


def _judged(made: Problem, found: Solution, best: float) -> str:
    """Return what is wrong with a plan, given what some other plan earns."""
    if not np.isfinite([found.objective, found.upper_bound, *found.spend]).all():
        return "numbers that are not finite"
    if not is_allowed(made, found.spend):
        return f"the plan {found.spend} breaks a limit"
    scale = max(abs(best), 1e-3) if np.isfinite(best) else 1.0
    if found.upper_bound < best - 1e-9 * scale:
        return f"bound {found.upper_bound} is below {best}"
    if found.gap <= PROVEN and found.objective < best - 1.1 * PROVEN * scale:
        return f"objective {found.objective} is below {best} although called proven"
    return ""


def _against_another_order_and_unit(rng: np.random.Generator, outcome: Outcome) -> str:
    document = {**_document(rng), "guardrails": []}
    other = copy.deepcopy(document)
    unit = float(rng.choice(UNITS))
    other["lines"] = [_rescaled(line, unit) for line in document["lines"]]
    rng.shuffle(other["lines"])
    other["budget"] *= unit
    for group in other["groups"]:
        group["min"], group["max"] = group["min"] * unit, group["max"] * unit
    found = []
    for one in (document, other):
        try:
            found.append(solve(parse_problem(one, "torture").problem).objective)
        except InfeasibleError:
            found.append(-np.inf)
        except PipelineError as error:
            if "contradict" not in str(error) and "min" not in str(error):
                raise
            return ""
    if found[0] == found[1] or abs(found[0] - found[1]) <= 2 * PROVEN * max(np.abs(found)):
        return ""
    return f"{found[0]} became {found[1]} in units of {unit:g} and another order"


def _against_a_cone_solver(rng: np.random.Generator, outcome: Outcome) -> str:
    import cvxpy

    size = int(rng.integers(2, 15))
    ceiling, scale = rng.uniform(1, 9, size), rng.uniform(5, 40, size)
    names = [f"l{i}" for i in range(size)]
    most, budget = rng.uniform(5, 40, size), float(rng.uniform(2, 10) * size)
    groups = []
    for index in range(int(rng.integers(0, 4))):
        members = np.flatnonzero(rng.random(size) < 0.5)
        if members.size:
            groups.append((f"g{index}", members, float(rng.uniform(1, 8) * members.size)))
    least = float(rng.uniform(0.0, 0.25)) if rng.random() < 0.5 else None
    made = parse_problem(
        {
            "budget": budget, "spend": "at_most",
            "lines": [
                {"id": n, "max": float(m),
                 "curve": {"family": "exponential", "ceiling": float(c), "scale": float(s)}}
                for n, m, c, s in zip(names, most, ceiling, scale, strict=True)
            ],
            "groups": [
                {"id": g, "lines": [names[i] for i in inside], "max": cap}
                for g, inside, cap in groups
            ],
            "guardrails": [] if least is None else [{"metric": "return", "min": least}],
        },
        "torture",
    ).problem  # fmt: skip
    found = solve(made)
    spend = cvxpy.Variable(size, nonneg=True)
    value = cvxpy.sum(cvxpy.multiply(ceiling, 1 - cvxpy.exp(-cvxpy.multiply(1 / scale, spend))))
    limits = [spend <= most, cvxpy.sum(spend) <= budget]
    limits += [cvxpy.sum(spend[inside]) <= cap for _, inside, cap in groups]
    limits += [] if least is None else [value >= least * cvxpy.sum(spend)]
    outside = cvxpy.Problem(cvxpy.Maximize(value), limits).solve(solver=cvxpy.CLARABEL)
    # Where no unit returns enough, nothing may be spent; the nearer the best comes to enough, the
    # more money, and outcome with it, hides inside the other's tolerance.
    first = float((ceiling / scale).max())
    hidden = CONE if least is None or least <= first else CONE * first / (least - first)
    if (
        abs(found.objective - outside) > 2e-6 * abs(outside) + 10 * CONE + hidden
        or found.gap > 1e-6
    ):
        return f"objective {found.objective}, gap {found.gap:.1e}; Clarabel has {outside}"
    return ""


def _against_an_integer_solver(rng: np.random.Generator, outcome: Outcome) -> str:
    """Rough tables and caps on two halves: a chain of switches per line, solved by HiGHS."""
    from scipy.optimize import Bounds, LinearConstraint, milp

    size, pieces, width = int(rng.integers(2, 7)), int(rng.integers(2, 7)), 5.0
    values = np.cumsum(rng.uniform(0, 2, (size, pieces + 1)) ** 3, axis=1)
    values -= values[:, :1]
    knots = (np.arange(pieces + 1) * width).tolist()
    budget, cap = (float(rng.uniform(0.3, 0.9) * size * pieces * width * part) for part in (1, 0.5))
    half = max(1, size // 2)
    made = parse_problem(
        {
            "budget": budget, "spend": "at_most",
            "lines": [
                {"id": f"l{i}", "curve": {"family": "table", "x": knots, "y": row.tolist()}}
                for i, row in enumerate(values)
            ],
            "groups": [{"id": "half", "lines": [f"l{i}" for i in range(half)], "max": cap}],
        },
        "torture",
    ).problem  # fmt: skip
    found = solve(made)
    count = size * pieces
    fill, switch = np.hstack([np.eye(count), np.zeros((count, count))]), np.eye(2 * count)[count:]
    later = np.flatnonzero(np.arange(count) % pieces > 0)
    money = np.stack([width * fill.sum(axis=0), width * fill[: half * pieces].sum(axis=0)])
    rows = np.vstack([money, fill - switch, switch[later] - fill[later - 1]])
    outside = milp(
        np.r_[-np.diff(values, axis=1).ravel(), np.zeros(count)],
        integrality=np.r_[np.zeros(count), np.ones(count)],
        bounds=Bounds(0, 1),
        constraints=LinearConstraint(rows, -np.inf, np.r_[budget, cap, np.zeros(len(rows) - 2)]),
        options={"mip_rel_gap": 1e-9},
    )
    return _judged(made, found, -float(outside.fun) * (1 - 1e-7))


def every_price_against_a_little_more(rng: np.random.Generator, outcome: Outcome) -> str:
    """Change each limit a little either way: the price lies between what that earns and loses."""
    document = _priced(rng)
    found = solve(parse_problem(document, "torture").problem)
    if found.gap > 1e-6:
        return f"gap {found.gap:.1e} on concave curves"
    names = {name: change for name, change in _changes(document).items() if name in found.prices}
    for name, (amount, changed) in names.items():
        step = 1e-3 * amount
        try:
            more, less = (
                solve(parse_problem(changed(amount + sign * step), "torture").problem).objective
                for sign in (1, -1)
            )
        except InfeasibleError:
            outcome.note("limits without room")
            continue
        slopes = (more - found.objective) / step, (found.objective - less) / step
        noise = 2e-7 * found.objective / step + 5e-3 * max(map(abs, slopes))
        price = found.prices[name]
        outcome.note("prices")
        outcome.note(f"prices of {name.rstrip('0123456789')}")
        if not min(slopes) - noise <= price <= max(slopes) + noise:
            return f"price of {name} is {price}, a little more or less earns {slopes}"
    return ""


def _priced(rng: np.random.Generator) -> Document:
    """Return a concave problem in which limits of every kind are likely to bind."""
    names = [f"l{i}" for i in range(8)]
    lines: list[Document] = [
        {"id": name, "curve": _curve(rng, concave=True), "max": 40.0} for name in names
    ]
    lines[0]["max"] = float(rng.uniform(1, 4))
    lines[1]["min"] = float(rng.uniform(6, 12))
    lines[2] = {"id": "l2", "curve": lines[2]["curve"], "fixed": float(rng.uniform(2, 6))}
    groups = [
        {"id": "cap", "lines": names[3:6], "max": float(rng.uniform(6, 15))},
        {"id": "floor", "lines": names[6:], "min": float(rng.uniform(8, 20))},
    ]
    if rng.random() < 0.5:
        groups.append({"id": "across", "lines": ["l1", "l3", "l6"], "max": 25.0})
    rails: list[Document] = []
    if rng.random() < 0.4:
        rails.append({"id": "share", "metric": "spend_share", "lines": names[3:5], "max": 0.12})
    if rng.random() < 0.4:
        rails.append({"id": "return", "metric": "return", "min": 0.05})
    return {
        "budget": float(rng.uniform(45, 70)), "lines": lines, "groups": groups,
        "guardrails": rails, "spend": str(rng.choice(["exactly", "at_most"])),
    }  # fmt: skip


def _changes(document: Document) -> dict[str, tuple[float, Callable[[float], Document]]]:
    """Return per limit's name its amount, and the problem in which it has another one."""
    found: dict[str, tuple[float, Callable[[float], Document]]] = {}

    def put(name: str, *path: Any) -> None:
        def changed(amount: float) -> Document:
            out = copy.deepcopy(document)
            place = out
            for key in path[:-1]:
                place = place[key]
            place[path[-1]] = amount
            return out

        held = document
        for key in path:
            held = held[key]
        found[name] = float(held), changed  # type: ignore[arg-type]

    put("budget", "budget")
    for index, line in enumerate(document["lines"]):
        for key in {"min", "max", "fixed"} & line.keys():
            put(f"{line['id']} {key}", "lines", index, key)
    for kind in ("groups", "guardrails"):
        for index, limit in enumerate(document[kind]):
            put(limit["id"], kind, index, "max" if "max" in limit else "min")
    return found


def _number(rng: np.random.Generator, low: float, high: float) -> float:
    return float(f"{rng.uniform(low, high):.4g}")


def _curve(rng: np.random.Generator, *, concave: bool = False) -> Document:
    def number(low: float, high: float) -> float:
        return _number(rng, low, high)

    kind = int(rng.integers(0, 4 if concave else 7))
    if kind == 0:
        slope = number(0.4, 1) if rng.random() < 0.5 else 1.0
        return {"family": "hill", "ceiling": number(1, 10), "half_saturation": number(0.5, 20),
                "slope": slope}  # fmt: skip
    if kind == 1:
        return {"family": "exponential", "ceiling": number(0, 10), "scale": number(1, 20)}
    if kind == 2:
        return {"family": "log", "scale_value": number(0, 4), "scale": number(0.5, 20)}
    if kind == 3:
        return {"family": "power", "a": number(0, 2), "b": number(0.2, 1 if concave else 1.6)}
    if kind == 4:
        return {"family": "hill", "ceiling": number(0, 10), "half_saturation": number(0.5, 20),
                "slope": number(1, 5)}  # fmt: skip
    if kind == 5:
        return {"family": "logistic", "ceiling": number(0, 10), "midpoint": number(-5, 15),
                "steepness": number(0.05, 1.5)}  # fmt: skip
    x = np.sort(rng.choice(21, int(rng.integers(2, 6)), replace=False))
    return {"family": "table", "x": x.tolist(), "y": np.cumsum(rng.uniform(-1, 3, x.size)).tolist()}


_STRETCHED = {"half_saturation": 1, "scale": 1, "midpoint": 1, "steepness": -1}


def _rescaled(line: Document, unit: float) -> Document:
    """Return a line whose money is counted in another unit."""
    out = copy.deepcopy(line)
    for key in {"min", "max", "fixed", "min_if_on"} & out.keys():
        out[key] *= unit
    curve = out["curve"]
    for key, power in _STRETCHED.items():
        if key in curve:
            curve[key] *= unit**power
    if curve["family"] == "power":
        curve["a"] *= unit ** -curve["b"]
    if curve["family"] == "table":
        curve["x"] = [x * unit for x in curve["x"]]
    out.pop("metrics", None)
    return out


def _document(rng: np.random.Generator) -> Document:
    """Return a problem in small whole amounts with everything that a file can say."""
    size, with_orders = int(rng.integers(1, 5)), rng.random() < 0.5
    lines: list[Document] = []
    for index in range(size):
        same = index > 0 and rng.random() < 0.15
        line: Document = {"id": f"l{index}", "curve": lines[0]["curve"] if same else _curve(rng)}
        if rng.random() < 0.1:
            line["fixed"] = int(rng.integers(0, 6))
        else:
            if rng.random() < 0.4:
                line["min"] = int(rng.integers(0, 5))
            if rng.random() < 0.5:
                line["max"] = line.get("min", 0) + int(rng.integers(0, 15))
            if rng.random() < 0.25:
                line["min_if_on"] = int(rng.integers(1, 9))
        if with_orders:
            line["metrics"] = {"orders": _curve(rng)}
        lines.append(line)
    ids = [line["id"] for line in lines]

    def some() -> list[str]:
        return [name for name in ids if rng.random() < 0.6] or ids[:1]

    groups = []
    for index in range(int(rng.integers(0, 4))):
        least = int(rng.integers(0, 6)) if rng.random() < 0.5 else 0
        most = least + int(rng.integers(0, 15))
        groups.append({"id": f"g{index}", "lines": some(), "min": least, "max": most})
    limits = {
        "return": 1.0, "cac": 20.0, "spend_share": 1.0, "outcome_share": 1.0, "outcome": 12.0,
        "spend": 20.0,
    }  # fmt: skip
    if with_orders:
        limits |= {"cost_per_orders": 20.0, "orders_per_spend": 1.0, "orders": 12.0}
    rails = []
    for index in range(int(rng.integers(0, 3))):
        metric, side = str(rng.choice(list(limits))), str(rng.choice(["min", "max"]))
        rail: Document = {"id": f"r{index}", "metric": metric}
        rail[side] = _number(rng, 0.02 * limits[metric], limits[metric])
        if metric.endswith("_share") or rng.random() < 0.6:
            rail["lines"] = some()
        rails.append(rail)
    return {
        "budget": int(rng.integers(0, 21)), "spend": str(rng.choice(["exactly", "at_most"])),
        "lines": lines, "groups": groups, "guardrails": rails,
    }  # fmt: skip


def _enumerated(document: Document, made: Problem) -> float:
    """Return what the best whole split earns; minus infinity where none is allowed."""
    budget = int(document["budget"])
    axes = np.meshgrid(*[np.arange(budget + 1.0)] * made.size, indexing="ij")
    grid = np.stack([axis.ravel() for axis in axes], axis=1)
    total = grid.sum(axis=1)
    fits = total == budget if made.exactly else total <= budget
    fits &= ((grid >= made.lower) & (grid <= made.upper)).all(axis=1)
    if made.gate is not None:
        fits &= ((grid == 0) | (grid >= made.gate)).all(axis=1)
    for group in made.groups:
        inside = grid[:, group.members].sum(axis=1)
        fits &= (inside >= group.min) & (inside <= group.max)
    grid = grid[fits]
    earned = {"spend": grid}
    for name, curves in {"outcome": made.curves, **made.metrics}.items():
        table = np.stack([curves.value(np.full(made.size, float(x))) for x in range(budget + 1)])
        earned[name] = np.take_along_axis(table, grid.astype(int), axis=0)
    kept = np.ones(len(grid), dtype=bool)
    for rail in made.guardrails:
        held = np.zeros(len(grid))
        for weight, part in rail.terms():
            each = earned[part.metric]
            inside = each if part.members is None else each[:, part.members]
            held += weight * (inside.sum(axis=1) + part.constant)
        kept &= held >= rail.threshold - 1e-12
    value = earned["outcome"].sum(axis=1)[kept]
    return float(value.max()) if value.size else -math.inf


JUDGES = (
    _against_every_whole_amount,
    _against_another_order_and_unit,
    _against_every_whole_amount,
    every_price_against_a_little_more,
    _against_every_whole_amount,
    _against_a_cone_solver,
    _against_every_whole_amount,
    _against_an_integer_solver,
)
