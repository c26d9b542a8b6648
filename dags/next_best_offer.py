"""Every business day: logged offer decisions in, who may get what tomorrow out, to be signed.

Owner: growth-analytics. One DAG per portfolio folder of EQUIMARGINAL_PORTFOLIOS that has a
section offers; the partition key is the business day D, from decisions up to D-1. A failed task is
safe to clear: each step overwrites its own files. Nobody is offered anything else before an
analyst signed it; the decision of each person is drawn when the signed plan is published, so that
who withdrew by then is left out.

Runbook. A step before `sign_off` fails: the message names the table, row and column; mend it and
clear from there; the offers in force stay. `sign_off` fails: rules changed, expired or altered; run
the day again. `publish` fails: clear it, consent is read again and everybody is drawn as before.
"""

from __future__ import annotations

from pipeline.airflow_plugin.decisions import decision_dag
from pipeline.airflow_plugin.portfolios import listed_decisions
from pipeline.core.plan import Kind

for portfolio in listed_decisions(Kind.OFFERS):
    decision_dag(portfolio, Kind.OFFERS, __doc__)
