"""The door for finance: a cap proposed in a form, and approved or rejected in Airflow.

As for plans, what Airflow stores is only a message: the ledger knows who proposed a cap, who may
approve it, and that these are two persons.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk.exceptions import AirflowFailException

from pipeline.airflow_plugin.signoff import assigned_people
from pipeline.core.caps import Cap, CapStatus
from pipeline.core.errors import NotAllowedError
from pipeline.core.policy import CapSpec
from pipeline.core.types import scope_label
from pipeline.runs.cap_impact import cap_impact
from pipeline.runs.portfolio import open_portfolio
from pipeline.runs.signoff import cap_spec, decide_cap, propose_cap, waiting_caps

if TYPE_CHECKING:
    from airflow.sdk.definitions.context import Context

    from pipeline.runs.portfolio import Portfolio

CAP_WINDOW = timedelta(days=7)
_LIMITS = ("max", "min", "fixed", "valid_from", "expires")


def put_before_finance(folder: str, **context: Any) -> list[str]:
    """Propose the form's cap as the person who sent it; return what finance has to look at.

    An empty form proposes nothing: then every cap that waits is returned.

    Raises:
        UsageError: the form contradicts itself.
        NotAllowedError: the person is not one of the portfolio's; it is recorded.
    """
    params, run = context["params"], context["dag_run"]
    portfolio = open_portfolio(folder)
    values = _form(params)
    if not values:
        return [cap.id for cap in waiting_caps(portfolio)]
    person = getattr(run, "triggering_user_name", None) or ""
    cap = propose_cap(
        portfolio, cap_spec(values), person, params.get("reason") or "", verified_by="airflow"
    )
    return [cap.id]


class CapSignOff(ApprovalOperator):
    """Waits until somebody of finance other than its proposer approves or rejects a cap."""

    template_fields: Collection[str] = ("cap_id",)

    def __init__(self, *, folder: str, cap_id: str, finance: Sequence[str], **kwargs: Any) -> None:
        super().__init__(
            subject="Approve the cap",
            response_timeout=CAP_WINDOW,
            assigned_users=assigned_people(finance),
            ignore_downstream_trigger_rules=True,
            **kwargs,
        )
        self.folder = folder
        self.cap_id = cap_id

    def execute(self, context: Context) -> Any:
        """Ask, unless the cap is decided already."""
        portfolio = open_portfolio(self.folder)
        cap = portfolio.ledger.cap(self.cap_id, portfolio.policy.portfolio)
        if cap.status is not CapStatus.PROPOSED:
            self.log.info("cap %s is %s", cap.id, cap.status.value)
            return cap.id
        self.subject = f"Put a cap in force for {portfolio.policy.portfolio}?"
        self.body = cap_question(portfolio, cap)
        return super().execute(context)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        """Hand the answer to the ledger; a person who may not give it is refused and recorded."""
        if "error" in event:
            raise AirflowFailException(f"cap {self.cap_id}: nobody decided it in time")
        answer = super(ApprovalOperator, self).execute_complete(context, event)
        approve = answer["chosen_options"] == [self.APPROVE]
        person = (event["responded_by_user"] or {}).get("name") or ""
        try:
            cap = decide_cap(
                open_portfolio(self.folder), self.cap_id, person, approve=approve,
                why="decided in Airflow", verified_by="airflow",
            )  # fmt: skip
        except NotAllowedError as error:
            self.log.warning("%s; asking again", error)
            return self.execute(context)
        self.log.info("cap %s is %s by %s", cap.id, cap.status.value, person)
        return cap.id


def cap_question(portfolio: Portfolio, cap: Cap) -> str:
    """Return what finance reads, as Markdown: the limit, its days, reason and what it costs."""
    from pipeline.io.reports.summary import markdown_text

    spec = CapSpec(scope=cap.scope, min=cap.min, max=cap.max, fixed=cap.fixed)
    money = {"at most": cap.max, "at least": cap.min, "exactly": cap.fixed}
    currency = portfolio.policy.currency
    rows = [("scope", scope_label(cap.scope))]
    rows += [
        (name, f"{value:,.2f} {currency} a day")
        for name, value in money.items()
        if value is not None
    ]
    rows += [
        ("from", cap.valid_from.isoformat() if cap.valid_from else "at once"),
        ("until", cap.expires.isoformat() if cap.expires else "replaced"),
        ("proposed by", cap.proposed_by),
        ("reason", cap.reason or "none given"),
        ("what it costs", cap.impact or cap_impact(portfolio, spec)),
    ]
    lines = [f"| {markdown_text(name)} | {markdown_text(text)} |" for name, text in rows]
    return "\n".join([f"| {cap.id} | |", "|---|---|", *lines])


def _form(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was filled in, in the words of a cap."""
    values = {name: params[name] for name in _LIMITS if params.get(name) not in {None, ""}}
    scope = {
        name.removeprefix("scope_"): text
        for name, text in params.items()
        if name.startswith("scope_") and text
    }
    return {**values, "scope": scope} if values or scope else {}
