"""One allocation problem from known curves, without a portfolio."""

from __future__ import annotations

import json
import math
import time
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
    from pipeline.allocation.answer import answer, refusal
    from pipeline.allocation.document import parse_problem

    data = load_problem(problem)
    try:
        request = parse_problem(data, problem.name)
        seconds = request.time_limit if time_limit is None else time_limit
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

    A curve is one column `curve`, or a column `family` and one per parameter; columns that mean
    nothing else become labels.

    Raises:
        ConfigError: the file cannot be read.
    """
    import pyarrow.parquet as pq

    try:
        rows = pq.ParquetFile(path).read().to_pylist()
    except (OSError, ValueError) as error:
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
_FIELDS = frozenset(["id", "min", "max", "current", "fixed", "ramp", "min_if_on"])


def _line(row: dict[str, Any]) -> dict[str, Any]:
    given = {key: value for key, value in row.items() if not _is_missing(value)}
    curve = given.pop("curve", None)
    if isinstance(curve, str):
        try:
            curve = json.loads(curve, parse_constant=_refuse)
        except (ValueError, RecursionError) as error:
            name = row.get("id")
            raise ConfigError(f"line {name!r}: its curve is not JSON: {error}") from error
    if isinstance(curve, dict):
        curve = {key: value for key, value in curve.items() if not _is_missing(value)}
    else:
        curve = {key: given.pop(key) for key in sorted(_PARAMETERS & set(given))}
    line = {key: given.pop(key) for key in sorted(_FIELDS & set(given))}
    line["id"] = str(line["id"]) if "id" in line else None
    return {**line, "curve": curve, "labels": given}


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
