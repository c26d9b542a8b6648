"""The hardest problem that a random search finds: the largest gap that stays unproven.

    .venv/bin/python -m benchmarks.hardest [--minutes 5] [--seed 0] [--most-lines 1000]

Every family is made to be hard: S-curves that resemble each other, budgets that pay for a part of
them only, nested caps that bind, on-or-off minimums, a guardrail; `together` is all of these, and
`everything` adds ramps, floors and caps that cut across the groups, and guardrails on a part.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from pipeline.allocation.curves import Curves
from pipeline.allocation.hill import Hill
from pipeline.allocation.problem import OUTCOME, SPEND, Group, Guardrail, Problem, Quantity
from pipeline.allocation.solve import is_allowed, solve
from pipeline.core.errors import InfeasibleError

KINDS = ("alike", "steep", "mixed", "gated", "railed", "together", "everything")
SIZES = (5, 10, 20, 50, 100, 200, 500, 1000)


def make(kind: str, size: int, rng: np.random.Generator) -> Problem:
    """Return one problem of a hard family."""
    spread = {"alike": 0.02, "steep": 0.3}.get(kind, 0.8)
    ceiling, half = rng.lognormal(0, spread, size), 10 * rng.lognormal(0, spread, size)
    slope = rng.uniform(3, 6, size) if kind in {"alike", "steep"} else rng.uniform(0.7, 4, size)
    upper = half * rng.uniform(1, 4, size)
    together = kind in {"together", "everything"}
    gate = half * rng.choice([0.0, 0.5, 1.2], size) if together or kind == "gated" else None
    if gate is not None:
        gate = np.minimum(gate, upper)
    width = max(2, int(size ** rng.uniform(0.4, 0.7)))
    groups = []
    for level, wide in enumerate((width, min(width * 4, size))):
        for start in range(0, size, wide):
            members = np.arange(start, min(start + wide, size))
            most = float(upper[members].sum() * rng.uniform(0.15, 0.6))
            groups.append(Group(id=f"{level}/{start}", members=members, max=most))
    budget = float(upper.sum() * rng.uniform(0.05, 0.5))
    curves = Curves.of(Hill(ceiling, half, slope), size)
    problem = Problem(
        ids=tuple(f"l{i}" for i in range(size)),
        curves=curves,
        lower=np.zeros(size),
        upper=upper,
        gate=gate,
        budget=budget,
        exactly=False,
        groups=tuple(groups),
    )
    if kind in {"railed", "together"}:
        return _railed(problem, rng)
    return _crossed(problem, rng) if kind == "everything" else problem


def _railed(problem: Problem, rng: np.random.Generator) -> Problem:
    """Return the problem with a return that its best plan does not reach."""
    found = solve(problem)
    ratio = found.objective / max(float(found.spend.sum()), 1e-12)
    over, per = Quantity(metric=OUTCOME), Quantity(metric=SPEND)
    rail = Guardrail(id="return", over=over, per=per, min=ratio * rng.uniform(1.02, 1.3))
    return problem.changed(guardrails=(rail,))


def _crossed(problem: Problem, rng: np.random.Generator) -> Problem:
    """Return the problem with ramps around today's split, floors and caps across its groups.

    Today's split, a legal one, obeys every limit, so that the problem can be solved.
    """
    size, gate = problem.size, problem.gate
    legal = solve(problem.changed(budget=problem.budget * rng.uniform(0.6, 1.0)))
    today = legal.spend * rng.uniform(0.6, 1.0, size)
    if gate is not None:
        today = np.where(today > 0, np.maximum(today, np.minimum(gate, legal.spend)), 0.0)
    ramped = rng.random(size) < 0.4
    low = np.where(ramped, 0.5 * today, 0.0)
    high = np.where(ramped & (today > 0), np.minimum(1.5 * today, problem.upper), problem.upper)
    groups = list(problem.groups)
    for stride in range(max(2, size // 12)):
        members = np.arange(stride, size, max(2, size // 12))
        spent = float(today[members].sum())
        least = spent * rng.uniform(0.0, 0.9)
        groups.append(Group(id=f"across {stride}", members=members, min=least,
                            max=spent * rng.uniform(1.0, 1.4)))  # fmt: skip
    made = problem.changed(
        lower=low, upper=np.maximum(high, low), groups=tuple(groups), current=today
    )
    half = np.flatnonzero(rng.random(size) < 0.5)
    earned, spent = problem.curves.value(today), today
    rails = [
        Guardrail(id="return", over=Quantity(metric=OUTCOME), per=Quantity(metric=SPEND),
                  min=float(earned.sum() / spent.sum()) * rng.uniform(0.9, 1.0)),
        Guardrail(id="half's share", over=Quantity(metric=SPEND, members=half),
                  per=Quantity(metric=SPEND),
                  max=float(spent[half].sum() / spent.sum()) * rng.uniform(1.0, 1.1)),
        Guardrail(id="half's return", over=Quantity(metric=OUTCOME, members=half),
                  per=Quantity(metric=SPEND, members=half),
                  min=float(earned[half].sum() / max(spent[half].sum(), 1e-9))
                  * rng.uniform(0.9, 1.0)),
    ]  # fmt: skip
    return made.changed(guardrails=tuple(rails))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--most-lines", type=int, default=1000)
    arguments = parser.parse_args()
    end = time.monotonic() + 60 * arguments.minutes
    sizes = [size for size in SIZES if size <= arguments.most_lines]
    worst: dict[tuple[str, int], tuple[float, float, int]] = {}
    seed = arguments.seed
    while time.monotonic() < end:
        for kind in KINDS:
            size = sizes[seed % len(sizes)]
            problem = make(kind, size, np.random.default_rng(seed))
            start = time.process_time()
            try:
                found = solve(problem)
            except InfeasibleError:
                continue
            took = time.process_time() - start
            if took > 20:
                print(f"slow {kind} {size} seed {seed}: {took:.0f} s", flush=True)
            if not is_allowed(problem, found.spend):
                print(f"BROKEN {kind} {size} seed {seed}")
            before = worst.get((kind, size), (-1.0, 0.0, 0))
            if found.gap > before[0]:
                worst[kind, size] = (found.gap, took, seed)
                if found.gap > 1e-3:
                    print(f"unproven {kind} {size} seed {seed}: {found.gap:.1e} in {took:.1f} s",
                          flush=True)  # fmt: skip
        seed += 1
    print(
        f"seeds {arguments.seed} to {seed - 1}\n{'kind':<10}{'n':>6}{'gap':>10}{'CPU s':>8}  seed"
    )
    for (kind, size), (gap, took, where) in sorted(worst.items()):
        print(f"{kind:<10}{size:>6}{gap:>10.1e}{took:>8.2f}  {where}")


if __name__ == "__main__":
    main()
