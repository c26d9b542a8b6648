"""Why a problem is impossible: a smallest set of limits that contradict each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.allocation.problem import BUDGET, Problem
from pipeline.allocation.tree import ROOT, Tree
from pipeline.core.errors import InfeasibleError

_SLACK = 1e-9  # of the money involved; less is rounding


@dataclass(frozen=True, slots=True)
class _Atom:
    """A limit that gives an amount, or several that give it only together."""

    amount: float
    name: str
    text: str


def checked_lines(problem: Problem) -> Problem:
    """Return the problem with every gate that leaves no choice turned into a bound.

    A line that has to be on gets at least its gate; one that cannot reach its gate gets nothing.

    Raises:
        InfeasibleError: that is above the line's most; names the line's limits.
    """
    if problem.gate is None:
        return problem
    raised = np.flatnonzero((problem.lower > 0) & (problem.gate > problem.lower))
    shut = (problem.lower == 0) & (problem.gate > problem.upper)
    if not raised.size and not shut.any():
        return problem
    upper = np.where(shut, 0.0, problem.upper)
    lower, names = problem.lower.copy(), dict(problem.limit_names)
    for line in raised.tolist():
        gate_name = f"{problem.ids[line]} min_if_on"
        if problem.gate[line] > problem.upper[line]:
            low, high = problem.limit_name(line, "min"), problem.limit_name(line, "max")
            raise infeasible(
                [
                    (gate_name, f"{gate_name} {problem.gate[line]:g}"),
                    (low, f"{low} {problem.lower[line]:g}"),
                    (high, f"{high} {problem.upper[line]:g}"),
                ]
            )
        lower[line], names[line, "min"] = problem.gate[line], gate_name
    return problem.changed(lower=lower, upper=upper, limit_names=names)


def check_nested(problem: Problem, tree: Tree) -> None:
    """Refuse nested limits that cannot all be met.

    Raises:
        InfeasibleError: naming a smallest set that contradicts itself.
    """
    least, most = tree.reach(problem.lower, problem.upper)
    slack = _SLACK * (np.abs(least) + 1e-300)
    bad = np.flatnonzero(least > most + slack)
    if not bad.size:
        return
    node = int(bad[-1])  # parents come first, so the last one is the innermost
    floors, caps = _floors(problem, tree, node), _caps(problem, tree, node)
    own_floor, own_cap = float(tree.least[node]), float(tree.most[node])
    if sum(atom.amount for atom in floors) > own_cap:
        chosen = [_own(problem, tree, node, "max"), *_fewest_above(floors, own_cap)]
    else:
        needed = [atom for atom in caps if np.isfinite(atom.amount)]
        chosen = [_own(problem, tree, node, "min"), *needed]
        if own_floor == 0:  # lines inside contradict each other, which the problem refuses
            chosen = chosen[1:]
    raise infeasible([(atom.name, atom.text) for atom in chosen])


def infeasible(limits: Sequence[tuple[str, str]]) -> InfeasibleError:
    """Return the error that names the limits, each given with a text that has its number."""
    shown = ", ".join(text for _, text in limits[:8])
    more = f" and {len(limits) - 8} more" if len(limits) > 8 else ""
    return InfeasibleError(
        f"the limits contradict each other: {shown}{more}; relax one of them",
        conflict=tuple(name for name, _ in limits),
    )


def smallest_conflict(
    limits: Sequence[tuple[str, str]],
    possible: Callable[[frozenset[str]], bool],
    is_over: Callable[[], bool],
) -> InfeasibleError:
    """Return the error for limits that only a solver can judge, reduced until each is needed.

    Args:
        limits: name and text, all of them together impossible.
        possible: whether a plan exists when only the limits of these names count.
        is_over: whether time is up; the set then still contradicts itself, but may be too large.

    Source: QuickXplain, Junker (2004), "Preferred explanations and relaxations for
    over-constrained problems".
    """
    texts = dict(limits)

    def reduce(base: frozenset[str], grown: bool, rest: list[str]) -> list[str]:
        if grown and not is_over() and not possible(base):
            return []
        if len(rest) == 1 or is_over():
            return rest
        half = len(rest) // 2
        first, second = rest[:half], rest[half:]
        right = reduce(base | frozenset(first), True, second)
        left = reduce(base | frozenset(right), bool(right), first)
        return left + right

    kept = reduce(frozenset(), False, [name for name, _ in limits])
    return infeasible([(name, texts[name]) for name in kept])


def all_limits(problem: Problem) -> list[tuple[str, str]]:
    """Return every limit of the problem with its text, those most likely to be wanted last."""
    out: list[tuple[str, str]] = []
    for line in range(problem.size):
        if np.isfinite(problem.upper[line]):
            name = problem.limit_name(line, "max")
            out.append((name, f"{name} {problem.upper[line]:g}"))
        if problem.lower[line] > 0 and problem.lower[line] != problem.upper[line]:
            name = problem.limit_name(line, "min")
            out.append((name, f"{name} {problem.lower[line]:g}"))
        if problem.gate is not None and problem.gate[line] > 0:
            name = f"{problem.ids[line]} min_if_on"
            out.append((name, f"{name} {problem.gate[line]:g}"))
    for group in problem.groups:
        for side, amount in (("min", group.min), ("max", group.max)):
            if 0 < amount < np.inf or (side == "max" and amount == 0):
                name = group.limit_name(side)
                out.append((name, f"{name} {amount:g}"))
    if np.isfinite(problem.budget):
        out.append((BUDGET, _budget_text(problem)))
    for rail in problem.guardrails:
        side = "min" if rail.min is not None else "max"
        out.append((rail.id, f"{rail.id} {side} {rail.limit:g}"))
    return out


def relaxed_to(problem: Problem, kept: frozenset[str]) -> Problem:
    """Return the problem with only the limits of these names."""
    lower, upper = np.zeros(problem.size), np.full(problem.size, np.inf)
    for line in range(problem.size):
        if problem.limit_name(line, "min") in kept:
            lower[line] = problem.lower[line]
        if problem.limit_name(line, "max") in kept:
            upper[line] = problem.upper[line]
            if problem.lower[line] == problem.upper[line]:
                lower[line] = problem.lower[line]
    gate = None
    if problem.gate is not None:
        names = [f"{name} min_if_on" for name in problem.ids]
        gate = np.where([name in kept for name in names], problem.gate, 0.0)
    groups = []
    for group in problem.groups:
        least = group.min if group.limit_name("min") in kept else 0.0
        most = group.max if group.limit_name("max") in kept else np.inf
        groups.append(type(group)(id=group.id, members=group.members, min=least, max=most))
    rails = tuple(rail for rail in problem.guardrails if rail.id in kept)
    has_budget = BUDGET in kept
    return problem.changed(
        lower=lower,
        upper=upper,
        gate=gate,
        groups=tuple(groups),
        guardrails=rails,
        budget=problem.budget if has_budget else np.inf,
        exactly=problem.exactly and has_budget,
        current=None,
    )


def _own(problem: Problem, tree: Tree, node: int, side: str) -> _Atom:
    if node == ROOT:
        return _Atom(problem.budget, BUDGET, _budget_text(problem))
    group = problem.groups[int(tree.source[node])]
    amount = group.max if side == "max" else group.min
    name = group.limit_name(side)
    return _Atom(amount, name, f"{name} {amount:g}")


def _budget_text(problem: Problem) -> str:
    return f"budget {problem.budget:g} {'exactly' if problem.exactly else 'at most'}"


def _floors(problem: Problem, tree: Tree, node: int) -> list[_Atom]:
    """Return the floors that the node's members must be given, each only once."""
    atoms = []
    for line in np.flatnonzero(tree.home == node).tolist():
        if problem.lower[line] > 0:
            name = problem.limit_name(line, "min")
            atoms.append(_Atom(problem.lower[line], name, f"{name} {problem.lower[line]:g}"))
    for child in np.flatnonzero((tree.parent == node) & (tree.source >= 0)).tolist():
        inner = _floors(problem, tree, child)
        own = _own(problem, tree, child, "min")
        atoms += [own] if own.amount > sum(atom.amount for atom in inner) else inner
    return atoms


def _caps(problem: Problem, tree: Tree, node: int) -> list[_Atom]:
    """Return the caps that bound what the node's members can take."""
    atoms = []
    for line in np.flatnonzero(tree.home == node).tolist():
        name = problem.limit_name(line, "max")
        atoms.append(_Atom(problem.upper[line], name, f"{name} {problem.upper[line]:g}"))
    for child in np.flatnonzero((tree.parent == node) & (tree.source >= 0)).tolist():
        inner = _caps(problem, tree, child)
        own = _own(problem, tree, child, "max")
        atoms += [own] if own.amount < sum(atom.amount for atom in inner) else inner
    return atoms


def _fewest_above(atoms: list[_Atom], limit: float) -> list[_Atom]:
    chosen, total = [], 0.0
    for atom in sorted(atoms, key=lambda item: -item.amount):
        chosen.append(atom)
        total += atom.amount
        if total > limit:
            break
    return chosen
