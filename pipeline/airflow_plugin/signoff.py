"""The sign-off task: it asks, and hands answer and person to the ledger, which decides."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.configuration import conf
from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import Param
from airflow.sdk.definitions.param import ParamsDict
from airflow.sdk.exceptions import AirflowFailException, TaskAwaitingInput

from pipeline.airflow_plugin.addresses import plan_address
from pipeline.airflow_plugin.alarms import old_fallback
from pipeline.airflow_plugin.connections import at_destinations
from pipeline.core.errors import NotAllowedError
from pipeline.core.plan import Kind, Status
from pipeline.runs.portfolio import open_portfolio
from pipeline.runs.signoff import decide, publish_plan, ready_ledger

if TYPE_CHECKING:
    from airflow.sdk.definitions.context import Context

    from pipeline.io.ledger import PlanRecord, Stated
    from pipeline.runs.portfolio import Portfolio

SIGNING_WINDOW = timedelta(
    hours=18
)  # a night starts at five; the next must not find this one waiting
_SIMPLE_AUTH = "SimpleAuthManager"
_FORM = {
    "portfolio": Param("", type="string", title="To approve: the portfolio"),
    "total": Param(None, type=["null", "number"], title="To approve: the plan's total"),
    "hash": Param("", type="string", title="To approve: the plan's hash"),
}


class SignOff(ApprovalOperator):
    """Waits until an analyst approves or rejects the plan, in Airflow or on the command line.

    What Airflow stores about the answer is only a message: a task marked as successful or a
    forged XCom signs nothing, because publishing asks the ledger. The content hash that the
    person was shown travels with the waiting task, not through XCom.
    """

    template_fields: Collection[str] = ("plan_id", "day")

    def __init__(
        self, *, folder: str, plan_id: str, day: str, analysts: Sequence[str], **kwargs: Any
    ) -> None:
        super().__init__(
            subject="Sign the plan",
            response_timeout=SIGNING_WINDOW,
            assigned_users=assigned_people(analysts),
            ignore_downstream_trigger_rules=True,
            **kwargs,
        )
        self.folder = folder
        self.plan_id = plan_id
        self.day = day

    def execute(self, context: Context) -> Any:
        """Ask for the signature, unless the ledger already knows the answer."""
        portfolio = open_portfolio(self.folder)
        record = plan_of_day(portfolio, self.plan_id, self.day)
        old_fallback(portfolio, record)
        if record.status is Status.APPROVED:
            self.log.info("plan %s is already approved by %s", record.plan_id, record.decided_by)
            return record.plan_id
        if reason := _nothing_to_ask(portfolio, record, ask=context["params"].get("ask", True)):
            return self._stop_here(context, reason)
        return self._ask(context, record, until=datetime.now(UTC) + SIGNING_WINDOW)

    def execute_complete(  # type: ignore[override]
        self,
        context: Context,
        event: dict[str, Any],
        shown_id: str,
        shown_hash: str,
        until: str,
    ) -> Any:
        """Hand the answer to the ledger; it decides whether this person may give it."""
        portfolio = open_portfolio(self.folder)
        if "error" in event:
            return self._no_answer(context, portfolio, shown_id)
        answer = super(ApprovalOperator, self).execute_complete(context, event)
        approve = answer["chosen_options"] == [self.APPROVE]
        person = (event["responded_by_user"] or {}).get("name") or ""
        try:
            with at_destinations(self.folder):
                done = decide(
                    self.folder,
                    shown_id,
                    _stated(answer["params_input"] if approve else {}, shown_hash),
                    person,
                    approve,
                    "rejected in Airflow",
                    identity_verified_by="airflow",
                )
        except NotAllowedError as error:
            return self._refused(context, error, shown_id, person, until)
        for note in done.notes:
            self.log.warning("%s", note)
        if not approve:
            return self._stop_here(context, f"plan {shown_id} was rejected by {person}")
        self.log.info("plan %s was approved by %s", shown_id, person)
        return shown_id

    def _ask(self, context: Context, record: PlanRecord, *, until: datetime) -> Any:
        """Park the task, together with what the person is shown."""
        self.subject = f"Sign the plan of {record.document.date} for {record.document.portfolio}?"
        portfolio = open_portfolio(self.folder)
        paused = portfolio.ledger.is_paused(record.document.portfolio)
        self.body = _question(record, self.dag_id, paused=paused)
        if portfolio.policy.restates and record.kind is Kind.BUDGET:
            self.params = ParamsDict(_FORM)
        try:
            return super().execute(context)
        except TaskAwaitingInput as waiting:
            raise TaskAwaitingInput(
                method_name=waiting.method_name,
                kwargs={
                    "shown_id": record.plan_id,
                    "shown_hash": record.content_hash,
                    "until": until.isoformat(),
                },
                timeout=until - datetime.now(UTC),
            ) from None

    def _refused(
        self, context: Context, error: NotAllowedError, plan_id: str, person: str, until: str
    ) -> Any:
        """Ask again where only the person was wrong; otherwise the ledger's state counts."""
        from pipeline.io.ledger import MistakenError

        portfolio = open_portfolio(self.folder)
        record = ready_ledger(portfolio).plan(plan_id, portfolio.policy.portfolio)
        may_sign = person in {item.name for item in portfolio.policy.people.analysts}
        is_slip = isinstance(error, MistakenError) or not may_sign
        deadline = datetime.fromisoformat(until)
        if record.status is Status.PROPOSED and is_slip and datetime.now(UTC) < deadline:
            self.log.warning("%s; asking again", error)
            return self._ask(context, record, until=deadline)
        return self._as_decided(context, record, str(error))

    def _no_answer(self, context: Context, portfolio: Portfolio, plan_id: str) -> Any:
        record = ready_ledger(portfolio).plan(plan_id, portfolio.policy.portfolio)
        return self._as_decided(
            context, record, f"plan {plan_id}: nobody signed it in time; budgets stay as they are"
        )

    def _as_decided(self, context: Context, record: PlanRecord, problem: str) -> Any:
        """Follow a decision that was made elsewhere; fail where there is none."""
        if record.status is Status.APPROVED:
            self.log.info("plan %s is approved by %s", record.plan_id, record.decided_by)
            return record.plan_id
        if record.status is Status.PROPOSED:
            raise AirflowFailException(problem)
        return self._stop_here(context, f"plan {record.plan_id} is {record.status.value}")

    def _stop_here(self, context: Context, reason: str) -> None:
        self.log.info("%s; nothing is published", reason)
        self.skip(ti=context["ti"], tasks=context["task"].get_flat_relatives(upstream=False))


def publish_signed(folder: str, plan_id: str, day: str) -> str:
    """Publish the plan, or finish publishing it, if the ledger says that it is approved.

    Raises:
        NotAllowedError: it is not, whatever Airflow believes.
    """
    portfolio = open_portfolio(folder)
    record = plan_of_day(portfolio, plan_id, day)
    if record.status is not Status.APPROVED:
        raise NotAllowedError(
            f"plan {record.plan_id} is {record.status.value}, not approved: nothing is published; "
            "an analyst signs it with 'equimarginal approve' or in the sign-off task"
        )
    with at_destinations(folder):
        return publish_plan(portfolio, record.plan_id).record.plan_id


def plan_of_day(portfolio: Portfolio, plan_id: str, day: str) -> PlanRecord:
    """Return the stored plan; it has to be of this portfolio and this run's day.

    Raises:
        NotAllowedError: it is of another day, so this run may not act on it.
    """
    record = ready_ledger(portfolio).plan(plan_id, portfolio.policy.portfolio)
    if (record.plan_id, record.document.date.isoformat()) != (plan_id, day):
        raise NotAllowedError(
            f"plan {plan_id}: is of {record.document.date}, this run is of {day}; "
            "clear the report task to name the right plan"
        )
    return record


def _nothing_to_ask(portfolio: Portfolio, record: PlanRecord, *, ask: bool) -> str:
    """Return why nobody is asked, or nothing."""
    if not ask:
        return (
            f"this run was started with ask=false; sign with 'equimarginal approve "
            f"{record.plan_id} --as NAME -w {portfolio.folder}'"
        )
    if record.status is not Status.PROPOSED:
        return f"plan {record.plan_id} is {record.status.value}"
    if record.document.date < portfolio.today():
        return f"plan {record.plan_id} is of a past day, caught up for the record only"
    return ""


def _stated(form: Mapping[str, Any], shown_hash: str) -> Stated:
    """Return which plan the person means: what the form says, or else what they were shown."""
    from pipeline.io.ledger import Stated

    if not form:
        return Stated(content_hash=shown_hash)
    return Stated(
        portfolio=(form.get("portfolio") or "").strip() or None,
        total=form.get("total"),
        content_hash=(form.get("hash") or "").strip() or None,
    )


def _question(record: PlanRecord, dag_id: str, *, paused: bool) -> str:
    """Return what the signer reads, as Markdown: the plan in short, and the way to its page."""
    from pipeline.io.reports import decision_markdown, render_markdown

    base = conf.get("api", "base_url", fallback="").rstrip("/")
    page = base + plan_address(dag_id, record.plan_id)
    if record.kind is Kind.BUDGET:
        text = render_markdown(record.plan)
    else:
        text = decision_markdown(record.decision)
    held = "\n\n**Publishing is paused**: what is signed waits until somebody resumes it."
    return f"{text.rstrip()}{held if paused else ''}\n\n[The whole report]({page})"


def assigned_people(names: Sequence[str]) -> list[dict[str, str]] | None:
    """Return who may answer, where Airflow knows people by the name that the portfolio uses.

    Other auth managers number their users; there the ledger alone refuses a wrong person.
    """
    if _SIMPLE_AUTH not in conf.get("core", "auth_manager", fallback=_SIMPLE_AUTH):
        return None
    return [{"id": name, "name": name} for name in names] or None
