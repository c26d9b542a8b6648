"""Pictures of how readily breaks alarm and how late: the numbers of the table `alarms`, as curves.

    .venv/bin/python -m benchmarks.learning_pictures

Writes docs/pictures/false-alarms.svg and docs/pictures/detection-delay.svg; `make numbers` does it
too, from the same run as the table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.learning import NOTICED_WITHIN, Alarms, measure_alarms
from pipeline.scoring.drift import LEARNING_DAYS

PICTURES = Path(__file__).resolve().parents[1] / "docs" / "pictures"
INKS = ("#6b7280", "#1d4ed8", "#047857", "#b45309")
STYLE = "font:12px system-ui,sans-serif;fill:#444"
HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 280, 46, 20, 30, 44

Curve = tuple[str, Sequence[tuple[float, float]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One pair of axes, both from zero, with curves and a dashed one for what was promised."""

    title: str
    across: str
    curves: Sequence[Curve]
    x_ticks: Sequence[float]
    y_ticks: Sequence[float]
    unit: str = ""
    width: int = 300
    promised: Sequence[tuple[float, float]] = ()

    def draw(self, shift: float) -> list[str]:
        """Return the panel's elements, moved right by so many pixels."""

        def at(x: float, y: float) -> tuple[float, float]:
            right, up = x / self.x_ticks[-1], y / self.y_ticks[-1]
            return (
                shift + LEFT + right * (self.width - LEFT - RIGHT),
                HEIGHT - BOTTOM - up * (HEIGHT - BOTTOM - TOP),
            )

        out = [f'<text x="{shift + LEFT}" y="18" style="{STYLE}">{self.title}</text>']
        for tick in self.y_ticks:
            (x, y), (end, _) = at(0, tick), at(self.x_ticks[-1], tick)
            out.append(f'<path d="M{x:.1f} {y:.1f}H{end:.1f}" stroke="#ddd"/>')
            out.append(_text(x - 6, y + 4, f"{tick:g}{self.unit}", "end"))
        out += [_text(at(x, 0)[0], HEIGHT - 26, f"{x:g}", "middle") for x in self.x_ticks]
        out.append(_text(shift + LEFT, HEIGHT - 8, self.across, "start"))
        if self.promised:
            line = _path([at(*point) for point in self.promised])
            out.append(f'<path d="{line}" fill="none" stroke="#9ca3af" stroke-dasharray="4 4"/>')
        for (_, points), ink in zip(self.curves, INKS, strict=False):
            line = _path([at(*point) for point in points])
            out.append(f'<path d="{line}" fill="none" stroke="{ink}" stroke-width="2"/>')
        return out


def picture(label: str, panels: Sequence[Panel]) -> str:
    """Return panels side by side, with one legend below; curves of a rank share name and ink."""
    width, height = sum(panel.width for panel in panels), HEIGHT + 24
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{label}">',
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
    ]
    for place, panel in enumerate(panels):
        out += panel.draw(place * panel.width)
    names = [name for name, _ in panels[0].curves]
    if panels[0].promised:
        names.append("set (dashed)")
    inks = [*INKS[: len(panels[0].curves)], "#6b7280"]
    for place, (name, ink) in enumerate(zip(names, inks, strict=False)):
        x = LEFT + place * (width - LEFT) / len(names)
        out.append(f'<text x="{x:.1f}" y="{height - 8}" style="{STYLE};fill:{ink}">{name}</text>')
    return "\n".join([*out, "</svg>", ""])


def false_alarms(found: Sequence[Alarms]) -> str:
    """Return false alarms cumulated over days, beside those that were set."""
    days = found[0].days
    most = max(found[0].expected, *(item.noticed.size for item in found))
    top = 10 * int(np.ceil(most / 10))
    curves = [
        (item.name, [(day, float((item.noticed <= day).sum())) for day in range(days + 1)])
        for item in found
    ]
    panel = Panel(
        title="false alarms of 1,000 series, cumulated",
        across="days of the series",
        curves=curves,
        promised=((LEARNING_DAYS, 0.0), (days, found[0].expected)),
        x_ticks=range(0, days + 1, 60),
        y_ticks=[top * step / 4 for step in range(5)],
        width=600,
    )
    return picture("false alarms by day, found and set", [panel])


def delays(found: Sequence[Alarms]) -> str:
    """Return the share of shifted series that was noticed by so many days after the shift."""
    panels = [
        Panel(
            title=item.name,
            across="days since the shift",
            curves=[
                (
                    f"shift of {size:g} sd",
                    [(day, 100 * float((late <= day).mean())) for day in range(NOTICED_WITHIN + 1)],
                )
                for size, late in item.late.items()
            ],
            x_ticks=range(0, NOTICED_WITHIN + 1, 20),
            y_ticks=(0, 25, 50, 75, 100),
            unit="%",
        )
        for item in found
    ]
    return picture("share of shifts noticed, by days since the shift", panels)


def write(found: Sequence[Alarms]) -> None:
    """Write both pictures."""
    PICTURES.joinpath("false-alarms.svg").write_text(false_alarms(found), encoding="utf-8")
    PICTURES.joinpath("detection-delay.svg").write_text(delays(found), encoding="utf-8")


def _path(points: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)


def _text(x: float, y: float, words: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" style="{STYLE}">{words}</text>'


if __name__ == "__main__":
    write(measure_alarms())
