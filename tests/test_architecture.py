"""The shape of the project: what may import what, and the conventions that keep it readable."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SQL_FILES = sorted((ROOT / "sql").rglob("*.sql"))
TABLES = [path for path in SQL_FILES if path.parent.name in {"staging", "marts"}]
SUITES = sorted((ROOT / "expectations").glob("*.json"))
PACKAGES = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)", re.MULTILINE)


def run_python(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_imports_point_one_way() -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([linter], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("arguments", [["--help"], ["night", "--help"], ["approve", "--help"]])
def test_starting_the_command_line_imports_no_scheduler_and_no_data_frames(
    arguments: list[str],
) -> None:
    loaded = run_python(
        "import contextlib, io, sys\n"
        f"sys.argv = ['equimarginal', *{arguments!r}]\n"
        "from pipeline.cli import main\n"
        "with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):\n"
        "    main()\n"
        "print(*sorted(name.partition('.')[0] for name in sys.modules))\n"
    ).split()
    heavy = {"airflow", "pandas", "great_expectations", "statsmodels", "scipy", "duckdb", "pyarrow"}
    assert heavy.isdisjoint(loaded)


@pytest.mark.parametrize("path", SQL_FILES, ids=lambda path: path.stem)
def test_every_query_says_what_it_gives(path: Path) -> None:
    first = path.read_text(encoding="utf-8").splitlines()[0]
    assert re.match(rf"^-- {path.stem}[:(]", first), f"{path}: starts with {first!r}"


@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.stem)
def test_every_table_says_what_it_reads_and_has_a_case(path: Path) -> None:
    header = [line for line in path.read_text(encoding="utf-8").splitlines() if line[:2] == "--"]
    assert any(line.startswith("-- Reads: ") for line in header)
    cases = list((ROOT / "tests" / "sql" / path.stem).glob("*/expect.csv"))
    assert cases, f"tests/sql/{path.stem}/ has no case"


@pytest.mark.parametrize("path", SUITES, ids=lambda path: path.stem)
def test_every_expectation_says_why_it_is_there(path: Path) -> None:
    suite = json.loads(path.read_text(encoding="utf-8"))
    assert suite["name"] == path.stem
    assert suite["expectations"]
    for expectation in suite["expectations"]:
        assert expectation.get("notes") or expectation.get("meta", {}).get("notes"), expectation
        assert expectation["severity"] in {"critical", "warning"}


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_the_lock_names_hashes_and_no_host(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert "://" not in text
    assert "--index-url" not in text
    packages = re.split(r"\n(?=\S)", text.strip())
    assert all("--hash=sha256:" in package for package in packages if "==" in package)


def test_the_lock_holds_every_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wanted = {
        "requirements.txt": project["project"]["dependencies"],
        "requirements-dev.txt": project["project"]["dependencies"]
        + project["dependency-groups"]["dev"],
    }
    for name, dependencies in wanted.items():
        locked = set(PACKAGES.findall((ROOT / name).read_text(encoding="utf-8")))
        names = {PACKAGES.match(item).group(1) for item in dependencies}  # type: ignore[union-attr]
        assert names <= locked, f"{name}: run make lock"


def test_modules_stay_readable_in_one_sitting() -> None:
    modules = [*(ROOT / "pipeline").rglob("*.py"), *(ROOT / "dags").rglob("*.py")]
    long = [
        f"{path.relative_to(ROOT)}: {lines} lines"
        for path in sorted(modules)
        if (lines := path.read_text(encoding="utf-8").count("\n")) > 350
    ]
    assert not long


def test_the_readme_names_only_commands_that_exist() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^(?:\$ )?equimarginal ([a-z]+(?:-[a-z]+)*)", text, re.MULTILINE))
    named |= set(re.findall(r"`equimarginal ([a-z]+(?:-[a-z]+)*)", text))
    shown = run_python(
        "from pipeline.cli.app import build_app\n"
        "import typer\n"
        "print(*typer.main.get_command(build_app()).commands)\n"
    )
    assert named
    assert named <= set(shown.split())
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    assert set(re.findall(r"\bmake ([a-z]+)\b", text)) <= targets


def test_links_between_documents_lead_somewhere() -> None:
    documents = [ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")]
    for document in documents:
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", document.read_text("utf-8")):
            if "://" not in target:
                assert (document.parent / target).exists(), f"{document.name}: {target}"


def test_every_test_that_a_promise_names_is_there() -> None:
    there = {
        f"{path.stem}::{name}"
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^def (test_\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    promises = (ROOT / "docs" / "promises.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(test_\w+::test_\w+)`", promises))
    assert len(named) > 60
    assert named <= there, sorted(named - there)


def test_continuous_integration_runs_the_readmes_command() -> None:
    assert "make test" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_a_wheel_carries_everything_that_a_night_reads(tmp_path: Path) -> None:
    import zipfile

    subprocess.run(
        [Path(sys.executable).with_name("hatchling"), "build", "-t", "wheel", "-d", tmp_path],
        capture_output=True,
        check=True,
        cwd=ROOT,
    )
    (wheel,) = tmp_path.glob("*.whl")
    packed = set(zipfile.ZipFile(wheel).namelist())
    for folder in ("sql", "expectations", "reports", "dags"):
        for path in (ROOT / folder).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                assert f"pipeline/_assets/{path.relative_to(ROOT).as_posix()}" in packed
    assert "pipeline/io/ledger/migrations/env.py" in packed
    assert "pipeline/simulation/example_portfolio.yaml" in packed
    assert not [name for name in packed if "__pycache__" in name or name.startswith("tests/")]


@pytest.mark.parametrize("path", sorted((ROOT / "dags").glob("[a-z]*.py")), ids=lambda p: p.stem)
def test_a_dag_says_whose_it_is_and_what_to_do_when_it_fails(path: Path) -> None:
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    assert "Owner: " in text
    assert "Runbook" in text
