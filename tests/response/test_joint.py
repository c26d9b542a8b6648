"""The joint fit of totals on markets whose truth is known."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from scipy.special import log_ndtr

from benchmarks.mix import captured, history_of, ours, score
from pipeline.core.errors import PipelineError
from pipeline.core.history import History, LiftTest, Measured
from pipeline.response import fit_joint
from pipeline.response.blocks import LOST
from pipeline.response.joint.chain_state import MEDIA_SHARE, Experiments, Series
from pipeline.response.joint.design import common_factor
from pipeline.response.joint.health import learned_ratio, mixing_finding, share_finding
from pipeline.response.joint.library import library_for
from pipeline.response.joint.moments import NOISES, Moments, State, series_moments, whitened
from pipeline.response.joint.sampler import MIXED, THINNINGS, WARM_UP, potential_reduction
from pipeline.simulation.mix import Mix, make_mix

SEEDS = range(201, 207)


def rng() -> np.random.Generator:
    return np.random.default_rng(5)


@pytest.fixture(scope="module")
def markets() -> list[tuple[Mix, dict]]:
    return [(mix, ours(mix, seed, 7)) for seed in SEEDS for mix in [make_mix(seed)]]


def test_it_finds_what_lines_earn_at_the_margin(markets):
    errors = [score(mix, answer)["marginal"] for mix, answer in markets]
    assert np.median(errors) < 0.4
    gains = [captured(mix, np.asarray(answer["curves"]) / 7) for mix, answer in markets]
    assert np.mean(gains) > 0.15  # of what is attainable; 0 is never moving


def test_intervals_cover_the_truth(markets):
    inside = [score(mix, answer)["cover"] for mix, answer in markets]
    assert 0.75 <= np.mean(inside) <= 1.0


def test_demand_is_not_taken_for_spend(markets):
    shares = [
        np.log(np.sum(answer["contribution"]) / mix.contribution.sum()) for mix, answer in markets
    ]
    assert abs(np.mean(shares)) < 0.35


def test_days_teach_as_weeks_do():
    mix = make_mix(203)
    answer = ours(mix, 1, 1)
    assert score(mix, answer)["marginal"] < 0.6
    again = ours(mix, 1, 1)
    assert np.array_equal(answer["curves"], again["curves"])


def test_money_in_another_unit_changes_nothing():
    mix = make_mix(202, n_lines=3, n_days=364)
    history = history_of(mix, 7)
    cents = replace(
        history,
        spend=100 * history.spend,
        measured=replace(
            history.measured, outcomes={"revenue": 100 * history.measured.outcomes["revenue"]}
        ),
    )
    one, other = (fit_joint(item, "revenue", rng()) for item in (history, cents))
    np.testing.assert_allclose(100 * one.coefficient, other.coefficient, rtol=1e-6)


def regions(seed: int, n_regions: int) -> tuple[History, list[Mix]]:
    """Return one market sold in several regions: the same curves, other noise and size."""
    parts = [make_mix(seed, n_lines=3, n_days=728) for _ in range(n_regions)]
    names = [f"region {i}" for i in range(n_regions)]
    others = [make_mix(seed + 50 + i, n_lines=3, n_days=728) for i in range(n_regions)]
    spends, outcomes = [], []
    for i, mix in enumerate(parts):
        spend = others[i].spend / others[i].spend.mean(axis=0) * mix.spend.mean(axis=0)
        noise = others[i].outcome - others[i].value(others[i].spend).sum(axis=1)
        spends.append(spend)
        outcomes.append(mix.value(spend).sum(axis=1) + noise)
    history = History(
        days=parts[0].days,
        lines=tuple((name, channel) for name in names for channel in parts[0].names),
        spend=np.hstack(spends),
        outcomes={},
        trusted=np.ones((728, 3 * n_regions), dtype=bool),
        measured=Measured(
            levels=(0,),
            units=tuple((name,) for name in names),
            outcomes={"revenue": np.column_stack(outcomes)},
            controls={},
            trusted=np.ones((728, n_regions), dtype=bool),
            period_days=7,
        ),
    )
    return history, parts


def test_regions_teach_each_other():
    history, parts = regions(301, 4)
    posterior = fit_joint(history, "revenue", rng())
    alone = replace(
        history,
        lines=history.lines[:3],
        spend=history.spend[:, :3],
        trusted=history.trusted[:, :3],
        measured=replace(
            history.measured,
            units=history.measured.units[:1],
            outcomes={"revenue": history.measured.outcomes["revenue"][:, :1]},
            trusted=history.measured.trusted[:, :1],
        ),
    )
    single = fit_joint(alone, "revenue", rng())
    usual = history.spend[-28:].mean(axis=0)
    truth = parts[0].value(usual[:3])

    def spread(found, spend):
        return (found.value_at(spend)[:, :3].std(axis=0) / truth).mean()

    assert spread(posterior, usual) < spread(single, usual[:3])


def two_regions(organic: tuple[float, float], *, moves: bool, seed: int = 3) -> History:
    """Return a year of two regions whose money earns the same; the true margin is 1.10."""
    r, n = np.random.default_rng(seed), 364
    walk = np.cumsum(r.normal(0, 0.05, (n, 4)), axis=0)
    moved = np.clip(walk - walk.mean(axis=0), -0.7, 0.7) + r.normal(0, 0.1, (n, 4))
    spend = 1000 * (np.exp(moved) if moves else np.ones((n, 4)))
    caused = 3000 * (1 - np.exp(-spend / 1000))
    base = np.array(organic) * (1 + r.normal(0, 0.03, (n, 2)))
    return History(
        days=tuple(make_mix(1, n_days=28).days[0] + timedelta(days=i) for i in range(n)),
        lines=(("a", "search"), ("a", "tv"), ("b", "search"), ("b", "tv")),
        spend=spend,
        outcomes={},
        trusted=np.ones((n, 4), dtype=bool),
        measured=Measured(
            levels=(0,),
            units=(("a",), ("b",)),
            outcomes={"revenue": base + caused.reshape(n, 2, 2).sum(axis=2)},
            controls={},
            trusted=np.ones((n, 2), dtype=bool),
            period_days=1,
        ),
    )


def margins(history: History) -> np.ndarray:
    """Return draws of each region's marginal return at a spend of 1,000 a line, (n_draws, 2)."""
    posterior = fit_joint(history, "revenue", rng())
    at = np.full(4, 1000.0)
    rise = (posterior.value_at(1.05 * at) - posterior.value_at(at)) / 50
    return rise.reshape(-1, 2, 2).mean(axis=2)


@pytest.mark.parametrize("organic", [(8000.0, 8000.0), (64000.0, 8000.0), (8000.0, 64000.0)])
def test_what_sells_without_spend_does_not_make_money_work_harder(organic):
    """Where spend never moved, regions are told apart by nothing: the same line returns alike."""
    found = margins(two_regions(organic, moves=False))
    assert abs(np.log(found[:, 0].mean() / found[:, 1].mean())) < 0.25
    assert 0.25 < (found[:, 0] > found[:, 1]).mean() < 0.75


def test_a_region_whose_days_are_noisy_borrows_the_return_of_the_other():
    alike = np.mean(
        [
            margins(two_regions((64000.0, 8000.0), moves=True, seed=s)).mean(axis=0)
            for s in range(4)
        ],
        axis=0,
    )
    assert abs(np.log(alike / 1.10)).max() < 0.3


def test_health_says_what_the_curves_rest_on():
    mix = make_mix(205, n_lines=3, n_days=140)
    posterior = fit_joint(history_of(mix, 7), "revenue", rng())
    found = {item.check: item for item in posterior.findings}
    assert "one total" in found["model.joint"].message
    assert found["model.joint"].level == "review"
    assert (learned_ratio(posterior, rng()) > 0.3).all()
    flat = history_of(mix, 7)
    flat = replace(flat, spend=np.full_like(flat.spend, 100.0))
    unknown = fit_joint(flat, "revenue", rng())
    found = {item.check: item for item in unknown.findings}
    assert found["model.identified"].level == "review"
    assert (learned_ratio(unknown, rng()) > 0.75).all()


def test_draws_and_means_agree_and_start_at_nothing():
    mix = make_mix(206, n_lines=3, n_days=364)
    posterior = fit_joint(history_of(mix, 7), "revenue", rng())
    grid = mix.usual[:, None] * np.array([0.0, 0.5, 1.0, 2.0])
    table, mean = posterior.tabulate(grid, rng(), 400)
    np.testing.assert_allclose(table.mean(), mean, rtol=1e-9)
    assert (table.value[:, :, 0] == 0).all()
    assert (np.diff(table.value, axis=2) >= -1e-9).all()
    assert posterior.tabulate(grid, rng(), 900)[0].value.shape == (900, 3, 4)


def test_moments_are_those_of_the_dense_covariance():
    r = rng()
    n, known = 40, rng().random(40) > 0.1
    outcome, fixed, free = r.normal(size=n), r.normal(size=(n, 2)), r.normal(size=(n, 3))
    variance, sd = np.where(r.random(n) > 0.8, 4.0, 1.0), np.array([0.7, 2.0])
    found = series_moments(outcome, known, variance, fixed, sd, free)
    lag = np.abs(np.subtract.outer(np.arange(n), np.arange(n)))
    for index, (kept, share) in enumerate(NOISES):
        covariance = share * kept ** lag.astype(float) if kept else share * np.eye(n)
        covariance = covariance + np.diag((1 - share) * variance + 1e-9)
        covariance = covariance + (fixed * sd**2) @ fixed.T
        inverse = np.linalg.inv(covariance[np.ix_(known, known)])
        y, x = outcome[known], free[known]
        np.testing.assert_allclose(found.gram[index], x.T @ inverse @ x, rtol=1e-6)
        np.testing.assert_allclose(found.cross[index], x.T @ inverse @ y, rtol=1e-6, atol=1e-8)
        np.testing.assert_allclose(found.square[index], y @ inverse @ y, rtol=1e-6)
        logdet = np.linalg.slogdet(covariance[np.ix_(known, known)])[1]
        np.testing.assert_allclose(found.logdet[index], logdet, rtol=1e-6, atol=1e-6)


def of_one_line(precise: float, pull: float) -> Moments:
    """Return what days tell of one line with one response, and nothing beside it."""
    return Moments(
        gram=np.full((1, 1, 1), precise),
        cross=np.full((1, 1), pull),
        square=np.array([1e6]),
        logdet=np.zeros(1),
        root=np.zeros((1, 0, 0)),
        explained=np.zeros((1, 0, 2)),
        state=State(mean=np.zeros((1, 2)), variance=np.zeros(1)),
        count=1_000_000,
    )


@pytest.mark.parametrize("shown", [0.5, 8.0])
def test_the_sampler_draws_from_the_exact_posterior_of_one_line(shown):
    """One line at one node with a known noise: a normal cut off at zero and at no baseline."""
    from pipeline.response.joint import gibbs, sampler

    precise, pull = 400.0, 40.0
    item = Series(
        moments=of_one_line(precise, pull),
        lines=np.array([0]),
        full=np.ones(1),
        shown=np.full((1, 1), shown),
        kind=np.array([0]),
        noise_scale=1.0,
    )
    nothing = Experiments(effect=np.zeros((0, 1, 1)), lifts=np.zeros(0), precisions=np.zeros(0))
    chains = sampler.sample((item,), nothing, np.zeros(1), rng())
    grid = np.linspace(1e-4, min(1.5, 1 / shown), 4000)
    assert chains.coefficient.max() <= 1 / shown
    prior = np.zeros_like(grid)
    for mean, weight in zip(
        gibbs.SHARES,
        np.exp(-0.5 * (np.log(gibbs.SHARES / MEDIA_SHARE) / gibbs.MEDIA_LOG_SD) ** 2),
        strict=True,
    ):
        for spread in gibbs.SPREADS:
            sd = spread * mean
            cut = np.exp(-0.5 * ((grid - mean) / sd) ** 2 - log_ndtr(1 / spread)) / sd
            prior += weight * cut
    told = prior * np.exp(gibbs.POWER * (pull * grid - 0.5 * precise * grid**2))
    told /= told.sum()
    exact = float((grid * told).sum())
    deviation = float(np.sqrt((grid**2 * told).sum() - exact**2))
    assert abs(chains.coefficient.mean() - exact) < 0.15 * deviation
    assert abs(chains.coefficient.std() / deviation - 1) < 0.15


def test_lines_that_move_on_their_own_have_nothing_in_common():
    r = rng()
    own = r.normal(size=(300, 5))
    together = own + 1.5 * r.normal(size=(300, 1))
    assert common_factor(own).std() < 0.7
    assert common_factor(together).std() > 0.85
    shared = together.mean(axis=1)
    assert np.corrcoef(common_factor(together), shared)[0, 1] > 0.95


def test_innovations_of_white_noise_are_the_series_itself():
    table = rng().normal(size=(20, 2))
    white, logdet, _ = whitened(table, np.ones(20, dtype=bool), np.ones(20))
    np.testing.assert_allclose(white[0], table, rtol=1e-6)
    assert abs(logdet[0]) < 1e-6


def test_chains_apart_are_noticed():
    draws = rng().normal(size=(80, 1))
    chain = np.repeat(np.arange(4), 20)
    assert potential_reduction(draws, chain)[0] < 1.15
    assert potential_reduction(draws + chain[:, None], chain)[0] > 1.3
    assert potential_reduction(0 * draws, chain)[0] == 1.0


@pytest.mark.parametrize(
    ("apart", "level"), [(1.05, "pass"), (1.19, "pass"), (1.3, "review"), (1.78, "fail")]
)
def test_chains_that_stay_apart_forbid_a_decision(apart, level):
    found = mixing_finding(apart, 980)
    assert found.level == level
    assert (found.advice == "") is (level == "pass")


@pytest.mark.parametrize("period", [1, 7])
def test_the_newest_days_teach_nothing_as_days_or_in_a_week(period):
    """What is not fully reported yet must not look like a fall."""
    history = history_of(make_mix(211, n_lines=3, n_days=364), period)
    late = history.measured.outcomes["revenue"].copy()
    late[-3:] *= 0.2
    if period == 7:  # a weekly row is shared evenly by its days
        late[-7:] = late[-7:].mean()
    measured = replace(history.measured, outcomes={"revenue": late})
    full, cut = (
        fit_joint(item, "revenue", rng()) for item in (history, replace(history, measured=measured))
    )
    np.testing.assert_array_equal(full.coefficient, cut.coefficient)


def test_a_fit_that_claims_more_than_there_is_cannot_be_used():
    """An outcome that falls to a third when all spend falls by a fifth has no organic part."""
    mix = make_mix(210, n_lines=3, n_days=364)
    history = history_of(mix, 1)
    spend = mix.spend.sum(axis=1)
    steep = np.maximum(4 * (spend - 0.7 * spend.mean()), 1.0)
    measured = replace(history.measured, outcomes={"revenue": steep[:, None]}, controls={})
    found = fit_joint(replace(history, measured=measured), "revenue", rng())
    (share,) = [item for item in found.findings if item.check == "model.share"]
    assert share.level == "fail"
    assert float(share.value) > 0.95  # what only the rule of a baseline keeps from more
    assert "in the same currency" in share.advice
    assert (found.organic >= 0).all()


def said(history: History, check: str):
    found = fit_joint(history, "revenue", rng()).findings
    return next(item for item in found if item.check == check)


def fallen(history: History, cells, factor: float) -> History:
    """Return the history with some cells of its revenue times a factor."""
    revenue = history.measured.outcomes["revenue"].copy()
    revenue[cells] *= factor
    return replace(history, measured=replace(history.measured, outcomes={"revenue": revenue}))


@pytest.mark.parametrize("period", [1, 7])
@pytest.mark.parametrize("seed", [212, 213])
def test_a_market_as_it_was_leaves_nothing_that_lasts(seed, period):
    history = history_of(make_mix(seed, n_lines=3, n_days=546), period)
    assert said(history, "model.residuals").level == "pass"
    assert said(history, "model.recent").level == "pass"


@pytest.mark.parametrize("period", [1, 7])
def test_a_total_that_fell_a_fortnight_ago_is_named(period):
    history = history_of(make_mix(212, n_lines=3, n_days=546), period)
    found = said(fallen(history, slice(-21, None), 0.6), "model.recent")
    assert found.level == "review"
    assert found.message.endswith("differ from the fit on all lines")


def test_the_region_that_fell_is_named():
    history = two_regions((16000.0, 8000.0), moves=True)
    found = said(fallen(history, (slice(-17, None), 1), 0.7), "model.recent")
    assert found.level == "review"
    assert found.message.endswith("differ from the fit on b")


def test_the_share_that_spend_causes_is_told_as_it_is():
    around = np.linspace(0.9, 1.1, 41)[:, None] * np.array([[30.0, 10.0]])
    usual = share_finding("revenue", around, np.array([60.0, 40.0]))
    assert (usual.level, usual.value) == ("pass", "0.400")
    near = share_finding("revenue", around, np.array([30.0, 12.0]))
    assert near.level == "review"
    assert near.message == "spend causes 95% of revenue at present (87% to 104%)"
    cut = np.linspace(0.96, 0.99, 41)[:, None] * np.array([[60.0, 40.0]])
    assert share_finding("revenue", cut, np.array([60.0, 40.0])).level == "fail"
    one = share_finding("revenue", around, np.array([90.0, 8.0]))
    assert one.level == "review"
    assert one.message.endswith("(37% to 44%), and more than there is in 1 of 2 series")


def test_chains_go_on_until_they_agree_on_what_lines_earn(monkeypatch):
    """Ten budgets that never moved are hard to sample and easy to get wrong."""
    mix = make_mix(209, n_lines=10, n_days=182)
    history = history_of(mix, 1)
    still = replace(history, spend=np.tile(history.spend.mean(axis=0), (182, 1)))
    least = f"after {WARM_UP + 10 * THINNINGS[0]:,} sweeps"
    mixing = said(still, "model.mixing")
    assert mixing.level == "pass"
    assert float(mixing.value) <= MIXED
    assert least in mixing.message
    monkeypatch.setattr("pipeline.response.joint.sampler.MIXED", float(mixing.value) - 1e-3)
    assert least not in said(still, "model.mixing").message


def test_what_cannot_be_fitted_is_said():
    mix = make_mix(207, n_lines=3, n_days=70)
    history = history_of(mix, 7)
    with pytest.raises(PipelineError, match="no measured outcome 'profit', only revenue"):
        fit_joint(history, "profit", rng())
    nothing = replace(history.measured, outcomes={"revenue": np.zeros((70, 1))})
    with pytest.raises(PipelineError, match="never above zero"):
        fit_joint(replace(history, measured=nothing), "revenue", rng())
    with pytest.raises(PipelineError, match="at most 150 can"):
        library_for(151)
    assert library_for(60).log_prior.size < library_for(5).log_prior.size


@pytest.mark.parametrize("units", [(("north",),), (("north",), ("south",))])
def test_a_line_whose_series_shows_nothing_breaks_nothing_and_is_held(units):
    mix = make_mix(208, n_lines=3, n_days=140)
    history = history_of(mix, 7)
    lines = (("north", "a"), ("north", "b"), ("south", "a"))
    shown = history.measured.outcomes["revenue"]
    nothing = np.zeros((shown.shape[0], len(units) - 1))
    measured = replace(
        history.measured,
        levels=(0,),
        units=units,
        outcomes={"revenue": np.hstack([shown, nothing])},
        trusted=np.ones((shown.shape[0], len(units)), dtype=bool),
    )
    found = fit_joint(replace(history, lines=lines, measured=measured), "revenue", rng())
    assert (found.coefficient[:, 2] == 0).all()
    assert (found.coefficient[:, :2] > 0).all()
    held = [item.line for item in found.findings if item.check == LOST]
    assert held == [("south", "a")]
    (basis,) = [item for item in found.findings if item.check == "model.joint"]
    assert "known as 1 series" in basis.message  # of which something could be learned


def test_lift_tests_need_an_error_and_moved_money():
    day = make_mix(1, n_days=28).days[0]
    usual = {"lines": (("a",),), "first_day": day, "last_day": day + timedelta(days=7), "lift": 1.0}
    with pytest.raises(PipelineError, match="standard_error above 0"):
        LiftTest(**usual, standard_error=0.0, spend_change=1.0)
    with pytest.raises(PipelineError, match="moved no money"):
        LiftTest(**usual, standard_error=1.0, spend_change=0.0)
