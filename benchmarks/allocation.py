"""Ours against SciPy and cone solvers on the same problems, in one process, CPU seconds.

    .venv/bin/python -m benchmarks.allocation [--write] [--sizes 20 1000] [--large 10 1000000]

`--write` puts the tables into docs/allocation.md and the picture into docs/growth.svg.

Three kinds of problem, all seeded: `concave` (one budget, a box per line), `nested` (three levels
of caps and a ramp of 30 %), `s-shaped` (slopes 1 to 3, two levels of caps). A row says what each
solver took, its multiple of ours, how far its outcome is below the proven bound, and by how much it
breaks a limit. A peer is left out of a size that would take it too long, told from smaller ones.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # threads that wait count as CPU seconds

import numpy as np

from benchmarks.numbers import ROOT, fill
from pipeline.allocation.curves import Curves
from pipeline.allocation.hill import Hill
from pipeline.allocation.problem import Group, Problem
from pipeline.allocation.solve import solve

KINDS = {
    "concave": "one budget",
    "nested": "three levels of caps, ramp",
    "s-shaped": "S-shaped, two levels of caps",
}
LIMIT_SECONDS = 10.0
GROWTH = 1.5  # of a peer's time with size: what decides whether a size is worth waiting for
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
        if len(times) >= 3 and sum(times) > 1:
            break
    return float(np.median(times)), result


def broken(problem: Problem, spend: np.ndarray) -> float:
    """Return by how much a split breaks a limit, as a share of the budget."""
    worst = abs(float(spend.sum()) - problem.budget)
    worst = max(worst, float((spend - problem.upper).max()), float((problem.lower - spend).max()))
    for group in problem.groups:
        worst = max(worst, float(spend[group.members].sum()) - group.max)
    return worst / problem.budget


@dataclass(frozen=True)
class Tried:
    """What a solver took on a problem, how far it ends from the bound, and what it breaks."""

    seconds: float
    gap: float
    broken: float


_REPEATS = 200  # of ours, within a second: a tenth of a millisecond is little for a clock
LEFT_OUT = "not waited for"


def compare(kind: str, sizes: list[int], peers: dict[str, Solver]) -> list[list[str]]:
    """Return rows of a table: the problem, our time and gap, and each peer's multiple and gap."""
    last: dict[str, tuple[int, float]] = {}
    tiny, rows = make_case(kind, 5), []
    for name, solver in peers.items():
        last[name] = (5, best(lambda s=solver: s(tiny), 2))  # imports are not the solver's time
    for size in sizes:
        case = make_case(kind, size)
        bound = solve(case.problem).upper_bound
        ours_tried = tried(case, ours, bound, _REPEATS)
        row = [KINDS[kind], f"{size:,}", f"{shown(ours_tried.seconds)}, {ours_tried.gap:.0e}"]
        for name, solver in peers.items():
            if last[name][1] * (size / last[name][0]) ** GROWTH > LIMIT_SECONDS:
                row.append(LEFT_OUT)
                continue
            try:
                found = tried(case, solver, bound, 1)
            except Exception as error:  # noqa: BLE001  a peer that gives up is a result
                row.append(f"gives up ({type(error).__name__})")
                last[name] = (size, LIMIT_SECONDS)
                continue
            last[name] = (size, found.seconds)
            worse = f"**{found.gap:.0e}**" if found.gap > 1e-3 else f"{found.gap:.0e}"
            broken = f", breaks a limit by {found.broken:.0e}" if found.broken > 1e-5 else ""
            row.append(f"{found.seconds / ours_tried.seconds:,.0f}x, {worse}{broken}")
        print(" | ".join(row), flush=True)
        rows.append(row)
    return rows


def tried(case: Case, solver: Solver, bound: float, repeats: int) -> Tried:
    """Return what a solver does on a problem."""
    took, found = cpu(lambda: solver(case), repeats)
    earned = float(case.problem.curves.value(np.maximum(found, 0)).sum())
    return Tried(took, max(1 - earned / bound, 0.0), broken(case.problem, found))


def shown(seconds: float) -> str:
    """Return seconds as people read them."""
    return f"{1e3 * seconds:.2g} ms" if seconds < 0.1 else f"{seconds:.2f} s"


def grow(kind: str, sizes: list[int]) -> list[tuple[int, float, float, float]]:
    """Return lines, our seconds, their multiple of one sort of as many numbers, and the gap."""
    grown = []
    for size in sizes:
        if grown and grown[-1][1] * size / grown[-1][0] > LIMIT_SECONDS / 5:
            break
        case = make_case(kind, size)
        numbers = np.random.default_rng(0).random(size)
        repeats = 5 if size > 10**5 else 9
        sort = best(lambda numbers=numbers: np.sort(numbers), repeats)
        seconds = best(lambda case=case: ours(case), repeats)
        grown.append((size, seconds, seconds / max(sort, 1e-9), solve(case.problem).gap))
        print(f"{kind} {size:>9,} {seconds:.5f} s {grown[-1][2]:.1f} sorts", flush=True)
    return grown


def best(function: Callable[[], np.ndarray], repeats: int) -> float:
    """Return the least CPU seconds of some runs: what other programs add is noise."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        function()
        times.append(time.process_time() - start)
        if sum(times) > 15:
            break
    return min(times)


def warm(size: int) -> tuple[float, float]:
    """Return the seconds of a day with 1 % more money, cold and from yesterday's price."""
    case = make_case("concave", size)
    price = solve(case.problem).limit_prices["budget"]
    moved = case.problem.changed(budget=1.01 * case.problem.budget)
    cold = best(lambda: solve(moved).spend, 7)
    return cold, best(lambda: solve(moved, start_price=price).spend, 7)


PEERS = {"PyMC-Marketing": "pymc_marketing", "Meridian": "meridian"}


def daily(lines: int = 50) -> list[str]:
    """Return a row per peer: a daily call on as many of its own fitted curves, ours and its own."""
    rng = np.random.default_rng(1)
    usual, weeks = rng.lognormal(8, 1, lines), 156
    spend = usual * rng.lognormal(0, 0.4, (weeks, lines))
    earned = 3 * usual * spend / (spend + usual * rng.uniform(0.5, 3, lines))
    day, knots = np.datetime64("2023-01-02"), np.linspace(0, 2, 41)
    job = {
        "spend": spend.tolist(), "dates": [str(day + 7 * week) for week in range(weeks)],
        "outcome": (earned.sum(axis=1) * rng.lognormal(0, 0.05, weeks)).tolist(),
        "draws": 1000, "seed": 1, "knots": knots.tolist(),
    }  # fmt: skip
    rows = []
    for name, script in PEERS.items():
        python = os.environ.get(f"EQUIMARGINAL_{script.split('_')[0].upper()}_PYTHON")
        if not python:
            rows.append(f"| {name} | not installed | | |")
            continue
        done = subprocess.run(
            [python, str(ROOT / f"benchmarks/peers/{script}_budget.py")],
            input=json.dumps(job), capture_output=True, text=True, check=True,
        )  # fmt: skip
        rows.append(_daily_row(name, spend.mean(axis=0), knots, json.loads(done.stdout)))
    return rows


def _daily_row(name: str, mean: np.ndarray, knots: np.ndarray, found: dict[str, Any]) -> str:
    problem = Problem.from_tables(
        ids=[f"c{i}" for i in range(mean.size)], spend=mean[:, None] * knots,
        value=np.array(found["curves"]).T, lower=0.7 * mean, upper=1.3 * mean,
        budget=float(mean.sum()),
    )  # fmt: skip
    took, solved = best(lambda: solve(problem).spend, 50), solve(problem)
    said = found["said"]
    if found["split"] is not None:
        earned = float(problem.curves.value(np.array(found["split"])).sum())
        said += f", {1 - earned / solved.upper_bound:.0e} below the bound"
    times = f"{found['cpu']:.1f} s, {found['cpu'] / took:,.0f}x"
    return f"| {name} | {shown(took)}, gap {solved.gap:.0e} | {times} | {said} |"


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


def measured(sizes: list[int], large: list[int]) -> tuple[str, str]:
    """Return the tables as Markdown, and the picture of growth as SVG."""
    scipy_solvers: dict[str, Solver] = {"SLSQP": slsqp, "trust-constr": trust_constr}
    if find_spec("nlopt"):
        scipy_solvers["NLopt AUGLAG"] = nlopt_auglag
    convex = {**scipy_solvers, "Clarabel": clarabel, "HiGHS pieces": highs}
    rows = compare("concave", [*sizes, 10_000], convex) + compare("nested", sizes, convex)
    curved = compare("s-shaped", [*sizes, 10_000], scipy_solvers)
    rows += [[*row, *["cannot"] * (len(convex) - len(scipy_solvers))] for row in curved]
    names = list(convex)
    head = ["problem", "lines", "ours", *names]
    grown = {kind: grow(kind, large) for kind in KINDS}
    cold, near = warm(100_000)
    most = max(large)
    ends = [
        f"{KINDS[kind]} {shown(points[-1][1])} ({points[-1][2]:.1f} sorts, gap {points[-1][3]:.0e})"
        for kind, points in grown.items()
        if points[-1][0] == most
    ]
    absent = "" if find_spec("nlopt") else " NLopt was not installed."
    text = [
        f"One run, CPU seconds, Python {sys.version.split()[0]}, NumPy {np.__version__}.{absent}",
        "",
        *(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)),
        "",
        f"{most:,} lines, the least of five runs beside one sort of as many numbers: "
        f"{'; '.join(ends)}. From yesterday's price a day with 1 % more money takes "
        f"{shown(near)} in place of {shown(cold)} at 100,000 lines.",
        "",
        "A daily call on 50 lines, 30 % either way, on the mean curves that each peer fitted to "
        "the same 156 weeks, beside its own optimiser, compiling included as every new day has it:",
        "",
        "| curves of | ours | its own | which |",
        "| --- | --- | --- | --- |",
        *daily(),
    ]
    return "\n".join(text), picture({k: [(n, t) for n, t, *_ in v] for k, v in grown.items()})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="*", default=[20, 100, 1000])
    parser.add_argument(
        "--large", type=int, nargs="*", default=[10, 100, 1000, 10_000, 100_000, 1_000_000]
    )
    parser.add_argument("--write", action="store_true", help="into docs/")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    text, drawn = measured(arguments.sizes, arguments.large)
    print(text)
    if arguments.write:
        page = ROOT / "docs/allocation.md"
        page.write_text(
            fill(page.read_text(encoding="utf-8"), "allocation", text), encoding="utf-8"
        )
        (ROOT / "docs/growth.svg").write_text(drawn, encoding="utf-8")


if __name__ == "__main__":
    main()
