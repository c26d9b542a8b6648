"""Counts of long runs, kept beside the documents that show them, with the code that was run."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]


def keep(path: Path, facts: dict[str, Any]) -> None:
    """Add what a run did to a file of one JSON object a line."""
    kept = json.loads(path.read_bytes()) if path.exists() else []
    lines = ",\n".join(json.dumps(item) for item in [*kept, facts])
    path.write_text(f"[\n{lines}\n]\n", encoding="utf-8")


def code() -> str:
    """Return which `pipeline/` this is: its git tree, with a plus where files differ from it."""
    tree = _git("rev-parse", "--short=8", "HEAD:pipeline")
    clean = _git("diff", "--quiet", "HEAD", "--", "pipeline")
    return (tree.stdout.strip() or "unknown") + ("+" if clean.returncode else "")


def _git(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["git", *arguments],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
