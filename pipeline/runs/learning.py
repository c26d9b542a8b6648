"""What a plan says of the learning loop: lines that are kept or new, and what holdouts show."""

from __future__ import annotations

from dataclasses import replace

from pipeline.core.errors import InfeasibleError
from pipeline.core.learning import (
    ExplorationMove,
    PlanExploration,
    PlanHoldout,
    PlanKept,
    PlanNewLine,
    PlanNewLines,
)
from pipeline.core.money import minor_digits
from pipeline.core.policy import Policy
from pipeline.core.types import FloatArray, line_label
from pipeline.runs.decide import Decision, Facts, Models, best_split
from pipeline.runs.exploring import lessons_of
from pipeline.runs.inputs import Inputs
from pipeline.runs.kept import HOLDOUT, Kept


def kept_rows(facts: Facts, budgets: FloatArray) -> tuple[PlanKept, ...]:
    """Return the lines that stay on purpose, together by reason."""
    groups: dict[Kept, list[int]] = {}
    for index, line in enumerate(facts.history.lines):
        if line in facts.kept:
            groups.setdefault(facts.kept[line], []).append(index)
    return tuple(
        PlanKept(
            kind=reason.kind,
            why=reason.why,
            until=reason.until,
            lines=tuple(line_label(facts.history.lines[index]) for index in members),
            money=round(float(budgets[members].sum()), 6),
        )
        for reason, members in groups.items()
    )


def new_lines(facts: Facts, decision: Decision) -> PlanNewLines | None:
    """Return what lines that have begun of late keep tonight; None where there are none."""
    learning = decision.learning
    if not learning.lines:
        return None
    rules, digits = facts.policy.new_lines, minor_digits(facts.policy.currency)
    return PlanNewLines(
        until_days=rules.days,
        give_up_below=rules.give_up_below,
        kept=round(sum(learning.floors().values()), digits),
        most=round(learning.most, digits),
        cost=_number(learning.cost),
        lines=tuple(
            PlanNewLine(
                line=line_label(facts.history.lines[item.place]),
                since=item.since,
                days=item.days,
                least=round(item.least, digits),
                chance=None if item.chance is None else _number(item.chance),
                stand=item.stand.value,
            )
            for item in learning.lines
        ),
    )


def exploration_account(facts: Facts, decision: Decision) -> PlanExploration | None:
    """Return what tonight spends to learn and what that costs; None where nobody wants that."""
    account = decision.exploration
    if facts.policy.exploration.max_share <= 0 and facts.learned_for <= 0:
        return None
    if account is None:
        return _switched_off(facts, decision)
    digits = minor_digits(facts.policy.currency)
    cost = sum(max(move.cost, 0.0) for move in account.moves)
    return PlanExploration(
        moved=round(float(sum(move.money for move in account.moves)), digits),
        most=round(facts.policy.exploration.max_share * decision.total, digits),
        cost=_number(cost),
        most_cost=_number(account.most_cost),
        total_cost=_number(facts.learned_for + cost),
        worth=_number(sum(move.worth for move in account.moves)),
        horizon_days=facts.policy.exploration.horizon_days,
        unpaid=account.unpaid,
        uncovered=account.uncovered,
        moves=tuple(
            ExplorationMove(
                up=lesson.up,
                down=lesson.down,
                money=round(float(lesson.money), digits),
                since=lesson.since,
                cost=_number(move.cost),
                worth=_number(move.worth),
                surer_up=_number(float(account.surer[move.up])),
                surer_down=_number(float(account.surer[move.down])),
            )
            for lesson, move in zip(lessons_of(facts, account), account.moves, strict=True)
        ),
    )


def _switched_off(facts: Facts, decision: Decision) -> PlanExploration:
    """Return the account of a night that learns nothing on purpose, though the settings ask."""
    if facts.policy.exploration.max_share <= 0:
        why = "the settings give no money for it"
    elif decision.problem.guardrails:
        why = "guardrails are set, and moves that only learn could break them"
    else:
        why = "the moves that would teach most do not keep tonight's limits"
    return _still_account(facts.policy, decision.total, facts.learned_for, why)


def resting_account(inputs: Inputs, total: float) -> PlanExploration | None:
    """Return the account of a night that decides nothing; None where nobody wants one.

    Args:
        total: of the budgets that stay.
    """
    stays, learned_for = inputs.lessons(), inputs.learned_for()
    if inputs.policy.exploration.max_share <= 0 and not stays and learned_for <= 0:
        return None
    account = _still_account(inputs.policy, total, learned_for, "no new plan could be made")
    moved = round(sum(lesson.money for lesson in stays), minor_digits(inputs.policy.currency))
    return account.model_copy(update={"moved": moved, "stays": stays})


def _still_account(policy: Policy, total: float, learned_for: float, why: str) -> PlanExploration:
    """Return the account of a night on which no move is made to learn, and why."""
    rules = policy.exploration
    return PlanExploration(
        moved=0.0,
        most=round(rules.max_share * total, minor_digits(policy.currency)),
        cost=0.0,
        most_cost=0.0,
        total_cost=_number(learned_for),
        worth=0.0,
        horizon_days=rules.horizon_days,
        unpaid=0,
        uncovered=0,
        off=why,
    )


def holdout_rows(facts: Facts, models: Models, decision: Decision) -> tuple[PlanHoldout, ...]:
    """Return every standing holdout with its price tonight and what it has shown."""
    rows = []
    for score in facts.holdouts:
        if score.ended is not None and score.ended < facts.day:
            continue
        result = score.result
        rows.append(
            PlanHoldout(
                name=score.name,
                since=score.since,
                held=len(score.held),
                of=score.of,
                price=_number(_price(facts, models, decision)),
                days=0 if result is None else result.days,
                **(
                    {}
                    if result is None
                    else {
                        name: _number(getattr(result, name))
                        for name in ("lift", "low", "high", "gain", "gain_low", "gain_high")
                        if getattr(result, name) is not None
                    }
                ),
            )
        )
    return tuple(rows)


def _price(facts: Facts, models: Models, decision: Decision) -> float:
    """Return what the best split would earn more a day were nothing held out."""
    free = {line: item for line, item in facts.kept.items() if item.kind != HOLDOUT}
    if len(free) == len(facts.kept):
        return 0.0
    try:
        without = best_split(replace(facts, kept=free), models)
    except InfeasibleError:
        return 0.0
    return max(without.solution.objective - decision.solution.objective, 0.0)


def _number(value: float) -> float:
    return float(f"{value:.9g}")
