"""The settings that make this checkout an Airflow home of its own, without a server."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HOME = ROOT / ".airflow"
BIN = Path(sys.executable).parent


def environment(portfolio: Path, home: Path = HOME, **more: str) -> dict[str, str]:
    """Return the environment in which Airflow serves one portfolio from this checkout."""
    return {
        **os.environ,
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "EQUIMARGINAL_PORTFOLIOS": str(portfolio),
        "GX_ANALYTICS_ENABLED": "false",
        "PYTHONUTF8": "1",
        **more,
    }


def migrate(env: dict[str, str], log: Path) -> None:
    """Make or upgrade Airflow's own database.

    Raises:
        SystemExit: it cannot be done; the log says why.
    """
    with log.open("ab") as file:
        done = subprocess.run(
            [BIN / "airflow", "db", "migrate"], env=env, stdout=file, stderr=file, check=False
        )
    if done.returncode:
        raise SystemExit(f"Airflow's database could not be made; {log} says why")
