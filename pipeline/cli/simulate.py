"""Before trusting it with money: worlds with known truth, and the portfolio's own past."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.show import AsJson, print_json, print_table, remark, say
from pipeline.core.errors import UsageError

if TYPE_CHECKING:
    from pipeline.simulation.scores import WorldRun

_DEFAULT_KINDS = "calm,confounded,slow"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Markets:
    """Worlds of another decision, and how their scores are shown.

    Attributes:
        kinds: module with the `KINDS` of worlds.
        scores: module with the function `score`, which plays one kind with some seeds.
        columns: heading, attribute of a score, and its format; empty shows it as it is.
    """

    kinds: str
    scores: str
    score: str
    columns: tuple[tuple[str, str, str], ...]


_COMMON = (("policy", "policy", ""), ("count", "worlds", ""), ("captured", "captured", ""))
_OTHERS = {
    "rotation": _Markets(
        kinds="pipeline.simulation.creatives",
        scores="pipeline.simulation.rotation_scores",
        score="score_kind",
        columns=(
            ("market", "kind", ""),
            *_COMMON,
            ("over even", "lift", "+.1%"),
            ("below even", "losing", ".0%"),
            ("retired", "retired", ""),
            ("best", "best_retired", ""),
            ("nearly best", "nearly_best_retired", ""),
        ),
    ),
    "offers": _Markets(
        kinds="pipeline.simulation.offers",
        scores="pipeline.simulation.offers",
        score="score_offers",
        columns=(
            ("market", "kind", ""),
            *_COMMON,
            ("changes for the worse", "worse", ".0%"),
            ("segments differ", "personal", ".0%"),
        ),
    ),
    "cadence": _Markets(
        kinds="pipeline.simulation.cadence.world",
        scores="pipeline.simulation.cadence.scores",
        score="score_kind",
        columns=(
            ("audience", "kind", ""),
            *_COMMON,
            ("lift", "lift", "+.1%"),
            ("worst lift", "worst_lift", "+.1%"),
            ("raised", "raises", ""),
            ("unsafely", "unsafe", ""),
        ),
    ),
}


def register(app: typer.Typer) -> None:
    """Add `simulate` and `backtest` to the command line."""
    from pipeline.cli.backtest import backtest

    app.command("simulate")(simulate)
    app.command("backtest")(backtest)


def simulate(
    kinds: Annotated[
        str, typer.Option(metavar="KIND,...", help="Kinds of worlds, or 'all'; see docs/worlds.md.")
    ] = _DEFAULT_KINDS,
    seeds: Annotated[int, typer.Option(min=1, help="Worlds of each kind.")] = 1,
    first_seed: Annotated[int, typer.Option(min=0, help="1000 and up were never tuned on.")] = 0,
    nights: Annotated[int, typer.Option(min=1, max=365, help="To live in each world.")] = 60,
    policies: Annotated[
        str, typer.Option(metavar="NAME,...", help="Of ours, grid, regression, rule, static.")
    ] = "ours,grid,regression,rule",
    files: Annotated[
        bool, typer.Option("--files", help="Ours through CSV files, whole nights and signatures.")
    ] = False,
    picture: Annotated[
        Path | None, typer.Option(metavar="FILE.svg", help="Draw the gain night by night.")
    ] = None,
    processes: Annotated[int, typer.Option(min=1, help="Worlds at a time.")] = 1,
    decision: Annotated[
        str,
        typer.Option(
            metavar="KIND", help="budget; rotation, offers or cadence, with their own worlds."
        ),
    ] = "budget",
    as_json: AsJson = False,
) -> None:
    """Run the closed loop in worlds whose truth is known, and score what following it earned.

    Captured is the share of the gain that one who knows every curve would have made; 0 is what
    standing still earns.
    """
    from pipeline.simulation.scores import policies_named, summaries
    from pipeline.simulation.worlds import RECIPES

    if decision != "budget":
        _simulate_other(decision, kinds, range(first_seed, first_seed + seeds), as_json)
        return
    names = tuple(dict.fromkeys(_words(policies, "--policies")))
    policies_named(names)
    chosen = list(RECIPES) if kinds == "all" else _words(kinds, "--kinds")
    if unknown := [kind for kind in chosen if kind not in RECIPES]:
        raise UsageError(
            f"--kinds: {unknown[0]!r} is unknown, need 'all' or some of {', '.join(RECIPES)}"
        )
    if files and processes > 1:
        raise UsageError("--files: whole nights run one world at a time; leave --processes out")
    worlds = [(kind, first_seed + i) for kind in chosen for i in range(seeds)]
    runs = _run(worlds, names, nights, processes, files)
    scores = [score for run in runs for score in run.scores()]
    if picture is not None:
        from pipeline.io.stores import write_file
        from pipeline.simulation.picture import draw_worlds

        write_file(picture, draw_worlds(runs))
        remark(f"wrote {picture}")
    rows = summaries(scores)
    if as_json:
        print_json({"nights": nights, "summary": rows, "worlds": _plain(scores)})
        return
    _show(rows)


def _show(rows: list[dict[str, Any]]) -> None:
    """Print what each policy earned, and apart from that whether what it claimed was so."""
    print_table(
        (
            "policy", "worlds", "count", "captured", "worst", "lift", "worst lift",
            "oracle's lift",
        ),
        [
            (
                row["policy"], row["worlds"], row["count"], row["captured"], row["captured_min"],
                *_percents(row, "lift", "lift_min", "oracle_lift"),
            )
            for row in rows
        ],
    )  # fmt: skip
    say(
        "captured: 0 is what never moving a cent earns (static), 1 what the oracle earns, who "
        "knows every curve"
    )
    claims = ("marginal_coverage", "uplift_coverage", "claimed_positive", "truly_positive")
    claimed = [row for row in rows if any(row[name] is not None for name in claims)]
    if not claimed:
        return
    print_table(
        (
            "policy", "worlds", "marginal returns covered", "uplifts covered", "claimed better",
            "truly better",
        ),
        [(row["policy"], row["worlds"], *_percents(row, *claims)) for row in claimed],
    )  # fmt: skip
    say("covered: share of 90 % intervals that held the truth; only who claims something is here")


def _simulate_other(decision: str, kinds: str, seeds: range, as_json: bool) -> None:
    """Play another decision and its rivals in worlds of its own whose truth is known."""
    if decision not in _OTHERS:
        raise UsageError(
            f"--decision: {decision!r} has no worlds, need one of budget, {', '.join(_OTHERS)}"
        )
    markets = _OTHERS[decision]
    play = getattr(import_module(markets.scores), markets.score)
    known = import_module(markets.kinds).KINDS
    scores = [score for kind in _markets(kinds, known) for score in play(kind, seeds)]
    if as_json:
        print_json({"decision": decision, "summary": _plain(scores)})
        return
    print_table(
        tuple(heading for heading, _, _ in markets.columns),
        [
            tuple(
                format(getattr(score, name), form) if form else getattr(score, name)
                for _, name, form in markets.columns
            )
            for score in scores
        ],
    )


def _markets(kinds: str, known: Mapping[str, object]) -> list[str]:
    """Return the kinds of markets that were asked for."""
    chosen = list(known) if kinds in {_DEFAULT_KINDS, "all"} else _words(kinds, "--kinds")
    if unknown := [kind for kind in chosen if kind not in known]:
        raise UsageError(f"--kinds: {unknown[0]!r} is unknown, need some of {', '.join(known)}")
    return chosen


def _run(
    worlds: list[tuple[str, int]],
    names: tuple[str, ...],
    nights: int,
    processes: int,
    files: bool,
) -> list[WorldRun]:
    from rich.console import Console
    from rich.progress import Progress

    from pipeline.simulation.scores import run_worlds

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("nights", total=len(worlds) * len(names) * nights)
        return list(
            run_worlds(
                worlds,
                names,
                nights=nights,
                processes=processes,
                through_files=files,
                progress=lambda done: bar.advance(task, done),
            )
        )


def _words(text: str, option: str) -> list[str]:
    words = [word.strip() for word in text.split(",") if word.strip()]
    if not words:
        raise UsageError(f"{option}: got {text!r}, need names with commas between them")
    return words


def _percents(row: dict[str, Any], *names: str) -> list[str | None]:
    return [None if row[name] is None else f"{row[name]:.1%}" for name in names]


def _plain(scores: list[Any]) -> list[dict[str, Any]]:
    return [asdict(score) for score in scores]
