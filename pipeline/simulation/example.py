"""The bundled portfolio: a shop with twelve lines, made from curves that we know."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.core.types import FloatArray
from pipeline.io.artefacts import json_bytes
from pipeline.io.stores import write_file
from pipeline.simulation.files import outcomes_csv, spend_csv
from pipeline.simulation.worlds.curves import TrueCurves, draw_curves
from pipeline.simulation.worlds.demand import draw_demand
from pipeline.simulation.worlds.make import with_history
from pipeline.simulation.worlds.recipes import RECIPES
from pipeline.simulation.worlds.reporting import draw_faults
from pipeline.simulation.worlds.world import Truth, World

SEED = 7
DAYS = 180
END = date(2026, 11, 21)
"""The last day of the sample data; its first night plans the day after."""

DAILY_BUDGET = 10_000.0
FIXED_LINE = ("tv", "national")

# channel, audience, daily budget, incremental revenue per unit of money, elasticity,
# organic share of what is reported, retention, order value
_LINES: tuple[tuple[str, str, float, float, float, float, float, float], ...] = (
    ("affiliate", "partners", 450, 4.2, 0.60, 0.25, 0.10, 70),
    ("display", "aud_01", 900, 1.3, 0.35, 0.20, 0.35, 75),
    ("display", "aud_02", 550, 2.8, 0.30, 0.65, 0.20, 80),
    ("search", "brand", 1000, 2.4, 0.15, 0.80, 0.05, 85),
    ("search", "competitor", 500, 2.6, 0.50, 0.10, 0.10, 80),
    ("search", "generic", 1900, 4.0, 0.70, 0.15, 0.15, 85),
    ("social", "aud_01", 750, 4.6, 0.62, 0.10, 0.40, 65),
    ("social", "aud_02", 1150, 2.2, 0.40, 0.15, 0.40, 65),
    ("social", "aud_03", 800, 3.0, 0.20, 0.60, 0.20, 70),
    ("tv", "national", 1000, 2.0, 0.45, 0.30, 0.70, 90),
    ("video", "aud_01", 600, 3.8, 0.65, 0.10, 0.55, 75),
    ("video", "aud_02", 400, 2.0, 0.35, 0.20, 0.50, 75),
)


def write_example(folder: Path, *, seed: int = SEED, days: int = DAYS, end: date = END) -> None:
    """Write the example portfolio: config, two CSV files, and the truth they were made from.

    Args:
        folder: gets `portfolio.yaml`, `data/spend.csv`, `data/outcomes.csv`, `truth.json`.
        seed: of the world; the same arguments give the same bytes.
        days: of history.
        end: the last day that is reported.
    """
    world, budgets = example_world(seed, days, end)
    history = world.history()
    template = files("pipeline.simulation").joinpath("example_portfolio.yaml")
    write_file(folder / "data" / "spend.csv", spend_csv(history, budgets, "EUR"))
    write_file(folder / "data" / "outcomes.csv", outcomes_csv(history))
    write_file(folder / "truth.json", json_bytes(describe_truth(world)))
    write_file(folder / "portfolio.yaml", template.read_bytes())


def example_world(
    seed: int = SEED, days: int = DAYS, end: date = END, nights: int = 60
) -> tuple[World, FloatArray]:
    """Return the example's world on the morning after `end`, and the budgets set until then."""
    rng = np.random.default_rng([seed, 2026])
    truth = _truth(seed, days + nights, end - timedelta(days=days - 1), rng)
    world = with_history(truth, days, np.zeros(len(truth.lines)), rng)
    budgets = world.budgets[:days].copy()
    newest = np.array([row[2] for row in _LINES], dtype=np.float64)
    budgets[-1] = newest  # what stands today adds up to the portfolio's budget
    world.current = newest
    world.start = newest
    return world, np.round(budgets, 2)


def describe_truth(world: World) -> dict[str, Any]:
    """Return the true curves at the newest budgets, as plain values."""
    truth = world.truth
    marginal = world.true_marginal()
    rows = [
        {
            "channel": line[0],
            "audience": line[1],
            "budget": float(world.current[i]),
            "marginal_return": round(float(marginal[i]), 4),
            "curve": truth.curves.family[i],
            "bend": round(float(truth.curves.bend[i]), 6),
            "reference_spend": float(truth.reference[i]),
            "incremental_revenue_at_reference": float(truth.effect[i]),
            "organic_revenue": round(float(truth.organic[i]), 4),
            "retention": float(truth.retention[i]),
            "order_value": float(truth.order_value[i]),
        }
        for i, line in enumerate(truth.lines)
    ]
    about = "What the sample data was made from. A real portfolio has no such file."
    return {"about": about, "first_night": world.today.isoformat(), "lines": rows}


def _truth(seed: int, n_days: int, first_day: date, rng: np.random.Generator) -> Truth:
    channels = sorted({row[0] for row in _LINES})
    channel = np.array([channels.index(row[0]) for row in _LINES], dtype=np.int64)
    budget, worth, elasticity, organic, retention, order_value = (
        np.array([float(row[i]) for row in _LINES]) for i in range(2, 8)
    )
    recipe = replace(
        RECIPES["calm"], chase=(0.1, 0.5), reported=(0.45, 0.85, 0.99), channels=len(channels)
    )
    curves: TrueCurves = draw_curves(("hill", "exponential"), elasticity, rng)
    effect = budget * worth
    shape = (n_days, len(_LINES))
    dispersion = recipe.dispersion
    return Truth(
        kind="example",
        seed=seed,
        recipe=recipe,
        first_day=first_day,
        lines=tuple((row[0], row[1]) for row in _LINES),
        channel=channel,
        reference=budget,
        effect=effect,
        organic=effect * organic / (1 - organic),
        order_value=order_value,
        curves=curves,
        retention=retention,
        demand=draw_demand(recipe, first_day, n_days, channel, rng),
        effect_path=np.ones(shape),
        delivery=np.exp(rng.normal(0, recipe.delivery_sd, shape)),
        luck=np.stack([rng.standard_gamma(1 / dispersion, shape) * dispersion, rng.random(shape)]),
        faults=draw_faults(recipe, n_days, len(_LINES), rng),
    )
