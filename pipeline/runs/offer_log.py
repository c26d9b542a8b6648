"""A file of logged offer decisions, read whole into memory and added up for evaluation."""

from __future__ import annotations

import csv
import hashlib
import math
from collections import defaultdict
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np

from pipeline.bandits.offers.log import BUCKETS, Contexts, DecisionLog
from pipeline.core.errors import DataNotTrustedError, StorageError

COLUMNS = ("date", "unit", "segment", "action", "propensity", "reward", "consent")
SMALLEST_GROUP = 100
"""People below which a segment is left out of everything that is shown."""
_ANSWERS = {"true": True, "1": True, "false": False, "0": False}

_Key = tuple[str, tuple[str, ...], str, float, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadLog:
    """What a file held.

    Attributes:
        without_consent: decisions of people who withdrew consent on any row; none is in `log`.
        people: pseudonymous keys per segment, in the order of the log's segments.
    """

    log: DecisionLog
    without_consent: int
    people: tuple[int, ...]


def read_log(path: Path) -> ReadLog:
    """Return the decisions of everybody whose consent stands.

    Raises:
        StorageError: the file cannot be read.
        DataNotTrustedError: a column is missing or a row cannot be believed.
    """
    try:
        withdrawn = {row["unit"] for _, row in _rows(path) if not _consent(path, row)}
        return _added_up(path, withdrawn)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise StorageError(f"{path}: cannot be read ({error}); name a CSV file") from error


def _rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
        if missing:
            raise DataNotTrustedError(f"{path}: needs the columns {', '.join(missing)}")
        return [(number, row) for number, row in enumerate(reader, start=2)]


def _consent(path: Path, row: dict[str, str]) -> bool:
    answer = _ANSWERS.get((row["consent"] or "").strip().lower())
    if answer is None:
        raise DataNotTrustedError(f"{path}: consent must be true or false, got {row['consent']!r}")
    return answer


def _added_up(path: Path, withdrawn: set[str]) -> ReadLog:
    sums: dict[_Key, list[float]] = defaultdict(lambda: [0.0, 0.0, 0.0, 0.0])
    people: dict[str, set[str]] = defaultdict(set)
    seen: dict[str, set[str]] = defaultdict(set)
    left_out = 0
    for number, row in _rows(path):
        if row["unit"] in withdrawn:
            left_out += 1
            continue
        propensity, reward = _numbers(path, number, row)
        allowed = tuple(sorted(filter(None, (row.get("eligible") or "").split("|"))))
        if allowed and row["action"] not in allowed:
            raise DataNotTrustedError(
                f"{path}, line {number}: {row['action']} was chosen but is not in eligible"
            )
        people[row["segment"]].add(row["unit"])
        seen[row["segment"]].add(row["action"])
        key = (row["segment"], allowed, row["action"], propensity, _bucket(row["unit"]))
        parts = (1.0, reward, reward**2, float(reward != 0))
        sums[key] = [old + new for old, new in zip(sums[key], parts, strict=True)]
    if not sums:
        raise DataNotTrustedError(f"{path}: holds no decision of a person whose consent stands")
    return ReadLog(
        log=_log(sums, seen),
        without_consent=left_out,
        people=tuple(len(people[name]) for name in sorted(people)),
    )


def _numbers(path: Path, number: int, row: dict[str, str]) -> tuple[float, float]:
    try:
        date.fromisoformat(row["date"])
        propensity, reward = float(row["propensity"]), float(row["reward"])
    except (TypeError, ValueError) as error:
        raise DataNotTrustedError(f"{path}, line {number}: {error}") from error
    if not 0 < propensity <= 1 or not math.isfinite(reward):
        raise DataNotTrustedError(
            f"{path}, line {number}: propensity must lie in (0, 1] and reward be finite, "
            f"got {propensity:g} and {reward:g}"
        )
    if not all(row[name] for name in ("unit", "segment", "action")):
        raise DataNotTrustedError(f"{path}, line {number}: unit, segment or action is empty")
    return propensity, reward


def _bucket(unit: str) -> int:
    digest = hashlib.md5(unit.encode(), usedforsecurity=False).hexdigest()
    return int(digest[:13], 16) % BUCKETS


def _log(sums: dict[_Key, list[float]], seen: dict[str, set[str]]) -> DecisionLog:
    keys = sorted(sums)
    segments = sorted(seen)
    actions = sorted(set().union(*seen.values()).union(*(key[1] for key in keys)))
    pairs = sorted({(key[0], key[1]) for key in keys})
    place = {pair: index for index, pair in enumerate(pairs)}
    eligible = np.array(
        [[a in (allowed or seen[segment]) for a in actions] for segment, allowed in pairs]
    )
    values = np.array([sums[key] for key in keys])
    return DecisionLog(
        contexts=Contexts(
            segments=tuple(segments),
            actions=tuple(actions),
            segment=np.array([segments.index(segment) for segment, _ in pairs]),
            eligible=eligible,
        ),
        context=np.array([place[key[0], key[1]] for key in keys]),
        action=np.array([actions.index(key[2]) for key in keys]),
        propensity=np.array([key[3] for key in keys]),
        bucket=np.array([key[4] for key in keys]),
        count=values[:, 0],
        reward=values[:, 1],
        reward_sq=values[:, 2],
        rewarded=values[:, 3],
    )
