"""Sign-off as the command line and Airflow use it: on a portfolio folder, down to the files."""

from __future__ import annotations

import csv
import errno
import json
import os
import shutil
from datetime import UTC, date, datetime, timedelta

import pytest

from pipeline.core.caps import CapStatus
from pipeline.core.errors import DamagedError, NotAllowedError, StorageError
from pipeline.core.plan import Mode, Plan, PlanLine, Status
from pipeline.core.policy import CapSpec
from pipeline.io.ledger import Stated
from pipeline.runs import signoff
from pipeline.runs.audit import verify_portfolio
from pipeline.runs.portfolio import open_portfolio

CONFIG = """
portfolio: acme
currency: EUR
timezone: Europe/Berlin
line: [channel]
budget: {daily: 300}
people:
  analysts: [ana, {name: lou, login: nobody-has-this-login}]
  finance: [fin, flo]
sources: {spend: {path: x.csv}, outcomes: {path: x.csv}}
"""
DAY = date(2026, 11, 22)


class Office:
    """A portfolio folder, with a clock that can be moved."""

    def __init__(self, folder):
        self.folder, self.moment = folder, datetime(2026, 11, 22, 5, tzinfo=UTC)
        self.config()

    def config(self, more=""):
        (self.folder / "portfolio.yaml").write_text(CONFIG + more)

    @property
    def portfolio(self):
        return open_portfolio(self.folder, lambda: self.moment)

    @property
    def published(self):
        return self.folder / "published"

    def propose(
        self, search=110.0, social=190.0, *, day=DAY, tag="00000000", name="search", **more
    ):
        portfolio = self.portfolio
        ledger = signoff.ready_ledger(portfolio)
        plan = Plan(
            plan_id=f"{day}-{tag}",
            portfolio="acme",
            date=day,
            currency="EUR",
            line_columns=("channel",),
            mode=Mode.OPTIMISED,
            budget=300.0,
            lines=(
                PlanLine(line={"channel": name}, current=100.0, proposed=search),
                PlanLine(line={"channel": "social"}, current=200.0, proposed=social),
            ),
            caps_version=ledger.caps_version("acme", day),
            **more,
        )
        return ledger.propose_plan(plan, portfolio.policy)

    def approve(self, ref="latest", person="ana", **more):
        return signoff.approve_plan(self.portfolio, ref, person, **more)

    def sheet(self, record):
        path = self.published / str(record.plan.date) / record.plan_id / "budgets.csv"
        return list(csv.reader(path.open(newline="")))

    def actions(self):
        return [entry.action for entry in self.portfolio.ledger.audit_entries()]


@pytest.fixture
def office(tmp_path):
    return Office(tmp_path)


def test_signing_a_plan_publishes_it(office):
    office.propose()
    decided = office.approve()
    record = decided.record
    assert (record.status, record.is_published, decided.notes) == (Status.APPROVED, True, ())
    assert office.sheet(record) == [
        ["channel", "budget", "currency"],
        ["search", "110.00", "EUR"],
        ["social", "190.00", "EUR"],
    ]
    latest = json.loads((office.published / "latest.json").read_text())
    assert latest["content_hash"] == record.content_hash
    manifest = json.loads((office.published / latest["folder"] / "manifest.json").read_text())
    assert set(manifest["files"]) == {"budgets.csv", "budgets.json"}
    shown = decided.to_json()
    assert shown["status"] == "approved"
    assert shown["decision"]["by"] == "ana"
    assert shown["publication"]["status"] == "published"
    assert office.portfolio.ledger.last_published("acme").plan_id == record.plan_id


def test_a_person_with_another_login_is_refused_and_recorded(office):
    office.propose()
    with pytest.raises(NotAllowedError, match="only from the login"):
        office.approve(person="lou")
    with pytest.raises(NotAllowedError, match="nobody of that name"):
        office.approve(person="eve\n2026 ana approved")
    entry = office.portfolio.ledger.audit_entries()[-1]
    assert (entry.action, entry.actor) == ("denied", "eve\\u000a2026 ana approved")
    assert not office.published.exists()


def test_airflow_vouches_for_the_person_but_not_for_the_role(office, monkeypatch):
    monkeypatch.setenv("EQUIMARGINAL_NOW", "")
    record = office.propose(day=date.today() + timedelta(days=1))
    with pytest.raises(NotAllowedError, match="may not approve plan"):
        signoff.decide(
            office.folder,
            record.plan_id,
            Stated(content_hash=record.content_hash),
            "fin",
            True,
            identity_verified_by="airflow",
        )
    decided = signoff.decide(
        office.folder,
        record.plan_id,
        Stated(content_hash=record.content_hash),
        "lou",
        True,
        identity_verified_by="airflow",
    )
    assert decided.record.verified_by == "airflow"


def test_what_was_not_shown_is_not_signed(office):
    record = office.propose()
    with pytest.raises(NotAllowedError, match="read the report again"):
        office.approve(stated=Stated(content_hash="sha256:" + "1" * 64))
    with pytest.raises(NotAllowedError, match="read the report again"):
        signoff.reject_plan(
            office.portfolio, "latest", "ana", "no", Stated(content_hash="sha256:" + "1" * 64)
        )
    assert office.portfolio.ledger.plan(record.plan_id).status is Status.PROPOSED


def test_a_rejected_plan_is_not_published(office):
    office.propose()
    decided = signoff.reject_plan(office.portfolio, "latest", "ana", "too bold")
    assert decided.record.status is Status.REJECTED
    with pytest.raises(NotAllowedError, match="is rejected"):
        signoff.publish_plan(office.portfolio, "latest")
    assert not office.published.exists()


@pytest.mark.parametrize(
    ("search", "social", "says"),
    [
        (130.0, 170.0, "25% a day"),
        (110.0, 190.01, "add up to 300.01"),
        (110.0, 180.0, "no reason is given"),
    ],
)
def test_nobody_can_sign_a_plan_beyond_the_hard_limits(office, search, social, says):
    office.propose(search, social)
    with pytest.raises(NotAllowedError, match=says):
        office.approve()
    assert office.portfolio.ledger.plan("latest").status is Status.PROPOSED
    assert office.actions()[-1] == "denied"


def test_the_step_counts_from_what_is_published_whatever_the_plan_says(office):
    office.propose(120.0, 180.0)
    office.approve()
    tomorrow = DAY + timedelta(days=1)
    office.propose(95.0, 205.0, day=tomorrow)  # fine from 100, not from 120
    assert office.approve().record.is_published
    office.propose(119.0, 181.0, day=tomorrow + timedelta(days=1))  # fine from 100, not from 95
    with pytest.raises(NotAllowedError, match="119 from 95"):
        office.approve()


def test_a_stored_plan_that_was_altered_is_refused_by_all(office):
    import sqlite3

    office.propose()
    with sqlite3.connect(office.folder / ".equimarginal" / "ledger.sqlite") as raw:
        raw.execute("drop trigger plan_is_fixed")
        raw.execute("update plan set content = replace(content, '110', '910')")
    with pytest.raises(NotAllowedError, match="altered after it was stored"):
        office.approve()
    with pytest.raises(DamagedError):
        signoff.publish_plan(office.portfolio, "latest")
    assert office.actions()[-1] == "denied"


def test_a_line_that_a_sheet_would_run_is_left_out_and_named(office):
    office.propose(name="=HYPERLINK(1)")
    decided = office.approve()
    assert office.sheet(decided.record) == [
        ["channel", "budget", "currency"],
        ["social", "190.00", "EUR"],
    ]
    assert "=HYPERLINK(1) is not in the sheet" in decided.notes[0]
    data = json.loads((decided.folder / "budgets.json").read_text())
    assert data["lines"][0]["line"] == {"channel": "=HYPERLINK(1)"}
    assert decided.to_json()["publication"]["left_out"][0]["line"] == ["=HYPERLINK(1)"]


def test_while_paused_a_signature_counts_but_nothing_is_published(office):
    office.propose()
    signoff.set_paused(office.portfolio, "fin", "strange numbers", paused=True)
    decided = office.approve()
    assert decided.record.status is Status.APPROVED
    assert "publishing is paused by fin" in decided.notes[0]
    assert not office.published.exists()
    with pytest.raises(NotAllowedError, match="paused"):
        signoff.publish_plan(office.portfolio, "latest")
    signoff.set_paused(office.portfolio, "ana", "", paused=False)
    assert signoff.publish_plan(office.portfolio, "latest").record.is_published


def test_a_folder_that_cannot_be_written_leaves_the_plan_signed_and_says_so(office):
    office.propose()
    office.published.write_text("in the way")
    decided = office.approve()
    assert decided.record.status is Status.APPROVED
    assert "signed, but not published" in decided.notes[0]
    with pytest.raises(StorageError):
        signoff.publish_plan(office.portfolio, "latest")
    office.published.unlink()
    assert signoff.publish_plan(office.portfolio, "latest").record.is_published
    assert office.actions().count("publication.publishing") == 1


def test_publishing_again_brings_lost_files_back_and_changes_nothing_else(office):
    office.propose()
    record = office.approve().record
    first = office.sheet(record)
    tomorrow = office.propose(115.0, 185.0, day=DAY + timedelta(days=1))
    office.approve(tomorrow.plan_id)
    (office.published / str(DAY) / record.plan_id / "budgets.csv").unlink()
    actions = office.actions()
    signoff.publish_plan(office.portfolio, record.plan_id)
    assert office.sheet(record) == first
    latest = json.loads((office.published / "latest.json").read_text())
    assert latest["plan_id"] == tomorrow.plan_id
    assert office.actions() == actions


def test_a_withdrawn_signature_publishes_nothing(office):
    office.propose()
    signoff.set_paused(office.portfolio, "fin", "", paused=True)
    office.approve()
    signoff.revoke_plan(office.portfolio, "latest", "ana", "wrong")
    signoff.set_paused(office.portfolio, "fin", "", paused=False)
    with pytest.raises(NotAllowedError, match="is revoked"):
        signoff.publish_plan(office.portfolio, "latest")


def signed_while_paused(office):
    record = office.propose()
    signoff.set_paused(office.portfolio, "flo", "wait", paused=True)
    decided = office.approve()
    signoff.set_paused(office.portfolio, "flo", "", paused=False)
    assert (decided.record.status, decided.record.is_published) == (Status.APPROVED, False)
    return record


def test_a_signature_counts_only_while_its_signer_may_sign(office):
    record = signed_while_paused(office)
    before = (office.folder / "portfolio.yaml").read_text()
    office.config()
    (office.folder / "portfolio.yaml").write_text(before.replace("[ana, ", "["))
    for person in (None, "fin"):
        with pytest.raises(NotAllowedError, match="signed by ana, who may not sign plans any more"):
            signoff.publish_plan(office.portfolio, record.plan_id, person)
    assert office.actions()[-2:] == ["denied", "denied"]
    assert not office.published.exists()
    office.config()
    assert signoff.publish_plan(office.portfolio, record.plan_id).record.is_published
    (office.folder / "portfolio.yaml").write_text(before.replace("[ana, ", "["))
    shutil.rmtree(office.published)  # of what was published in time, lost files come back
    assert signoff.publish_plan(office.portfolio, record.plan_id).record.is_published
    assert len(office.sheet(record)) == 3


def test_what_policy_signed_is_not_published_once_policy_signs_nothing(office):
    rule = "approval: {auto_within: {line_change: 0.5, moved: 0.5}}\n"
    office.config(rule)
    signoff.set_paused(office.portfolio, "flo", "wait", paused=True)
    record = office.propose()
    assert signoff.sign_by_policy(office.portfolio, record.plan_id).record.decided_by == "policy"
    signoff.set_paused(office.portfolio, "flo", "", paused=False)
    office.config()
    with pytest.raises(NotAllowedError, match="signed by policy, who may not sign plans any more"):
        signoff.publish_plan(office.portfolio, record.plan_id)
    office.config(rule)
    assert signoff.publish_plan(office.portfolio, record.plan_id).record.is_published


def test_a_small_plan_signs_and_publishes_itself(office):
    office.config("approval: {auto_within: {line_change: 0.1, moved: 0.05}}\n")
    office.propose()
    decided = signoff.sign_by_policy(office.portfolio, "latest")
    assert (decided.record.decided_by, decided.record.is_published) == ("policy", True)


def test_a_small_plan_beyond_a_hard_limit_waits_for_a_person(office):
    office.config("approval: {auto_within: {line_change: 1.0, moved: 1.0}}\n")
    office.propose(150.0, 150.0)
    assert signoff.sign_by_policy(office.portfolio, "latest") is None


def test_without_the_setting_a_person_has_to_sign(office):
    office.propose()
    assert signoff.sign_by_policy(office.portfolio, "latest") is None


CAPS = """
caps:
  - {scope: {channel: search}, max: 105}
  - {scope: {channel: social}, min: 50}
"""


def test_caps_of_the_policy_wait_are_approved_together_and_shown(office):
    office.config(CAPS)
    overview = signoff.caps_overview(office.portfolio, DAY)
    assert (overview["in_force"], len(overview["waiting"])) == ([], 2)
    assert overview["held"] == [{"channel": "search"}, {"channel": "social"}]
    approved = signoff.approve_caps(office.portfolio, None, "fin")
    assert [cap.status for cap in approved] == [CapStatus.APPROVED] * 2
    overview = signoff.caps_overview(office.portfolio, DAY)
    assert [cap["max"] for cap in overview["in_force"]] == [105.0, None]
    assert (overview["waiting"], overview["held"]) == ([], [])
    assert signoff.approve_caps(office.portfolio, None, "fin") == ()


def test_of_all_that_wait_ones_own_stays(office):
    office.config(CAPS)
    signoff.propose_cap(office.portfolio, CapSpec(max=300.0), "fin", "year end")
    with pytest.raises(NotAllowedError, match=r"fin proposed cap .* approved: cap-"):
        signoff.approve_caps(office.portfolio, None, "fin")
    (own,) = signoff.waiting_caps(office.portfolio)
    assert signoff.approve_caps(office.portfolio, own.id, "flo")[0].decided_by == "flo"


def test_a_held_line_that_moves_cannot_be_signed(office):
    office.config(CAPS)
    office.propose()
    with pytest.raises(NotAllowedError, match="held until finance"):
        office.approve()


def test_a_cap_approved_after_the_night_voids_its_plan(office):
    office.propose()
    cap = signoff.propose_cap(office.portfolio, CapSpec(max=500.0), "ana", "")
    signoff.approve_caps(office.portfolio, cap.id, "fin")
    with pytest.raises(NotAllowedError, match="changed since it was made"):
        office.approve()


def test_a_cap_is_rejected_with_a_reason(office):
    cap = signoff.propose_cap(office.portfolio, CapSpec(max=500.0), "ana", "")
    rejected = signoff.reject_cap(office.portfolio, cap.id, "fin", "why")
    assert (rejected.status, rejected.decided_by) == (CapStatus.REJECTED, "fin")


def test_airflow_can_pass_on_a_decision_about_a_cap(office):
    caps = [
        signoff.propose_cap(office.portfolio, CapSpec(max=amount), "ana", "")
        for amount in (500.0, 600.0)
    ]
    for cap, approve in zip(caps, (True, False), strict=True):
        signoff.decide_cap(
            office.portfolio, cap.id, "fin", approve=approve, why="so", verified_by="airflow"
        )
    stored = {cap.id: cap for cap in office.portfolio.ledger.caps("acme")}
    found = [(stored[cap.id].status, stored[cap.id].decided_by) for cap in caps]
    assert found == [(CapStatus.APPROVED, "fin"), (CapStatus.REJECTED, "fin")]


class Disk:
    """Refuses its n-th write to disk, or all from there on."""

    def __init__(self, at, for_ever):
        self.at, self.for_ever, self.count = at, for_ever, 0
        self.fsync = os.fsync

    def __call__(self, handle):
        self.count += 1
        if self.count == self.at or (self.for_ever and self.count > self.at):
            raise OSError(errno.ENOSPC, "No space left on device")
        self.fsync(handle)


@pytest.mark.parametrize("for_ever", [False, True])
def test_whichever_write_fails_the_second_try_ends_the_same(tmp_path, monkeypatch, for_ever):
    start = tmp_path / "start"
    start.mkdir()
    record = Office(start).propose()
    for at in range(1, 100):
        folder = tmp_path / str(at)
        shutil.copytree(start, folder)
        office = Office(folder)
        disk = Disk(at, for_ever)
        with monkeypatch.context() as patch:
            patch.setattr("os.fsync", disk)
            try:
                notes = office.approve().notes
                failed = bool(notes)
                assert all("signed, but not published" in note for note in notes)
            except StorageError as error:
                failed = True
                assert "No space left" in str(error)
        stored = office.portfolio.ledger.plan(record.plan_id)
        if stored.status is Status.PROPOSED:
            office.approve()
        elif not stored.is_published:
            signoff.publish_plan(office.portfolio, record.plan_id)
        assert office.portfolio.ledger.plan(record.plan_id).is_published
        assert len(office.sheet(record)) == 3
        assert [office.actions().count(f"plan.{name}") for name in ("proposed", "approved")] == [
            1,
            1,
        ]
        assert verify_portfolio(folder).is_sound
        assert not list(folder.rglob("*.tmp"))
        if not failed:
            break
    assert not failed
    assert at > 8


def test_a_sheet_that_changes_under_the_writers_hands_is_noticed(office, monkeypatch):
    from pipeline.io.publish import files

    office.propose()
    write_file = files.write_file

    def corrupting(path, data):
        write_file(path, data.replace(b"110.00", b"910.00") if path.suffix == ".csv" else data)

    with monkeypatch.context() as patch:
        patch.setattr(files, "write_file", corrupting)
        decided = office.approve()
    assert "budgets.csv read back differs" in decided.notes[0]
    assert not decided.record.is_published
    assert signoff.publish_plan(office.portfolio, "latest", "ana").record.is_published


def test_a_file_that_is_gone_when_it_is_read_back_confirms_nothing(office, monkeypatch):
    from pipeline.io.publish import files

    office.propose()
    write_file = files.write_file
    with monkeypatch.context() as patch:
        patch.setattr(
            files, "write_file", lambda path, data: path.suffix == ".csv" or write_file(path, data)
        )
        decided = office.approve()
    assert "cannot be read back (No such file or directory)" in decided.notes[0]
    assert not decided.record.is_published
    assert signoff.publish_plan(office.portfolio, "latest", "ana").record.is_published


def test_the_latest_day_stays_the_latest(office):
    later = office.propose(day=DAY + timedelta(days=1))
    office.approve(later.plan_id)
    latest = office.published / "latest.json"
    for content in ("nonsense", "[]", latest.read_text()):
        latest.write_text(content)
        record = office.propose(105.0, 195.0, day=DAY + timedelta(days=2))
        assert record.plan.date > later.plan.date
    office.approve(record.plan_id)
    assert json.loads(latest.read_text())["plan_id"] == record.plan_id


def test_airflow_can_pass_on_a_rejection(office, monkeypatch):
    record = office.propose(day=date.today() + timedelta(days=1))
    decided = signoff.decide(
        office.folder,
        record.plan_id,
        Stated(content_hash=record.content_hash),
        "ana",
        False,
        "too bold",
        identity_verified_by="airflow",
    )
    assert (decided.record.status, decided.record.why) == (Status.REJECTED, "too bold")


def test_a_plan_that_moves_too_much_for_the_policy_waits(office):
    office.config("approval: {auto_within: {line_change: 0.01, moved: 0.01}}\n")
    office.propose()
    assert signoff.sign_by_policy(office.portfolio, "latest") is None
