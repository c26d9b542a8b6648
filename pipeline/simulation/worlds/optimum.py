"""The best split of a total over known curves: what an oracle would choose."""

from __future__ import annotations

import numpy as np

from pipeline.core.types import FloatArray


def best_split(
    spend: FloatArray, value: FloatArray, total: float, floor: FloatArray, cap: FloatArray
) -> FloatArray:
    """Return budgets that nearly maximise the total value, (n_lines,), summing to `total`.

    Buys the steepest pieces of every curve's upper concave hull first; at most one line ends
    inside a hull piece, so the loss against the optimum is below that piece's gap.

    Args:
        spend: (n_lines, n_knots), ascending from each line's floor to its cap.
        value: (n_lines, n_knots).
        total: between the floors' and the caps' sums.
        floor, cap: (n_lines,).
    """
    slopes, widths, owners = [], [], []
    for line in range(spend.shape[0]):
        knots = _upper_hull(spend[line], value[line])
        width = np.diff(spend[line, knots])
        slopes.append(np.diff(value[line, knots]) / width)
        widths.append(width)
        owners.append(np.full(width.size, line))
    order = np.argsort(-np.concatenate(slopes), kind="stable")
    width, owner = np.concatenate(widths)[order], np.concatenate(owners)[order]
    left = total - float(floor.sum())
    before = np.concatenate([[0.0], np.cumsum(width)[:-1]])
    bought = np.clip(left - before, 0.0, width)
    budgets = floor + np.bincount(owner, bought, minlength=spend.shape[0])
    return np.asarray(np.clip(budgets, floor, cap))


def into_box(target: FloatArray, floor: FloatArray, cap: FloatArray, total: float) -> FloatArray:
    """Return the budgets inside the box that sum to `total` and keep `target`'s proportions.

    Args:
        target: (n_lines,), > 0, what one would like.
        floor, cap: (n_lines,), the box; its sums must enclose `total`.
        total: to be spent.
    """
    low, high = -20.0, 20.0
    for _ in range(100):
        middle = 0.5 * (low + high)
        if float(np.clip(target * np.exp(middle), floor, cap).sum()) > total:
            high = middle
        else:
            low = middle
    return np.asarray(np.clip(target * np.exp(low), floor, cap))


def _upper_hull(x: FloatArray, y: FloatArray) -> list[int]:
    hull: list[int] = []
    for i in range(x.size):
        while len(hull) > 1:
            a, b = hull[-2], hull[-1]
            if (y[b] - y[a]) * (x[i] - x[a]) > (y[i] - y[a]) * (x[b] - x[a]):
                break
            hull.pop()
        hull.append(i)
    return hull
