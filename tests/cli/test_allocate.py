"""`equimarginal allocate`: one problem file in, a plan or one clear line out."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

PROBLEM = {
    "budget": 100,
    "spend": "exactly",
    "lines": [
        {
            "id": "a",
            "curve": {"family": "hill", "ceiling": 9, "half_saturation": 40, "slope": 1.4},
            "min": 0,
            "max": 60,
            "current": 30,
        },
        {"id": "b", "curve": {"family": "exponential", "ceiling": 6, "scale": 25}},
    ],
    "groups": [{"id": "g", "lines": ["a", "b"], "max": 100}],
    "guardrails": [{"metric": "return", "min": 0.1}],
}


def _run(path: Path, *options: str) -> subprocess.CompletedProcess[str]:
    code = "from pipeline.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, "allocate", str(path), *options],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
    )


def _file(folder: Path, text: str) -> Path:
    path = folder / "problem.json"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_problem_file_gives_a_plan_with_its_proof(tmp_path):
    done = _run(_file(tmp_path, json.dumps(PROBLEM)), "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["status"] == "optimal"
    assert sum(found["spend"].values()) == pytest.approx(100)
    assert found["objective"] <= found["upper_bound"]
    assert {"prices", "marginal_return", "gap"} <= set(found)


def test_people_get_a_table(tmp_path):
    done = _run(_file(tmp_path, json.dumps(PROBLEM)))
    assert done.returncode == 0, done.stderr
    assert "marginal return" in done.stdout


def test_contradicting_limits_end_with_2_and_the_smallest_set(tmp_path):
    document = {**PROBLEM, "groups": [{"id": "g", "lines": ["a", "b"], "max": 90}]}
    done = _run(_file(tmp_path, json.dumps(document)), "--json")
    assert done.returncode == 2
    assert set(json.loads(done.stdout)["conflict"]) == {"budget", "g max"}
    assert "budget 100 exactly" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("{", "JSON"),
        ("[]", "object"),
        ('{"budget": NaN, "lines": []}', "NaN"),
        ('{"budget": 1, "budget": 2}', "twice"),
        ('{"budget": 1, "lines": "nowhere.parquet"}', "nowhere.parquet"),
        ("\ufffe\x00", "JSON"),
    ],
)
def test_a_file_that_makes_no_sense_ends_with_2_and_one_line(tmp_path, text, word):
    done = _run(_file(tmp_path, text))
    assert done.returncode == 2
    assert word in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_lines_may_come_from_a_parquet_file(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [
        {"id": "a", "family": "hill", "ceiling": 9.0, "half_saturation": 40.0, "slope": 1.4,
         "scale": None, "max": 60.0, "channel": "tv"},
        {"id": "b", "family": "exponential", "ceiling": 6.0, "half_saturation": None,
         "slope": None, "scale": 25.0, "max": None, "channel": "web"},
    ]  # fmt: skip
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "lines.parquet")
    document = {
        "budget": 100,
        "lines": "lines.parquet",
        "groups": [{"id": "tv", "where": {"channel": "tv"}, "max": 50}],
    }
    done = _run(_file(tmp_path, json.dumps(document)), "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["spend"]["a"] <= 50 + 1e-9
