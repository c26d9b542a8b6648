"""A decision log that was added up, as what learning and evaluation need of it."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.bandits.offers.log import Contexts, DecisionLog
from pipeline.core.errors import DataNotTrustedError
from pipeline.core.findings import Level
from pipeline.core.offer_rules import OTHER, SEPARATOR
from pipeline.core.sources import Source, Sources
from pipeline.core.types import BoolArray, IntArray

if TYPE_CHECKING:
    import pyarrow as pa

_LAST = date(9999, 12, 30)  # a file that is evaluated is taken whole


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadLog:
    """What a log holds.

    Attributes:
        log: without holdouts, and without people who may get nothing that is still offered.
        without_consent: decisions of people who withdrew; none is in `log`.
        people: per segment of the log, at least so many; counted by buckets, so never too many.
        unusable: decisions in contexts where nothing logged is still offered.
        notes: what is wrong with rows that were left out; empty of a night's log.
    """

    log: DecisionLog
    without_consent: int
    people: tuple[int, ...]
    unusable: float
    notes: tuple[str, ...] = ()


def evaluation_log(path: Path) -> ReadLog:
    """Return every decision of a file whose people's consent stands.

    Raises:
        DataNotTrustedError: it cannot be read, or rows cannot be believed.
    """
    from pipeline.io.offer_log import read_log
    from pipeline.io.offer_log_findings import log_findings
    from pipeline.io.sources.files import SourceError

    place = Source(path=str(path.absolute()))
    sources = Sources(spend=place, outcomes=place, decisions=place)
    ever = (_LAST - date(1, 1, 1)).days
    try:
        read = read_log(
            sources,
            path.parent,
            _LAST,
            _LAST + timedelta(days=1),
            window_days=ever,
            judged_until=_LAST,
        )
    except SourceError as error:
        raise DataNotTrustedError(f"{error}; docs/offers.md says what a log holds") from error
    found = log_findings(read)
    if failed := [f for f in found if f.level is Level.FAIL]:
        raise DataNotTrustedError(f"{path.name}: {failed[0].message}; {failed[0].advice}")
    if not read.cells.num_rows:
        raise DataNotTrustedError(f"{path}: holds no decision of a person whose consent stands")
    without = read.left_out("withdrawn") + read.left_out("unreadable-consent")
    notes = tuple(f.message for f in found if f.level is Level.REVIEW)
    return replace(log_of(read.cells, without_consent=without), notes=notes)


def log_of(
    cells: pa.Table,
    *,
    offered: Sequence[str] = (),
    named: Set[str] | None = None,
    without_consent: int = 0,
) -> ReadLog:
    """Return the log of an added-up table.

    Args:
        offered: actions that may still be given, first in the log's list; all where empty.
        named: segments that keep their name; the others are one, `(other)`.
    """
    import pyarrow.compute as pc

    cells = cells.filter(pc.invert(cells["is_holdout"]))
    segment, segments = _codes(cells, "segment")
    if named is not None:
        segments = [name if name in named else OTHER for name in segments]
    eligible, sets = _codes(cells, "eligible")
    logged, names = _codes(cells, "action")
    allowed = [tuple(text.split(SEPARATOR)) if text else () for text in sets]
    known = {*names, *(name for group in allowed for name in group)}
    actions = (*offered, *sorted(known - set(offered)))
    place = {name: index for index, name in enumerate(actions)}
    action = np.array([place[name] for name in names], dtype=int)[logged]
    order = sorted(set(segments))
    segment = np.array([order.index(name) for name in segments], dtype=int)[segment]
    pairs, context = np.unique(segment * len(sets) + eligible, return_inverse=True)
    pair_segment = pairs // len(sets)
    may = _allowed(pairs % len(sets), pair_segment, allowed, place, segment, action)
    contexts = Contexts(segments=tuple(order), actions=actions, segment=pair_segment, eligible=may)
    values = {name: cells[name].to_numpy() for name in (*_SUMS, "propensity", "bucket")}
    whole = DecisionLog(
        contexts=contexts,
        context=context,
        action=action,
        propensity=values["propensity"],
        bucket=values["bucket"],
        count=values["decisions"],
        reward=values["reward"],
        reward_sq=values["reward_sq"],
        rewarded=values["rewarded"],
    )
    usable = np.asarray(may[:, : len(offered) or len(actions)].any(axis=1))[context]
    return ReadLog(
        log=whole.rows(usable),
        without_consent=without_consent,
        people=tuple(np.unique(values["bucket"][segment == s]).size for s in range(len(order))),
        unusable=float(whole.count[~usable].sum()),
    )


_SUMS = ("decisions", "reward", "reward_sq", "rewarded")


def _codes(cells: pa.Table, name: str) -> tuple[IntArray, list[str]]:
    """Return a column of texts as codes, and what they stand for."""
    column: Any = cells[name].combine_chunks().dictionary_encode()
    return column.indices.to_numpy(zero_copy_only=False), column.dictionary.to_pylist()


def _allowed(
    group: IntArray,
    pair_segment: IntArray,
    allowed: Sequence[tuple[str, ...]],
    place: dict[str, int],
    segment: IntArray,
    action: IntArray,
) -> BoolArray:
    """Return which actions each context has: those named, else those that its segment's log has."""
    seen = np.zeros((int(segment.max()) + 1, len(place)), dtype=bool)
    seen[segment, action] = True
    may = seen[pair_segment]
    for index, code in enumerate(group.tolist()):
        if allowed[code]:
            may[index] = False
            may[index, [place[name] for name in allowed[code]]] = True
    return may
