"""Ours against SciPy and cone solvers on the same problems, in one process, CPU seconds.

    .venv/bin/python -m benchmarks.allocation [--sizes 20 100 1000] [--large 10000 100000 1000000]

Three kinds of problem, all seeded: `concave` (one budget, a box per line), `nested` (three levels
of caps and a ramp of 30 %), `s-shaped` (slopes 1 to 3, two levels of caps). A row says what each
solver took, its multiple of ours, how far its outcome is below the proven bound, and by how much it
breaks a limit. A peer is left out of a size that would take it too long, told from smaller ones.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from pipeline.allocation.curves import Curves
from pipeline.allocation.hill import Hill
from pipeline.allocation.problem import Group, Problem
from pipeline.allocation.solve import solve

LIMIT_SECONDS = 30.0
GROWTH = 2.0  # of a peer's time with size: what decides whether a size is worth waiting for
Solver = Callable[["Case"], np.ndarray]


@dataclass(frozen=True)
class Case:
    """One problem with its parts, so that every solver reads the same numbers."""

    problem: Problem
    ceiling: np.ndarray
    half_saturation: np.ndarray
    slope: np.ndarray
    current: np.ndarray


def make_case(kind: str, size: int, seed: int = 1) -> Case:
    rng = np.random.default_rng(seed)
    ceiling, half = rng.lognormal(0, 1, size), 10 * rng.lognormal(0, 1, size)
    slope = rng.uniform(1, 3, size) if kind == "s-shaped" else np.ones(size)
    current = 10 * rng.lognormal(0, 1, size)
    lower, upper = np.zeros(size), 3 * current
    groups: list[Group] = []
    if kind == "nested":
        lower, upper = 0.7 * current, 1.3 * current
    widths = {"concave": (), "nested": (10, 100, 500), "s-shaped": (20, 200)}[kind]
    for width in widths:
        if width >= size:
            continue
        for start in range(0, size, width):
            members = np.arange(start, min(start + width, size))
            most = float(current[members].sum() * rng.uniform(1.0, 1.2))
            groups.append(Group(id=f"{width}/{start}", members=members, max=most))
    problem = Problem(
        ids=tuple(f"l{i}" for i in range(size)),
        curves=Curves.of(Hill(ceiling, half, slope), size),
        lower=lower,
        upper=upper,
        budget=float(current.sum()) * (1.0 if kind != "s-shaped" else 0.9),
        groups=tuple(groups),
    )
    return Case(problem, ceiling, half, slope, current)


def ours(case: Case) -> np.ndarray:
    return solve(case.problem).spend


def _loss(case: Case, spend: np.ndarray) -> float:
    return -float(case.problem.curves.value(np.maximum(spend, 1e-12)).sum())


def _slope(case: Case, spend: np.ndarray) -> np.ndarray:
    return -case.problem.curves.marginal(np.maximum(spend, 1e-12))


def _scipy(case: Case, method: str) -> np.ndarray:
    from scipy.optimize import Bounds, LinearConstraint, minimize
    from scipy.sparse import csr_matrix

    problem, size = case.problem, case.problem.size
    rows = [np.ones(size)]
    least, most = [problem.budget], [problem.budget]
    for group in problem.groups:
        row = np.zeros(size)
        row[group.members] = 1.0
        rows.append(row)
        least.append(-np.inf)
        most.append(group.max)
    matrix = csr_matrix(np.array(rows)) if method == "trust-constr" else np.array(rows)
    start = case.current * problem.budget / case.current.sum()
    options = {"maxiter": 1000} if method == "SLSQP" else {"maxiter": 500, "gtol": 1e-9}
    found = minimize(
        lambda x: _loss(case, x),
        start,
        jac=lambda x: _slope(case, x),
        method=method,
        bounds=Bounds(problem.lower, problem.upper),
        constraints=LinearConstraint(matrix, least, most),
        options=options,
        tol=1e-12 if method == "SLSQP" else None,
    )
    return np.asarray(found.x)


def slsqp(case: Case) -> np.ndarray:
    return _scipy(case, "SLSQP")


def trust_constr(case: Case) -> np.ndarray:
    return _scipy(case, "trust-constr")


def clarabel(case: Case) -> np.ndarray:
    import cvxpy

    problem, size = case.problem, case.problem.size
    spend = cvxpy.Variable(size)
    earned = cvxpy.multiply(
        case.ceiling, 1 - cvxpy.multiply(case.half_saturation, cvxpy.inv_pos(
            case.half_saturation + spend
        ))
    )  # fmt: skip
    limits = [spend >= problem.lower, spend <= problem.upper, cvxpy.sum(spend) == problem.budget]
    limits += [cvxpy.sum(spend[group.members]) <= group.max for group in problem.groups]
    cvxpy.Problem(cvxpy.Maximize(cvxpy.sum(earned)), limits).solve(solver=cvxpy.CLARABEL)
    return np.asarray(spend.value)


def highs(case: Case, pieces: int = 50) -> np.ndarray:
    """Solve the problem on straight pieces, as a linear program."""
    from scipy.optimize import linprog
    from scipy.sparse import csr_matrix, identity, kron

    problem, size = case.problem, case.problem.size
    edges = problem.lower + (problem.upper - problem.lower) * np.linspace(0, 1, pieces + 1)[:, None]
    values = np.stack([problem.curves.value(np.maximum(row, 1e-12)) for row in edges])
    width, rise = np.diff(edges, axis=0), np.diff(values, axis=0)
    slope = rise / np.maximum(width, 1e-300)
    total = kron(np.ones((1, pieces)), identity(size)).tocsr()  # pieces of a line -> its spend
    sums = [np.ones(size)]
    for group in problem.groups:
        row = np.zeros(size)
        row[group.members] = 1.0
        sums.append(row)
    matrix = csr_matrix(np.array(sums)) @ total
    base = csr_matrix(np.array(sums)) @ problem.lower
    limits = np.array([problem.budget, *(group.max for group in problem.groups)]) - base
    found = linprog(
        -slope.ravel(),
        A_ub=matrix[1:] if problem.groups else None,
        b_ub=limits[1:] if problem.groups else None,
        A_eq=matrix[:1],
        b_eq=limits[:1],
        bounds=np.column_stack([np.zeros(width.size), width.ravel()]),
        method="highs",
    )
    return np.asarray(problem.lower + total @ found.x)


def nlopt_auglag(case: Case) -> np.ndarray:
    """Solve as Robyn does: an augmented Lagrangian around SLSQP. Needs `pip install nlopt`."""
    import nlopt

    problem, size = case.problem, case.problem.size
    outer, inner = nlopt.opt(nlopt.LD_AUGLAG, size), nlopt.opt(nlopt.LD_SLSQP, size)
    inner.set_xtol_rel(1e-10)
    outer.set_local_optimizer(inner)
    outer.set_lower_bounds(np.maximum(problem.lower, 1e-4 * case.current))
    outer.set_upper_bounds(problem.upper)

    def loss(x: np.ndarray, slope: np.ndarray) -> float:
        if slope.size:
            slope[:] = _slope(case, x)
        return _loss(case, x)

    def over(members: np.ndarray, most: float) -> Callable[[np.ndarray, np.ndarray], float]:
        def amount(x: np.ndarray, slope: np.ndarray) -> float:
            if slope.size:
                slope[:] = 0.0
                slope[members] = 1.0
            return float(x[members].sum() - most)

        return amount

    outer.set_min_objective(loss)
    outer.add_equality_constraint(over(np.arange(size), problem.budget), 1e-8)
    for group in problem.groups:
        outer.add_inequality_constraint(over(group.members, group.max), 1e-8)
    outer.set_xtol_rel(1e-10)
    outer.set_maxeval(100_000)
    start = np.clip(
        case.current * problem.budget / case.current.sum(), problem.lower, problem.upper
    )
    return np.asarray(outer.optimize(np.maximum(start, 1e-3 * case.current)))


def cpu(function: Callable[[], np.ndarray], repeats: int) -> tuple[float, np.ndarray]:
    times = []
    result = np.zeros(0)
    for _ in range(repeats):
        start = time.process_time()
        result = function()
        times.append(time.process_time() - start)
    return float(np.median(times)), result


def broken(problem: Problem, spend: np.ndarray) -> float:
    """Return by how much a split breaks a limit, as a share of the budget."""
    worst = abs(float(spend.sum()) - problem.budget)
    worst = max(worst, float((spend - problem.upper).max()), float((problem.lower - spend).max()))
    for group in problem.groups:
        worst = max(worst, float(spend[group.members].sum()) - group.max)
    return worst / problem.budget


def compare(kind: str, sizes: list[int], peers: dict[str, Solver]) -> None:
    print(f"\n{kind}\n{'n':>8} {'solver':<14} {'CPU s':>10} {'x ours':>9} {'gap':>9} {'broken':>9}")
    last: dict[str, tuple[int, float]] = {}
    tiny = make_case(kind, 5)
    for name, solver in peers.items():
        last[name] = (5, cpu(lambda s=solver: s(tiny), 2)[0])  # imports are not the solver's time
    for size in sizes:
        case = make_case(kind, size)
        solve(case.problem)
        seconds, spend = cpu(lambda case=case: ours(case), 3)
        bound = solve(case.problem).upper_bound
        for name, solver in {"ours": ours, **peers}.items():
            if name in last and last[name][1] * (size / last[name][0]) ** GROWTH > LIMIT_SECONDS:
                print(f"{size:>8} {name:<14} left out: it would take too long")
                continue
            try:
                took, found = (
                    (seconds, spend) if name == "ours" else cpu(lambda s=solver, c=case: s(c), 1)
                )
            except Exception as error:  # noqa: BLE001  a peer that gives up is a result
                print(f"{size:>8} {name:<14} {type(error).__name__}")
                last[name] = (size, LIMIT_SECONDS)
                continue
            gap = 1 - float(case.problem.curves.value(np.maximum(found, 0)).sum()) / bound
            ratio = took / seconds
            lost = broken(case.problem, found)
            print(f"{size:>8} {name:<14} {took:>10.5f} {ratio:>9.1f} {gap:>9.1e} {lost:>9.1e}")
            last[name] = (size, took)


def grow(kind: str, sizes: list[int]) -> list[tuple[int, float]]:
    """Print how our own time grows, next to one sort of as many numbers; return the seconds."""
    print(f"\n{kind}, growth\n{'n':>8} {'CPU s':>10} {'sorts':>9} {'us a line':>10} {'gap':>9}")
    grown = []
    for size in sizes:
        case = make_case(kind, size)
        numbers = np.random.default_rng(0).random(size)
        sort, _ = cpu(lambda numbers=numbers: np.sort(numbers), 3)
        seconds, _ = cpu(lambda case=case: ours(case), 1 if size > 10**5 else 3)
        found = solve(case.problem)
        each = 1e6 * seconds / size
        ratio = seconds / sort if sort > 0 else float("nan")
        print(f"{size:>8} {seconds:>10.4f} {ratio:>9.1f} {each:>10.2f} {found.gap:>9.1e}")
        grown.append((size, seconds))
    return grown


def warm(size: int) -> None:
    """Print what yesterday's price saves when curves have moved a little since."""
    case = make_case("concave", size)
    price = solve(case.problem).limit_prices["budget"]
    moved = case.problem.changed(budget=1.01 * case.problem.budget)
    cold, _ = cpu(lambda: solve(moved).spend, 5)
    near, _ = cpu(lambda: solve(moved, start_price=price).spend, 5)
    print(f"\n{size} lines, 1 % more money: {cold:.4f} s cold, {near:.4f} s from yesterday's price")


def picture(grown: dict[str, list[tuple[int, float]]]) -> str:
    """Return growth as an SVG: both axes in powers of ten, dashed where time is lines alone."""
    width, height, left, bottom = 640, 400, 60, 40
    inks = dict(zip(grown, ("#1d4ed8", "#047857", "#b45309"), strict=False))

    def place(size: float, seconds: float) -> tuple[float, float]:
        across = (np.log10(size) - 1) / 5
        up = (np.log10(seconds) + 4) / 5
        return left + across * (width - left - 20), height - bottom - up * (height - bottom - 30)

    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-size="12" '
        'font-family="system-ui, sans-serif"><title>CPU seconds of a solution by lines</title>'
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>'
    ]
    for power in range(1, 7):
        x, y = place(10.0**power, 1e-4)
        out.append(f'<text x="{x:.0f}" y="{y + 18:.0f}" text-anchor="middle">{10**power:,}</text>')
    for power in range(-4, 2):
        x, y = place(10, 10.0**power)
        out.append(f'<path d="M{left} {y:.0f}H{width - 20}" stroke="#e5e7eb"/>')
        out.append(
            f'<text x="{x - 6:.0f}" y="{y + 4:.0f}" text-anchor="end">{10.0**power:g} s</text>'
        )
    (x0, y0), (x1, y1) = place(1e3, 1e-3), place(1e6, 1)
    out.append(
        f'<path d="M{x0:.0f} {y0:.0f}L{x1:.0f} {y1:.0f}" stroke="#9ca3af" stroke-dasharray="4 4"/>'
    )
    for number, (kind, points) in enumerate(grown.items()):
        path = "L".join("{:.1f} {:.1f}".format(*place(n, max(t, 1e-4))) for n, t in points)
        out.append(f'<path d="M{path}" fill="none" stroke="{inks[kind]}" stroke-width="2"/>')
        out.append(
            f'<text x="{left + 12}" y="{40 + 16 * number}" fill="{inks[kind]}">{kind}</text>'
        )
    return "\n".join([*out, "</svg>"]) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="*", default=[20, 100, 1000])
    parser.add_argument(
        "--large", type=int, nargs="*", default=[10, 100, 1000, 10_000, 100_000, 1_000_000]
    )
    parser.add_argument("--picture", type=Path, help="write growth as an SVG file")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    scipy_solvers: dict[str, Solver] = {"SLSQP": slsqp, "trust-constr": trust_constr}
    if find_spec("nlopt"):
        scipy_solvers["NLopt AUGLAG"] = nlopt_auglag
    else:
        print("NLopt is not installed here and left out: pip install nlopt")
    convex: dict[str, Solver] = {**scipy_solvers, "Clarabel": clarabel, "HiGHS pieces": highs}
    compare("concave", arguments.sizes, convex)
    compare("nested", arguments.sizes, convex)
    compare("s-shaped", arguments.sizes, scipy_solvers)
    grown = {kind: grow(kind, arguments.large) for kind in ("concave", "nested", "s-shaped")}
    warm(100_000)
    if arguments.picture is not None:
        arguments.picture.write_text(picture(grown), encoding="utf-8")


if __name__ == "__main__":
    main()
