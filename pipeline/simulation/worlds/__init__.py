"""Seeded worlds whose truth is known, as an advertiser would see them."""

from pipeline.simulation.worlds.make import HISTORY_DAYS, NIGHTS, make_world
from pipeline.simulation.worlds.recipes import (
    HELD_OUT,
    HELD_OUT_KINDS,
    RECIPES,
    TUNED,
    TUNED_KINDS,
    Recipe,
)
from pipeline.simulation.worlds.world import Morning, Truth, World

__all__ = [
    "HELD_OUT",
    "HELD_OUT_KINDS",
    "HISTORY_DAYS",
    "NIGHTS",
    "RECIPES",
    "TUNED",
    "TUNED_KINDS",
    "Morning",
    "Recipe",
    "Truth",
    "World",
    "make_world",
]
