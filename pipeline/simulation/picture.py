"""One self-contained SVG: how much of the reachable gain each policy had earned by each night."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np

from pipeline.core.types import FloatArray
from pipeline.simulation.loop import LoopResult
from pipeline.simulation.scores import WorldRun

_WIDTH, _HEIGHT, _GAP, _TOP = 300, 170, 46, 64
_COLUMNS = 3
_SHOWN = (-0.6, 1.1)  # of the gain reached; what lies outside is cut at the frame
_COLOURS = {
    "oracle": "#8a8f98", "ours": "#0b6e69", "rule": "#a4460f", "regression": "#1d4f91",
    "grid": "#7a3e9d",
}  # fmt: skip
_DASHES = {"oracle": "2 3", "ours": "", "rule": "7 3", "regression": "4 2", "grid": "9 2 2 2"}
_STYLE = (
    "svg{background:#fff;font:12px system-ui,sans-serif}"
    ".title{font-size:17px;font-weight:600}.world{font-weight:600}.soft{fill:#59616b}"
    ".frame{fill:none;stroke:#dedbd2}.zero{stroke:#59616b}.policy{fill:none;stroke-width:2}"
)


def draw_worlds(runs: Sequence[WorldRun]) -> bytes:
    """Return the picture, one panel a world; 0 is standing still, 1 what an oracle ends with."""
    rows = -(-len(runs) // _COLUMNS)
    width = _GAP + min(len(runs), _COLUMNS) * (_WIDTH + _GAP)
    height = _TOP + rows * (_HEIGHT + _GAP)
    width = max(width, 2 * (_WIDTH + _GAP))
    names = ["oracle", *(result.policy for result in runs[0].others)]
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" role="img" aria-label="Gain captured by night">',
        f"<style>{_STYLE}</style>",
        f'<text class="title" x="{_GAP}" y="26">Share of the reachable gain, night by night</text>',
        _legend(names),
    ]
    for index, run in enumerate(runs):
        x = _GAP + index % _COLUMNS * (_WIDTH + _GAP)
        y = _TOP + index // _COLUMNS * (_HEIGHT + _GAP)
        parts.append(f'<g transform="translate({x} {y + 18})">{_panel(run)}</g>')
    return "\n".join([*parts, "</svg>", ""]).encode("utf-8")


def _panel(run: WorldRun) -> str:
    reach = run.best.total - run.still.total
    parts = [
        f'<text class="world" y="-6">{escape(run.still.kind)} {run.still.seed}</text>',
        f'<rect class="frame" width="{_WIDTH}" height="{_HEIGHT}"/>',
        f'<line class="zero" x2="{_WIDTH}" y1="{_y(0.0):.1f}" y2="{_y(0.0):.1f}"/>',
        f'<text class="soft" x="-6" y="{_y(0.0) + 4:.1f}" text-anchor="end">0</text>',
        f'<text class="soft" x="-6" y="{_y(1.0) + 4:.1f}" text-anchor="end">1</text>',
        f'<text class="soft" x="{_WIDTH}" y="{_HEIGHT + 15}" text-anchor="end">'
        f"night {run.still.incremental.size}</text>",
    ]
    for result in (run.best, *run.others):
        path = np.cumsum(result.incremental - run.still.incremental) / reach
        parts.append(_line(result, path))
    return "".join(parts)


def _line(result: LoopResult, path: FloatArray) -> str:
    x = np.linspace(0, _WIDTH, path.size + 1)
    y = _y(np.concatenate([[0.0], path]))
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
    return (
        f'<polyline class="policy" stroke="{_COLOURS.get(result.policy, "#666")}" '
        f'stroke-dasharray="{_DASHES.get(result.policy, "")}" points="{points}"/>'
    )


def _legend(names: Sequence[str]) -> str:
    parts = []
    for index, name in enumerate(names):
        x = _GAP + 110 * index
        colour, dash = _COLOURS.get(name, "#666"), _DASHES.get(name, "")
        parts.append(
            f'<line class="policy" x1="{x}" x2="{x + 24}" y1="44" y2="44" stroke="{colour}" '
            f'stroke-dasharray="{dash}"/><text x="{x + 30}" y="48">{escape(name)}</text>'
        )
    return "".join(parts)


def _y(share: float | FloatArray) -> FloatArray:
    low, high = _SHOWN
    return np.asarray(_HEIGHT * (1 - (np.clip(share, low, high) - low) / (high - low)))
