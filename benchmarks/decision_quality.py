"""How much of the reachable gain each policy captures, by kind of world.

    python benchmarks/decision_quality.py --kinds calm,sparse --seeds 4
    python benchmarks/decision_quality.py --held-out --policies ours,rule,regression
    python -m benchmarks.decision_quality --write

Seeds start at 0 (worlds that may be tuned on); --held-out takes only worlds that never were, and
prints their means alone. --write takes some worlds of every kind that may be tuned on and as many
that never were, under all policies, and puts the table into docs/worlds.md.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from benchmarks.numbers import fill
from pipeline.simulation.scores import WorldScore, run_worlds, summaries, summary
from pipeline.simulation.worlds import (
    HELD_OUT,
    HELD_OUT_KINDS,
    NIGHTS,
    TUNED_KINDS,
)

POLICIES = ("ours", "grid", "regression", "rule")
HELD_OUT_SEED = 1000
WORLDS = 3  # of every kind in the table: one alone tells more of its luck than of its kind
DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "worlds.md"

COLUMNS = (
    ("captured", "{:6.2f}"), ("captured_min", "{:6.2f}"), ("lift", "{:7.1%}"),
    ("lift_min", "{:7.1%}"), ("oracle_lift", "{:7.1%}"), ("moved", "{:6.1%}"),
    ("marginal_coverage", "{:6.0%}"), ("marginal_error", "{:6.0%}"),
    ("uplift_coverage", "{:6.0%}"), ("claimed_positive", "{:6.0%}"), ("truly_positive", "{:6.0%}"),
)  # fmt: skip
HEADER = (
    f"{'policy':11s}{'worlds':16s}{'n':>4s}  capt.  worst    lift   worst  oracle  moved"
    "  m.cov  m.err  u.cov  P(>0)   true"
)


def main() -> None:
    options = _options()
    if options.write:
        _write(options)
        return
    worlds = _worlds(options)
    scores = []
    runs = run_worlds(
        worlds, tuple(options.policies.split(",")), nights=options.nights,
        processes=options.processes,
    )  # fmt: skip
    for done, run in enumerate(runs, 1):
        scores += run.scores()
        print(f"\r{done}/{len(worlds)} worlds", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    print(HEADER)
    for row in _held_out_rows(scores) if options.held_out else summaries(scores):
        cells = [
            (form.format(row[name]) if row[name] is not None else "-").rjust(7)
            for name, form in COLUMNS
        ]
        print(f"{row['policy']:11s}{row['worlds']:16s}{row['count']:4d}{''.join(cells)}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kinds", default="", help="comma-separated; default: all tuned kinds")
    parser.add_argument("--seeds", type=int, default=2, help="seeds 0, 1, ... of each kind")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--nights", type=int, default=NIGHTS)
    parser.add_argument(
        "--policies", default="ours", help="of ours, static, rule, regression, grid"
    )
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--write", action="store_true", help="put a table into docs/worlds.md")
    parser.add_argument("--held-out", action="store_true", help="only worlds never tuned on")
    return parser.parse_args()


def _worlds(options: argparse.Namespace) -> list[tuple[str, int]]:
    if options.held_out:
        return list(HELD_OUT)
    kinds = options.kinds.split(",") if options.kinds else TUNED_KINDS
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    return [(kind, seed) for kind in kinds for seed in seeds]


def _write(options: argparse.Namespace) -> None:
    """Score worlds of every kind, tuned and held out, and write the table."""
    tuned = [(kind, seed) for kind in TUNED_KINDS for seed in range(WORLDS)]
    held_out = [
        (kind, HELD_OUT_SEED + more)
        for kind in (*TUNED_KINDS, *HELD_OUT_KINDS)
        for more in range(WORLDS)
    ]
    runs, scores = run_worlds(
        tuned + held_out, POLICIES, nights=options.nights, processes=options.processes
    ), []  # fmt: skip
    for done, run in enumerate(runs, 1):
        scores += run.scores()
        print(f"\r{done}/{len(tuned + held_out)} worlds", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    text = table(scores)
    print(text)
    document = DOCUMENT.read_text(encoding="utf-8")
    DOCUMENT.write_text(fill(document, "quality", text), encoding="utf-8")


def table(scores: list[WorldScore]) -> str:
    """Return captured share and least lift by kind and policy, as Markdown; held out in sums."""
    head = [
        "| worlds | oracle's lift | ours | least lift | intervals hold | grid | least lift "
        "| regression | least lift | rule | least lift |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    tuned = [score for score in scores if score.seed < HELD_OUT_SEED]
    unseen = [score for score in scores if score.seed >= HELD_OUT_SEED]
    groups = [(kind, [s for s in tuned if s.kind == kind]) for kind in TUNED_KINDS]
    groups += [
        ("**all of these**", tuned),
        ("never tuned on: new worlds of these kinds",
         [s for s in unseen if s.kind not in HELD_OUT_KINDS]),
        ("never tuned on: new kinds", [s for s in unseen if s.kind in HELD_OUT_KINDS]),
    ]  # fmt: skip
    return "\n".join(head + [_line(name, own) for name, own in groups])


def _line(name: str, scores: list[WorldScore]) -> str:
    rows = {p: summary([s for s in scores if s.policy == p], name) for p in POLICIES}
    ours = rows["ours"]
    cells = [
        f"{ours['oracle_lift']:.1%}", f"{ours['captured']:.2f}", f"{ours['lift_min']:+.1%}",
        f"{ours['marginal_coverage']:.0%}",
    ]  # fmt: skip
    for policy in POLICIES[1:]:
        cells += [f"{rows[policy]['captured']:.2f}", f"{rows[policy]['lift_min']:+.1%}"]
    return f"| {name} | {' | '.join(cells)} |"


def _held_out_rows(scores: list) -> list[dict]:
    """Return aggregates only, so that nobody tunes on a single held-out world."""
    rows = []
    for policy in dict.fromkeys(score.policy for score in scores):
        own = [score for score in scores if score.policy == policy]
        new = [score for score in own if score.kind in HELD_OUT_KINDS]
        known = [score for score in own if score.kind not in HELD_OUT_KINDS]
        rows += [
            summary(known, "new seeds"), summary(new, "new kinds"), summary(own, "held out"),
        ]  # fmt: skip
    return rows


if __name__ == "__main__":
    main()
