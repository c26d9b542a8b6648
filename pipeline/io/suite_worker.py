"""Runs Great Expectations suites in a process of its own, so that nobody waits for its import.

Started as `python -m pipeline.io.suite_worker`; it reads one request a line on stdin, answers one
line on stdout, and ends when stdin does.
"""

from __future__ import annotations

import base64
import json
import os
import queue
import sys
import threading
from datetime import date
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

os.environ["GX_ANALYTICS_ENABLED"] = "false"  # read when Great Expectations is imported


def evaluate(request: dict[str, Any]) -> list[dict[str, Any]]:
    """Return one plain result per expectation, in the order of the suites.

    Args:
        request: `suites` (table -> suite as in expectations/), `frames` (table -> Arrow stream in
            base64) and `parameters` for the `$PARAMETER` limits.
    """
    results = []
    for table, spec in sorted(request["suites"].items()):
        frame = _frame(request["frames"][table])
        results += _evaluate_suite(table, spec, frame, request["parameters"])
    return results


def _evaluate_suite(
    table: str, spec: dict[str, Any], frame: pd.DataFrame, parameters: dict[str, Any]
) -> list[dict[str, Any]]:
    import great_expectations as gx

    wanted = spec["expectations"]
    suite = gx.ExpectationSuite(**json.loads(json.dumps(spec)))
    if not wanted or len(suite.expectations) != len(wanted):  # a misspelt type is only logged
        known = {item.expectation_type for item in suite.expectations}
        lost = [item["type"] for item in wanted if item["type"] not in known]
        return [_result(table, "suite", errored=f"cannot be loaded whole, lost {lost or 'all'}")]
    order = {json.dumps([item["type"], item["kwargs"]], sort_keys=True): item for item in wanted}
    batch = _batch_definition().get_batch({"dataframe": frame})
    used = {name: value for name, value in parameters.items() if name in json.dumps(spec)}
    keys = [str(name) for name in frame.columns if frame[name].dtype.kind not in "fiub"]
    form = {"result_format": "SUMMARY", "unexpected_index_column_names": keys}
    outcome = batch.validate(suite, result_format=form, expectation_parameters=used)
    if len(outcome.results) != len(wanted):
        return [_result(table, "suite", errored=f"evaluated {len(outcome.results)} of its checks")]
    found = [_plain(table, item, keys, parameters) for item in outcome.results]
    notes = {
        item["type"] + _column(item["kwargs"]): item.get("notes", "") for item in order.values()
    }
    for item in found:
        item["notes"] = notes.get(item["type"] + item["column"], "")
    return sorted(found, key=lambda item: (item["type"], item["column"]))


def _plain(table: str, result: Any, keys: list[str], parameters: dict[str, Any]) -> dict[str, Any]:
    """Return what matters of one result as plain values; `first` is the first row that offends."""
    config = result.expectation_config
    details = result.result or {}
    rows = details.get("partial_unexpected_index_list") or [{}]
    first = {name: _text(rows[0][name]) for name in (*keys, *rows[0]) if name in rows[0]}
    limits = {name: _limit(value, parameters) for name, value in config.kwargs.items()}
    observed = details.get("observed_value")
    return _result(
        table,
        config.type,
        column=_column(config.kwargs),
        severity=str(getattr(config.severity, "value", config.severity)),
        success=bool(result.success),
        errored=_raised(result.exception_info),
        observed="" if observed is None else _text(observed),
        unexpected=int(details.get("unexpected_count") or 0),
        first=first,
        keys=keys,
        kwargs={name: value for name, value in limits.items() if name != "batch_id"},
    )


def _limit(value: Any, parameters: dict[str, Any]) -> Any:
    """Return what a check was held to, a day as text, as it was asked for."""
    found = parameters.get(value["$PARAMETER"]) if isinstance(value, dict) else value
    return found.isoformat() if isinstance(found, date) else found


def _text(value: Any) -> str:
    """Return a value as a person writes it: no type, no needless digits."""
    return f"{float(value):.10g}" if hasattr(value, "dtype") else str(value)


def _result(table: str, kind: str, **values: Any) -> dict[str, Any]:
    base = {
        "column": "",
        "severity": "critical",
        "success": False,
        "errored": "",
        "observed": "",
        "unexpected": 0,
        "first": {},
        "keys": [],
        "kwargs": {},
        "notes": "",
    }
    return {"table": table, "type": kind, **base, **values}


def _raised(info: Any) -> str:
    """Return the message of an exception inside a check; its record may be nested per metric."""
    if not isinstance(info, dict):
        return ""
    if "raised_exception" in info:
        return str(info.get("exception_message") or "error") if info["raised_exception"] else ""
    return next((said for item in info.values() if (said := _raised(item))), "")


def _column(kwargs: dict[str, Any]) -> str:
    if "column_list" in kwargs:
        return ", ".join(kwargs["column_list"])
    if "column_A" in kwargs:
        return f"{kwargs['column_A']}, {kwargs['column_B']}"
    return str(kwargs.get("column", ""))


@lru_cache(maxsize=1)
def _batch_definition() -> Any:
    import great_expectations as gx

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    asset = context.data_sources.add_pandas("night").add_dataframe_asset("table")
    return asset.add_batch_definition_whole_dataframe("whole")


def _frame(stream: str) -> pd.DataFrame:
    import pyarrow as pa

    table = pa.ipc.open_stream(base64.b64decode(stream)).read_all()
    frame: pd.DataFrame = table.to_pandas()
    return frame


def main() -> None:
    """Answer requests until stdin ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever a library prints must not be taken for an answer
    requests: queue.SimpleQueue[str] = queue.SimpleQueue()

    def listen() -> None:
        for line in sys.stdin:
            requests.put(line)
        os._exit(0)  # whoever asked has gone

    # Reading starts before the slow import, or a large request would fill the pipe and block.
    threading.Thread(target=listen, daemon=True).start()
    _batch_definition()
    while True:
        request = json.loads(requests.get())
        answers.write(_answer(request) + "\n")
        answers.flush()


def _answer(request: dict[str, Any]) -> str:
    try:
        return json.dumps({"id": request["id"], "results": evaluate(request)})
    except Exception as error:  # noqa: BLE001  whatever it is, the night must hear of it
        said = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        return json.dumps({"id": request["id"], "error": said})


if __name__ == "__main__":
    main()
