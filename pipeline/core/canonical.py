"""One byte form for everything that is hashed, signed or compared."""

from __future__ import annotations

import hashlib
import json
import math
from typing import Any

from pipeline.core.errors import PipelineError


def canonical_bytes(value: Any) -> bytes:
    """Return the canonical JSON of `value`: sorted keys, no spaces, UTF-8, shortest floats.

    Raises:
        PipelineError: a number is not finite; JSON has no word for it and a limit of NaN is none.
    """
    try:
        text = json.dumps(
            _plain(value),
            sort_keys=True,
            separators=(",", ":"),
            ensure_ascii=False,
            allow_nan=False,
        )
    except ValueError as error:
        raise PipelineError(f"a number that is not finite cannot be stored: {error}") from error
    return text.encode("utf-8")


def content_hash(value: Any) -> str:
    """Return `sha256:` and the hex digest of the canonical bytes."""
    return "sha256:" + hashlib.sha256(canonical_bytes(value)).hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if (
        isinstance(value, float)
        and math.isfinite(value)
        and value == int(value)
        and abs(value) < 1e15
    ):
        return int(value)  # 100.0 and 100 are one amount, so they must be one text
    return value
