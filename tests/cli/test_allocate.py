"""`equimarginal allocate`: one problem file in, a plan or one clear line out."""

from __future__ import annotations

import json
import subprocess
import sys
from decimal import Decimal
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
        ("[" * 100_000, "nested"),
        ('{"budget": 1e999, "lines": [{}]}', "budget"),
        ('{"budget": -1, "lines": [{"id": "a"}]}', "budget"),
        ('{"budget": ' + "9" * 5000 + "}", "digits"),
        ('{"budget": 1, "lines": [], "colour": 1}', "colour"),
        (
            '{"goal": {"maximize": "outcome", "return": 1}, "lines": [{"id": "a", "curve": '
            '{"family": "hill", "ceiling": 9, "half_saturation": 4, "slope": 1}}]}',
            "no end",
        ),
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


def test_a_parquet_file_says_of_a_line_all_that_a_problem_file_does(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    orders = {"family": "hill", "ceiling": 3.0, "half_saturation": 10.0, "slope": 1.0}
    table = pa.table(
        {
            "id": ["a", "b"],
            "curve": [json.dumps(line["curve"]) for line in PROBLEM["lines"]],
            "max": pa.array([Decimal("30.5"), None], pa.decimal128(9, 2)),
            "metrics": [{"orders": orders}, None],
            "organic": [json.dumps({"orders": 5}), None],
            "labels": pa.array([[("channel", "tv")], []], pa.map_(pa.string(), pa.string())),
            "market": ["de", "de"],
        }
    )
    pq.write_table(table, tmp_path / "lines.parquet")
    document = {
        "budget": 100,
        "lines": "lines.parquet",
        "groups": [{"id": "tv", "where": {"channel": "tv", "market": "de"}, "max": 20}],
        "guardrails": [{"metric": "orders", "min": 6.8}],
    }
    done = _run(_file(tmp_path, json.dumps(document)), "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    spent = found["spend"]["a"]
    assert spent <= 20 + 1e-9
    orders_seen = found["guardrails"]["orders"]["value"]
    assert orders_seen == pytest.approx(5 + 3 * spent / (10 + spent), rel=1e-4)


CURVES = [line["curve"] for line in PROBLEM["lines"]]
SHOP = {"lines": PROBLEM["lines"]}


@pytest.mark.parametrize(
    ("document", "key"),
    [
        (
            {**SHOP, "goal": {"minimize": "spend", "outcome": 8}, "budget": 200},
            "lower_bound",
        ),
        (
            {**SHOP, "goal": {"maximize": "outcome", "return": 0.12}, "budget": 200},
            "goal return",
        ),
        (
            {**SHOP, "goal": {"maximize": "outcome", "cost_per_outcome": 8}, "budget": 200},
            "goal cost_per_outcome",
        ),
        (
            {**SHOP, "pacing": {"total": 300, "spent": 120, "day": 2, "demand": [1, 2, 1]}},
            "planned_to_date",
        ),
        (
            {
                "budget": 50,
                "risk": {"worst": 0.5},
                "lines": [{"id": name, "draws": CURVES} for name in "ab"],
            },
            "outcome",
        ),
    ],
    ids=["least spend", "return", "cost", "pacing", "risk"],
)
def test_goals_risk_and_pacing_are_asked_for_in_the_file(tmp_path, document, key):
    done = _run(_file(tmp_path, json.dumps(document)), "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["status"] == "optimal"
    assert f'"{key}"' in done.stdout


def test_a_parquet_file_with_a_broken_curve_ends_with_2_and_one_line(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"id": ["a"], "curve": ["{"]}), tmp_path / "lines.parquet")
    done = _run(_file(tmp_path, json.dumps({"budget": 1, "lines": "lines.parquet"})))
    assert done.returncode == 2
    assert "not JSON" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
