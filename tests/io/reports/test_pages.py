from __future__ import annotations

from datetime import date, timedelta

from pipeline.core.caps import Cap, CapStatus
from pipeline.core.plan import Mode, Status
from pipeline.io.reports import Night, Other, decision_markdown, render_caps, render_index
from pipeline.io.reports.words import number_change
from tests.io.reports.decisions import sample_cadence, sample_offers
from tests.io.reports.dom import Element, parse
from tests.io.reports.samples import DAY, sample_plan

COLUMNS = ("channel", "audience")


def cap(name: str, status: CapStatus = CapStatus.PROPOSED, **values: object) -> Cap:
    known = {"id": name, "status": status, "proposed_by": "ana", "scope": {"channel": "search"}}
    return Cap(**{**known, **values})


def caps_page(*caps: Cap, with_plan: bool = True) -> Element:
    plan = sample_plan() if with_plan else None
    return parse(render_caps("acme", caps, day=DAY, columns=COLUMNS, currency="EUR", plan=plan))


def test_a_request_says_what_it_replaces_what_it_could_earn_and_how_to_approve_it():
    root = caps_page(
        cap("cap-0001", CapStatus.APPROVED, max=4140.0, decided_by="fin"),
        cap("cap-0009", max=5000.0, reason="It binds every night.", expires=date(2026, 12, 31),
            impact="brings about 490 revenue a day"),
    )  # fmt: skip
    assert root.one("h1").text == "1 cap waits for finance"
    request = root.one("section", class_="request").text
    assert "at most 5,000.00 EUR a day, until 2026-12-31" in request
    assert "Instead of at most 4,140.00 EUR." in request
    assert "Brings about 490 revenue a day" in request
    assert "3 lines with 4,140.00 EUR planned." in request
    assert "equimarginal caps approve cap-0009" in request


def test_what_was_solved_anew_stands_before_what_was_said_when_it_was_asked():
    html = render_caps(
        "acme", [cap("c", max=1.0, impact="old")], day=DAY, columns=COLUMNS, currency="EUR",
        impacts={"c": "costs about 7 revenue a day"},
    )  # fmt: skip
    request = parse(html).one("section", class_="request").text
    assert "Costs about 7 revenue a day" in request
    assert "old" not in request


def test_a_cap_that_ends_soon_says_so_and_what_follows():
    end = DAY + timedelta(days=5)
    known = cap("c", CapStatus.APPROVED, max=9.0, decided_by="fin", expires=end)
    html = render_caps(
        "acme", [known], day=DAY, columns=COLUMNS, currency="EUR",
        decided_on={"c": date(2026, 11, 2)},
    )  # fmt: skip
    (row,) = parse(html).one("table", class_="caps sorts").rows()
    assert "ends in 5 days; then its lines are held" in row[0]
    assert row[-1] == "fin, 2026-11-02"


def test_a_request_without_a_plan_says_that_its_effect_is_not_known():
    request = caps_page(cap("c", max=1.0), with_plan=False).one("section", class_="request").text
    assert "not known" in request


def test_caps_in_force_have_prices_and_earlier_ones_their_fate():
    root = caps_page(
        cap("cap-0001", CapStatus.APPROVED, max=4140.0, decided_by="fin"),
        cap("old", CapStatus.SUPERSEDED, max=3500.0, decided_by="fin"),
        cap("later", CapStatus.APPROVED, max=9.0, valid_from=DAY + timedelta(days=9),
            scope={"channel": "tv"}),
    )  # fmt: skip
    in_force, past = root.all("table", class_="caps sorts")
    assert "One EUR more of it would earn 0.57 revenue." in in_force.text
    assert next(row[2:] for row in past.rows()) == ["superseded", "ana", "fin"]
    assert "approved, not yet in force" in past.text


def nights() -> list[Night]:
    plan = sample_plan()
    return [
        Night(plan=plan.model_copy(update={"date": DAY - timedelta(days=2), "plan_id": "a",
              "mode": Mode.FALLBACK, "uplift": None, "expected": None}), status=Status.APPROVED,
              decided_by="ana", page="runs/a/report.html", published=True,
              promised=40500.0, realised=41000.0),
        Night(plan=plan.model_copy(update={"plan_id": "c"}), status=Status.PROPOSED),
        Night(plan=plan.model_copy(update={"date": DAY - timedelta(days=1), "plan_id": "b"}),
              status=Status.REJECTED, decided_by="ana"),
    ]  # fmt: skip


def test_nights_are_listed_newest_first_with_state_promise_and_what_came():
    root = parse(render_index("acme", nights()))
    rows = root.rows()
    assert [row[0] for row in rows] == ["2026-11-22 c", "2026-11-21 b", "2026-11-20 a"]
    assert [row[1] for row in rows] == ["waiting", "refused by ana", "signed by ana published"]
    assert rows[2][6:10] == ["not known", "not known", "40,500", "41,000"]
    assert [a.attributes["href"] for a in root.one("table").all("a")] == ["runs/a/report.html"]


def test_only_filters_that_find_something_are_offered():
    root = parse(render_index("acme", nights()))
    assert root.one("h1").text == ("The plan for Sunday 22 November 2026 waits for a signature")
    labels = [label.text for label in root.all("label")]
    assert labels == ["All 3", "Waiting 1", "Signed 1", "Refused 1", "Fallback or hold 1",
                      "To look at 3"]  # fmt: skip


def test_the_index_says_how_promises_fared_and_whether_publishing_is_paused():
    text = parse(render_index("acme", nights(), is_paused=True)).text
    assert "promised 40,500 and 41,000 came (+1.2%)" in text
    assert "Publishing is paused." in text
    assert "paused" not in parse(render_index("acme", nights())).text


def test_the_index_says_what_was_done_last_where_nothing_waits():
    done = [night for night in nights() if night.status is not Status.PROPOSED]
    title = parse(render_index("acme", done)).one("h1").text
    assert title == "The plan for Saturday 21 November 2026 was refused by ana; none waits"


def test_a_portfolio_without_a_plan_has_a_page():
    assert "No plan yet" in parse(render_index("acme", [])).text


def test_other_decisions_have_a_table_of_their_own_and_wait_as_well():
    others = [
        Other(plan=sample_offers(), status=Status.PROPOSED, page="runs/o/report.html"),
        Other(plan=sample_cadence(), status=Status.APPROVED, decided_by="ana", published=True),
    ]
    root = parse(render_index("acme", nights(), others=others))
    assert root.one("h1").text == "2 plans wait for a signature"
    _, table = root.all("table", class_="nights sorts")
    assert [row[1:4] for row in table.rows()] == [
        ["Next best offer", "waiting", "optimised"],
        ["Lifecycle cadence", "signed by ana published", "optimised"],
    ]
    assert [a.attributes["href"] for a in table.all("a")] == ["runs/o/report.html"]
    up = sample_offers().uplift
    assert up is not None
    assert number_change(up.mean) in table.text and number_change(up.p95) in table.text
    assert "Other decisions" not in parse(render_index("acme", nights())).text


def test_the_short_form_tells_groups_apart_and_names_none_where_there_is_none():
    offers, cadence = decision_markdown(sample_offers()), decision_markdown(sample_cadence())
    bullets = [line for line in offers.splitlines() if line.startswith("- ") and " to " in line]
    heads = [line.partition(":")[0] for line in bullets]
    assert len(set(heads)) == len(heads) > 1
    assert "no name" not in cadence
