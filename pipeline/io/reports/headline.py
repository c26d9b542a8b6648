"""The sentences that a signer reads first: what is asked, what it should bring, how sure it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.core.findings import SPECIAL_DAY
from pipeline.core.money import outcome_unit, round_money, sum_money, to_minor
from pipeline.core.plan import Mode, Plan, Uplift
from pipeline.io.reports.lines import LineView, moved
from pipeline.io.reports.words import (
    chance,
    days,
    is_known,
    long_day,
    money,
    number,
    number_change,
    percent,
    plural,
    sentence,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Headline:
    """`badge` names the mode, `ask` is the one sentence, `promise` what it should bring.

    `stress` are the parts of the promise that a reader in a hurry needs.
    """

    badge: str
    ask: str
    promise: str
    stress: Sequence[str]
    reasons: Sequence[str]


def headline(plan: Plan, lines: Sequence[LineView]) -> Headline:
    """Return the first lines of the page."""
    badge, ask = {
        Mode.OPTIMISED: _optimised,
        Mode.FALLBACK: _fallback,
        Mode.HOLD: _hold,
    }[plan.mode](plan, lines)
    return Headline(
        badge=badge,
        ask=ask,
        promise=_promise(plan),
        stress=_stress(plan),
        reasons=[
            sentence(reason) for reason in (*plan.reasons, *_split(plan), *_special_days(plan))
        ],
    )


def _special_days(plan: Plan) -> list[str]:
    """Return what the model expects of the plan's day where it has a name."""
    checks = plan.model_health.checks if plan.model_health else ()
    return [check.message for check in checks if check.check == SPECIAL_DAY]


def _split(plan: Plan) -> list[str]:
    """Return what of the gain is the other money's and what the split's, where the two differ."""
    split, uplift = plan.split, plan.uplift
    if split is None or uplift is None or not is_known(uplift.mean):
        return []
    side = "more" if plan.budget > sum(line.current for line in plan.lines) else "less"
    money = (
        f"{side} money in today's proportions would bring {_gain_words(uplift.mean - split.mean)}"
    )
    if split.better is None:
        return [f"{money}, and the plan keeps those proportions"]
    return [
        f"{money}; this split brings {_gain_words(split.mean)} than that, "
        f"and the chance that it is better than those proportions is {chance(split.better)}"
    ]


def _gain_words(gain: float) -> str:
    return f"{number(abs(gain))} {'less' if gain < 0 else 'more'}"


def metric_name(plan: Plan) -> str:
    """Return the north-star metric in words."""
    return plan.expected.metric.replace("_", " ") if plan.expected else "outcome"


def outcome_words(plan: Plan) -> str:
    """Return what a gain counts: `EUR of revenue`, `conversions`."""
    if plan.expected is None:
        return "outcome"
    return outcome_unit(plan.expected.metric, plan.currency)


def total_words(plan: Plan) -> str:
    """Return whether the lines add up to the budget, and what is left where they do not."""
    total = sum_money([line.proposed for line in plan.lines], plan.currency)
    left = round_money(plan.budget - total, plan.currency)
    if left == 0:
        return f"The lines add up to the budget of {_amount(plan.budget, plan)} exactly."
    side = "below" if left > 0 else "above"
    return (
        f"The lines add up to {_amount(total, plan)}: {_amount(abs(left), plan)} {side} "
        f"the budget of {_amount(plan.budget, plan)}."
    )


def _optimised(plan: Plan, lines: Sequence[LineView]) -> tuple[str, str]:
    taken, added = moved(lines, plan.currency)
    count = sum(1 for line in lines if line.change)
    day = long_day(plan.date)
    if not count:
        return (
            "No move",
            f"Keep every budget as it is on {day}: {_amount(plan.budget, plan)} in all",
        )
    net = round_money(added - taken, plan.currency)
    parts = []
    if shifted := min(taken, added):
        parts.append(f"move {_amount(shifted, plan)} between {plural(count, 'line')}")
    # Every line is rounded by up to half a cent; a total that moves by no more is no news.
    is_rounding = 2 * abs(to_minor(net, plan.currency)) <= len(lines)
    if net and not (parts and is_rounding):
        how = "more" if net > 0 else "less"
        parts.append(f"spend {_amount(abs(net), plan)} {how} in all")
    text = " and ".join(parts)
    return "New plan", f"{text[0].upper()}{text[1:]} on {day}"


def _fallback(plan: Plan, _: Sequence[LineView]) -> tuple[str, str]:
    age = f" {days(plan.fallback_days)} ago" if plan.fallback_days else ""
    badge = f"Fallback, {days(plan.fallback_days)} old" if plan.fallback_days else "Fallback"
    return badge, f"No new plan for {long_day(plan.date)}: repeat the budgets approved{age}"


def _hold(plan: Plan, _: Sequence[LineView]) -> tuple[str, str]:
    day = long_day(plan.date)
    if plan.lines and sum(len(row.lines) for row in plan.kept) == len(plan.lines):
        return "No change", f"Leave every budget as it is on {day}: all lines are kept on purpose"
    if plan.expected is not None:  # the model was asked and found nothing worth a change
        return "No change", f"Leave every budget as it is on {day}: no change is sure enough to pay"
    badge = f"Hold, {days(plan.fallback_days)} old" if plan.fallback_days else "Hold"
    since = f", {days(plan.fallback_days)} without a new plan" if plan.fallback_days else ""
    return badge, f"No new plan for {day}: leave every budget as it is{since}"


def _promise(plan: Plan) -> str:
    metric = metric_name(plan)
    if plan.uplift is None or not is_known(plan.uplift.mean):
        if plan.mode is Mode.OPTIMISED:
            return "What it should bring is not known."
        return "Nothing is promised: no model stands behind these budgets tonight."
    uplift = plan.uplift
    if uplift.better is None:
        return f"The same {metric} as today is expected."
    return (
        f"{_direction(uplift, metric)} than leaving the budgets alone "
        f"(90% interval {number_change(uplift.p05)} to {number_change(uplift.p95)}). "
        f"The chance that it is better is {chance(uplift.better)}."
    )


def _direction(uplift: Uplift, metric: str) -> str:
    how = "less" if uplift.mean < 0 else "more"
    return f"Expected to bring {number(abs(uplift.mean))} {how} {metric} a day"


def _stress(plan: Plan) -> list[str]:
    if plan.uplift is None or plan.uplift.better is None or not is_known(plan.uplift.mean):
        return []
    how = "less" if plan.uplift.mean < 0 else "more"
    gain = f"{number(abs(plan.uplift.mean))} {how} {metric_name(plan)} a day"
    return [gain, chance(plan.uplift.better)]


def _amount(value: float, plan: Plan) -> str:
    return f"{money(value, plan.currency)} {plan.currency}"


def share_of(part: float, whole: float) -> str:
    """Return a part as a percentage of the whole; not known where the whole is nothing."""
    return percent(part / whole) if whole else percent(None)


def moved_to_learn(plan: Plan) -> float:
    """Return the money that is moved to learn; what one line gains is what another gives."""
    if plan.exploration is not None and plan.exploration.moves:
        return plan.exploration.moved
    away = [line.exploration for line in plan.lines]
    return max(sum(amount for amount in away if amount > 0), -sum(a for a in away if a < 0))


def paid_lessons(plan: Plan) -> str:
    """Return what lessons bring that cost nothing, which the cost of learning leaves out."""
    moves = plan.exploration.moves if plan.exploration is not None else ()
    paid = [-move.cost for move in moves if move.cost < 0]
    if not paid:
        return ""
    which = plural(len(paid), "pair")
    is_one = len(paid) == 1
    return (
        f"{which} that should bring {number(sum(paid))} more even tonight "
        f"{'is' if is_one else 'are'} not set off against that."
    )
