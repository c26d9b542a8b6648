"""Very many lines are fitted in segments, each of which learns demand and population by itself.

What lines have in common is known well from some thousands of them; all that more of them take is
memory. A segment is dealt from every channel by size, so that each is a portfolio like the whole
one; a channel of few lines stays together, because it has a demand and a population of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from pipeline.core.history import History, LiftTest
from pipeline.core.types import FloatArray, IntArray, Line
from pipeline.response.experiments import covers
from pipeline.response.fit import channel_index
from pipeline.response.predict import Predictive

SEGMENT_LINES = 10_000
"""Lines above which there are segments, and about as many as one has."""

CHANNEL_LINES = 200
"""Of a channel that are kept together, at least."""


def segments_of(history: History) -> tuple[IntArray, ...]:
    """Return the places of each segment's lines, ascending; one segment where lines are few.

    Outcomes that are measured for groups of lines are never told apart.
    """
    n_lines = len(history.lines)
    if n_lines <= SEGMENT_LINES or history.measured is not None:
        return (np.arange(n_lines),)
    n_segments = -(-n_lines // SEGMENT_LINES)
    names, groups = channel_index(history)
    money = history.spend.sum(axis=0)
    segment, size = np.empty(n_lines, dtype=np.int64), np.zeros(n_segments, dtype=np.int64)
    count = np.bincount(groups, minlength=len(names))
    for channel in np.argsort(-count, kind="stable").tolist():
        lines = np.flatnonzero(groups == channel)
        lines = lines[np.argsort(-money[lines], kind="stable")]
        parts = int(np.clip(lines.size // CHANNEL_LINES, 1, n_segments))
        emptiest = np.argsort(size, kind="stable")[:parts]
        segment[lines] = emptiest[np.arange(lines.size) % parts]
        size += np.bincount(segment[lines], minlength=n_segments)
    return tuple(np.flatnonzero(segment == index) for index in np.flatnonzero(size).tolist())


def shared_tests(
    history: History, tests: tuple[LiftTest, ...], places: IntArray
) -> tuple[LiftTest, ...]:
    """Return what lift tests say of some of the lines.

    A test that other lines took part in is split by the money of its window. Its error stays whole:
    a line learns as much from it as it would beside all others.

    Args:
        places: of the lines among all.
    """
    index = {line: place for place, line in enumerate(history.lines)}
    inside = {history.lines[place] for place in places.tolist()}
    first = history.days[0]
    found = []
    for test in tests:
        mine = tuple(line for line in test.lines if line in inside)
        if not mine or not covers(history, test):
            continue
        if len(mine) == len(test.lines):
            found.append(test)
            continue
        window = slice((test.first_day - first).days, (test.last_day - first).days + 1)
        share = _money(history.spend, window, [index[line] for line in mine])
        share /= _money(history.spend, window, [index[line] for line in test.lines])
        without = test.spend_without
        found.append(
            replace(
                test,
                lines=mine,
                lift=test.lift * share,
                spend_change=test.spend_change * share,
                spend_without=None if without is None else without * share,
            )
        )
    return tuple(found)


def ahead_as_one(
    parts: Sequence[Predictive], places: Sequence[IntArray], lines: tuple[Line, ...]
) -> Predictive:
    """Return the days ahead of segments' lines together; what all share is their mean.

    Args:
        places: of each part's lines among all.
        lines: (n_lines,), all of them.
    """
    order = np.argsort(np.concatenate(places))

    def whole(name: str) -> Any:
        tables = [getattr(part, name) for part in parts]
        out = np.concatenate(tables, axis=-1)
        return out[..., order]

    by_line = (
        "reference", "carried", "level", "share", "retention", "shape", "walk_sd", "demand",
        "line_variance",
    )  # fmt: skip
    return replace(
        parts[0],
        lines=lines,
        shared_sd=np.mean([part.shared_sd for part in parts], axis=0),
        lasting_sd=float(np.mean([part.lasting_sd for part in parts])),
        **{name: whole(name) for name in by_line},
    )


def _money(spend: FloatArray, window: slice, lines: list[int]) -> float:
    """Return what lines spent in a window; where nothing, all are alike."""
    return float(spend[window][:, lines].sum()) + 1e-9 * len(lines)
