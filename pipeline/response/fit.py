"""Fit every line's response, jointly: demand, noise, evidence and pooling in a few sweeps."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from pipeline.core.errors import PipelineError
from pipeline.core.history import History, LiftTest, Vintages
from pipeline.core.types import BoolArray, FloatArray, IntArray
from pipeline.response.belief import Prepared
from pipeline.response.blocks import RunBlocks, run_here
from pipeline.response.curves import RETENTIONS, carried_spend
from pipeline.response.experiments import experiment_finding, treatments
from pipeline.response.faults import screen
from pipeline.response.health import Health, doubt, far_lately, surprises
from pipeline.response.leads import Lead, complete, lead_findings
from pipeline.response.maturity import Maturity, learn_maturity
from pipeline.response.posterior import Posterior
from pipeline.response.special_days import NamedDays, special_findings
from pipeline.response.sweep import sweep
from pipeline.response.threads import one_thread
from pipeline.response.worth import counted, price_now, worth_per_count

FURTHEST = 6.0  # the library's shapes say little beyond so many times the reference
SHARED_SD = 0.1  # of log demand: what nobody knows of tomorrow, all lines alike
WHOLE = 0.9  # reported, of a cell that tells what an outcome brings by now
SETTLED_DAYS = 7  # in which money may still come in for outcomes that are counted already


@dataclass(frozen=True, slots=True, kw_only=True)
class FitSettings:
    """What the model is told rather than learns.

    Attributes:
        metric: the outcome whose response is wanted.
        count: the outcome that is counted, `conversions` under a revenue metric; None counts
            the metric itself.
        is_led: whether the history's leads predict it.
    """

    metric: str
    count: str | None = None
    is_led: bool = False


@one_thread()
def fit_response(
    history: History,
    settings: FitSettings,
    *,
    vintages: Vintages | None = None,
    lift_tests: tuple[LiftTest, ...] = (),
    run_blocks: RunBlocks = run_here,
) -> Posterior:
    """Return the posterior of every line's response curve, the same bytes on any number of cores.

    Args:
        history: an unbroken calendar; the last day is yesterday.
        settings: what to count.
        vintages: earlier snapshots, for how complete the last days are.
        lift_tests: experiments, as evidence on the lines they treated.
        run_blocks: where lines' evidence is computed, a block at a time.

    Raises:
        PipelineError: history has no such outcome.
    """
    data, leads = _ready(history, settings, vintages)
    spend = data.screened.spend
    fitted = sweep(data, treatments(history, lift_tests, spend), run_blocks)
    ahead, ahead_sd = fitted.special.ahead()
    screened, name = data.screened, settings.count or settings.metric
    health = Health(
        n_days=len(history.days),
        doubt=doubt(fitted.weights, fitted.population),
        money=spend[-28:].sum(axis=0),
        surprise=surprises(fitted.standard, screened.usable),
        away=far_lately(fitted.standard, screened.usable),
        silent=screened.silent,
        slipped=screened.slipped,
        completeness=data.maturity.curve,
        snapshots=data.maturity.snapshots,
        count=name,
        uncounted=data.uncounted,
        lost=fitted.lost,
        leads=lead_findings(leads, name, history.leads),
        special=special_findings(history.days[-1], data.named, fitted.special),
        told=fitted.taught.told,
        jumps=fitted.breaks.named(history.lines, history.days),
    )
    return Posterior(
        metric=settings.metric,
        lines=history.lines,
        weights=fitted.weights,
        population=fitted.population,
        level_mean=fitted.evidence.level_mean,
        level_sd=fitted.evidence.level_sd,
        taught=fitted.taught,
        drift=fitted.evidence.drift,
        reference=data.reference,
        carried=np.stack([carried_spend(spend, r)[-1] for r in RETENTIONS]),
        recent_spend=spend[-7:].mean(axis=0),
        weeks=fitted.weeks,
        demand=fitted.tomorrow,
        worth=data.worth,
        worth_sd=data.worth_sd,
        shared_sd=float(np.hypot(SHARED_SD, ahead_sd[0])),
        ahead=ahead,
        ahead_sd=ahead_sd,
        completeness=data.maturity.curve,
        health=health,
        findings=health.findings(history.lines, experiment_finding(history, lift_tests)),
    )


def _ready(
    history: History, settings: FitSettings, vintages: Vintages | None
) -> tuple[Prepared, tuple[Lead, ...]]:
    """Return what the sweeps need, and the leads that completed its young days."""
    name = settings.count or settings.metric
    if missing := sorted({name, settings.metric} - set(history.outcomes)):
        raise PipelineError(
            f"response: history has no outcome {missing[0]!r}, only "
            f"{', '.join(sorted(history.outcomes)) or 'none'}; name one of them in the objective"
        )
    _, groups = channel_index(history)
    maturity = learn_maturity(vintages, len(history.days), history.outermost)
    seen = history.outcomes[name]
    money = history.outcomes[settings.metric] if settings.count else None
    uncounted = np.zeros(groups.size, dtype=bool)
    if money is not None:
        seen, uncounted = counted(seen, money)
    reported = np.maximum(np.nan_to_num(seen), 0.0)
    screened = screen(
        history.spend, reported, money, history.trusted & np.isfinite(seen), maturity.share
    )
    outcome, maturity, leads = _completed(history, settings, reported, screened.usable, maturity)
    reference = reference_spend(screened.spend)
    worth, worth_sd = np.ones(groups.size), np.zeros(groups.size)
    if money is not None:
        worth, worth_sd = worth_per_count(reported, money, screened.valued, groups)
        own = screened.valued & ~uncounted  # what is counted by its money holds its price already
        own &= maturity.share >= WHOLE
        own[-SETTLED_DAYS:] = False  # counts may be reported before what they bring
        now = np.where(uncounted, 1.0, price_now(reported, money, own, worth))
        worth, worth_sd = worth * now, worth_sd * now
    first = history.days[0].weekday()
    prepared = Prepared(
        outcome=outcome,
        screened=screened,
        maturity=maturity,
        groups=groups,
        weekdays=(first + np.arange(len(history.days) + 1)) % 7,
        named=NamedDays.of(history.days, history.special),
        reference=reference,
        worth=np.maximum(worth, 1e-9),
        worth_sd=worth_sd,
        uncounted=uncounted,
    )
    return prepared, leads


def _completed(
    history: History,
    settings: FitSettings,
    outcome: FloatArray,
    usable: BoolArray,
    maturity: Maturity,
) -> tuple[FloatArray, Maturity, tuple[Lead, ...]]:
    """Return the counted outcome with its young days completed, and what is known of each then."""
    if not (history.leads and settings.is_led):
        return outcome, maturity, ()
    _, groups = channel_index(history)
    found = complete(
        outcome,
        maturity,
        {
            name: (
                lead.table,
                None
                if lead.vintages is None
                else learn_maturity(lead.vintages, len(history.days), history.outermost),
            )
            for name, lead in history.leads.items()
        },
        usable,
        groups,
    )
    return found.outcome, replace(maturity, share=found.share, log_sd=found.log_sd), found.leads


def channel_index(history: History) -> tuple[tuple[str, ...], IntArray]:
    """Return the channels' names and the channel of every line; one level is one channel."""
    if len(history.lines[0]) == 1:
        return ("",), np.zeros(len(history.lines), dtype=np.int64)
    names = sorted({line[0] for line in history.lines})
    index = {name: i for i, name in enumerate(names)}
    return tuple(names), np.array([index[line[0]] for line in history.lines], dtype=np.int64)


def reference_spend(spend: FloatArray) -> FloatArray:
    """Return each line's usual spend, (n_lines,): where its curve and its prior are anchored.

    The median of all days with spend, not of the last ones: what the population says of a line
    holds where people had put it. Were it to follow the line to where plans move it, a line that
    was given more would be believed to be steeper, because its average return has fallen. A line
    that never spent anything is taken to be of the usual size.
    """
    paid = np.where(spend > 0, spend, np.nan)
    paid[:, ~np.isfinite(paid).any(axis=0)] = 0.0
    usual, recent = np.nanmedian(paid, axis=0), spend[-28:].mean(axis=0)
    near = np.clip(usual, recent / FURTHEST, recent * FURTHEST)
    found = np.where(recent > 0, near, usual)
    spent = found[found > 0]
    found[found == 0] = np.median(spent) if spent.size else 1.0
    return np.asarray(np.maximum(found, 1e-6))
