"""From a signature to budgets on the platforms: by id, read back, resumed, and never too much."""

from __future__ import annotations

import base64
import csv
import hashlib
import hmac
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.core.errors import NotAllowedError, StorageError
from pipeline.io.ledger.verify import verify_ledger
from pipeline.runs import signoff
from tests.io.publish.ads import AdServer, Fault, ad_server
from tests.runs.shop import DAY, LINES, Shop, amounts

IDS = {line: str(1001 + index) for index, line in enumerate(LINES)}
SEARCH, SOCIAL = ("1001", "1002"), ("1003", "1004")
SECRET = base64.b64encode(b"thirty-two bytes of a test secret").decode()
DESTINATIONS: dict[str, Any] = {
    "google": {
        "to": "google_ads",
        "connection": "ads",
        "account": "123-456",
        "scope": {"channel": "search"},
    },
    "meta": {
        "to": "meta",
        "connection": "social",
        "account": "act_42",
        "scope": {"channel": "social"},
    },
    "editor": {"to": "google_ads_editor", "scope": {"channel": "search"}},
    "bulk": {"to": "meta_bulk", "scope": {"channel": "social"}},
    "adsets": {"to": "meta_bulk", "level": "group", "scope": {"channel": "social"}},
    "hook": {"to": "webhook", "connection": "hook"},
}


@pytest.fixture(scope="module")
def proposed(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """A shop whose rows have ids, after its night."""
    shop = Shop(tmp_path_factory.mktemp("shop"))
    for row in shop.spend:
        line = (row["channel"], row["audience"])
        row |= {"campaign_id": IDS[line], "campaign": f"{line[0]} {line[1]}"}
        row |= {"group_id": f"7{IDS[line]}", "group": f"set {line[1]}"}
    shop.settings["destinations"] = DESTINATIONS
    shop.night()
    return shop


@pytest.fixture
def served() -> Iterator[AdServer]:
    with ad_server() as server:
        yield server


@pytest.fixture
def make(
    proposed: Shop, served: AdServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Shop]:
    """Gives a copy of the shop with some destinations, whose platforms have what the plan found."""

    def copy(*names: str, **changes: Any) -> Shop:
        shop = Shop(tmp_path / "copy")
        shutil.copytree(proposed.folder, shop.folder, dirs_exist_ok=True)
        shop.spend, shop.outcomes = proposed.spend, proposed.outcomes
        chosen = {name: {**DESTINATIONS[name], **changes} for name in names}
        shop.settings = {**proposed.settings, "destinations": chosen}
        shop.write()
        for line, (current, _) in amounts(plan_of(shop)).items():
            served.budgets[IDS[line]] = round(current * 100)
        return shop

    for name in ("ads", "social"):
        extra = {"developer_token": "dev-token"}
        login = {"host": served.url, "password": "bearer-secret", "extra": extra}
        monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}", json.dumps(login))
    return copy


def plan_record(shop: Shop) -> Any:
    return signoff.ready_ledger(shop.portfolio).plan("latest", "acme")


def plan_of(shop: Shop) -> Any:
    return plan_record(shop).plan


def signed(shop: Shop) -> dict[str, int]:
    """Return campaign id -> signed amount in cents."""
    return {IDS[line]: round(new * 100) for line, (_, new) in amounts(plan_of(shop)).items()}


def delivery(shop: Shop, name: str) -> dict[str, Any]:
    return next(
        item for item in plan_record(shop).to_json()["destinations"] if item["target"] == name
    )


def part(budgets: dict[str, int], ids: tuple[str, ...]) -> dict[str, int]:
    return {key: budgets[key] for key in ids}


def test_the_plan_moves_what_these_tests_watch(proposed: Shop) -> None:
    moved = {IDS[line] for line, (now, new) in amounts(plan_of(proposed)).items() if now != new}
    assert {*SEARCH, *SOCIAL} <= moved


def test_without_a_word_to_the_contrary_nothing_is_changed(make, served: AdServer) -> None:
    shop = make("google", "meta")
    before = dict(served.budgets)
    served.refuses["1002"] = "Too low."
    done = shop.approve()
    assert (served.budgets, served.sets) == (before, [])
    assert (
        "google: dry run, nothing was changed there; 1 lines would be set, 1 not" in done.notes[0]
    )
    assert "Too low." in done.notes[0]
    assert done.folder is not None
    said = json.loads((done.folder / "google.dry-run.json").read_bytes())
    rows = {row["id"]: row for row in said["lines"]}
    assert rows["1001"]["amount"] == f"{signed(shop)['1001'] / 100:.2f}"
    assert rows["1001"]["now"] == f"{before['1001'] / 100:.2f}"
    assert done.record.is_published
    assert done.record.destinations == ()


@pytest.mark.parametrize(("name", "ids"), [("google", SEARCH), ("meta", SOCIAL)])
def test_signing_sets_the_budgets_by_id_and_reads_them_back(
    make, served: AdServer, name: str, ids: tuple[str, ...]
) -> None:
    shop = make(name, dry_run=False)
    others = {key: value for key, value in served.budgets.items() if key not in ids}
    done = shop.approve()
    assert done.notes == ()
    assert part(served.budgets, ids) == part(signed(shop), ids)
    assert others.items() <= served.budgets.items()
    assert delivery(shop, name)["confirmed"] == 2
    assert delivery(shop, name)["status"] == "published"
    ledger = shop.portfolio.ledger
    assert verify_ledger(ledger.database, ledger.head).problems == ()
    served.sets.clear()
    signoff.publish_plan(shop.portfolio, "latest")  # a task that is cleared, a second click
    assert served.sets == []


@pytest.mark.parametrize(("name", "ids"), [("google", SEARCH), ("meta", SOCIAL)])
def test_a_refused_line_is_told_in_the_platforms_words_and_stops_no_other(
    make, served: AdServer, name: str, ids: tuple[str, ...]
) -> None:
    shop = make(name, dry_run=False)
    served.refuses[ids[0]] = "The budget amount is too low."
    done = shop.approve()
    assert "The budget amount is too low." in done.notes[0]
    assert served.budgets[ids[1]] == signed(shop)[ids[1]]
    said = delivery(shop, name)
    assert (said["status"], said["confirmed"], len(said["left_out"])) == ("published", 1, 1)
    assert "too low" in said["left_out"][0]["why"]


@pytest.mark.parametrize(("name", "ids"), [("google", SEARCH), ("meta", SOCIAL)])
def test_a_line_that_is_busy_is_left_and_sent_alone_the_next_time(
    make, served: AdServer, name: str, ids: tuple[str, ...]
) -> None:
    shop = make(name, dry_run=False)
    served.silent[ids[1]] = 1
    done = shop.approve()
    assert "signed, but not published everywhere" in done.notes[0]
    assert "1 of 2 lines are not confirmed, such as" in done.notes[0]
    assert delivery(shop, name)["status"] == "publishing"
    served.sets.clear()
    again = signoff.publish_plan(shop.portfolio, "latest")
    assert again.notes == ()
    assert served.sets == [(ids[1], signed(shop)[ids[1]])]
    assert delivery(shop, name)["confirmed"] == 2


def test_google_operations_that_collide_are_not_refusals(make, served: AdServer) -> None:
    shop = make("google", dry_run=False)
    served.busy["1001"] = 1
    done = shop.approve()
    assert "not confirmed" in done.notes[0]
    assert signoff.publish_plan(shop.portfolio, "latest").notes == ()
    assert part(served.budgets, SEARCH) == part(signed(shop), SEARCH)


def test_a_destination_of_lines_that_are_not_in_the_plan_is_not_called(
    make, served: AdServer
) -> None:
    shop = make("google", dry_run=False, scope={"channel": "nowhere"})
    assert shop.approve().notes == ()
    assert served.calls == []
    assert [item.target for item in plan_record(shop).destinations] == []


@pytest.mark.parametrize("as_link", [False, True])
def test_ids_that_are_not_those_of_the_signed_night_are_sent_nothing(
    make, served: AdServer, as_link: bool
) -> None:
    """Somebody who owns the run folder swaps two ids and makes its manifest fit."""
    shop = make("google", dry_run=False)
    before = dict(served.budgets)
    folder = shop.folder / ".equimarginal" / "runs" / plan_of(shop).plan_id
    own = folder
    if as_link:
        own = shop.folder / "elsewhere"
        shutil.move(folder, own)
        folder.symlink_to(own)
    targets, manifest = own / "snapshot" / "targets.json", own / "manifest.json"
    text = targets.read_text()
    for old, new in (("1001", "x"), ("1002", "1001"), ("x", "1002")):
        text = text.replace(f'"id": "{old}"', f'"id": "{new}"')
    assert text != targets.read_text()
    said = json.loads(manifest.read_text())
    old_hash = hashlib.sha256(targets.read_bytes()).hexdigest()
    targets.write_text(text)
    new_hash = hashlib.sha256(text.encode()).hexdigest()
    manifest.write_text(json.dumps(said).replace(old_hash, new_hash))
    done = shop.approve()
    assert "is not what plan" in done.notes[0]
    assert (served.budgets, served.sets) == (before, [])


def test_a_rate_limit_is_waited_out(make, served: AdServer) -> None:
    shop = make("google", dry_run=False)
    served.faults = [
        Fault("mutate", 429, {"error": {"status": "RESOURCE_EXHAUSTED"}}, {"Retry-After": "0"}),
        Fault("search", 503, None, {"Retry-After": "0"}),
    ]
    assert shop.approve().notes == ()
    assert [call.rsplit(":", 1)[1] for call in served.calls] == [
        "search",
        "search",
        "mutate",
        "mutate",
        "search",
    ]


def test_an_answer_that_got_lost_is_not_sent_twice(make, served: AdServer) -> None:
    shop = make("google", dry_run=False)
    served.faults = [Fault("mutate", 400, {"error": {"message": "cut off"}}, is_done_first=True)]
    assert "cut off" in shop.approve().notes[0]
    assert part(served.budgets, SEARCH) == part(signed(shop), SEARCH)
    served.sets.clear()
    assert signoff.publish_plan(shop.portfolio, "latest").notes == ()
    assert served.sets == []
    assert delivery(shop, "google")["confirmed"] == 2


def test_one_platform_that_is_down_stops_no_other(make, served: AdServer) -> None:
    shop = make("google", "meta", "editor", dry_run=False)
    denied = {"error": {"status": "PERMISSION_DENIED", "message": "no bearer-secret here"}}
    served.faults = [Fault("googleAds:search", 403, denied)]
    (note,) = shop.approve().notes
    assert "destination google" in note
    assert "PERMISSION_DENIED" in note
    assert "bearer-secret" not in note
    assert part(served.budgets, SOCIAL) == part(signed(shop), SOCIAL)
    with pytest.raises(StorageError, match="destination google"):
        served.faults = [Fault("googleAds:search", 403, denied)]
        signoff.publish_plan(shop.portfolio, "latest")
    assert signoff.publish_plan(shop.portfolio, "latest").notes == ()
    assert part(served.budgets, SEARCH) == part(signed(shop), SEARCH)


def test_no_rise_beyond_the_step_from_what_is_really_set(make, served: AdServer) -> None:
    shop = make("google", dry_run=False)
    served.budgets["1001"] = signed(shop)["1001"] // 2
    before = served.budgets["1001"]
    (note,) = shop.approve().notes
    assert "is set there, the plan started from" in note
    assert served.budgets["1001"] == before
    assert served.budgets["1002"] == signed(shop)["1002"]


def test_a_fall_is_no_risk_whatever_is_set(make, served: AdServer) -> None:
    shop = make("google", dry_run=False)
    served.budgets["1001"] = signed(shop)["1001"] * 3
    assert shop.approve().notes == ()
    assert served.budgets["1001"] == signed(shop)["1001"]


def test_what_cannot_be_set_alone_is_left_out(make, served: AdServer) -> None:
    shop = make("google", "meta", dry_run=False)
    served.shared.add("1001")
    del served.budgets["1002"]
    served.budgets["1003"] = 0
    notes = " | ".join(shop.approve().notes)
    assert "campaign 1001 shares its budget with others" in notes
    assert "no campaign 1002 in this account" in notes
    assert "campaign 1003 has no daily budget but a lifetime budget" in notes
    assert served.budgets["1004"] == signed(shop)["1004"]


@pytest.mark.parametrize("name", ["google", "meta"])
def test_an_account_in_another_currency_gets_nothing(make, served: AdServer, name: str) -> None:
    shop = make(name, dry_run=False)
    served.currency = "USD"
    assert "is billed in USD, the plan is in EUR" in shop.approve().notes[0]
    assert served.sets == []


def test_a_paused_portfolio_sends_nothing(make, served: AdServer) -> None:
    shop = make("google", dry_run=False)
    served.silent["1001"] = 1
    shop.approve()
    signoff.set_paused(shop.portfolio, "ana", "stop", paused=True)
    served.sets.clear()
    with pytest.raises(StorageError, match="publishing is paused"):
        signoff.publish_plan(shop.portfolio, "latest")
    assert served.sets == []


def test_sheets_are_keyed_by_id_in_the_platforms_columns(make) -> None:
    shop = make("editor", "bulk", "adsets")
    done = shop.approve()
    assert done.notes == ()
    cents = signed(shop)

    def rows(name: str) -> list[list[str]]:
        with (done.folder / f"{name}.csv").open(newline="", encoding="utf-8") as file:
            return list(csv.reader(file))

    assert rows("editor") == [
        ["Campaign ID", "Campaign", "Budget"],
        ["1001", "search brand", f"{cents['1001'] / 100:.2f}"],
        ["1002", "search generic", f"{cents['1002'] / 100:.2f}"],
    ]
    assert rows("bulk")[:2] == [
        ["Campaign ID", "Campaign Name", "Campaign Daily Budget"],
        ["cg:1003", "social a", f"{cents['1003'] / 100:.2f}"],
    ]
    assert rows("adsets")[:2] == [
        ["Campaign ID", "Ad Set ID", "Ad Set Name", "Ad Set Daily Budget"],
        ["cg:1003", "c:71003", "set a", f"{cents['1003'] / 100:.2f}"],
    ]
    before = (done.folder / "bulk.csv").read_bytes()
    (done.folder / "bulk.csv").unlink()
    signoff.publish_plan(shop.portfolio, "latest")
    assert (done.folder / "bulk.csv").read_bytes() == before


class Receiver:
    """Checks the signature the way the standard's libraries do, with code of its own."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, Any]] = []
        self.refused: list[Any] = []

    def __call__(self, headers: Any, body: bytes) -> Any:
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        mac = hmac.digest(base64.b64decode(SECRET), signed, hashlib.sha256)
        assert headers["webhook-signature"] == "v1," + base64.b64encode(mac).decode()
        said = json.loads(body)
        self.messages.append((headers["webhook-id"], said))
        return {"content_hash": said["content_hash"], "refused": self.refused}


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    import threading
    from http.server import BaseHTTPRequestHandler, HTTPServer

    judge = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            data = json.dumps(judge(self.headers, body)).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    login = {"host": f"http://127.0.0.1:{server.server_port}/in", "password": f"whsec_{SECRET}"}
    monkeypatch.setenv("AIRFLOW_CONN_HOOK", json.dumps(login))
    yield judge
    server.shutdown()
    server.server_close()


def test_a_webhook_is_signed_stamped_and_confirmed_by_the_hash(make, receiver: Receiver) -> None:
    shop = make("hook", dry_run=False)
    receiver.refused = [{"line": ["tv", "x"], "why": "booked for the year"}]
    (note,) = shop.approve().notes
    assert note == "hook: line tv / x was not set: booked for the year"
    (identity, said) = receiver.messages[0]
    assert identity == f"{plan_of(shop).plan_id}.hook"
    budgets = {
        IDS[row["line"]["channel"], row["line"]["audience"]]: row["budget_minor"]
        for row in said["lines"]
    }
    assert budgets == signed(shop)
    assert delivery(shop, "hook")["confirmed"] == 4
    signoff.publish_plan(shop.portfolio, "latest")
    assert len(receiver.messages) == 1


def test_a_receiver_that_stored_something_else_has_confirmed_nothing(
    make, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = make("hook", dry_run=False)
    monkeypatch.setattr(Receiver, "__call__", lambda self, headers, body: {"content_hash": "x"})
    assert "answered without the plan's content_hash" in shop.approve().notes[0]
    monkeypatch.undo()


def test_a_connection_that_is_missing_is_named(make) -> None:
    shop = make("hook", dry_run=False)
    assert "AIRFLOW_CONN_HOOK" in shop.approve().notes[0]


def test_ids_are_those_of_the_night_not_of_a_file_edited_since(make, served: AdServer) -> None:
    shop = make("google", dry_run=False)
    shop.spend = [{**row, "campaign_id": "1005"} for row in shop.spend]
    shop.write()
    other = served.budgets["1005"]
    assert shop.approve().notes == ()
    assert served.budgets["1005"] == other
    assert part(served.budgets, SEARCH) == part(signed(shop), SEARCH)


def test_a_destination_that_the_night_did_not_know_waits_for_the_next(make) -> None:
    shop = make("google", dry_run=False)
    shop.settings["destinations"] = {"new": {**DESTINATIONS["google"], "dry_run": False}}
    shop.write()
    assert "served from the next night on" in shop.approve().notes[0]


def test_lines_that_share_an_id_or_have_two_are_named_to_the_signer(
    tmp_path: Path,
) -> None:
    shop = Shop(tmp_path)
    for row in shop.spend:
        row["campaign_id"] = "1" if row["channel"] == "search" else row["audience"]
        if row["audience"] == "x":
            row["campaign_id"] = ""
    newest = shop.line_rows("social", "a")[-1]
    shop.spend.append({**newest, "campaign_id": "zz", "spend": round(newest["spend"] / 5, 2)})
    shop.settings["destinations"] = {"all": {"to": "meta_bulk"}}
    said = [item.message for item in shop.night().findings if item.check == "destination"]
    assert any(
        "id 1 belongs to 2 lines (search / brand, search / generic)" in item for item in said
    )
    assert any("line social / a is 2 campaigns (a, zz)" in item for item in said)
    assert any("line tv / x has no id" in item for item in said)
    notes = shop.approve().notes
    assert sum("was not set" in note for note in notes) == 5


def test_an_unsigned_plan_goes_nowhere(make, served: AdServer) -> None:
    shop = make("google", dry_run=False)
    with pytest.raises(NotAllowedError, match="only an approved plan"):
        signoff.publish_plan(shop.portfolio, "latest")
    assert served.calls == []
    assert DAY.isoformat() in plan_of(shop).plan_id
