"""Every business day: last days' spend and outcomes in, a plan awaiting its signature out.

Owner: growth-analytics. One DAG per portfolio folder of EQUIMARGINAL_PORTFOLIOS; the partition
key is the business day D that is planned, from data up to D-1. A failed task is safe to clear:
each step overwrites its own files. Nothing here spends money: a plan takes effect only once an
analyst signed it, and the ledger, not Airflow, knows whether that happened.
"""

from __future__ import annotations

from pipeline.airflow_plugin.decisions import decision_dag
from pipeline.airflow_plugin.portfolios import listed_portfolios
from pipeline.core.plan import Kind

for portfolio in listed_portfolios():
    decision_dag(portfolio, Kind.BUDGET, __doc__)
