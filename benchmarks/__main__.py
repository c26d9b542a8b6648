"""Runs every measurement of this folder, one after the other: what `make bench` does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
NOT_MEASUREMENTS = {"__init__", "__main__", "numbers", "portfolios", "scale"}


def main() -> None:
    """Run them; the first that fails stops the rest."""
    for path in sorted(HERE.glob("*.py")):
        if path.stem not in NOT_MEASUREMENTS:
            print(f"== {path.stem}", flush=True)
            subprocess.run([sys.executable, "-m", f"benchmarks.{path.stem}"], check=True)


if __name__ == "__main__":
    main()
