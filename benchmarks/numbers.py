"""Fills the measured numbers into the documents: no figure there is typed by hand.

    python -m benchmarks.numbers [docs/experiments.md ...]

A block stands between `<!-- numbers:NAME -->` and `<!-- /numbers:NAME -->`.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = (
    "README.md",
    "docs/pages.md",
    "docs/cadence.md",
    "docs/rotation.md",
    "docs/offers.md",
    "docs/experiments.md",
    "docs/learning.md",
    "docs/governance.md",
)


ON_PUBLIC_DATA = frozenset({"replays", "openbandit", "hillstrom"})
"""Blocks that benchmarks.creatives, .open_bandit and .hillstrom write, given the data's folder."""


def main() -> None:
    """Measure what the documents ask for, or those that are named, and write it into them."""
    for name in sys.argv[1:] or DOCUMENTS:
        path = ROOT / name
        text = path.read_text(encoding="utf-8")
        for block in re.findall(r"<!-- numbers:([a-z]+) -->", text):
            if block in ON_PUBLIC_DATA:
                continue
            content = BLOCKS[block]()  # takes a while: what was edited meanwhile stays
            now = path.read_text(encoding="utf-8")
            path.write_text(fill(now, block, content), encoding="utf-8")


def fill(text: str, name: str, content: str) -> str:
    """Return the text with the block's content replaced."""
    pattern = rf"(<!-- numbers:{name} -->\n).*?(<!-- /numbers:{name} -->)"
    return re.sub(pattern, lambda m: f"{m[1]}{content.strip()}\n{m[2]}", text, flags=re.DOTALL)


def recovery_block() -> str:
    """Return how the bundled portfolio's first night compares with its truth."""
    from benchmarks.example import recovery

    r = recovery()
    return (
        "The bundled data were made from curves that we know (`truth.json`). On its first night, "
        f"{r.inside} of {r.lines} lines have their true marginal return inside the 90 % interval, "
        f"and learned and true marginal returns agree in rank at {r.rank_agreement:.2f}. The plan "
        f"claims {r.claimed:+,.0f} {r.currency} a day ({r.claimed_low:+,.0f} to "
        f"{r.claimed_high:+,.0f}); it is truly worth {r.true:+,.0f}."
    )


def speed_block() -> str:
    """Return what a night costs, and how that grows."""
    from benchmarks.night import measure

    m = measure()
    night = m["night, 50 lines, 180 days"]
    return (
        f"A night of 50 lines and 180 days takes {night:.1f} s of CPU in a fresh process, "
        f"{m['imports of a night'] / night:.0%} of it imports; twice the lines cost "
        f"{m['ratio, twice the lines']:.2f} times as much, twice the days "
        f"{m['ratio, twice the days']:.2f} times."
    )


def foreseen_block() -> str:
    """Return how often totals that nobody attributed end where they were forecast."""
    from benchmarks.mix_forecasts import foreseen_block

    return foreseen_block()


def rotation_block() -> str:
    """Return how the rotation fares in markets whose truth is known."""
    from benchmarks.decisions import rotation_table

    return rotation_table()


def offers_block() -> str:
    """Return how next best offers fare in markets whose truth is known."""
    from benchmarks.decisions import offers_table

    return offers_table()


def looks_block() -> str:
    """Return what sixty nights propose whose looks have an error each, or share one."""
    from benchmarks.decisions import looks_table

    return looks_table()


def events_block() -> str:
    """Return what it costs to count a hundred million exposure events."""
    from benchmarks.exposures import measure, text

    return text(measure(100.0))


def log_block() -> str:
    """Return what it costs to add up logs of one and of ten million offer decisions."""
    from benchmarks.offer_log import readings, text

    return text(readings((1.0, 10.0)))


def peers_block() -> str:
    """Return offers and rotation beside peers that do the same work."""
    from benchmarks.bandit_peers import text

    return text()


def pages_block() -> str:
    """Return how large and how quick the plan's page is."""
    from benchmarks.pages import measure, table

    return table(measure())


def cadence_block() -> str:
    """Return how the cadence and its rivals do with audiences whose truth is known."""
    from pipeline.simulation.cadence.scores import POLICIES, score_kind
    from pipeline.simulation.cadence.world import KINDS

    seeds = range(3000, 3006)
    names = [name for name in POLICIES if name != "even"]
    rows = [
        "| audience | " + " | ".join(f"{n}: captured | lift | worst" for n in names) + " |",
        "|---|" + "---|" * (3 * len(names)),
    ]
    raises = unsafe = 0
    for kind in KINDS:
        scores = score_kind(kind, seeds, names)
        cells = (f"{s.captured:.2f} | {s.lift:+.1%} | {s.worst_lift:+.1%}" for s in scores)
        rows.append(f"| {kind} | {' | '.join(cells)} |")
        raises, unsafe = raises + scores[0].raises, unsafe + scores[0].unsafe
    return "\n".join(
        [
            f"Seeds {seeds[0]} to {seeds[-1]} of every kind; the cadence raised a segment {raises} "
            f"times, {unsafe} of them where the guardrail was truly broken.",
            "",
            *rows,
        ]
    )


def sends_block() -> str:
    """Return what sending tools send that carry out signed cadences."""
    from benchmarks import cadence_sends

    return cadence_sends.text(cadence_sends.sends(12))


def alarms_block() -> str:
    """Return how readily breaks alarm, and how late; the pictures of it are drawn beside."""
    from benchmarks import learning, learning_pictures

    found = learning.measure_alarms()
    learning_pictures.write(found)
    return learning.table(learning.ALARM_HEAD, learning.alarms(found))


def gains_block() -> str:
    """Return what exploring gains over not exploring, 60 nights a world."""
    from benchmarks import learning

    return learning.table(learning.GAIN_HEAD, learning.gains(60))


def tests_block() -> str:
    """Return size, power and cover of tests in 400 worlds each."""
    from benchmarks import learning

    return learning.table(learning.TEST_HEAD, learning.tests(400))


def holdouts_block() -> str:
    """Return what a standing holdout measures in 200 worlds each."""
    from benchmarks import learning

    return learning.table(learning.HOLDOUT_HEAD, learning.holdouts(200))


def converging_block() -> str:
    """Return how near scores come to what plans truly earned, by night."""
    from benchmarks import learning_scores

    return learning_scores.table(learning_scores.HEAD, learning_scores.scores(12, 40))


def nightly_block() -> str:
    """Return what the loop did in the hardest world, night by night."""
    from benchmarks import learning

    return learning.table(learning.LOOP_HEAD, learning.loop("everything", 0, 30))


def newcomers_block() -> str:
    """Return what learning budgets of new lines cost."""
    from benchmarks.new_lines import PROCESSES, SEEDS, text

    return text(SEEDS, PROCESSES)


def torture_block() -> str:
    """Return what `make torture` was seen to do, from the counts it kept."""
    from benchmarks.proofs import torture_table

    return torture_table()


def mutants_block() -> str:
    """Return which changes of the money core its tests noticed, from the counts kept."""
    from benchmarks.proofs import mutants_table

    return mutants_table()


BLOCKS: dict[str, Callable[[], str]] = {
    "events": events_block,
    "sends": sends_block,
    "log": log_block,
    "torture": torture_block,
    "mutants": mutants_block,
    "looks": looks_block,
    "peers": peers_block,
    "alarms": alarms_block,
    "converging": converging_block,
    "foreseen": foreseen_block,
    "gains": gains_block,
    "newcomers": newcomers_block,
    "nightly": nightly_block,
    "tests": tests_block,
    "holdouts": holdouts_block,
    "recovery": recovery_block,
    "speed": speed_block,
    "pages": pages_block,
    "cadence": cadence_block,
    "rotation": rotation_block,
    "offers": offers_block,
}


if __name__ == "__main__":
    main()
