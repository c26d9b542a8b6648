"""One allocation problem from known curves, without a portfolio."""

from __future__ import annotations

import json
import math
import time
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.show import AsJson, print_json, print_table, say
from pipeline.core.errors import ConfigError, InfeasibleError

if TYPE_CHECKING:
    from pipeline.allocation.work import Work


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("allocate")(allocate)


def allocate(
    problem: Annotated[Path, typer.Argument(metavar="PROBLEM.json", help="Curves and limits.")],
    time_limit: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            min=0,
            help="Then stop with the best plan so far and its true gap. Default: the file's own "
            "time_limit, or none.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Split money over known curves: the best plan, a proof, and the price of every limit."""
    import numpy as np

    from pipeline.allocation.answer import answer, refusal
    from pipeline.allocation.document import parse_problem

    data = load_problem(problem)
    try:
        request = parse_problem(data, problem.name)
        seconds = request.time_limit if time_limit is None else time_limit
        # What has no end is refused in one line; the library would warn of it in several before.
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            result = answer(request, _work(seconds))
    except InfeasibleError as error:
        if as_json:
            print_json(refusal(error))
        raise
    if as_json:
        print_json(result)
        return
    rows = [
        [name, spend, result["marginal_return"][name], ", ".join(result["binding"].get(name, []))]
        for name, spend in result["spend"].items()
    ]
    print_table(["line", "spend", "marginal return", "held by"], rows)
    outcome, most = result["objective"], result["upper_bound"]
    say(
        f"outcome {outcome:g} of at most {most:g} (gap {result['gap']:.2g}, {result['status']}), "
        f"spend {result['total_spend']:g}"
    )
    for name, price in result["prices"].items():
        if price:
            say(f"one more unit of {name} earns {price:g}")


def _work(seconds: float | None) -> Work:
    """Return how long to search: so many seconds, or so much work as a proof may be worth."""
    from pipeline.allocation.work import Work

    if seconds is None:
        return Work()
    end = time.monotonic() + seconds
    return Work(units=math.inf, stop=lambda: time.monotonic() >= end)


def load_problem(path: Path) -> Any:
    """Return the problem file's JSON value, lines from a parquet file put in.

    Raises:
        ConfigError: unreadable, not JSON, a key given twice, or a number that is not finite.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8"
        raise ConfigError(f"{path}: cannot be read: {reason}") from error
    try:
        data = json.loads(text, object_pairs_hook=_once, parse_constant=_refuse)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise ConfigError(f"{path.name}: not JSON at {where}: {error.msg}") from error
    except RecursionError as error:
        raise ConfigError(f"{path.name}: nested too deeply") from error
    except ValueError as error:
        what = str(error).split("; use sys.")[0]  # an integer of more digits than Python reads
        raise ConfigError(f"{path.name}: {what}") from error
    if isinstance(data, dict) and isinstance(data.get("lines"), str):
        data = {**data, "lines": read_lines(path.parent / data["lines"])}
    return data


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Return a parquet file's lines as the problem file would list them.

    A curve is one column `curve`, or a column `family` and one per parameter. What a problem file
    says with an object or a list is a column of structs, maps or lists, or JSON as text. Columns
    that mean nothing else become labels.

    Raises:
        ConfigError: the file cannot be read.
    """
    import pyarrow.parquet as pq

    try:
        rows = pq.ParquetFile(path).read().to_pylist(maps_as_pydicts="strict")
    except (OSError, ValueError, KeyError) as error:
        raise ConfigError(f"{path}: cannot be read as parquet: {error}") from error
    return [_line(row) for row in rows]


_PARAMETERS = frozenset(
    [
        "family",
        "ceiling",
        "half_saturation",
        "slope",
        "scale",
        "scale_value",
        "a",
        "b",
        "midpoint",
        "steepness",
        "x",
        "y",
    ]
)
_NOT_CELLS = frozenset(["curve", "draws", "labels", "metrics", "organic"])  # objects and lists


def _line(row: dict[str, Any]) -> dict[str, Any]:
    from pipeline.allocation.document import LINE_KEYS

    given: dict[str, Any] = _as_json(row)
    line = {key: given.pop(key) for key in sorted(LINE_KEYS & set(given))}
    for key in sorted(_NOT_CELLS & set(line)):
        line[key] = _read(line[key], f"line {row.get('id')!r}: its {key}")
    line["id"] = str(line["id"]) if "id" in line else None
    if "curve" not in line and "draws" not in line:
        line["curve"] = {key: given.pop(key) for key in sorted(_PARAMETERS & set(given))}
    own = line.get("labels", {})
    return {**line, "labels": {**given, **own} if isinstance(own, dict) else own}


def _read(value: Any, what: str) -> Any:
    """Return a cell's value, which may be JSON as text."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value, object_pairs_hook=_once, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{what} is not JSON: {error}") from error


def _as_json(value: Any) -> Any:
    """Return a cell as JSON would have it: no missing fields, and no decimals."""
    if isinstance(value, dict):
        return {key: _as_json(own) for key, own in value.items() if not _is_missing(own)}
    if isinstance(value, list):
        return [_as_json(own) for own in value]
    return float(value) if isinstance(value, Decimal) else value


def _is_missing(value: object) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    out = dict(pairs)
    if len(out) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice!r} is given twice")
    return out


def _refuse(text: str) -> float:
    raise ValueError(f"{text} is not a number; give a finite one or leave the field out")
