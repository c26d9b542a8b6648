"""What finance is told that a cap costs."""

from __future__ import annotations

import re

import pytest

from pipeline.core.errors import DamagedError, StorageError
from pipeline.core.policy import CapSpec
from pipeline.io.artefacts import MANIFEST
from pipeline.runs.cap_impact import cap_impact
from pipeline.runs.storage import POSTERIOR
from tests.runs.shop import Shop, amounts


def impact(shop: Shop, **limits: float) -> str:
    spec = CapSpec.model_validate({"scope": {"channel": "social"}, **limits})
    return cap_impact(shop.portfolio, spec)


def test_a_cap_that_the_best_split_does_not_touch_costs_nothing(shop: Shop) -> None:
    shop.night()
    said = impact(shop, max=100000.0)
    assert said.startswith("nothing today: the best split stays as it is, by the curves of ")
    assert "0.00" not in said


def test_a_cap_on_a_name_that_no_plan_has_yet_may_be_proposed(shop: Shop) -> None:
    plan = shop.night()
    spec = CapSpec.model_validate({"scope": {"channel": "audio"}, "max": 50.0})
    said = cap_impact(shop.portfolio, spec)
    assert said == f"not known: no line of {plan.plan_id} is in its scope"


def test_a_tighter_cap_costs_more_and_is_said_as_a_cost(shop: Shop) -> None:
    proposed = amounts(shop.night())
    social = sum(new for line, (_, new) in proposed.items() if line[0] == "social")
    costs = []
    for share in (0.95, 0.85):
        said = impact(shop, max=round(share * social, 2))
        found = re.match(r"costs about ([0-9,.]+) revenue a day \(90 % interval", said)
        assert found, said
        costs.append(float(found[1].replace(",", "")))
    assert 0 < costs[0] < costs[1]


def test_money_without_cents_is_said_without_cents(shop: Shop) -> None:
    shop.settings["currency"] = "JPY"
    proposed = amounts(shop.night())
    social = sum(new for line, (_, new) in proposed.items() if line[0] == "social")
    assert re.search(r"; [0-9,]+ JPY would stand elsewhere", impact(shop, max=round(0.85 * social)))


def test_without_a_night_nothing_is_known(shop: Shop) -> None:
    shop.write()
    assert impact(shop, max=10.0).startswith("not known: ")


def test_a_run_that_cannot_be_read_just_now_is_no_fact_about_the_cap(shop: Shop) -> None:
    plan = shop.night()
    manifest = shop.folder / ".equimarginal" / "runs" / plan.plan_id / MANIFEST
    manifest.unlink()
    manifest.mkdir()
    with pytest.raises(StorageError):
        impact(shop, max=10.0)


def test_a_run_that_is_damaged_is_no_fact_about_the_cap(shop: Shop) -> None:
    plan = shop.night()
    curves = shop.folder / ".equimarginal" / "runs" / plan.plan_id / POSTERIOR
    curves.chmod(0o600)
    curves.write_bytes(curves.read_bytes()[:-100])
    with pytest.raises(DamagedError):
        impact(shop, max=10.0)


@pytest.mark.parametrize("limits", [{"fixed": 1e9}, {"min": 1e9}])
def test_a_cap_that_cannot_be_kept_is_not_priced(shop: Shop, limits: dict[str, float]) -> None:
    shop.night()
    assert not re.search(r"[0-9] revenue a day", impact(shop, **limits))
