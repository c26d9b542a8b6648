"""Draw a world of a kind and live its history."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np

from pipeline.core.errors import UsageError
from pipeline.core.types import FloatArray
from pipeline.simulation.worlds.curves import TrueCurves, draw_curves
from pipeline.simulation.worlds.demand import DemandPath, draw_demand
from pipeline.simulation.worlds.optimum import best_split
from pipeline.simulation.worlds.recipes import RECIPES, Range, Recipe
from pipeline.simulation.worlds.reporting import draw_faults
from pipeline.simulation.worlds.world import LINE_CAP, LINE_FLOOR, Truth, World

HISTORY_DAYS = 180
NIGHTS = 60
GAIN = (0.08, 0.30)
"""Share by which the best split of the reference money beats the reference split: a world
outside is drawn again, because there is nothing to decide, or nobody would run it like that."""

CHANNEL_NAMES = (
    "search", "social", "display", "video", "shopping", "affiliate", "audio", "native",
)  # fmt: skip


def make_world(
    kind: str, seed: int, *, history_days: int = HISTORY_DAYS, nights: int = NIGHTS
) -> World:
    """Return a world on the morning of its first night, its history lived.

    Args:
        kind: a name out of `RECIPES`.
        seed: any number >= 0; the same one gives the same world.
        history_days: days before the first night.
        nights: days that can be lived from then on.

    Raises:
        UsageError: the kind is unknown.
    """
    if kind not in RECIPES:
        raise UsageError(f"world kind {kind!r}: unknown, need one of {', '.join(RECIPES)}")
    return world_from(kind, RECIPES[kind], seed, history_days, nights)


def world_from(kind: str, recipe: Recipe, seed: int, history_days: int, nights: int) -> World:
    """Return a world of any recipe; `kind` is only its name."""
    rng = np.random.default_rng([seed, *kind.encode()])
    truth = draw_truth(kind, recipe, seed, history_days + nights, rng)
    begun = _begin_days(recipe, history_days, len(truth.lines), rng)
    return with_history(truth, history_days, begun, rng)


def with_history(
    truth: Truth, history_days: int, begun: FloatArray, rng: np.random.Generator
) -> World:
    """Return the world after its history, run by people as the recipe says.

    Args:
        truth: of the world.
        history_days: how many days they ran it.
        begun: (n_lines,), the day from which each line spends.
        rng: the only source of chance in what people did.
    """
    world, recipe = World(truth), truth.recipe
    path = _history_budgets(recipe, truth.demand, history_days, truth.reference, rng)
    tilt = np.ones(len(truth.lines))
    for day in range(history_days):
        if recipe.follows_roas and day >= 28 and day % 7 == 0:
            tilt = _tilted(world, tilt)
        world.live(np.where(day >= begun, path[day] * tilt, 0.0))
    world.begin_nights()
    return world


def draw_truth(
    kind: str, recipe: Recipe, seed: int, n_days: int, rng: np.random.Generator
) -> Truth:
    """Return everything about the world that no budget can change."""
    n_lines = int(rng.integers(recipe.lines[0], recipe.lines[1] + 1))
    channel = np.sort(np.concatenate([
        np.arange(min(recipe.channels, n_lines)),
        rng.integers(0, recipe.channels, max(0, n_lines - recipe.channels)),
    ]))  # fmt: skip
    lines = tuple(
        (CHANNEL_NAMES[c], f"aud_{int((channel[:i] == c).sum()) + 1:02d}")
        for i, c in enumerate(channel)
    )
    reference, effect, curves = _curves_worth_deciding(recipe, channel, rng)
    organic_share = rng.uniform(*recipe.organic, n_lines)
    organic = effect * organic_share / (1 - organic_share)
    order_value = _log_uniform(recipe.order_value, n_lines, rng)
    if recipe.conversions is not None:
        spread = np.exp(rng.normal(0, 0.4, n_lines))
        order_value = (effect + organic) / (recipe.conversions * spread)
    keep = rng.uniform(*recipe.retention, recipe.channels)[channel]
    first_day = date(2025, 1, 1) + timedelta(days=int(rng.integers(0, 365)))
    demand = draw_demand(recipe, first_day, n_days, channel, rng)
    dispersion = max(recipe.dispersion, 1e-6)
    gamma = rng.standard_gamma(1 / dispersion, (n_days, n_lines)) * dispersion
    return Truth(
        kind=kind, seed=seed, recipe=recipe, first_day=first_day, lines=lines, channel=channel,
        reference=reference, effect=effect, organic=organic, order_value=order_value,
        curves=curves, retention=np.clip(keep + rng.normal(0, 0.05, n_lines), 0.0, 0.9),
        demand=demand, effect_path=_effect_path(recipe, n_days, n_lines, rng),
        delivery=np.exp(rng.normal(0, recipe.delivery_sd, (n_days, n_lines))),
        luck=np.stack([gamma, rng.random((n_days, n_lines))]),
        faults=draw_faults(recipe, n_days, n_lines, rng),
    )  # fmt: skip


def _curves_worth_deciding(
    recipe: Recipe, channel: np.ndarray[tuple[int], np.dtype[np.int64]], rng: np.random.Generator
) -> tuple[FloatArray, FloatArray, TrueCurves]:
    """Return reference spends, effects and curves between which there is something to gain."""
    n_lines, spread = channel.size, recipe.marginal_sd / np.sqrt(2)
    for _ in range(200):
        reference = _log_uniform(recipe.budget, n_lines, rng)
        curves = draw_curves(recipe.families, rng.uniform(*recipe.elasticity, n_lines), rng)
        marginal = 1.5 * np.exp(
            rng.normal(0, spread, recipe.channels)[channel] + rng.normal(0, spread, n_lines)
        )
        effect = marginal * reference / np.clip(curves.elasticity(), 0.2, 1.0)
        floor, cap = LINE_FLOOR * reference, LINE_CAP * reference
        knots = np.linspace(floor, cap, 113, axis=1)
        value = (effect * curves(knots.T / reference)).T
        best = best_split(knots, value, float(reference.sum()), floor, cap)
        gain = float((effect * curves(best / reference)).sum() / effect.sum() - 1)
        if GAIN[0] <= gain <= GAIN[1]:
            break
    return reference, effect, curves


def _effect_path(recipe: Recipe, n_days: int, n_lines: int, rng: np.random.Generator) -> FloatArray:
    """Return the factor on each line's effect: a random walk in logs, with jumps."""
    walk = np.cumsum(rng.normal(0, recipe.drift_sd, (n_days, n_lines)), axis=0)
    jumps = np.where(
        rng.random((n_days, n_lines)) < recipe.breaks / 100,
        rng.choice([-1.0, 1.0], (n_days, n_lines)) * rng.uniform(0.3, 0.8, (n_days, n_lines)),
        0.0,
    )
    return np.asarray(np.exp(np.clip(walk + np.cumsum(jumps, axis=0), -1.5, 1.2)))


def _history_budgets(
    recipe: Recipe, demand: DemandPath, n_days: int, reference: FloatArray, rng: np.random.Generator
) -> FloatArray:
    """Return what was set before the first night, (n_days, n_lines)."""
    shape = (n_days, reference.size)
    moved = rng.random(shape) < recipe.moves / 180
    steps = np.cumsum(np.where(moved, rng.normal(0, recipe.move_sd, shape), 0.0), axis=0)
    steps = steps - steps[-1]  # people end up at the reference, from wherever they came
    away = np.clip(steps, -1.0, 1.0)
    wiggle = rng.normal(0, recipe.wiggle_sd, shape)
    chase = rng.uniform(*recipe.chase, reference.size) * demand.common[:n_days, None]
    path = reference * np.exp(away + wiggle + chase)
    if recipe.flights:
        path *= _flights(shape, rng)
    return np.asarray(path)


def _flights(shape: tuple[int, int], rng: np.random.Generator) -> FloatArray:
    out = np.ones(shape)
    for line in range(shape[1]):
        day = 0
        while day < shape[0]:
            length = int(rng.integers(7, 22))
            out[day : day + length, line] = rng.choice([0.25, 1.0, 1.0, 1.6])
            day += length
    out[-10:] = 1.0  # the status quo is a week in normal times
    return out


def _begin_days(
    recipe: Recipe, history_days: int, n_lines: int, rng: np.random.Generator
) -> FloatArray:
    late = rng.random(n_lines) < recipe.young
    fewest, most = recipe.young_days
    ages = rng.integers(fewest, most + 1, n_lines)
    return np.where(late, history_days - ages, 0).astype(np.float64)


def _tilted(world: World, tilt: FloatArray) -> FloatArray:
    """Return the tilt after one more week of moving money towards the best reported ROAS."""
    history = world.history()
    revenue = history.outcomes["revenue"][-28:].sum(axis=0)
    rank = np.argsort(np.argsort(revenue / np.maximum(history.spend[-28:].sum(axis=0), 1e-9)))
    step = 0.06 * (2 * rank / max(rank.size - 1, 1) - 1)
    return np.asarray(np.clip(tilt * np.exp(step), 0.4, 2.5))


def _log_uniform(span: Range, n: int, rng: np.random.Generator) -> FloatArray:
    return np.asarray(np.exp(rng.uniform(np.log(span[0]), np.log(span[1]), n)))
