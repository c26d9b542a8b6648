"""Every policy's score in many worlds: what following it earned, and whether its claims held."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from pipeline.core.errors import UsageError
from pipeline.simulation.loop import (
    LoopResult,
    NightScore,
    captured,
    lift,
    run_loop,
    run_oracle,
    run_static,
    world_maker,
)
from pipeline.simulation.policies import RIVALS, Policy
from pipeline.simulation.worlds import NIGHTS, World


@dataclass(frozen=True, slots=True, kw_only=True)
class WorldScore:
    """One policy in one world.

    Attributes:
        kind, seed, policy: whose.
        captured: share of the oracle's gain; 0 stands still.
        lift: true incremental revenue over standing still, as a share of it.
        oracle_lift: the same for the oracle: what there was to gain.
        worst_week: lift of the worst seven nights in a row.
        moved: mean share of the budget that changes lines in a night.
        marginal_coverage, uplift_coverage: share of 90 % intervals that held the truth.
        marginal_error: median relative error of marginal returns.
        claimed_positive, truly_positive: mean claimed probability that a plan is better, and the
            share of plans that were; a tie counts half in both.
    """

    kind: str
    seed: int
    policy: str
    captured: float
    lift: float
    oracle_lift: float
    worst_week: float
    moved: float
    marginal_coverage: float | None = None
    uplift_coverage: float | None = None
    marginal_error: float | None = None
    claimed_positive: float | None = None
    truly_positive: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorldRun:
    """Every policy's nights in one world, the oracle's and standing still included."""

    still: LoopResult
    best: LoopResult
    others: tuple[LoopResult, ...]

    def scores(self) -> tuple[WorldScore, ...]:
        """Return one score per policy."""
        return tuple(_score(result, self.still, self.best) for result in self.others)


def policies_named(names: Sequence[str]) -> Mapping[str, Policy]:
    """Return the policies of those names.

    Raises:
        UsageError: a name is unknown.
    """
    known = {"ours", *RIVALS}
    if unknown := [name for name in names if name not in known]:
        raise UsageError(f"policy {unknown[0]!r}: unknown, need one of {', '.join(sorted(known))}")
    return {name: _policy(name) for name in names}


def run_world(
    kind: str,
    seed: int,
    names: tuple[str, ...],
    nights: int = NIGHTS,
    progress: Callable[[], None] | None = None,
    *,
    through_files: bool = False,
) -> WorldRun:
    """Return every named policy's nights in the world, beside standing still and the oracle.

    Args:
        kind, seed: of the world.
        names: of the policies.
        nights: to live.
        progress: called after each night of each policy.
        through_files: ours writes CSV files, runs whole nights and signs every plan.
    """
    make = world_maker(kind, seed, nights=nights)
    return WorldRun(
        still=run_static(make, nights),
        best=run_oracle(make, nights),
        others=tuple(
            _through_files(make(), nights, progress)
            if name == "ours" and through_files
            else run_loop(make(), policy, name=name, nights=nights, progress=progress)
            for name, policy in policies_named(names).items()
        ),
    )


def run_worlds(
    worlds: Sequence[tuple[str, int]],
    names: tuple[str, ...],
    *,
    nights: int = NIGHTS,
    processes: int = 1,
    through_files: bool = False,
    progress: Callable[[int], None] | None = None,
) -> Iterator[WorldRun]:
    """Yield the runs of many worlds, in order.

    Args:
        worlds: kind and seed each.
        names: of the policies.
        nights: to live.
        processes: how many worlds at a time.
        through_files: as for `run_world`; needs one process.
        progress: told how many more nights are over.
    """
    policies_named(names)
    tell = progress or (lambda _: None)
    if processes == 1:
        for kind, seed in worlds:
            yield run_world(kind, seed, names, nights, lambda: tell(1), through_files=through_files)
        return
    n = len(worlds)
    with ProcessPoolExecutor(processes) as pool:
        kinds, seeds = [kind for kind, _ in worlds], [seed for _, seed in worlds]
        for run in pool.map(run_world, kinds, seeds, [names] * n, [nights] * n):
            tell(nights * len(names))
            yield run


def summary(scores: Sequence[WorldScore], label: str) -> dict[str, Any]:
    """Return the means over worlds, and the worst of what matters, as one table row."""
    row: dict[str, Any] = {
        "worlds": label,
        "policy": scores[0].policy,
        "count": len(scores),
        "captured": float(np.mean([score.captured for score in scores])),
        "captured_min": min(score.captured for score in scores),
        "lift": float(np.mean([score.lift for score in scores])),
        "lift_min": min(score.lift for score in scores),
        "oracle_lift": float(np.mean([score.oracle_lift for score in scores])),
        "moved": float(np.mean([score.moved for score in scores])),
    }
    for name in (
        "marginal_coverage", "uplift_coverage", "marginal_error", "claimed_positive",
        "truly_positive",
    ):  # fmt: skip
        row[name] = _mean([asdict(score)[name] for score in scores])
    return row


def summaries(scores: Sequence[WorldScore]) -> list[dict[str, Any]]:
    """Return one row per policy and kind, and one per policy over all worlds."""
    rows = []
    for policy in dict.fromkeys(score.policy for score in scores):
        own = [score for score in scores if score.policy == policy]
        kinds = list(dict.fromkeys(score.kind for score in own))
        rows += [summary([s for s in own if s.kind == kind], kind) for kind in kinds]
        if len(kinds) > 1:
            rows.append(summary(own, "all"))
    return rows


def _through_files(world: World, nights: int, progress: Callable[[], None] | None) -> LoopResult:
    from pipeline.simulation.nights import WholeNights

    with TemporaryDirectory(prefix="equimarginal-") as folder:
        policy = WholeNights(world, Path(folder))
        return run_loop(world, policy, name="ours", nights=nights, progress=progress)


def _policy(name: str) -> Policy:
    if name in RIVALS:
        return RIVALS[name]
    from pipeline.simulation.ours import nightly_decision

    return nightly_decision


def _score(result: LoopResult, still: LoopResult, best: LoopResult) -> WorldScore:
    ahead = result.incremental - still.incremental
    week = min(7, ahead.size)
    weeks = np.convolve(ahead, np.ones(week), "valid") / np.convolve(
        still.incremental, np.ones(week), "valid"
    )
    before = np.vstack([still.budgets[:1], result.budgets[:-1]])
    moved = 0.5 * np.abs(result.budgets - before).sum(axis=1) / before.sum(axis=1)
    truly = [
        (1 + np.sign(night.uplift_true)) / 2  # a tie counts half, as in what is claimed
        for night in result.nights
        if night.uplift_true is not None and night.probability_positive is not None
    ]
    return WorldScore(
        kind=result.kind,
        seed=result.seed,
        policy=result.policy,
        captured=captured(result, still, best),
        lift=lift(result, still),
        oracle_lift=lift(best, still),
        worst_week=float(weeks.min()),
        moved=float(moved.mean()),
        marginal_coverage=_of(result.nights, "marginal_covered"),
        uplift_coverage=_of(result.nights, "uplift_covered"),
        marginal_error=_of(result.nights, "marginal_error"),
        claimed_positive=_of(result.nights, "probability_positive"),
        truly_positive=float(np.mean(truly)) if truly else None,
    )


def _of(nights: Sequence[NightScore], name: str) -> float | None:
    return _mean([getattr(night, name) for night in nights])


def _mean(values: Sequence[float | bool | None]) -> float | None:
    known = [float(value) for value in values if value is not None]
    return float(np.mean(known)) if known else None
