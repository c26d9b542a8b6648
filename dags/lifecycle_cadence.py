"""Every business day: who was written to and what came of it in, tomorrow's touches a week out.

Owner: growth-analytics. One DAG per portfolio folder of EQUIMARGINAL_PORTFOLIOS that has a
section cadence; the partition key is the business day D, from contacts up to D-1. A failed task
is safe to clear: each step overwrites its own files. Nobody is written to differently before an
analyst signed it, and the ledger, not Airflow, knows whether that happened.

Runbook. A step before `sign_off` fails: the message names the table, row and column of the
contacts; mend them and clear from there; the touches in force stay. A finding that people are not
on the doses that were signed: look at the sending tool's draw before signing again. `sign_off`
fails: rules changed, expired or altered; run the day again. `publish` fails: clear it.
"""

from __future__ import annotations

from pipeline.airflow_plugin.decisions import decision_dag
from pipeline.airflow_plugin.portfolios import listed_decisions
from pipeline.core.plan import Kind

for portfolio in listed_decisions(Kind.CADENCE):
    decision_dag(portfolio, Kind.CADENCE, __doc__)
