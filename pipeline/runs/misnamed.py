"""Names in the settings that no line bears: a slip of the pen must not switch a rule off unseen."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial

from pipeline.core.caps import Cap
from pipeline.core.findings import Finding, Level
from pipeline.core.policy import Policy
from pipeline.core.trial import Trial
from pipeline.core.types import Line, in_scope, line_label, scope_label

ALIKE = 0.6  # from which a name is offered instead
SHOWN = 8  # names, where none is alike
SETTINGS = "put the new name into the settings"
ENDS = "end it; from the day after, a plan that takes the line by its new name can be signed"
SET_ANEW = "have finance set it for the new name, and a max of 0 for the old one"


def misnamed(
    policy: Policy,
    lines: Collection[Line],
    trials: Collection[Trial] = (),
    caps: Collection[Cap] = (),
) -> list[Finding]:
    """Return a finding for each credit, safe ground, guardrail, test and cap that reaches no line.

    Args:
        trials: that are not over.
        caps: that are in force or wait for finance; one may be there before its line begins.
    """
    if not lines:
        return []
    found = list(_credit(policy, sorted({line[0] for line in lines})))
    rules = [
        (f"safe_ground[{place}]", ground.scope, "nothing is kept by it")
        for place, ground in enumerate(policy.safe_ground)
    ]
    rules += [
        (f"guardrails[{place}]", rail.scope, "nothing is guarded by it")
        for place, rail in enumerate(policy.guardrails)
    ]
    rules += [
        (f"test {trial.name}", trial.scope, "no line is left alone for it") for trial in trials
    ]
    rules += [(cap.id, cap.scope, "it limits nothing until there is one") for cap in caps]
    for place, scope, effect in rules:
        if not any(in_scope(line, policy.line, scope) for line in lines):
            message = f"{place}: no line is {scope_label(scope)}; {effect}"
            found.append(_finding(message, meant_instead(scope, policy.line, lines)))
    return found


def _credit(policy: Policy, channels: Sequence[str]) -> Iterator[Finding]:
    credit = policy.sources.outcomes.credit
    if not isinstance(credit, dict):
        return
    for name in sorted(credit):
        if name not in channels:
            column = policy.line[0]
            yield _finding(
                f"sources.outcomes.credit: no line has the {column} {name!r}; "
                f"{credit[name]} is credited with nothing",
                _alike(name, channels),
            )


def left_behind(
    policy: Policy,
    names: Mapping[Line, Line],
    lines: Collection[Line],
    trials: Collection[Trial],
    caps: Collection[Cap],
) -> list[Finding]:
    """Return a finding for each rule that is about a line by a former name alone.

    Args:
        names: former name -> name now.
        lines: of tonight; a rule that is about others of them too was meant for those as well.
        caps: of them those that leave nothing are right for a name that nobody uses any more.
    """
    columns = policy.line

    def about(scope: Mapping[str, str]) -> Callable[[Line], bool]:
        return lambda line: in_scope(line, columns, scope)

    grounds, rails = enumerate(policy.safe_ground), enumerate(policy.guardrails)
    rules: list[tuple[str, Callable[[Line], bool], str]] = [
        *((f"safe_ground[{place}]", about(item.scope), SETTINGS) for place, item in grounds),
        *((f"guardrails[{place}]", about(item.scope), SETTINGS) for place, item in rails),
        *((f"test {item.name}", partial(item.keeps, columns=columns), ENDS) for item in trials),
        *(
            (item.id, about(item.scope), SET_ANEW)
            for item in caps
            if 0 not in (item.max, item.fixed)
        ),
    ]
    living, found = [line for line in lines if line not in names], []
    for place, reaches, advice in rules:
        lost = [old for old in sorted(names) if reaches(old)]
        if not lost or any(reaches(line) for line in living):
            continue
        message = (
            f"{place}: it names {line_label(lost[0])}, which goes on as "
            f"{line_label(names[lost[0]])}, and not that one, so it neither limits nor keeps it"
        )
        found.append(_finding(message, advice))
    return found


def meant_instead(scope: Mapping[str, str], columns: Sequence[str], lines: Collection[Line]) -> str:
    """Return what the first part of a scope that reaches nothing should perhaps have been."""
    for column, value in scope.items():
        if column not in columns:
            return f"lines are named by {', '.join(columns)}"
        known = sorted({line[list(columns).index(column)] for line in lines})
        if value not in known:
            return _alike(value, known)
    return "each name is known, together they name no line"


def _alike(name: str, known: Sequence[str]) -> str:
    folded = {other.casefold(): other for other in known}
    close = difflib.get_close_matches(name.casefold(), list(folded), 1, ALIKE)
    if close:
        return f"did you mean {folded[close[0]]!r}?"
    rest = f" and {len(known) - SHOWN} more" if len(known) > SHOWN else ""
    return f"known are {', '.join(known[:SHOWN])}{rest}"


def _finding(message: str, advice: str) -> Finding:
    return Finding(level=Level.REVIEW, check="misnamed", message=message, advice=advice)
