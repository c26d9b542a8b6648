"""What another budget or cap would earn: a table and a picture, nothing written to the ledger."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.show import HERE, AsJson, Workspace, print_json, print_table, remark, say
from pipeline.core.errors import UsageError
from pipeline.core.types import line_label, scope_label

if TYPE_CHECKING:
    from pipeline.core.policy import CapSpec
    from pipeline.io.reports.budget_curve import BudgetCurve
    from pipeline.runs.what_if import CapCost, Split, WhatIf

PlanId = Annotated[
    str, typer.Argument(metavar="ID", help="Plan id, its unique beginning, or 'latest'.")
]
Budget = Annotated[float | None, typer.Option("--budget", help="Another amount for the day.")]
Caps = Annotated[
    list[str] | None,
    typer.Option(
        "--cap",
        metavar="SCOPE:LIMITS",
        help="Another cap, as channel=search:max=6000 or channel=tv,audience=a:min=10,max=90; "
        "again for several.",
    ),
]
Without = Annotated[
    list[str] | None,
    typer.Option("--without", metavar="CAP-ID", help="Lift a cap in force; again for several."),
]
Ramp = Annotated[
    float | None,
    typer.Option("--ramp", help="Another largest daily change of a line, as a share: 0.5."),
]
Svg = Annotated[Path | None, typer.Option("--svg", metavar="FILE", help="Write the picture too.")]


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("what-if")(what_if)


def what_if(
    plan_id: PlanId = "latest",
    budget: Budget = None,
    cap: Caps = None,
    without: Without = None,
    ramp: Ramp = None,
    svg: Svg = None,
    workspace: Workspace = HERE,
    as_json: AsJson = False,
) -> None:
    """Show what another budget or other caps would earn, against a night's stored posterior.

    All changes count together. Nothing is proposed, signed or recorded.
    """
    from pipeline.core.settings import MOST
    from pipeline.runs import what_if as runs
    from pipeline.runs.portfolio import open_portfolio

    if budget is not None and not 0 <= budget <= MOST:
        raise UsageError(f"--budget: need an amount from 0 to {MOST:,.0f}, got {budget}")
    if ramp is not None and not 0 <= ramp <= 1:
        raise UsageError(f"--ramp: need a share from 0 to 1, such as 0.25 for 25 %, got {ramp:g}")
    change = runs.Change(
        budget=budget,
        caps=tuple(_cap(text) for text in cap or []),
        without=tuple(dict.fromkeys(without or [])),
        ramp=ramp,
    )
    scopes = [spec.scope for spec in change.caps]
    if any(scopes.count(scope) > 1 for scope in scopes):
        raise UsageError("--cap: a scope is given twice; put its limits in one --cap")
    found = runs.what_if(open_portfolio(workspace), plan_id, change)
    if svg is not None:
        _write_svg(svg, found)
    if as_json:
        print_json(_json(found))
    else:
        _print(found)


def _cap(text: str) -> CapSpec:
    from pydantic import ValidationError

    from pipeline.core.policy import CapSpec

    need = "need SCOPE:LIMITS, such as channel=search:max=6000"
    scope, colon, limits = text.rpartition(":")
    if not colon or not limits:
        raise UsageError(f"--cap {text}: {need}")
    numbers: dict[str, float] = {}
    for key, value in _pairs(limits, text, need):
        try:
            numbers[key] = float(value)
        except ValueError as error:
            raise UsageError(f"--cap {text}: {key} needs a number, got {value!r}") from error
    try:
        return CapSpec.model_validate({"scope": dict(_pairs(scope, text, need)), **numbers})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        what = first["msg"].removeprefix("Value error, ")
        raise UsageError(f"--cap {text}: {where} {what}".replace("  ", " ")) from error


def _pairs(text: str, whole: str, need: str) -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    for part in text.split(",") if text else []:
        key, equals, value = part.partition("=")
        if not (key and equals and value) or key in dict(pairs):
            raise UsageError(f"--cap {whole}: {need}, each name once")
        pairs.append((key, value))
    return pairs


def _curve(found: WhatIf) -> BudgetCurve:
    from pipeline.io.reports.budget_curve import BudgetCurve, Mark

    return BudgetCurve(
        metric=found.metric,
        currency=found.plan.currency,
        budget=[point.budget for point in found.curve],
        outcome=[point.outcome for point in found.curve],
        marks=[
            Mark(name=split.name, budget=float(split.budgets.sum()), outcome=_mean(split))
            for split in found.splits
        ],
    )


def _write_svg(path: Path, found: WhatIf) -> None:
    from pipeline.io.artefacts import write_file
    from pipeline.io.reports.budget_curve import svg_picture

    title = f"{found.plan.portfolio}, {found.plan.date}: what other budgets would earn"
    write_file(path, svg_picture(_curve(found), title).encode())
    remark(f"picture in {path}")


def _print(found: WhatIf) -> None:
    from pipeline.io.reports.budget_curve import terminal_picture

    plan, base, changed = found.plan, found.base, found.changed
    say(f"Against the night of {plan.date} (plan {plan.plan_id}); nothing is changed by asking.")
    print_table(
        ("split", f"spend {plan.currency}", f"{found.metric} a day", "90 % interval",
         "against best tonight", "chance of more", "next unit earns"),
        [
            (
                split.name,
                float(split.budgets.sum()),
                _mean(split),
                "{:,.2f} to {:,.2f}".format(*_interval(split.outcome)),
                "" if split is base else f"{_mean(split) - _mean(base):+,.2f}",
                "" if split is base else f"{_chance(split, base):.0%}",
                "" if split.price is None else _next(split),
            )
            for split in found.splits
        ],
    )  # fmt: skip
    more = float(changed.budgets.sum() - base.budgets.sum())
    if abs(more) > 0.005:
        rate = (_mean(changed) - _mean(base)) / more
        word = "more earns" if more > 0 else "less costs"
        say(f"each of the {abs(more):,.2f} {plan.currency} {word} {_rate(rate)} {found.metric}")
    for reason in _new_reasons(found):
        say(f"note: {reason}")
    names = ("line", "today", "best tonight", *(() if changed is base else ("what if", "change")))
    best = changed.best or base.best
    rows = []
    for index, line in enumerate(found.facts.history.lines):
        moves: list[str] = []
        amounts = [float(found.facts.current[index]), float(base.budgets[index])]
        if changed is not base:
            amounts += [float(changed.budgets[index])]
            moves = [f"{float(changed.budgets[index] - base.budgets[index]):+,.2f}"]
        held = "" if best is None else ", ".join(best.solution.binding[index])
        rows.append((line_label(line), *amounts, *moves, held.replace(f"{line_label(line)}: ", "")))
    print_table((*names, "held by"), rows)
    if found.caps:
        say(f"What each cap in force costs tonight, in {found.metric} a day:")
        heads = ("cap", "scope", "limit", "without it, more by")
        print_table(heads, map(_cap_row, found.caps))
    if len(found.curve) > 1:
        for row in terminal_picture(_curve(found)):
            say(row)


def _cap_row(cost: CapCost) -> tuple[str, str, str, str]:
    gain = "not known: without it the limits contradict" if cost.gain is None else (
        f"{cost.gain:,.2f}" if cost.gain > 0 else "nothing"
    )  # fmt: skip
    return cost.cap.id, scope_label(cost.cap.scope), _limits(cost), gain


def _limits(cost: CapCost) -> str:
    sides = {"min": cost.cap.min, "max": cost.cap.max, "fixed": cost.cap.fixed}
    return " ".join(f"{name} {value:,.2f}" for name, value in sides.items() if value is not None)


def _next(split: Split) -> str:
    return "limits allow no more" if split.is_most else _rate(split.price or 0.0)


def _rate(price: float) -> str:
    """Return what one unit earns, with three digits; what rounding left of nothing is 0."""
    return f"{price:.3g}" if abs(price) > 1e-9 else "0"


def _new_reasons(found: WhatIf) -> list[str]:
    best = found.changed.best
    return [] if best is None else list(best.reasons)


def _mean(split: Split) -> float:
    return float(split.outcome.mean())


def _interval(outcome: Any) -> tuple[float, float]:
    import numpy as np

    low, high = np.quantile(outcome, (0.05, 0.95))
    return float(low), float(high)


def _chance(split: Split, base: Split) -> float:
    gain = split.outcome - base.outcome
    return float((gain > 0).mean() + 0.5 * (gain == 0).mean())


def _json(found: WhatIf) -> dict[str, Any]:
    lines = found.facts.history.lines
    columns = found.facts.policy.line

    def split(one: Split) -> dict[str, Any]:
        low, high = _interval(one.outcome)
        out: dict[str, Any] = {
            "name": one.name,
            "budget": float(one.budgets.sum()),
            "expected": {"mean": _mean(one), "p05": low, "p95": high},
            "against_best_tonight": _mean(one) - _mean(found.base),
            "probability_of_more": _chance(one, found.base),
            "lines": [
                {"line": dict(zip(columns, line, strict=True)), "spend": float(spend)}
                for line, spend in zip(lines, one.budgets, strict=True)
            ],
        }
        if one.best is not None:
            solution = one.best.solution
            out |= {
                "prices": {name: float(price) for name, price in solution.prices.items()},
                "certificate": {
                    "objective": solution.objective,
                    "upper_bound": solution.upper_bound,
                    "gap": solution.gap,
                },
                "reasons": list(one.best.reasons),
            }
        return out

    return {
        "plan_id": found.plan.plan_id,
        "metric": found.metric,
        "currency": found.plan.currency,
        "change": found.change.words(),
        "splits": [split(one) for one in found.splits],
        "caps": [
            {
                **cost.cap.model_dump(include={"id", "scope", "min", "max", "fixed"}),
                "gain_without": cost.gain,
            }
            for cost in found.caps
        ],
        "curve": [{"budget": p.budget, "outcome": p.outcome} for p in found.curve],
    }
