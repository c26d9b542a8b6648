"""Rivals that are told nearly everything: how much of the reachable gain is within reach at all.

    python -m benchmarks.informed --write

They know demand, carry-over, drift, order values, true spend, every outcome at once and without
faults. Only which curve each line has they must learn, from the same days as everybody, by Bayes'
rule. One of them knows how the world's curves were drawn; the other holds curves of every family,
any elasticity and any organic share for as likely. They are no bound: they look at every line by
itself, do not experiment, and do not know of halo. But what they fail to capture is mostly the luck
of the days, and what they capture and ours does not is mostly the price of not being told.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.decision_quality import HELD_OUT_SEED, WORLDS
from benchmarks.numbers import fill
from pipeline.core.types import FloatArray
from pipeline.simulation.loop import captured, run_loop, run_oracle, run_static, world_maker
from pipeline.simulation.worlds import HELD_OUT_KINDS, NIGHTS, TUNED_KINDS, World
from pipeline.simulation.worlds.curves import FAMILIES, draw_curves
from pipeline.simulation.worlds.optimum import best_split

CURVES, SHARES, KNOTS = 400, 12, 41
ANY_ELASTICITY, ANY_ORGANIC, ANY_MARGINAL_SD = (0.05, 0.95), (0.0, 0.95), 0.8
TYPICAL_MARGINAL = 1.5  # of the worlds, around which marginal returns are drawn
DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "worlds.md"


class Informed:
    """The policy, beside the one world whose truth it is told.

    Args:
        knows_curves: whether it is told how the world's curves were drawn.
    """

    def __init__(self, world: World, *, knows_curves: bool) -> None:
        self.world, self.lived = world, 0
        truth, recipe = world.truth, world.truth.recipe
        if not knows_curves:
            recipe = replace(
                recipe,
                families=FAMILIES,
                elasticity=ANY_ELASTICITY,
                organic=ANY_ORGANIC,
                marginal_sd=ANY_MARGINAL_SD,
            )
        self.marginal_sd = recipe.marginal_sd
        rng = np.random.default_rng(truth.seed)
        self.curves = draw_curves(recipe.families, rng.uniform(*recipe.elasticity, CURVES), rng)
        low, high = recipe.organic
        self.caused = 1 - (low + (high - low) * (np.arange(SHARES) + 0.5) / SHARES)
        self.demand = truth.demand.level()
        self.carried = truth.reference.copy()
        self.sums = np.zeros((3, len(truth.lines), CURVES, SHARES))
        history = [world.complete_conversions(day) for day in range(world.age)]
        usual = np.maximum(np.mean(history, axis=0), 1e-3)
        self.precision = 1 / (usual + recipe.dispersion * usual**2)

    def __call__(self, _morning: object) -> FloatArray:
        """Return the best split of the posterior mean inside the box."""
        while self.lived < self.world.age:
            self._learn(self.lived)
            self.lived += 1
        world, truth = self.world, self.world.truth
        effect = self._effect()
        low, high = world.box()
        knots = np.linspace(low, high, KNOTS, axis=1)
        now = truth.effect_path[world.age - 1] * truth.demand.expected(world.age)
        relative = self._shapes(knots / truth.reference[:, None])
        value = np.einsum("lc,lkc->lk", effect, relative) * now[:, None]
        return best_split(knots, value, float(world.start.sum()), low, high)

    def _learn(self, day: int) -> None:
        """Add a day to the weighted least squares of every line, curve and share."""
        world, truth = self.world, self.world.truth
        keep = truth.retention
        self.carried = keep * self.carried + (1 - keep) * world.spend[day]
        effect = self._shapes(self.carried / truth.reference) * truth.effect_path[day][:, None]
        expected = effect[:, :, None] * self.caused + (1 - self.caused)
        expected *= self.demand[day][:, None, None]
        precision = self.precision[:, None, None]
        seen = world.complete_conversions(day)[:, None, None]
        self.sums += precision * np.stack([
            expected**2, expected * seen, np.broadcast_to(seen**2, expected.shape)
        ])  # fmt: skip

    def _effect(self) -> FloatArray:
        """Return the posterior mean effect at the reference spend of every curve, (lines, curves).

        The level of a line given its curve is normal, and far better known than its prior says.
        """
        truth = self.world.truth
        of_square, of_seen, of_outcome = self.sums
        level = np.maximum(of_seen / of_square, 1e-9)
        told = -0.5 * (of_outcome - of_seen**2 / of_square + np.log(of_square))
        worth = level * truth.order_value[:, None, None] * self.caused
        steep = np.clip(self.curves.elasticity(), 0.2, 1.0)[:, None]
        marginal = worth * steep / truth.reference[:, None, None]
        away = np.log(marginal / TYPICAL_MARGINAL) / self.marginal_sd
        told += -0.5 * away**2 - np.log(level)
        weight = np.exp(told - told.max(axis=(1, 2), keepdims=True))
        weight /= weight.sum(axis=(1, 2), keepdims=True)
        return np.asarray((weight * worth).sum(axis=2))

    def _shapes(self, relative: FloatArray) -> FloatArray:
        """Return every curve at these spends, (..., n_curves)."""
        return self.curves(np.repeat(relative[..., None], CURVES, axis=-1))


def score(kind: str, seed: int) -> FloatArray:
    """Return the share of the oracle's gain that either rival captures in a world."""
    make = world_maker(kind, seed)
    static, oracle = run_static(make), run_oracle(make)
    out = []
    for knows_curves in (True, False):
        world = make()
        rival = Informed(world, knows_curves=knows_curves)
        told = run_loop(world, rival, name="informed", nights=NIGHTS)
        out.append(captured(told, static, oracle))
    return np.array(out)


def main() -> None:
    """Score every kind, and write the table if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="put the table into docs/worlds.md")
    options = parser.parse_args()
    groups = {
        "tuned kinds": (TUNED_KINDS, 0),
        "new worlds of these kinds": (TUNED_KINDS, HELD_OUT_SEED),
        "new kinds": (HELD_OUT_KINDS, HELD_OUT_SEED),
    }
    lines = ["| worlds | told how curves are drawn | not told |", "|---|---|---|"]
    for name, (kinds, first) in groups.items():
        found = []
        for kind in kinds:
            of_kind = [score(kind, first + more) for more in range(WORLDS)]
            print(f"{kind:16s}{first:5d}", *map(_pair, of_kind), flush=True)
            if name == "tuned kinds":
                lines.append(f"| {kind} | {_pair(np.mean(of_kind, axis=0))} |")
            found += of_kind
        lines.append(f"| **{name}** | {_pair(np.mean(found, axis=0))} |")
    text = "\n".join(lines)
    print(text)
    if options.write:
        document = DOCUMENT.read_text(encoding="utf-8")
        DOCUMENT.write_text(fill(document, "informed", text), encoding="utf-8")


def _pair(both: FloatArray) -> str:
    return " | ".join(f"{one:.2f}" for one in both)


if __name__ == "__main__":
    main()
