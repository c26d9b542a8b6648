"""Tables of what `make torture` and `make mutants` did, from the counts that they kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tools import mutants, torture

DOCS = Path(__file__).resolve().parents[1] / "docs"


def torture_table(path: Path = DOCS / torture.KEPT) -> str:
    """Return cases, failures and cost of each campaign, all kept parts put together."""
    kept = _kept(path)
    rows = [
        "| campaign | run | of | failed | CPU ms a case | hours | of code |",
        "|---|---:|---:|---:|---:|---:|---|",
    ]
    for name, (full, _) in torture.campaigns().items():
        parts = [item for item in kept if item["campaign"] == name]
        cases, failed, cpu, wall = (
            sum(item[key] for item in parts)
            for key in ("cases", "failed", "cpu_seconds", "seconds")
        )
        codes = ", ".join(f"`{code}`" for code in dict.fromkeys(item["code"] for item in parts))
        cost = f"{1000 * cpu / cases:,.3g}" if cases else ""
        rows.append(
            f"| `{name}` | {cases:,} | {full:,} | {failed} | {cost} | {wall / 3600:.2f} | {codes} |"
        )
    return "\n".join(rows)


def mutants_table(path: Path = DOCS / mutants.KEPT) -> str:
    """Return how many changes of each module its tests noticed, of those that were tried."""
    rows = ["| module | changes | tried | noticed | of code |", "|---|---:|---:|---:|---|"]
    newest = {item["module"]: item for item in _kept(path)}
    for module in mutants.CORE:
        if module in newest:
            item = newest[module]
            rows.append(
                f"| `{module}` | {item['changes']} | {item['tried']} | {item['noticed']} "
                f"| `{item['code']}` |"
            )
    tried, noticed = (sum(item[key] for item in newest.values()) for key in ("tried", "noticed"))
    share = f" ({noticed / tried:.0%})" if tried else ""
    rows.append(f"| all of these | | {tried} | {noticed}{share} | |")
    return "\n".join(rows)


def _kept(path: Path) -> list[dict[str, Any]]:
    return json.loads(path.read_bytes()) if path.exists() else []
