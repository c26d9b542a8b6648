"""What a fit of a segment leaves, as bytes: arrays, and the few words beside them."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import numpy as np

from pipeline.core.curves import ResponseTable
from pipeline.core.errors import DamagedError
from pipeline.core.findings import Finding

if TYPE_CHECKING:
    from pipeline.runs.fitting import Fit, Part

_TABLE = ("spend", "value", "organic")
_HEALTH = (
    "doubt", "money", "away", "silent", "slipped", "completeness", "uncounted", "lost",
)  # fmt: skip
_AHEAD = (
    "reference", "carried", "level", "share", "retention", "shape", "walk_sd", "demand",
    "shared_sd", "line_variance",
)  # fmt: skip
_WORDS = "words"


def part_bytes(part: Part) -> bytes:
    """Return a segment's part as bytes."""
    from pipeline.response.predict import Predictive

    table, health, ahead = part.learned.table, part.health, part.ahead
    assert health is not None  # noqa: S101  segments are never of a joint fit
    arrays = {f"table.{name}": getattr(table, name) for name in _TABLE}
    arrays["mean"] = part.learned.mean
    arrays |= {f"health.{name}": getattr(health, name) for name in _HEALTH}
    words: dict[str, Any] = {
        name: getattr(health, name) for name in ("n_days", "surprise", "snapshots", "count")
    }
    for name in ("leads", "special"):
        words[name] = [item.model_dump(mode="json") for item in getattr(health, name)]
    words["told"] = [asdict(item) for item in health.told]
    words["jumps"] = [{**asdict(item), "day": item.day.isoformat()} for item in health.jumps]
    if isinstance(ahead, Predictive):
        arrays |= {f"ahead.{name}": getattr(ahead, name) for name in _AHEAD}
        words |= {"day": ahead.day.isoformat(), "lasting_sd": ahead.lasting_sd}
    arrays[_WORDS] = np.frombuffer(json.dumps(words).encode(), dtype=np.uint8)
    return packed(arrays)


def part_of(fit: Fit, data: bytes, name: str) -> Part:
    """Return the part of a fit from its bytes.

    Raises:
        DamagedError: they are not what was written.
    """
    from pipeline.response.breaks import Jump
    from pipeline.response.health import Health
    from pipeline.response.predict import Predictive
    from pipeline.response.taught import Told
    from pipeline.runs.decide import Learned
    from pipeline.runs.fitting import Part

    arrays = unpacked(data, name)
    words = json.loads(arrays[_WORDS].tobytes())
    lines = fit.facts.history.lines

    def of(kind: str, names: Sequence[str]) -> dict[str, Any]:
        return {item: arrays[f"{kind}.{item}"] for item in names}

    said: dict[str, Any] = {
        item: tuple(Finding.model_validate(finding) for finding in words.pop(item))
        for item in ("leads", "special")
    }
    day, lasting = words.pop("day", None), words.pop("lasting_sd", 0.0)
    words["surprise"] = tuple(words["surprise"])
    words["told"] = tuple(Told(**item) for item in words["told"])
    words["jumps"] = tuple(
        Jump(**{**item, "line": tuple(item["line"]), "day": date.fromisoformat(item["day"])})
        for item in words["jumps"]
    )
    table = ResponseTable(metric=fit.metric, lines=lines, **of("table", _TABLE))
    return Part(
        learned=Learned(table=table, mean=arrays["mean"]),
        health=Health(**of("health", _HEALTH), **words, **said),
        ahead=None
        if day is None
        else Predictive(
            metric=fit.metric,
            day=date.fromisoformat(day),
            lines=lines,
            lasting_sd=lasting,
            **of("ahead", _AHEAD),
        ),
    )


def packed(arrays: Mapping[str, Any]) -> bytes:
    """Return named arrays as the bytes of an npz file."""
    sink = io.BytesIO()
    np.savez(sink, allow_pickle=False, **{k: np.ascontiguousarray(v) for k, v in arrays.items()})
    return sink.getvalue()


def unpacked(data: bytes, name: str) -> dict[str, Any]:
    """Return the arrays of an npz file.

    Raises:
        DamagedError: it is none.
    """
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            return {key: arrays[key] for key in arrays.files}
    except (ValueError, OSError, KeyError, BadZipFile) as error:
        raise DamagedError(
            f"shard {name}: cannot be read ({error}); clear the fit's first task"
        ) from error
