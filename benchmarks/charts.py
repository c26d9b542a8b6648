"""What a response curve costs when a charting library draws it, beside our own drawing.

    python -m benchmarks.charts

The same twelve curves with bands, axes, and current and proposed points, as static SVG. Each way
runs in a fresh process: CPU seconds of its imports, of the first curve and of each further one;
bytes a curve, all twelve zipped, and whether two processes wrote the same bytes. A library that is
not installed is left out and named (pip install altair vl-convert-python matplotlib).
"""

from __future__ import annotations

import gzip
import hashlib
import importlib.util
import json
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

CURVES = 12
WAYS = {
    "own geometry and templates": ("jinja2",),
    "altair and vl-convert": ("altair", "vl_convert"),
    "matplotlib": ("matplotlib",),
}
Curve = dict[str, Any]


def main() -> None:
    """Measure every way and print the table; with a way's name, measure that one in here."""
    if len(sys.argv) > 1:
        print(json.dumps(measure(sys.argv[1])))
        return
    print("| | import | first | each more | a curve | all, zipped | same bytes |")
    print("|---|---:|---:|---:|---:|---:|---|")
    for way, packages in WAYS.items():
        missing = [name for name in packages if importlib.util.find_spec(name) is None]
        if missing:
            print(f"| {way} | not installed: {', '.join(missing)} |")
            continue
        one, two = (_in_a_process(way) for _ in range(2))
        print(
            f"| {way} | {one['import']:.2f} s | {one['first']:.3f} s | {one['more']:.4f} s | "
            f"{one['bytes'] / 1000:.1f} kB | {one['zipped'] / 1000:.0f} kB | "
            f"{'yes' if one['hash'] == two['hash'] else 'no'} |"
        )


def measure(way: str) -> dict[str, Any]:
    """Return the figures of one way, in this process."""
    curves = [_curve(i) for i in range(CURVES)]
    started = time.process_time()
    draw = {
        "own geometry and templates": _own,
        "altair and vl-convert": _altair,
        "matplotlib": _matplotlib,
    }[way]()
    imported = time.process_time()
    drawn = [draw(curves[0])]
    first = time.process_time()
    drawn += [draw(curve) for curve in curves[1:]]
    done = time.process_time()
    text = "\n".join(drawn).encode("utf-8")
    return {
        "import": imported - started,
        "first": first - imported,
        "more": (done - first) / (CURVES - 1),
        "bytes": len(text) / CURVES,
        "zipped": len(gzip.compress(text, mtime=0)),
        "hash": hashlib.sha256(text).hexdigest(),
    }


def _in_a_process(way: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.charts", way]
    done = subprocess.run(command, check=True, capture_output=True)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def _curve(i: int) -> Curve:
    spend = np.linspace(0, 1000 + 100 * i, 33)
    mean = (2000 + 50 * i) * spend / (spend + 400)
    return {
        "name": f"line {i}", "spend": spend, "mean": mean, "low": 0.8 * mean, "high": 1.2 * mean,
        "now": 400.0 + i, "then": 500.0 + i,
    }  # fmt: skip


def _own() -> Callable[[Curve], str]:
    from pipeline.io.reports import LineExtras
    from pipeline.io.reports.curves import curve_chart
    from pipeline.io.reports.render import _environment

    macros = _environment("EUR").from_string(
        '{% from "partials/drawings.html.j2" import drawing with context %}'
        "{{ drawing(chart, name, name, name, 'spend') }}"
    )

    def draw(curve: Curve) -> str:
        line = LineExtras(
            line=(curve["name"],),
            spend=tuple(curve["spend"]),
            mean=tuple(curve["mean"]),
            p05=tuple(curve["low"]),
            p95=tuple(curve["high"]),
        )
        chart = curve_chart(line, curve["now"], curve["then"])
        return macros.render(chart=chart, name=curve["name"], currency="EUR")

    return draw


def _altair() -> Callable[[Curve], str]:
    import altair as alt
    import vl_convert

    def draw(curve: Curve) -> str:
        names = ("spend", "mean", "low", "high")
        rows = [dict(zip(names, map(float, row), strict=True))
                for row in zip(*(curve[name] for name in names), strict=True)]  # fmt: skip
        base = alt.Chart(alt.Data(values=rows)).encode(x=alt.X("spend:Q", title=None))
        points = alt.Data(
            values=[
                {
                    "spend": curve[at],
                    "mean": float(np.interp(curve[at], curve["spend"], curve["mean"])),
                }
                for at in ("now", "then")
            ]
        )
        chart = alt.layer(
            base.mark_area(opacity=0.2).encode(y=alt.Y("low:Q", title=None), y2="high:Q"),
            base.mark_line().encode(y="mean:Q"),
            alt.Chart(points).mark_point().encode(x="spend:Q", y="mean:Q"),
        ).properties(width=266, height=154)
        return str(vl_convert.vegalite_to_svg(chart.to_dict()))

    return draw


def _matplotlib() -> Callable[[Curve], str]:
    import io

    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "0"
    mpl.rcParams["svg.fonttype"] = "none"
    from matplotlib.figure import Figure

    def draw(curve: Curve) -> str:
        figure = Figure(figsize=(3.2, 1.9))
        axes = figure.subplots()
        axes.fill_between(curve["spend"], curve["low"], curve["high"], alpha=0.2)
        axes.plot(curve["spend"], curve["mean"])
        points = [curve["now"], curve["then"]]
        axes.plot(points, np.interp(points, curve["spend"], curve["mean"]), "o")
        out = io.StringIO()
        figure.savefig(out, format="svg", metadata={"Date": None})
        return out.getvalue()

    return draw


if __name__ == "__main__":
    main()
