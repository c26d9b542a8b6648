"""Every business day: last days' spend and outcomes in, a plan awaiting its signature out.

Owner: growth-analytics. One DAG per portfolio folder of EQUIMARGINAL_PORTFOLIOS; the partition
key is the business day D that is planned, from data up to D-1. A failed task is safe to clear:
each step overwrites its own files. Nothing here spends money: a plan takes effect only once an
analyst signed it, and the ledger, not Airflow, knows whether that happened.

Runbook. `extract` or `validate` fails: the message names file, row and column; mend the source and
clear from there; until then the last approved plan stays in force. A plan in fallback: its page
says which check failed. `sign_off` fails: the plan was altered, expired or refused by the ledger,
whose words are in its log; run the day again for a new plan, do not clear the sign-off alone.
`publish` fails: clear it, only what is not set yet is sent.
"""

from __future__ import annotations

from pipeline.airflow_plugin.decisions import decision_dag
from pipeline.airflow_plugin.portfolios import listed_portfolios
from pipeline.core.plan import Kind

for portfolio in listed_portfolios():
    decision_dag(portfolio, Kind.BUDGET, __doc__)
