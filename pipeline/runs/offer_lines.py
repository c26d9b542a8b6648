"""The lines of the plan of offers: what each action gets, what it earns, and why."""

from __future__ import annotations

import numpy as np

from pipeline.core.decision import DecisionLine, without_small_figures
from pipeline.core.types import FloatArray
from pipeline.runs.offer_words import Weighed, interval_of


def lines_of(weighed: Weighed) -> tuple[DecisionLine, ...]:
    """Return a line per context and action that may be given there."""
    contexts, draws = weighed.contexts, weighed.draws
    counts = None
    if weighed.read is not None:
        log = weighed.read.log.with_segments(contexts.segments)
        counts = log.cells(log.count)
    lines = []
    for row in range(contexts.size):
        segment = int(contexts.segment[row])
        places = np.flatnonzero(contexts.eligible[row])
        best = None if draws is None else _chance_best(draws[:, segment, places])
        for rank, place in enumerate(places.tolist()):
            seen = 0.0 if counts is None else float(counts[segment, place])
            chance = None if best is None else float(best[rank])
            rewards = None if draws is None else draws[:, segment, place]
            lines.append(_line(weighed, row, place, seen, chance, rewards))
    return tuple(lines)


def _line(
    weighed: Weighed,
    row: int,
    place: int,
    seen: float,
    chance: float | None,
    rewards: FloatArray | None,
) -> DecisionLine:
    contexts = weighed.contexts
    now, then = float(weighed.now[row, place]), float(weighed.proposed[row, place])
    at_floor = then <= weighed.floors[row, place] + 1e-4
    expected = None
    if rewards is not None and seen > 0:
        expected = interval_of(rewards)
    figures = {"people": float(weighed.who.people[row]), "decisions": seen}
    if chance is not None:
        figures["probability_best"] = round(chance, 6)
    line = DecisionLine(
        line={
            "segment": contexts.segments[int(contexts.segment[row])],
            "allowed": weighed.who.allowed[row],
            "action": contexts.actions[place],
        },
        current=now,
        proposed=then,
        expected=expected,
        binding=("floor",) if at_floor else (),
        action=_action(now, then),
        reason=_reason(weighed, seen, then - now, at_floor),
        figures=figures,
    )
    least, many = weighed.who.least, figures["people"] >= weighed.who.least
    if many and not 0 < seen < least:
        return line
    return without_small_figures(line, least, keep=frozenset({"people"} if many else ()))


def _action(now: float, then: float) -> str:
    if abs(then - now) <= 1e-9:
        return "hold"
    return "start" if now == 0 else "raise" if then > now else "reduce"


def _reason(weighed: Weighed, seen: float, change: float, at_floor: bool) -> str:
    if weighed.read is None:
        return "no decision is logged yet: an even split is how to begin"
    if weighed.chosen is None:
        return _kept(change, at_floor)
    if at_floor:
        return "its floor, to keep learning"
    if seen == 0:
        return "not in the segment's log yet: as for all segments together"
    if change < -1e-9:
        return "less likely the best here than its share says"
    return "earns most here, or may well do"


def _kept(change: float, at_floor: bool) -> str:
    """Return why a share is what it is where nothing is proved better: only floors move it."""
    if change > 1e-9:
        return "nothing is proved better; raised to its floor, to keep learning"
    if change < -1e-9:
        return "nothing is proved better; gives way to the floors of the others"
    return "as it is: nothing is proved better" + (", its floor kept" if at_floor else "")


def _chance_best(draws: FloatArray) -> FloatArray:
    return np.asarray(np.bincount(draws.argmax(axis=1), minlength=draws.shape[1])) / len(draws)
