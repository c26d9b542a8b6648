"""Outcome against budget as one picture: for a terminal, and as an SVG file that stands alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from pipeline.core.types import FloatArray
from pipeline.io.reports.words import compact, visible

COLUMNS, ROWS = 60, 14
WIDTH, HEIGHT = 720, 400
LEFT, RIGHT, TOP, BOTTOM = 76, 24, 102, 52
_INK = (
    "#6b7280",
    "#1d4ed8",
    "#047857",
    "#b45309",
)
_SIGNS = "opbW"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A split shown on the picture."""

    name: str
    budget: float
    outcome: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetCurve:
    """The curve of the best splits, ascending budgets, and the splits that are compared."""

    metric: str
    currency: str
    budget: Sequence[float]
    outcome: Sequence[float]
    marks: Sequence[Mark]

    def ends(self) -> tuple[float, float, float, float]:
        """Return least and most budget and outcome of everything shown, never equal."""
        x = [*self.budget, *(mark.budget for mark in self.marks)]
        y = [*self.outcome, *(mark.outcome for mark in self.marks)]
        wide = max(max(x) - min(x), 1e-9 * max(map(abs, x)), 1e-12)
        tall = max(max(y) - min(y), 1e-9 * max(map(abs, y)), 1e-12)
        return (
            min(x) - 0.03 * wide,
            max(x) + 0.03 * wide,
            min(y) - 0.06 * tall,
            max(y) + 0.06 * tall,
        )


def terminal_picture(curve: BudgetCurve) -> list[str]:
    """Return the picture as lines of text, with a legend."""
    low_x, high_x, low_y, high_y = curve.ends()
    canvas = [[" "] * COLUMNS for _ in range(ROWS)]

    def put(x: float, y: float, sign: str) -> None:
        column = round((x - low_x) / (high_x - low_x) * (COLUMNS - 1))
        row = round((high_y - y) / (high_y - low_y) * (ROWS - 1))
        taken = canvas[row][column]
        canvas[row][column] = "*" if taken not in " ·" and sign != "·" else sign

    if len(curve.budget) > 1:
        across = np.linspace(curve.budget[0], curve.budget[-1], 2 * COLUMNS)
        for x, y in zip(across, np.interp(across, curve.budget, curve.outcome), strict=True):
            put(float(x), float(y), "·")
    for mark, sign in zip(curve.marks, _SIGNS, strict=False):
        put(mark.budget, mark.outcome, sign)
    labels = {0: high_y, ROWS // 2: (low_y + high_y) / 2, ROWS - 1: low_y}
    beside = {row: compact(value) for row, value in labels.items()}
    out = [f"{visible(curve.metric)} a day"]
    out += [f"{beside.get(row, ''):>9} |{''.join(line)}" for row, line in enumerate(canvas)]
    out.append(" " * 10 + "+" + "-" * COLUMNS)
    ends = f"{compact(low_x)}{compact(high_x):>{COLUMNS - len(compact(low_x))}}"
    out.append(" " * 11 + ends)
    out.append(" " * 11 + f"budget a day, {curve.currency}")
    legend = [
        f"{sign} {visible(mark.name)}" for mark, sign in zip(curve.marks, _SIGNS, strict=False)
    ]
    return [*out, *legend, "· best split of each budget   * several at one place"]


def svg_picture(curve: BudgetCurve, title: str) -> str:
    """Return the picture as an SVG document that needs nothing else."""
    ends = curve.ends()
    xs, ys = _ticks(ends[0], ends[1]), _ticks(ends[2], ends[3])
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" '
        f'height="{HEIGHT}" role="img" font-family="system-ui, sans-serif" font-size="12">',
        f"<title>{_text(title)}</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        f'<text x="16" y="24" font-size="15" font-weight="600">{_text(title)}</text>',
    ]
    for value in ys:
        _, y = _place(ends, ends[0], value)
        parts.append(f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="#e5e7eb"/>')
        parts.append(_label(LEFT - 8, y + 4, compact(value), "end"))
    for value in xs:
        x, _ = _place(ends, value, ends[2])
        parts.append(_label(x, HEIGHT - BOTTOM + 18, compact(value), "middle"))
    parts.append(_label(WIDTH - RIGHT, HEIGHT - 10, f"budget a day, {curve.currency}", "end"))
    parts.append(_label(16, TOP - 10, f"{curve.metric} a day, expected", "start"))
    parts.append(_label(16, HEIGHT - 10, "line: the best split of each budget", "start"))
    line = [_place(ends, x, y) for x, y in zip(curve.budget, curve.outcome, strict=True)]
    if len(line) > 1:
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in line)
        parts.append(f'<path d="M{path}" fill="none" stroke="#111827" stroke-width="2"/>')
    for number, (mark, ink) in enumerate(zip(curve.marks, _INK, strict=False)):
        x, y = _place(ends, mark.budget, mark.outcome)
        left, top = 16 + 350 * (number % 2), 44 + 16 * (number // 2)
        shape = _shape(number, ink)
        parts.append(f'<g transform="translate({x:.1f} {y:.1f})">{shape}</g>')
        parts.append(f'<g transform="translate({left + 6} {top - 4})">{shape}</g>')
        parts.append(_label(left + 18, top, _short(mark.name), "start"))
    return "\n".join([*parts, "</svg>"]) + "\n"


def _place(ends: tuple[float, float, float, float], x: float, y: float) -> tuple[float, float]:
    across = (x - ends[0]) / (ends[1] - ends[0])
    up = (y - ends[2]) / (ends[3] - ends[2])
    return (
        LEFT + across * (WIDTH - LEFT - RIGHT),
        HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM),
    )


def _shape(number: int, ink: str) -> str:
    """Return a mark that differs by form as well as by colour."""
    forms = (
        '<circle r="5" fill="#ffffff"',
        '<rect x="-5" y="-5" width="10" height="10" fill="#ffffff"',
        '<circle r="6"',
        '<path d="M0 -7L7 6H-7Z"',
    )
    form = forms[number % len(forms)]
    fill = "" if "fill" in form else f' fill="{ink}"'
    return f'{form}{fill} stroke="{ink}" stroke-width="2"/>'


def _label(x: float, y: float, text: str, anchor: str) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="#374151">{_text(text)}</text>'
    )


def _text(text: str) -> str:
    return escape(visible(text))


def _short(text: str, most: int = 52) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _ticks(low: float, high: float) -> FloatArray:
    """Return about five round numbers inside the range."""
    rough = (high - low) / 5
    power = 10.0 ** np.floor(np.log10(rough))
    step = power * next(factor for factor in (1, 2, 5, 10) if factor * power >= rough)
    return np.asarray(np.arange(np.ceil(low / step), np.floor(high / step) + 1) * step)
