"""What a platform team is given: linted, without root, without secrets, with health checks."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
BIN = Path(sys.executable).parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
HELM: dict[str, Any] = yaml.safe_load((DEPLOY / "helm-values.yaml").read_text("utf-8"))
OURS = [name for name, it in COMPOSE["services"].items() if "equimarginal" in it.get("image", "")]


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_containerfile_passes_its_linter() -> None:
    done = run(str(BIN / "hadolint"), str(DEPLOY / "Containerfile"))
    assert done.returncode == 0, done.stdout


def test_the_linter_would_have_said_something(tmp_path: Path) -> None:
    bad = tmp_path / "Containerfile"
    bad.write_text("FROM python\nRUN cd /tmp && sudo pip install x\n", "utf-8")
    assert run(str(BIN / "hadolint"), str(bad)).returncode == 1


def test_the_compose_file_keeps_to_its_schema(tmp_path: Path) -> None:
    check = (str(BIN / "check-jsonschema"), "--builtin-schema", "vendor.compose-spec")
    assert run(*check, str(DEPLOY / "compose.yaml")).returncode == 0
    bad = tmp_path / "compose.yaml"
    bad.write_text("services: {a: {image: x, port: 80}}\n", "utf-8")
    assert run(*check, str(bad)).returncode == 1


def test_the_image_runs_as_nobody_special_and_knows_its_health() -> None:
    text = (DEPLOY / "Containerfile").read_text("utf-8")
    last = text.rsplit("\nFROM ", 1)[1]
    assert "\nUSER 50000:50000\n" in last
    assert "\nHEALTHCHECK " in last
    for word in ("PASSWORD", "SECRET", "TOKEN", "AIRFLOW_CONN"):
        assert word not in text


def test_everything_the_image_copies_is_there() -> None:
    text = (DEPLOY / "Containerfile").read_text("utf-8")
    copied = [line.split()[1:-1] for line in text.splitlines() if line.startswith("COPY pyproject")]
    copied += [line.split()[1:-1] for line in text.splitlines() if line.startswith("COPY ")]
    names = {name for names in copied for name in names if not name.startswith(("--", "/"))}
    assert {"requirements.txt", "pipeline", "dags", "sql", "expectations", "reports"} <= names
    assert [name for name in sorted(names) if not (ROOT / name).exists()] == []


def test_the_extras_that_are_built_in_exist() -> None:
    text = (DEPLOY / "Containerfile").read_text("utf-8")
    wanted = set(text.split("ARG EXTRAS=")[1].split()[0].split(","))
    wanted |= set(COMPOSE["x-airflow"]["build"]["args"]["EXTRAS"].split(","))
    assert wanted <= set(PROJECT["optional-dependencies"])


@pytest.mark.parametrize("name", OURS)
def test_each_part_is_unprivileged_and_has_a_health_check(name: str) -> None:
    part = COMPOSE["services"][name]
    assert part["user"] == "50000:50000"
    assert part["cap_drop"] == ["ALL"]
    assert part["read_only"] is True
    # The API server's check is the image's own; the migration ends by itself.
    assert "healthcheck" in part or name == "api-server"


def test_nothing_is_open_to_the_network_and_no_secret_is_written_down() -> None:
    for part in COMPOSE["services"].values():
        assert all(str(port).startswith("127.0.0.1:") for port in part.get("ports", []))
    for name, value in COMPOSE["x-airflow"]["environment"].items():
        if any(word in name for word in ("SECRET", "FERNET", "CONN", "BACKEND")):
            assert "${" in str(value), name
    given = dict(
        line.split("=", 1)
        for line in (DEPLOY / "example.env").read_text("utf-8").splitlines()
        if line and not line.startswith("#")
    )
    assert {name for name, value in given.items() if value} == {"PORTFOLIOS"}


def test_the_chart_gets_secrets_by_name_and_pods_without_root() -> None:
    assert HELM["executor"] == "KubernetesExecutor"
    assert HELM["images"]["airflow"]["tag"] == PROJECT["version"]
    assert HELM["securityContexts"]["pod"]["runAsNonRoot"] is True
    assert HELM["securityContexts"]["containers"]["allowPrivilegeEscalation"] is False
    for key in ("fernetKeySecretName", "apiSecretKeySecretName", "jwtSecretName"):
        assert HELM[key]
    assert HELM["data"] == {"metadataSecretName": "equimarginal-database"}
    for unwanted in ("fernetKey", "apiSecretKey", "jwtSecret"):
        assert unwanted not in HELM
    assert isinstance(yaml.safe_load(HELM["extraEnvFrom"]), list)
    for part in ("scheduler", "apiServer", "dagProcessor", "triggerer", "workers"):
        assert HELM[part]["resources"]["limits"]["memory"]


def test_the_chart_runs_the_airflow_that_is_locked() -> None:
    locked = (ROOT / "requirements.txt").read_text("utf-8")
    assert f"\napache-airflow=={HELM['airflowVersion']} " in locked


def test_the_dags_are_where_image_and_chart_look_for_them() -> None:
    inside = "/pipeline/_assets/dags"
    assert HELM["config"]["core"]["dags_folder"].endswith(inside)
    assert f"DAGS_FOLDER=/opt/equimarginal/lib/python3.12/site-packages{inside}" in (
        DEPLOY / "Containerfile"
    ).read_text("utf-8")
