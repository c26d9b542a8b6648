"""The kinds of worlds, as data: what each one makes hard. `docs/worlds.md` tells their stories."""

from __future__ import annotations

from dataclasses import dataclass, replace

Range = tuple[float, float]

KNOWN_SHAPES = ("hill", "exponential", "power")
OTHER_SHAPES = ("log", "logistic", "ceiling", "threshold", "power")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How one kind of world is drawn. Ranges are uniform unless said otherwise.

    Attributes:
        lines: fewest and most budget lines.
        channels: how many channels they belong to.
        budget: of a line and day, log-uniform, account currency.
        order_value: mean revenue of a conversion, log-uniform.
        order_cv: standard deviation over mean of one conversion's revenue.
        conversions: of a line and day, organic ones included; None lets budget and value decide.
        families: of response curves.
        elasticity: of the incremental effect, at the reference spend.
        marginal_sd: spread of log marginal returns between lines: what there is to gain.
        organic: share of the reported outcome that spend did not cause.
        retention: share of the effect kept from day to day.
        reported: completeness of outcomes 1, 7 and 21 days later.
        weekday_sd, season, trend_sd, holidays: of log demand; holidays is a multiple of normal.
        common_sd, channel_sd, line_sd: of autocorrelated demand shocks, log points.
        chase: elasticity of historic spend to common demand.
        moves: budget changes of a line in 180 days of history.
        move_sd: size of such a change, log points.
        wiggle_sd: day-to-day variation of historic spend, log points.
        delivery_sd: of spend around the set budget, always, log points.
        drift_sd: of a line's log effect per day.
        breaks: chance that a line's effect jumps once in 100 days.
        dispersion: variance of conversions is mean + dispersion * mean^2.
        outages: all-line tracking silences in 100 days, 1 to 3 days each.
        line_outages: tracking silences of one line in 100 days, 3 to 10 days each.
        unit_errors: cells a hundredfold too large in 100 days, in spend or revenue.
        young: share of lines that started only some days before the first night.
        young_days: fewest and most such days.
        flights: historic spend comes in bursts of one to three weeks.
        halo: share of a line's effect that another line's spend multiplies.
        follows_roas: history was itself run by the usual rule.
    """

    lines: tuple[int, int] = (8, 16)
    channels: int = 4
    budget: Range = (150.0, 3000.0)
    order_value: Range = (30.0, 150.0)
    order_cv: float = 0.6
    conversions: float | None = None
    families: tuple[str, ...] = KNOWN_SHAPES
    elasticity: Range = (0.15, 0.85)
    marginal_sd: float = 0.6
    organic: Range = (0.0, 0.8)
    retention: Range = (0.0, 0.6)
    reported: tuple[float, float, float] = (0.65, 0.96, 0.998)
    weekday_sd: float = 0.12
    season: float = 0.12
    trend_sd: float = 0.08
    holidays: float = 1.0
    common_sd: float = 0.08
    channel_sd: float = 0.04
    line_sd: float = 0.03
    chase: Range = (0.0, 0.2)
    moves: float = 9.0
    move_sd: float = 0.3
    wiggle_sd: float = 0.1
    delivery_sd: float = 0.03
    drift_sd: float = 0.002
    breaks: float = 0.0
    dispersion: float = 0.01
    outages: float = 0.0
    line_outages: float = 0.0
    unit_errors: float = 0.0
    young: float = 0.0
    young_days: tuple[int, int] = (20, 60)
    flights: bool = False
    halo: float = 0.0
    follows_roas: bool = False


CALM = Recipe()
CONFOUNDED = replace(
    CALM, chase=(0.5, 1.0), common_sd=0.2, season=0.2, weekday_sd=0.18, moves=6.0, move_sd=0.25
)

RECIPES: dict[str, Recipe] = {
    "calm": CALM,
    "confounded": CONFOUNDED,
    "channel_demand": replace(
        CALM, common_sd=0.12, channel_sd=0.18, line_sd=0.08, chase=(0.3, 0.8), channels=5
    ),
    "drifting": replace(CALM, drift_sd=0.012, breaks=0.4, common_sd=0.1),
    "slow": replace(CALM, retention=(0.6, 0.85), reported=(0.25, 0.5, 0.85), chase=(0.1, 0.4)),
    "s_shaped": replace(CALM, families=("s_shaped",)),
    "sparse": replace(
        CALM, budget=(30.0, 250.0), conversions=1.0, dispersion=0.1, lines=(10, 20), order_cv=0.8
    ),
    "outages": replace(CALM, outages=3.0, line_outages=0.6, common_sd=0.1),
    "unit_errors": replace(CALM, unit_errors=4.0),
    "wide": replace(
        CALM, lines=(100, 100), channels=8, budget=(40.0, 1500.0), common_sd=0.12, chase=(0.1, 0.5)
    ),
    "quiet": replace(CALM, moves=1.5, move_sd=0.2, wiggle_sd=0.02, lines=(6, 12)),
    "young": replace(CALM, young=0.4, dispersion=0.03),
    "other_families": replace(CALM, families=OTHER_SHAPES),
    "organic": replace(CALM, organic=(0.3, 0.95), chase=(0.2, 0.5)),
    "noisy": replace(CALM, order_cv=3.0, dispersion=0.15, line_sd=0.1, common_sd=0.12),
    # Kinds below are never tuned on.
    "flights": replace(CALM, flights=True, moves=3.0, retention=(0.2, 0.7)),
    "self_managed": replace(CALM, follows_roas=True, chase=(0.3, 0.6), common_sd=0.12),
    "peak": replace(CALM, holidays=1.8, season=0.3, trend_sd=0.2, chase=(0.4, 0.9)),
    "halo": replace(CALM, halo=0.05, common_sd=0.12, chase=(0.1, 0.5)),
    "everything": replace(
        CONFOUNDED, reported=(0.4, 0.75, 0.95), retention=(0.3, 0.75), drift_sd=0.006, breaks=0.15,
        outages=1.0, line_outages=0.3, unit_errors=1.0, dispersion=0.06, order_cv=1.5,
        families=(*KNOWN_SHAPES, "s_shaped", "log"), conversions=6.0, lines=(12, 24),
    ),
}  # fmt: skip

TUNED_KINDS = tuple(list(RECIPES)[:15])
HELD_OUT_KINDS = tuple(list(RECIPES)[15:])

TUNED: tuple[tuple[str, int], ...] = tuple((k, s) for k in TUNED_KINDS for s in range(6))
"""Worlds that the model may be tuned on."""

HELD_OUT: tuple[tuple[str, int], ...] = tuple(
    (kind, seed) for kind in RECIPES for seed in range(1000, 1004)
)
"""Worlds that are only ever scored: other seeds of every kind, and the kinds never tuned on."""
