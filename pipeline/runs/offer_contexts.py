"""Who is decided for, in which context, and what is done for them now."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipeline.bandits.offers.log import Contexts
from pipeline.core.decision import DecisionPlan
from pipeline.core.offer_rules import OTHER, SEPARATOR
from pipeline.core.types import FloatArray
from pipeline.runs.offer_log import ReadLog

if TYPE_CHECKING:
    import pyarrow as pa

MAX_CONTEXTS = 5_000

SignedShares = dict[tuple[str, frozenset[str]], dict[str, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """Who is decided for: per context its segment, its allowed actions and how many people.

    Attributes:
        named: segments that are large enough to be named. known: all of them, never to be shown.
        left_out: people of contexts beyond `MAX_CONTEXTS`; they get nothing.
        reached, everybody: people who may get more than nothing, of so many.
        least: groups of fewer are not shown.
    """

    segments: tuple[str, ...]
    allowed: tuple[str, ...]
    people: FloatArray
    named: frozenset[str]
    known: frozenset[str]
    left_out: int
    reached: int
    everybody: int
    least: float


def people_of(table: pa.Table, min_group: float) -> People:
    """Return the contexts, with segments of fewer people than may be shown put together as one.

    Those who may get nothing only are no context: there is nothing to decide.

    Args:
        table: segment, allowed and people.
    """
    rows = table.to_pylist()
    sizes: dict[str, int] = defaultdict(int)
    for row in rows:
        sizes[row["segment"]] += row["people"]
    named = frozenset(name for name, size in sizes.items() if size >= min_group)
    counts: dict[tuple[str, str], int] = defaultdict(int)
    for row in rows:
        if SEPARATOR in row["allowed"]:
            name = row["segment"] if row["segment"] in named else OTHER
            counts[name, row["allowed"]] += row["people"]
    # Those with most people, should there be more contexts than anybody could sign.
    kept = sorted(sorted(counts, key=lambda key: (-counts[key], key))[:MAX_CONTEXTS])
    return People(
        segments=tuple(key[0] for key in kept),
        allowed=tuple(key[1] for key in kept),
        people=np.array([counts[key] for key in kept], dtype=float),
        named=named,
        known=frozenset(sizes),
        left_out=sum(counts.values()) - sum(counts[key] for key in kept),
        reached=sum(counts.values()),
        everybody=sum(sizes.values()),
        least=min_group,
    )


def tomorrow(people: People, read: ReadLog | None, offered: tuple[str, ...]) -> Contexts:
    """Return the contexts to decide for, in the words of the log."""
    if read is None:
        segments, actions = tuple(sorted(set(people.segments))), offered
    else:
        # Segments that the log does not know follow those it does, so that its places hold.
        known = read.log.contexts.segments
        segments = (*known, *sorted(set(people.segments) - set(known)))
        actions = read.log.contexts.actions
    place = {name: index for index, name in enumerate(actions)}
    eligible = np.zeros((len(people.segments), len(actions)), dtype=bool)
    for row, text in enumerate(people.allowed):
        eligible[row, [place[name] for name in text.split(SEPARATOR)]] = True
    return Contexts(
        segments=segments,
        actions=actions,
        segment=np.array([segments.index(name) for name in people.segments], dtype=int),
        eligible=eligible,
    )


def signed_shares(plan: DecisionPlan | None) -> SignedShares:
    """Return segment and allowed actions -> action -> share of the plan in force."""
    found: SignedShares = defaultdict(dict)
    for line in plan.lines if plan else ():
        key = line.line["segment"], frozenset(line.line["allowed"].split(SEPARATOR))
        found[key][line.line["action"]] = line.proposed
    return dict(found)


def done_now(contexts: Contexts, in_force: SignedShares, read: ReadLog | None) -> FloatArray:
    """Return what is done now in every context: as signed, else as logged, else all 0.

    A context that is neither in the plan nor in the log takes what its segment's log does among
    the actions that it may get.
    """
    shares = np.zeros(contexts.eligible.shape)
    logged, by_segment = _logged(read, len(contexts.segments), contexts.eligible.shape[1])
    for row, segment in enumerate(contexts.segment.tolist()):
        may = contexts.eligible[row]
        key = contexts.segments[segment], _names(contexts, row)
        if key in in_force:
            shares[row] = [in_force[key].get(action, 0.0) for action in contexts.actions]
        else:
            shares[row] = logged.get(key, by_segment[segment])
        shares[row] *= may
        shares[row] /= max(shares[row].sum(), 1e-300)
    return shares


def _names(contexts: Contexts, row: int) -> frozenset[str]:
    return frozenset(contexts.actions[a] for a in np.flatnonzero(contexts.eligible[row]))


def _logged(
    read: ReadLog | None, n_segments: int, n_actions: int
) -> tuple[dict[tuple[str, frozenset[str]], FloatArray], FloatArray]:
    """Return decisions per action of every logged context, and of every segment."""
    by_segment = np.zeros((n_segments, n_actions))
    if read is None:
        return {}, by_segment
    log, contexts = read.log, read.log.contexts
    counts = np.zeros(contexts.eligible.shape)
    np.add.at(counts, (log.context, log.action), log.count)
    np.add.at(by_segment, contexts.segment, counts)
    found = {}
    for row, segment in enumerate(contexts.segment.tolist()):
        found[contexts.segments[segment], _names(contexts, row)] = counts[row]
    return found, by_segment
