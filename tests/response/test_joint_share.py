"""How much a joint fit says that spend causes, where spend follows demand and in regions."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest
from scipy.special import log_ndtr

from pipeline.core.history import ALL_LINES, History, Measured
from pipeline.response import fit_joint
from pipeline.response.joint import gibbs, sampler
from pipeline.response.joint.chain_state import CHAINS, ChainState, Experiments, Series
from pipeline.response.joint.design import common_drift, common_factor
from tests.response.test_joint import of_one_line

HALVES = np.array([1.0, 1.0, 0.7, 0.5])
RETURNS = np.array([1.5, 2.25, 1.67, 0.87])  # per money at the usual spend
MONEY = np.array([3000.0, 2000.0, 1800.0, 800.0])
FIRST = date(2025, 1, 1)


def demand(rng: np.random.Generator, n_days: int) -> np.ndarray:
    """Return the log of demand: a season, and shocks that keep nine tenths a day."""
    out = 0.05 * rng.standard_normal(n_days)
    for day in range(1, n_days):
        out[day] += 0.9 * out[day - 1]
    return out + 0.15 * np.cos(2 * np.pi * np.arange(n_days) / 365.25)


def budgets(rng: np.random.Generator, log_demand: np.ndarray, follow: float) -> np.ndarray:
    """Return relative spend: steps that people make once a week, and what follows demand."""
    weeks = 0.2 * rng.standard_normal((log_demand.size // 7 + 1, MONEY.size))
    for week in range(1, len(weeks)):
        weeks[week] += 0.85 * weeks[week - 1]
    own = np.repeat(weeks, 7, axis=0)[: log_demand.size]
    return np.exp(own + follow * log_demand[:, None] + 0.03 * rng.standard_normal(own.shape))


def earned(relative: np.ndarray) -> np.ndarray:
    """Return what lines earn per unit of their usual money, on a day of usual demand."""
    return RETURNS * relative * (1 + HALVES) / (relative + HALVES)


def market(
    seed: int, sizes: dict[str, float], n_days: int, follow: float
) -> tuple[History, np.ndarray, float]:
    """Return regions of four lines each (or one total), true margins, and spend's true share."""
    rng = np.random.default_rng(seed)
    spend, revenue, margin, caused = [], [], [], 0.0
    for size in sizes.values():
        log_demand = demand(rng, n_days)
        relative = budgets(rng, log_demand, follow)
        carried = np.empty_like(relative)
        state = relative[0]
        for day in range(n_days):
            state = 0.3 * state + 0.7 * relative[day]
            carried[day] = state
        by_spend = np.exp(log_demand) * (earned(carried) @ MONEY) * size
        organic = np.exp(log_demand) * 15_000 * size
        revenue.append((by_spend + organic) * rng.lognormal(0, 0.06, n_days))
        spend.append(relative * MONEY * size)
        last = relative[-28:].mean(axis=0)
        steep = (earned(1.001 * last) - earned(0.999 * last)) / (0.002 * last)
        margin.append(steep * np.exp(log_demand[-28:]).mean())
        caused += float(by_spend[-28:].sum())
    is_total = len(sizes) == 1
    outcomes = np.column_stack(revenue)
    lines = [(name, f"line {i}")[is_total:] for name in sizes for i in range(MONEY.size)]
    history = History(
        days=tuple(FIRST + timedelta(days=day) for day in range(n_days)),
        lines=tuple(lines),
        spend=np.hstack(spend),
        outcomes={},
        trusted=np.ones((n_days, len(lines)), dtype=bool),
        measured=Measured(
            levels=() if is_total else (0,),
            units=(ALL_LINES,) if is_total else tuple((name,) for name in sizes),
            outcomes={"revenue": outcomes},
            controls={},
            trusted=np.ones(outcomes.shape, dtype=bool),
            period_days=1,
        ),
    )
    return history, np.concatenate(margin), caused / float(outcomes[-28:].sum())


def told(history: History, truth: np.ndarray) -> tuple[float, float]:
    """Return the share that spend is said to cause, and how many true margins intervals hold."""
    posterior = fit_joint(history, "revenue", np.random.default_rng(5))
    usual = history.spend[-28:].mean(axis=0)
    rise = posterior.value_at(1.001 * usual) - posterior.value_at(0.999 * usual)
    low, high = np.quantile(rise / (0.002 * usual), [0.05, 0.95], axis=0)
    (share,) = [item for item in posterior.findings if item.check == "model.share"]
    assert share.level != "fail"
    return float(share.value), float(((low <= truth) & (truth <= high)).mean())


def test_spend_is_not_credited_with_the_demand_that_it_follows():
    ratios, inside = [], []
    for seed in range(3):
        history, truth, share = market(seed, {"all": 1.0}, 728, follow=0.7)
        claimed, held = told(history, truth)
        ratios.append(claimed / share)
        inside.append(held)
    assert np.mean(ratios) < 1.2
    assert np.mean(inside) >= 0.75


@pytest.mark.parametrize("follow", [0.0, 0.7])
def test_regions_are_told_what_their_spend_causes(follow):
    sizes = {"east": 0.5, "north": 1.0, "south": 0.7, "west": 0.3}
    history, truth, share = market(11, sizes, 235, follow)
    claimed, held = told(history, truth)
    assert 0.4 < claimed / share < 1.4
    assert held >= 0.75


def test_steps_of_single_budgets_do_not_hide_what_all_lines_do():
    drifts, factors, noises = [], [], []
    for seed in range(7, 13):
        rng = np.random.default_rng(seed)
        log_demand = demand(rng, 728) - 0.15 * np.cos(2 * np.pi * np.arange(728) / 365.25)
        followed = np.log(budgets(rng, log_demand, 0.7))
        alone = np.log(budgets(rng, log_demand, 0.0))
        drift = common_drift(followed)
        drifts.append(np.corrcoef(drift, log_demand)[0, 1])
        factors.append(abs(np.corrcoef(common_factor(followed), log_demand)[0, 1]))
        noises.append(common_drift(alone).std() / drift.std())
    assert np.mean(noises) < 0.7
    assert np.mean(drifts) > 0.5
    assert np.mean(drifts) > np.mean(factors) + 0.15


def one_kind(precise: float, pulls: tuple[float, ...], shown: float) -> tuple[Series, ...]:
    """One line in each of several regions, of which weak days tell something."""
    return tuple(
        Series(
            moments=of_one_line(precise, pull),
            lines=np.array([index]),
            full=np.ones(1),
            shown=np.full((1, 1), shown),
            kind=np.array([0]),
            noise_scale=1.0,
        )
        for index, pull in enumerate(pulls)
    )


NO_TESTS = Experiments(effect=np.zeros((0, 2, 1)), lifts=np.zeros(0), precisions=np.zeros(0))


def cut_normal(value: np.ndarray, mean: np.ndarray, relative: np.ndarray | float) -> np.ndarray:
    """Return the density of a normal that is cut off at zero."""
    sd = relative * mean
    return np.exp(-0.5 * ((value - mean) / sd) ** 2 - log_ndtr(1 / relative)) / sd


@pytest.mark.parametrize(("media", "spread"), [(0.25, 2.0), (0.25, 0.6), (0.05, 1.3)])
def test_a_kinds_return_is_drawn_given_its_lines_as_a_fine_grid_has_it(media, spread):
    """Candidates are even in logs and the density is not: each stands for a stretch of it."""
    state = ChainState(one_kind(1.0, (0.0, 0.0), 0.1), NO_TESTS, 2, 1)
    rng, values, drawn = np.random.default_rng(1), (0.2, 0.5), []
    for _ in range(100):
        state.media, state.spread = np.full(CHAINS, media), np.full(CHAINS, spread)
        state.coefficient[:] = values
        gibbs._draw_population(state, rng)
        drawn.append(state.kind_share[:, 0].copy())
    kind = np.linspace(1e-3, 6.0, 60_000)
    weight = cut_normal(kind, np.float64(media), spread)
    for value in values:
        weight = weight * cut_normal(value, kind, gibbs.WITHIN)
    mean = float((weight * kind).sum() / weight.sum())
    assert np.mean(drawn) == pytest.approx(mean, rel=0.03)


@pytest.mark.parametrize(
    ("shown", "precise", "pulls"), [(0.8, 30.0, (12.0, 3.0)), (0.1, 4.0, (12.0, 14.0))]
)
def test_a_kind_in_two_regions_is_drawn_from_its_exact_posterior(shown, precise, pulls):
    """Weak days in two regions, one line each: the sampler against sums over a fine grid.

    A line of little money, which shows little, may return several times the mean.
    """
    series = one_kind(precise, pulls, shown)
    chains = sampler.sample(series, NO_TESTS, np.zeros(1), np.random.default_rng(3))
    drawn = chains.coefficient
    kind, value = np.geomspace(1e-3, 12, 500), np.linspace(1e-3, min(1 / shown, 8), 1600)
    media = gibbs.SHARES[:, None, None]
    hyper = np.exp(gibbs.LOG_PRIOR)[:, None, None]
    of_mean = (hyper * cut_normal(kind, media, gibbs.SPREADS[:, None])).sum(axis=1)
    of_mean = of_mean * kind  # the grid is even in logs
    within = cut_normal(value, kind[:, None], gibbs.WITHIN)
    told = [
        within * np.exp(gibbs.POWER * (pull * value - 0.5 * precise * value**2)) for pull in pulls
    ]
    both = told[0].sum(axis=1) * told[1].sum(axis=1)
    weight, of_mean = of_mean.sum(axis=0) * both, of_mean @ both
    mean = float(of_mean @ gibbs.SHARES / of_mean.sum())
    assert chains.media_share.mean() == pytest.approx(mean, rel=0.08)
    for region in (0, 1):
        by_kind = told[region] / told[region].sum(axis=1, keepdims=True)
        posterior = weight @ by_kind / weight.sum()
        mean = float(posterior @ value)
        deviation = float(np.sqrt(posterior @ value**2 - mean**2))
        assert abs(drawn[:, region].mean() - mean) < 0.15 * deviation
        assert abs(drawn[:, region].std() / deviation - 1) < 0.15
