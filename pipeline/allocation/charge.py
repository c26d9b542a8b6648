"""A bound that sees who is on and who is off: limits that do not nest are charged for.

Source: Lagrangian relaxation; Fisher (1981), "The Lagrangian relaxation method for solving integer
programming problems".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.allocation.box import Box
from pipeline.allocation.columns import rail_weight
from pipeline.allocation.curves import Curves
from pipeline.allocation.nested import solve_nested
from pipeline.allocation.problem import OUTCOME, SPEND
from pipeline.allocation.relax import Master, Relaxed
from pipeline.allocation.tabled import combined
from pipeline.allocation.tilt import tilted
from pipeline.allocation.tree import Tree
from pipeline.allocation.work import Work
from pipeline.core.types import FloatArray


@dataclass(frozen=True, slots=True)
class Charged:
    """What the nested problem says with the other limits charged for.

    Attributes:
        spend: its best split, which may break the limits that were charged for.
        bound: no plan of the whole problem earns more.
    """

    spend: FloatArray
    bound: float


def charge(
    master: Master, box: Box, tree: Tree, priced: Relaxed, work: Work, harder: float = 1.0
) -> Charged:
    """Return the nested problem's answer at the prices of a relaxation.

    Args:
        harder: times the guardrails' prices; any choice gives a bound, and above 1 the split keeps
            guardrails more easily.
    """
    latest, rows = priced.latest, master.rows
    nested = np.zeros(len(rows.names), dtype=bool)
    nested[0] = True
    nested[1 + tree.source[tree.source >= 0]] = True
    own = np.where(nested, 0.0, latest.row_price)
    rails = harder * latest.rail_price
    paid = rows.paid(own) - float(rails @ rows.thresholds)
    curves, cost = _curves(master, box, own, rails)
    usual = float(np.average(cost, weights=np.maximum(priced.spend, 1e-300)))
    found = solve_nested(curves, box, tree, work, extra=paid, charged=max(usual, 0.0))
    return Charged(
        found.spend, found.bound + paid + float(master.tabled.left_out(rails, 1.0).sum())
    )


def _curves(
    master: Master, box: Box, row_price: FloatArray, rail_price: FloatArray
) -> tuple[Curves, FloatArray]:
    """Return the curves net of what is charged, and what a unit of money is charged per line."""
    problem = master.problem
    cost = master.rows.shares(row_price) - rail_weight(problem, rail_price, SPEND)
    if master.tabled.is_needed:
        whole = combined(problem, rail_price)
        return tilted(whole, np.ones(problem.size), cost, box.high), cost
    weight = 1.0 + rail_weight(problem, rail_price, OUTCOME)
    return tilted(problem.curves, weight, cost, box.high), cost / weight
