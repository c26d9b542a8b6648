"""How far one machine goes: growth curves of rows and of lines, with pictures; `make bench-scale`.

    python -m benchmarks.scale [--rows 1e4,1e5,…] [--lines 10,100,…]

Every size runs in a fresh process that reports its CPU seconds and its peak memory. A size that
would need more than `--memory` is not begun, and the document says so. Writes `docs/scale.md`
between its marks and `docs/pictures/scale-*.svg`.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.numbers import ROOT, fill

DAYS = 180
PRICE = 0.05  # money per processor hour: what clouds asked for a general one in 2026, roughly
BYTES, BYTES_A_LINE = 1.5e9, 20_000
"""What a fit and its decision need at their peak, roughly; sizes are refused by it."""

REPORTED = 100_000
"""Lines up to which the plan's document and its page are made as well."""

ROWS = (10**4, 10**5, 10**6, 10**7, 10**8)
LINES = (10, 100, 1000, 10_000, 100_000, 1_000_000)
NIGHTS = (10, 100, 1000)
SHARED = (4096, 20_000)
BLOCK = 2048


def main() -> None:
    """Measure every size, or one part where this is a child process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", default=",".join(map(str, ROWS)))
    parser.add_argument("--lines", default=",".join(map(str, LINES)))
    parser.add_argument("--nights", default=",".join(map(str, NIGHTS)))
    parser.add_argument("--shared", default=",".join(map(str, SHARED)))
    parser.add_argument("--memory", type=float, default=8e9, help="bytes a part may take")
    parser.add_argument("--seconds", type=float, default=900, help="a part may take")
    parser.add_argument("--part", default="", help="run one part here and print its JSON")
    chosen = parser.parse_args()
    if chosen.part:
        name, size = chosen.part.split(":")
        print(json.dumps(measured(PARTS[name], int(size))))
        return
    parts = [("rows", int(float(n))) for n in chosen.rows.split(",") if n]
    parts += [("lines", int(float(n))) for n in chosen.lines.split(",") if n]
    parts += [("night", int(float(n))) for n in chosen.nights.split(",") if n]
    parts += [("shared", int(float(n))) for n in chosen.shared.split(",") if n]
    found = [run(name, size, chosen) for name, size in parts]
    write(found)


def run(name: str, size: int, chosen: argparse.Namespace) -> dict[str, Any]:
    """Return what a part of a size took in a process of its own, or why it was not run."""
    said: dict[str, Any] = {"part": name, "size": size}
    needed = BYTES + size * BYTES_A_LINE
    if name == "lines" and needed > chosen.memory:
        return said | {"stopped": f"needs about {needed / 1e9:,.0f} GB"}
    print(f"{name} {size:,} …", file=sys.stderr, flush=True)
    command = [sys.executable, "-m", "benchmarks.scale", "--part", f"{name}:{size}"]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=chosen.seconds
        )
    except subprocess.TimeoutExpired:
        return said | {"stopped": f"took more than {chosen.seconds:,.0f} s"}
    if done.returncode:
        return said | {"stopped": done.stderr.strip().splitlines()[-1][:120]}
    return said | json.loads(done.stdout.splitlines()[-1])


def measured(part: Callable[[int], dict[str, float]], size: int) -> dict[str, float]:
    """Return what a part says, with the peak memory of this process and its children."""
    said = part(size)
    return {**said, "peak": _peak()}


def _peak() -> float:
    """Return the most bytes that this process or one of its children has held so far."""
    return 1024.0 * max(
        resource.getrusage(who).ru_maxrss
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )


def daily_rows(size: int) -> dict[str, float]:
    """Add up so many exposure rows into daily rows, by the query that warehouses run."""
    import duckdb

    from pipeline.core.sources import Events
    from pipeline.io.sources.pushdown import daily_query, in_dialect

    query = daily_query(
        Events(table="ad_log", moment="served_at"),
        {"audience": "campaign_id", "spend": "cost", "impressions": "*"},
        ("channel", "audience"),
        ("spend", "impressions"),
        "Europe/Berlin",
    )
    with tempfile.TemporaryDirectory() as scratch:
        con = duckdb.connect()
        con.execute(f"set memory_limit = '2GB'; set threads = 2; set temp_directory = '{scratch}'")
        con.execute(
            f"""
            copy (
              select
                timestamp '2026-07-01' + interval (hash(i) % 10368000) second as served_at,
                'channel_' || (hash(i + 1) % 8) as channel,
                'c' || (hash(i + 2) % 1000) as campaign_id,
                (hash(i + 3) % 1000000) / 1000000000.0 as cost
              from range({size}) t(i)
            ) to '{scratch}/log.parquet' (format parquet)
            """
        )
        con.execute(f"create view ad_log as select * from read_parquet('{scratch}/log.parquet')")
        before = time.process_time()
        rows = con.execute(f"create table daily as {in_dialect(query, 'duckdb')}")
        del rows
        cpu = time.process_time() - before
        (count,) = con.execute("select count(*) from daily").fetchall()[0]
    return {"cpu": cpu, "daily": float(count)}


def facts_of(lines: int) -> Any:
    """Return the facts of a night of so many lines whose response is known to saturate."""
    from pipeline.core.history import History
    from pipeline.core.policy import parse_policy
    from pipeline.runs.decide import Facts

    rng = np.random.default_rng(7)
    usual = rng.lognormal(4, 1, lines)
    spend, conversions, revenue = np.empty((3, DAYS, lines))
    for first in range(0, lines, BLOCK):  # a million lines leave no room for what is in between
        block = slice(first, first + BLOCK)
        relative = rng.lognormal(0, 0.25, (DAYS, usual[block].size))
        spend[:, block] = usual[block] * relative
        mean = 5 * usual[block] * relative**0.4
        revenue[:, block] = mean * rng.lognormal(0, 0.1, relative.shape)
        conversions[:, block] = rng.poisson(revenue[:, block] / 20)
    day = date(2026, 11, 22)
    total = float(usual.sum())
    policy = parse_policy(
        {
            "portfolio": "measured",
            "currency": "EUR",
            "line": ["channel", "audience"],
            "budget": {"daily": total},
            "sources": {"spend": {"path": "x"}, "outcomes": {"path": "x"}},
        },
        "portfolio.yaml",
    )
    return Facts(
        policy=policy,
        day=day,
        history=History(
            days=tuple(day - timedelta(days=back) for back in range(DAYS, 0, -1)),
            lines=tuple(sorted((f"c{i % 8}", f"a{i:07d}") for i in range(lines))),
            spend=spend,
            outcomes={"conversions": conversions, "revenue": revenue},
            trusted=np.ones((DAYS, lines), dtype=bool),
        ),
        vintages=None,
        lift_tests=(),
        current=usual,
        caps=(),
        held_scopes=(),
        wanted=total,
        distrusted=np.zeros(lines, dtype=bool),
    )


def fit_and_decide(size: int) -> dict[str, float]:
    """Fit so many lines, decide on them, and where they are not too many write the plan's page."""
    from pipeline.allocation.rounding import round_spend
    from pipeline.io.reports import ReportExtras, line_extras, render_report
    from pipeline.runs.decide import decide
    from pipeline.runs.fitting import fit_models
    from pipeline.runs.plan import Heading, optimised_plan

    facts = facts_of(size)
    start = time.process_time()
    models = fit_models(facts)
    fitted, peak = time.process_time(), _peak()
    decision = decide(facts, models)
    budgets = round_spend(decision.problem, decision.budgets, 0.01)
    table = models.objective.table
    said = {
        "draws": float(table.value.shape[0]),
        "fit": fitted - start,
        "fit peak": peak,
        "decide": time.process_time() - fitted,
    }
    if size > REPORTED:
        return said
    start = time.process_time()
    heading = Heading(plan_id="measured", inputs_hash="0" * 64, caps_version="0")
    plan = optimised_plan(heading, facts, models, decision, budgets, [])
    extras = ReportExtras(lines=line_extras(plan, table, facts.history))
    page = render_report(plan, extras, sign_command="equimarginal approve")
    return said | {"report": time.process_time() - start, "page": float(len(page))}


def whole_night(size: int) -> dict[str, float]:
    """Run a whole night of so many lines from files, its page included."""
    from benchmarks.portfolios import FIRST_NIGHT, write_portfolio

    with tempfile.TemporaryDirectory() as scratch:
        write_portfolio(Path(scratch), lines=size, days=DAYS)
        before = _children()
        night = ["night", "-w", scratch, "--date", FIRST_NIGHT.isoformat()]
        subprocess.run([sys.executable, "-m", "pipeline", *night], check=True, capture_output=True)
        cpu = _children() - before
        page = max(path.stat().st_size for path in Path(scratch).rglob("*.html"))
    return {"cpu": cpu, "page": float(page)}


def shared_fit(size: int) -> dict[str, float]:
    """Return the CPU seconds of a fit, of its posterior, and of the part of it that shards take."""
    from pipeline.response.blocks import BlockEvidence, BlockJob, run_here
    from pipeline.runs.fitting import Fit, Part, fit_models, fits_of

    taken, pieces = [0.0], [0]

    def blocks(wanted: Iterable[BlockJob]) -> Iterable[BlockEvidence]:
        jobs, start = list(wanted), time.process_time()
        found = list(run_here(jobs))
        if jobs[0].is_full:
            taken[0] += time.process_time() - start
            pieces[0] += len(jobs)
        return found

    def learn(fit: Fit) -> Part:
        if fit.segment is None:
            return fit.learn(blocks)
        start = time.process_time()
        part = fit.learn()
        taken[0] += time.process_time() - start
        pieces[0] += 1
        return part

    facts = facts_of(size)
    start = time.process_time()
    fit_models(facts, learn=learn)
    said = {"fit": time.process_time() - start, "shards": taken[0], "pieces": float(pieces[0])}
    start = time.process_time()
    for fit in fits_of(facts, facts.policy.objective.maximize):
        fit.run(run_here)
    return said | {"posterior": time.process_time() - start, "clock": by_the_clock(size)}


def by_the_clock(size: int) -> float:
    """Return the seconds in which two processes end every segment's posterior, 0 with one segment.

    Each takes every second segment; what they fit is made before the clock starts.
    """
    from pipeline.runs.fitting import fits_of

    facts = facts_of(size)
    if len(list(fits_of(facts, facts.policy.objective.maximize))) == 1:
        return 0.0
    gate = multiprocessing.get_context("spawn").Barrier(3, timeout=600)
    workers = [
        multiprocessing.get_context("spawn").Process(target=_every_second, args=(size, one, gate))
        for one in range(2)
    ]
    for worker in workers:
        worker.start()
    gate.wait()
    start = time.perf_counter()
    gate.wait()
    seconds = time.perf_counter() - start
    for worker in workers:
        worker.join()
    return seconds


def _every_second(size: int, first: int, gate: Any) -> None:
    from pipeline.response.blocks import run_here
    from pipeline.runs.fitting import fits_of

    facts = facts_of(size)
    own = list(fits_of(facts, facts.policy.objective.maximize))[first::2]
    gate.wait()
    for fit in own:
        fit.run(run_here)
    gate.wait()


def _children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


PARTS: dict[str, Callable[[int], dict[str, float]]] = {
    "rows": daily_rows,
    "lines": fit_and_decide,
    "night": whole_night,
    "shared": shared_fit,
}


def write(found: Sequence[dict[str, Any]]) -> None:
    """Write tables and pictures."""
    path = ROOT / "docs" / "scale.md"
    text = path.read_text(encoding="utf-8")
    by_part = {name: [item for item in found if item["part"] == name] for name in PARTS}
    for name, table in TABLES.items():
        if by_part[name]:
            text = fill(text, name, table(by_part[name]))
    path.write_text(text, encoding="utf-8")
    for name, title, keys in (
        ("rows", "exposure rows", ("cpu",)),
        ("lines", "budget lines", ("fit", "decide")),
    ):
        done = [item for item in by_part[name] if "stopped" not in item]
        if len(done) > 1:
            curves = {key: [(item["size"], item[key]) for item in done] for key in keys}
            picture = ROOT / "docs" / "pictures" / f"scale-{name}.svg"
            picture.write_text(growth(curves, title), encoding="utf-8")


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _rows(found: Sequence[dict[str, Any]], cells: Callable[[Any], list[str]], width: int) -> Any:
    return [
        [f"{item['size']:,}", f"not run: {item['stopped']}", *[""] * (width - 1)]
        if "stopped" in item
        else [f"{item['size']:,}", *cells(item)]
        for item in found
    ]


def rows_table(found: Sequence[dict[str, Any]]) -> str:
    """Return the table of exposure rows."""
    header = ("exposure rows", "daily rows", "CPU s", "rows a CPU s", "peak GB")
    return _table(
        header,
        _rows(
            found,
            lambda it: [
                f"{it['daily']:,.0f}",
                f"{it['cpu']:.2f}",
                f"{it['size'] / max(it['cpu'], 1e-3):,.0f}",
                f"{it['peak'] / 1e9:.2f}",
            ],
            4,
        ),
    )


def lines_table(found: Sequence[dict[str, Any]]) -> str:
    """Return the table of lines through fit and decision."""
    header = (
        "lines",
        "draws",
        "fit, CPU s",
        "lines a CPU s",
        "peak GB",
        "decision, CPU s",
        "plan and page, CPU s",
        "page, kB",
        "peak GB",
        "kB a line",
    )
    return _table(
        header,
        _rows(
            found,
            lambda it: [
                f"{it['draws']:.0f}",
                f"{it['fit']:.2f}",
                f"{it['size'] / it['fit']:,.0f}",
                f"{it['fit peak'] / 1e9:.2f}",
                f"{it['decide']:.2f}",
                f"{it['report']:.2f}" if "report" in it else "not run",
                f"{it['page'] / 1e3:,.0f}" if "page" in it else "",
                f"{it['peak'] / 1e9:.2f}",
                f"{it['peak'] / 1e3 / it['size']:,.0f}",
            ],
            9,
        ),
    )


def night_table(found: Sequence[dict[str, Any]]) -> str:
    """Return the table of whole nights, with what they cost."""
    header = (
        "lines",
        "CPU s",
        f"cost of a night at {PRICE} a processor hour",
        "a 1000 lines",
        "page, kB",
        "peak GB",
    )
    return _table(
        header,
        _rows(
            found,
            lambda it: [
                f"{it['cpu']:.1f}",
                f"{it['cpu'] / 3600 * PRICE:.5f}",
                f"{it['cpu'] / 3600 * PRICE / it['size'] * 1000:.5f}",
                f"{it['page'] / 1e3:,.0f}",
                f"{it['peak'] / 1e9:.2f}",
            ],
            5,
        ),
    )


def shared_table(found: Sequence[dict[str, Any]]) -> str:
    """Return what shards take of a fit, and what that leaves to gain."""
    workers = (2, 4, 16)
    header = (
        "lines",
        "fit, CPU s",
        "of it posterior",
        "lines a CPU s of posterior",
        "shards take",
        "of so many",
        *(f"{count} workers" for count in workers),
        "lines a second of posterior, 2 processes by the clock",
    )

    def cells(it: Any) -> list[str]:
        share = it["shards"] / it["fit"]
        return [
            f"{it['fit']:.1f}",
            f"{it['posterior']:.1f}",
            f"{it['size'] / it['posterior']:,.0f}",
            f"{share:.0%}",
            f"{it['pieces']:.0f}",
            *(
                f"{1 / (1 - share + share / min(count, it['pieces'])):.2f} times"
                for count in workers
            ),
            f"{it['size'] / it['clock']:,.0f}" if it["clock"] else "",
        ]

    return _table(header, _rows(found, cells, 9))


TABLES: dict[str, Callable[[Sequence[dict[str, Any]]], str]] = {
    "rows": rows_table,
    "lines": lines_table,
    "night": night_table,
    "shared": shared_table,
}


def growth(curves: dict[str, list[tuple[float, float]]], title: str) -> str:
    """Return a picture of seconds against size, both by powers of ten."""
    width, height, left, bottom = 560, 320, 60, 40
    points = [point for curve in curves.values() for point in curve]
    low_x, high_x = (f(math.log10(x) for x, _ in points) for f in (min, max))
    logs = [math.log10(max(y, 1e-3)) for _, y in points]
    low_y, high_y = math.floor(min(logs)), math.ceil(max(logs))

    def at(x: float, y: float) -> tuple[float, float]:
        right = (math.log10(x) - low_x) / (high_x - low_x)
        up = (math.log10(max(y, 1e-3)) - low_y) / max(high_y - low_y, 1)
        return left + right * (width - left - 90), height - bottom - up * (height - bottom - 20)

    style = "font:12px system-ui,sans-serif;fill:#444"
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="CPU seconds by {title}">',
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
    ]
    for power in range(low_y, high_y + 1):
        x, y = at(points[0][0], 10.0**power)
        label = f"{10.0**power:g} s"
        out.append(f'<path d="M{left} {y:.1f}H{width - 90}" stroke="#ddd"/>')
        out.append(
            f'<text x="{left - 8}" y="{y + 4:.1f}" text-anchor="end" style="{style}">{label}</text>'
        )
    for power in range(math.ceil(low_x - 1e-9), math.floor(high_x + 1e-9) + 1):
        x, _ = at(10.0**power, 1.0)
        out.append(
            f'<text x="{x:.1f}" y="{height - 20}" text-anchor="middle" style="{style}">'
            f"{10**power:,}</text>"
        )
    out.append(f'<text x="{left}" y="{height - 4}" style="{style}">{title}</text>')
    for (name, curve), colour in zip(curves.items(), ("#1b6ca8", "#c4572a"), strict=False):
        path = " ".join(
            f"{'M' if i == 0 else 'L'}{x:.1f} {y:.1f}"
            for i, (x, y) in enumerate(at(*point) for point in curve)
        )
        x, y = at(*curve[-1])
        out.append(f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        out += [
            f'<circle cx="{px:.1f}" cy="{py:.1f}" r="3" fill="{colour}"/>'
            for px, py in (at(*point) for point in curve)
        ]
        out.append(
            f'<text x="{x + 8:.1f}" y="{y + 4:.1f}" style="{style};fill:{colour}">{name}</text>'
        )
    return "\n".join([*out, "</svg>", ""])


if __name__ == "__main__":
    main()
