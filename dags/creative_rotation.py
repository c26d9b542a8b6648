"""Every business day: what creatives were shown and earned in, tomorrow's shares of exposure out.

Owner: growth-analytics. One DAG per portfolio folder of EQUIMARGINAL_PORTFOLIOS that has a
section rotation; the partition key is the business day D, from exposures up to D-1. A failed task
is safe to clear: each step overwrites its own files. Nothing is shown differently before an
analyst signed it, and the ledger, not Airflow, knows whether that happened.

Runbook. A step before `sign_off` fails: the message names the table, row and column of the
exposures; mend them and clear from there; the shares in force stay. `sign_off` fails: the rules of
the section changed, or the plan expired or was altered; run the day again. `publish` fails: clear
it.
"""

from __future__ import annotations

from pipeline.airflow_plugin.decisions import decision_dag
from pipeline.airflow_plugin.portfolios import listed_decisions
from pipeline.core.plan import Kind

for portfolio in listed_decisions(Kind.ROTATION):
    decision_dag(portfolio, Kind.ROTATION, __doc__)
