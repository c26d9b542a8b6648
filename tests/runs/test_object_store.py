"""Nights whose sources and runs live in an object store, over HTTP."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator

import fsspec
import pytest

from pipeline.core.errors import StorageError
from pipeline.io.artefacts import list_runs, list_work
from pipeline.runs import reports, signoff
from pipeline.runs.checking import replay_plan
from pipeline.runs.night import run_night
from tests.objects import s3_bucket
from tests.runs.shop import DAY, Shop

NIGHT = (
    "import sys\n"
    "from datetime import date, datetime\n"
    "from pipeline import open_portfolio, run_night\n"
    "moment = datetime.fromisoformat(sys.argv[2])\n"
    "portfolio = open_portfolio(sys.argv[1], lambda: moment)\n"
    "print(run_night(portfolio, date.fromisoformat(sys.argv[3])).plan_id)\n"
)


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    with s3_bucket() as url:
        yield url


def move(shop: Shop, place: str) -> None:
    """Move the shop's files into the store and let its settings name them."""
    shop.write()
    for table in ("spend", "outcomes"):
        local, url = shop.folder / "data" / f"{table}.csv", f"{place}/{table}.csv"
        with fsspec.open(url, "wb") as file:
            file.write(local.read_bytes())
        local.unlink()
        shop.settings["sources"][table]["path"] = url
    shop.settings["runs"] = f"{place}/runs"
    (shop.folder / "portfolio.yaml").write_text(json.dumps(shop.settings), encoding="utf-8")


def test_a_night_in_an_object_store_is_signed_shown_and_found_again(
    bucket: str, open_shop: Callable[..., Shop]
) -> None:
    here, there = open_shop("here"), open_shop("there")
    plan = here.night()
    move(there, f"{bucket}/night")
    away = run_night(there.portfolio, DAY)
    assert away.budgets == plan.budgets
    assert there.run(away).damage() == []
    assert list_work(there.portfolio.runs) == []
    assert run_night(there.portfolio, DAY).plan_id == away.plan_id
    assert replay_plan(there.portfolio, "latest").differences == ()
    assert reports.rewrite_page(there.portfolio, "latest").is_same
    signed = signoff.approve_plan(there.portfolio, "latest", "ana")
    assert signed.record.status.value == "approved"
    assert (there.folder / "published" / "latest.json").is_file()


def test_two_nights_at_once_leave_one_whole_run(
    bucket: str, open_shop: Callable[..., Shop]
) -> None:
    shop = open_shop("race")
    move(shop, f"{bucket}/race")
    shop.portfolio.ledger  # noqa: B018  the folder exists before they start
    command = [sys.executable, "-c", NIGHT, str(shop.folder), shop.moment.isoformat(), str(DAY)]
    racing = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    ended = [night.communicate() for night in racing]
    assert [night.returncode for night in racing] == [0, 0], ended
    assert len({out for out, _ in ended}) == 1
    assert len(list_runs(shop.portfolio.runs)) == 1
    assert list_work(shop.portfolio.runs) == []
    assert shop.run(run_night(shop.portfolio, DAY)).damage() == []


def test_a_store_that_refuses_is_one_line_without_the_secret(
    bucket: str, open_shop: Callable[..., Shop], monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = open_shop("refused")
    move(shop, f"{bucket}/refused")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    fsspec.filesystem("s3").clear_instance_cache()
    with pytest.raises(StorageError) as caught:
        run_night(shop.portfolio, DAY)
    assert "\n" not in str(caught.value)
    assert "a-secret-of-the-tests" not in str(caught.value)
