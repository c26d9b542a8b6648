"""What the plan of offers says beside its lines: totals, reasons, findings, the model's health."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipeline.bandits.offers.decide import Candidate, Choice, OfferDecision
from pipeline.bandits.offers.log import Contexts
from pipeline.bandits.offers.outcome import Contrast, holdout_lift, since_signed
from pipeline.core.decision import FEWER_THAN, DecisionLine, DecisionPlan
from pipeline.core.findings import Finding, Level, worst_level
from pipeline.core.offer_rules import OfferRules
from pipeline.core.plan import Expected, Interval, ModelHealth, Uplift
from pipeline.core.types import FloatArray
from pipeline.io.alike import alike_findings
from pipeline.runs.offer_contexts import People
from pipeline.runs.offer_log import ReadLog

if TYPE_CHECKING:
    import pyarrow as pa

METRIC = "reward"
_SIDE = 0.05  # of a 90 % interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighed:
    """Everything that the plan says, as numbers.

    Attributes:
        now, proposed, floors: (n_contexts, n_actions).
        draws: (n_draws, n_segments, n_actions), of the mean reward; None where the log holds
            nothing to learn from, as are `read` and `decision`.
    """

    contexts: Contexts
    who: People
    now: FloatArray
    proposed: FloatArray
    floors: FloatArray
    read: ReadLog | None
    decision: OfferDecision | None
    draws: FloatArray | None

    @property
    def changes(self) -> bool:
        """Whether anything is to be done otherwise than now."""
        return bool((np.abs(self.proposed - self.now) > 1e-9).any())

    @property
    def chosen(self) -> Candidate | None:
        """The candidate that is proposed, None where the policy in force stays."""
        if self.decision is None or self.decision.shares is None:
            return None
        return next(c for c in self.decision.candidates if c.name is self.decision.choice)


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Rewards a day, over everybody who is decided for and not held out."""

    expected: Expected | None = None
    now: Interval | None = None
    uplift: Uplift | None = None


def totals_of(weighed: Weighed, rules: OfferRules) -> Totals:
    """Return what tomorrow's people are expected to bring, planned and as it is, and the gain.

    The log proves a policy on those who were logged; who may get what tomorrow can be others, so
    the promise is the rewards' posterior over tomorrow's people.
    """
    if weighed.draws is None:
        return Totals()
    people = weighed.who.people * (1 - rules.holdout)
    rewards = weighed.draws[:, weighed.contexts.segment, :]
    then = np.einsum("dca,ca,c->d", rewards, weighed.proposed, people)
    now = np.einsum("dca,ca,c->d", rewards, weighed.now, people)
    gain = then - now
    return Totals(
        expected=Expected(metric=METRIC, **interval_of(then).model_dump()),
        now=interval_of(now),
        uplift=Uplift(
            **interval_of(gain).model_dump(), probability_positive=float((gain > 0).mean())
        )
        if weighed.changes
        else None,
    )


def interval_of(values: FloatArray) -> Interval:
    """Return mean and 90 % interval of draws."""
    low, high = np.quantile(values, [_SIDE, 1 - _SIDE])
    return Interval(mean=float(values.mean()), p05=float(low), p95=float(high))


def reasons_of(weighed: Weighed) -> tuple[str, ...]:
    """Return why this is proposed and nothing else, in sentences for the head of the page."""
    if weighed.decision is None:
        return (
            "Nothing is logged with a complete reward yet: actions are shared evenly, so that "
            "there is something to learn from.",
        )
    sentences = []
    if weighed.chosen is not None:
        kind = {
            Choice.ONE_FOR_ALL: "The same shares for everybody",
            Choice.PERSONAL: "Shares of its own for each segment",
        }[weighed.chosen.name]
        sentences.append(
            f"{kind} earn {weighed.chosen.gain.robust.value:+.3g} a decision against what is in "
            f"force, {weighed.chosen.lower:+.3g} at least; three estimates agree."
        )
    else:
        sentences.append("No other policy is proved to earn more than the one in force.")
    sentences += [
        _not_proposed(candidate, weighed.read.log.total if weighed.read else 0.0)
        for candidate in weighed.decision.candidates
        if weighed.chosen is None and not candidate.is_better
    ]
    if weighed.chosen is not None and weighed.chosen.name is Choice.ONE_FOR_ALL:
        sentences.append("Segments are not treated differently: that is not proved to earn more.")
    return tuple(sentences)


def _not_proposed(candidate: Candidate, total: float) -> str:
    name = candidate.name.value.capitalize()
    if candidate.refusals:
        text = f"{name} cannot be judged from this log: {'; '.join(candidate.refusals)}"
    else:
        if candidate.is_small and candidate.gain.robust.value > 0:
            return (
                f"{name} would add {candidate.gain.robust.value:.3g} a decision: too little for a "
                "change"
            )
        text = (
            f"{name} looks like {candidate.gain.robust.value:+.3g} a decision, but may be "
            f"{candidate.lower:+.3g}"
        )
    more = candidate.decisions_needed - total
    if not np.isfinite(candidate.decisions_needed):
        return f"{text}. More of the same log would not prove it better."
    if more <= 0:
        return f"{text}. Its estimates disagree, so more data alone may not help."
    return f"{text}. About {_round(more):,.0f} more such decisions would tell."


def _round(value: float) -> float:
    """Return a number with two digits that count: an estimate of how long to wait is no more."""
    return float(f"{value:.1e}")


def advice(weighed: Weighed, rules: OfferRules, cells: pa.Table) -> list[Finding]:
    """Return what the signer should know besides."""
    found = [_reach(weighed), *_unknown_segments(weighed.who, rules)]
    found += alike_findings("customers", "segment", weighed.who.named)
    if weighed.read is not None and weighed.read.unusable:
        found.append(
            Finding(
                level=Level.REVIEW,
                check="retired-actions",
                message=f"decisions: {weighed.read.unusable:,.0f} could only get actions that are "
                "not offered any more; they are not learned from",
                source="decisions",
            )
        )
    if weighed.who.left_out:
        found.append(
            Finding(
                level=Level.REVIEW,
                check="too-many-contexts",
                message=f"customers: {weighed.who.left_out:,} people belong to combinations of "
                "segment and allowed actions beyond what a plan holds; they get nothing",
                advice="use fewer segments or fewer actions",
                source="customers",
            )
        )
    contrast = holdout_lift(columns_of(cells)) if cells.num_rows else None
    if contrast is not None:
        found.append(_lift(contrast, rules))
    return found


def _unknown_segments(who: People, rules: OfferRules) -> list[Finding]:
    """Return findings on rules for segments that no customer is in: most are misspelt."""
    return [
        Finding(
            level=Level.REVIEW,
            check="rule-for-unknown-segment",
            message=f"{item.action}: its rule names {name!r}, a segment that no customer is in",
            advice=f"segments are {', '.join(sorted(who.named))}; correct offers.actions",
            source="customers",
        )
        for item in rules.actions
        for name in (*item.only_in, *item.not_in)
        if name not in who.known
    ]


def _reach(weighed: Weighed) -> Finding:
    who = weighed.who
    return Finding(
        level=Level.PASS,
        check="reach",
        message=f"{_about(who.reached, who.least)} of {_about(who.everybody, who.least)} people "
        "may get more than nothing today; the others gave no consent, or were contacted lately",
        source="customers",
    )


def _about(people: int, least: float) -> str:
    """Return a number of people so rounded that no small group is what two of them differ by."""
    step = max(int(least), 1)
    whole = people // step * step
    return f"{whole:,}" if step == 1 else f"{whole:,} or more" if whole else f"fewer than {step}"


def _lift(contrast: Contrast, rules: OfferRules) -> Finding:
    return Finding(
        level=Level.REVIEW if contrast.high < 0 else Level.PASS,
        check="holdout",
        message=f"people who are decided for earn {contrast.mean:+.3g} a decision against the "
        f"{rules.holdout:.0%} held out ({contrast.low:+.3g} to {contrast.high:+.3g}, "
        f"{contrast.decisions:,.0f} decisions held out)",
        advice="what is offered does harm as a whole; stop it" if contrast.high < 0 else "",
        source="decisions",
    )


def health(
    weighed: Weighed, rules: OfferRules, cells: pa.Table, published: DecisionPlan | None
) -> ModelHealth:
    """Return how far the learning can be trusted, the last promise held against what came."""
    checks = []
    if weighed.read is not None and weighed.decision is not None:
        log = weighed.read.log
        checks.append(
            Finding(
                level=Level.PASS,
                check="log",
                message=f"learned from {log.total:,.0f} decisions with {log.rewarded.sum():,.0f} "
                f"rewards; least probability {log.propensity.min():.2g}",
            )
        )
        checks.append(
            Finding(
                level=Level.PASS,
                check="interaction",
                message=f"segments differ in what suits them by {weighed.decision.interaction:.0%} "
                "of the mean reward",
            )
        )
    if published is not None and published.expected is not None and cells.num_rows:
        checks += _promise(cells, published, rules)
    return ModelHealth(level=worst_level(checks) if checks else Level.REVIEW, checks=tuple(checks))


def columns_of(cells: pa.Table) -> dict[str, FloatArray]:
    """Return the columns of numbers that say what came."""
    names = ("decisions", "reward", "bucket", "is_holdout", "is_current")
    return {name: cells[name].to_numpy(zero_copy_only=False) for name in names}


def _promise(cells: pa.Table, published: DecisionPlan, rules: OfferRules) -> list[Finding]:
    came = since_signed(columns_of(cells))
    groups = {(i.line["segment"], i.line["allowed"]): _people(i) for i in published.lines}
    people = sum(groups.values()) * (1 - rules.holdout)
    if came is None or not people or published.expected is None:
        return []
    low, high = (getattr(published.expected, name) / people for name in ("p05", "p95"))
    held = came.high >= low and came.low <= high
    return [
        Finding(
            level=Level.PASS if held else Level.REVIEW,
            check="promise",
            message=f"since {published.date.isoformat()} a decision earned {came.mean:.3g} "
            f"({came.low:.3g} to {came.high:.3g}) over {came.decisions:,.0f}; {low:.3g} to "
            f"{high:.3g} was promised",
            advice="" if held else "the market has changed, or the log is not what was done",
        )
    ]


def _people(line: DecisionLine) -> float:
    """Return how many people a line is for; of a group too small to be shown, half of its most."""
    return line.figures.get("people", line.figures.get(FEWER_THAN, 0.0) / 2)
