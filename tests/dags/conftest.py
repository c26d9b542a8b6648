"""One Airflow home for all tests here: made and migrated once, away from everybody's own."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NOW = "2026-11-22T06:00:00+01:00"
SETTINGS = """
portfolio: {name}
currency: EUR
timezone: Europe/Berlin
line: [channel, audience]
budget: {{daily: 10000}}
people: {{analysts: [ana], finance: [fin]}}
sources:
  spend: {{path: data/spend.csv}}
  outcomes: {{path: data/outcomes.csv}}
"""
HOME = Path(tempfile.mkdtemp(prefix="equimarginal-airflow-"))
PASSWORDS = {"ana": "ana-secret", "fin": "fin-secret", "guest": "guest-secret"}

# Airflow reads its settings as it is imported, so they have to stand before any test module.
os.environ.update(
    AIRFLOW_HOME=str(HOME),
    AIRFLOW__CORE__DAGS_FOLDER=str(ROOT / "dags"),
    AIRFLOW__CORE__LOAD_EXAMPLES="False",
    AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS="ana:user,fin:user,guest:viewer",
    AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE=str(HOME / "passwords.json"),
    AIRFLOW__API_AUTH__JWT_SECRET="0123456789abcdef" * 8,
    AIRFLOW__LOGGING__LOGGING_LEVEL="WARNING",
    EQUIMARGINAL_PORTFOLIOS="",
)


@pytest.fixture(scope="session")
def airflow_home() -> Iterator[Path]:
    """The home, with Airflow's own database in it."""
    from airflow.utils.db import initdb
    from sqlalchemy.orm import configure_mappers

    (HOME / "passwords.json").write_text(json.dumps(PASSWORDS), encoding="utf-8")
    initdb()
    configure_mappers()  # not later, in two threads at once
    yield HOME
    shutil.rmtree(HOME, ignore_errors=True)


@pytest.fixture(scope="session")
def sample_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ninety days of the bundled portfolio's sources."""
    from pipeline.simulation.example import write_example

    folder = tmp_path_factory.mktemp("sample")
    write_example(folder, days=90)
    return folder / "data"


@pytest.fixture
def make_portfolio(
    tmp_path: Path, sample_data: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], Path]:
    """Make a portfolio folder that Airflow serves, on the morning of DAY."""
    monkeypatch.setenv("EQUIMARGINAL_NOW", NOW)

    def make(name: str) -> Path:
        folder = tmp_path / name
        shutil.copytree(sample_data, folder / "data")
        (folder / "portfolio.yaml").write_text(SETTINGS.format(name=name), encoding="utf-8")
        monkeypatch.setenv("EQUIMARGINAL_PORTFOLIOS", str(folder))
        return folder

    return make
