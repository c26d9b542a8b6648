"""How large the plan's page is and how long it takes, at 10, 200 and 2000 lines, curves included.

    python -m benchmarks.pages

CPU seconds of the rendering alone, best of three, in a process that has rendered before: a night
has made the imports by then. `shown` is CPU time of a browser's main thread until the page is laid
out and its script has run, where there is a browser.
"""

from __future__ import annotations

import gzip
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np

from pipeline.core.plan import (
    Certificate,
    Expected,
    Interval,
    Mode,
    Plan,
    PlanCap,
    PlanLine,
    Uplift,
)
from pipeline.io.reports import LineExtras, ReportExtras, render_report
from pipeline.io.reports.workbook import plan_workbook

SIZES = (10, 200, 2000)
REPEATS = 3
DAY = date(2026, 11, 22)
SIGN = "equimarginal approve 2026-11-22-1a2b3c4d --as ana"


@dataclass(frozen=True)
class Measured:
    """One page."""

    lines: int
    kilobytes: float
    zipped: float
    seconds: float
    workbook_seconds: float
    look_seconds: float | None
    look_phone_seconds: float | None


def main() -> None:
    """Print the table."""
    print(table(measure()))


def measure() -> list[Measured]:
    """Return every size."""
    render_report(plan_of(3), extras_of(plan_of(3)), sign_command=SIGN)  # templates compiled
    return [_measure(size) for size in SIZES]


def table(found: list[Measured]) -> str:
    """Return the figures as a Markdown table."""
    head = (
        "| lines | page | zipped | rendered | workbook | shown on a desktop | on a phone |\n"
        "|---:|---:|---:|---:|---:|---:|---:|"
    )
    return "\n".join([head, *(_row(item) for item in found)])


def plan_of(n_lines: int) -> Plan:
    """Return a plan of three levels in which two lines of three move."""
    rng = np.random.default_rng(n_lines)
    now = rng.uniform(20, 900, n_lines).round(2)
    then = (now * rng.choice([0.75, 0.9, 1.0, 1.0, 1.1, 1.25], n_lines)).round(2)
    marginal = rng.uniform(0.3, 2.5, n_lines)
    lines = tuple(_line(i, now[i], then[i], marginal[i]) for i in range(n_lines))
    total = round(float(then.sum()), 2)
    return Plan(
        plan_id="2026-11-22-1a2b3c4d",
        portfolio="acme",
        date=DAY,
        currency="EUR",
        line_columns=("channel", "audience", "creative"),
        mode=Mode.OPTIMISED,
        budget=total,
        expected=Expected(metric="revenue", mean=3 * total, p05=2.5 * total, p95=3.4 * total),
        status_quo=_interval(2.9 * total, 0.15),
        uplift=Uplift(
            mean=0.1 * total, p05=0.02 * total, p95=0.2 * total, probability_positive=0.97
        ),
        lines=lines,
        caps=(PlanCap(id="cap-1", scope={"channel": "channel_0"}, max=total, approved_by="fin"),),
        caps_version="sha256:0",
        certificate=Certificate(objective=3 * total, upper_bound=3 * total, gap=0.0),
        budget_price=0.94,
    )


def extras_of(plan: Plan) -> ReportExtras:
    """Return a curve, past weeks and past days for every line that a night would hand over."""
    from pipeline.io.reports.lines import drawn_lines

    rng = np.random.default_rng(7)
    wanted = drawn_lines(plan, plan.budgets)
    return ReportExtras(lines=tuple(_curve(line, plan.budgets[line], rng) for line in wanted))


def _measure(n_lines: int) -> Measured:
    plan = plan_of(n_lines)
    extras = extras_of(plan)
    seconds = [
        _timed(lambda: render_report(plan, extras, sign_command=SIGN)) for _ in range(REPEATS)
    ]
    page = render_report(plan, extras, sign_command=SIGN).encode("utf-8")
    looks = [_look(page, width) for width in (1280, 390)]
    return Measured(
        lines=n_lines,
        kilobytes=len(page) / 1000,
        zipped=len(gzip.compress(page, mtime=0)) / 1000,
        seconds=min(seconds),
        workbook_seconds=_timed(lambda: plan_workbook(plan)),
        look_seconds=looks[0],
        look_phone_seconds=looks[1],
    )


def _timed(do: object) -> float:
    started = time.process_time()
    do()  # type: ignore[operator]
    return time.process_time() - started


def _look(page: bytes, width: int) -> float | None:
    """Return the CPU seconds of a browser's main thread to load, lay out and script the page."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        return None
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as playwright:
        path = Path(scratch) / "page.html"
        path.write_bytes(page)
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        seconds = []
        for _ in range(REPEATS):
            opened = browser.new_page(viewport={"width": width, "height": 900})
            session = opened.context.new_cdp_session(opened)
            session.send("Performance.enable", {"timeDomain": "threadTicks"})
            opened.goto(path.as_uri())
            metrics = session.send("Performance.getMetrics")["metrics"]
            seconds.append(next(m["value"] for m in metrics if m["name"] == "TaskDuration"))
            opened.close()
        browser.close()
    return float(min(seconds))


def _row(item: Measured) -> str:
    shown = [
        "not measured" if value is None else f"{value:.2f} s"
        for value in (item.look_seconds, item.look_phone_seconds)
    ]
    return (
        f"| {item.lines:,} | {item.kilobytes:,.0f} kB | {item.zipped:,.0f} kB | "
        f"{item.seconds:.2f} s | {item.workbook_seconds:.2f} s | {' | '.join(shown)} |"
    )


def _line(i: int, now: float, then: float, marginal: float) -> PlanLine:
    moves = "scale" if then > now else "reduce" if then < now else "hold"
    return PlanLine(
        line={
            "channel": f"channel_{i % 5}",
            "audience": f"audience_{i // 5 % 20:02d}",
            "creative": f"creative_{i:04d}",
        },
        current=float(now),
        proposed=float(then),
        expected=_interval(2.5 * float(then), 0.2),
        marginal_return=_interval(float(marginal), 0.3),
        binding=("ramp",) if i % 4 == 0 else (),
        action=moves,
        reason=f"the next EUR earns {marginal:.2f} revenue, 0.94 elsewhere{_stopped(i, moves)}",
    )


def _stopped(i: int, moves: str) -> str:
    if moves == "hold":
        return "; no move is likely enough to pay"
    return "; stopped by the daily limit of 25%" if i % 4 == 0 else ""


def _curve(line: tuple[str, ...], budget: float, rng: np.random.Generator) -> LineExtras:
    grid = np.linspace(0, 4 * budget, 41)
    mean = 3 * budget * grid / (grid + budget)
    weeks = budget * rng.uniform(0.6, 1.2, 12)
    return LineExtras(
        line=line,
        spend=tuple(grid),
        mean=tuple(mean),
        p05=tuple(0.8 * mean),
        p95=tuple(1.2 * mean),
        past_spend=tuple(budget * rng.uniform(0.6, 1.2, 60)),
        points_spend=tuple(weeks),
        points_value=tuple(np.interp(weeks, grid, mean) * rng.uniform(0.9, 1.1, 12)),
        points_day=tuple(DAY - timedelta(days=7 * k) for k in range(14, 2, -1)),
    )


def _interval(mean: float, spread: float) -> Interval:
    return Interval(mean=mean, p05=mean * (1 - spread), p95=mean * (1 + spread))


if __name__ == "__main__":
    sys.exit(main())
