"""Every noon: tests that are over are read out, once, on the whole of their days.

Owner: growth-analytics. One DAG per portfolio folder of EQUIMARGINAL_PORTFOLIOS; the partition key
is the business day. Safe to clear: a test that is read out is not read again. Nobody chooses the
moment: the last day was recorded before the test began, and so was where the outcomes are. The
result is evidence for the next night's curves.

Runbook. Skipped: no test is over, or its data are not in yet; nothing to do. Fails with a test's
name: its file is gone or a unit is missing in it; put the file back and clear, or read it by hand
with `equimarginal experiment read-out NAME --data FILE --as USER`. A test that must not go on:
`equimarginal holdout end NAME --as USER --why TEXT` frees its lines.

The gauge `equimarginal.<portfolio>.tests_under_way` goes to StatsD or OpenTelemetry, whichever
Airflow's `[metrics]` names.
"""

from __future__ import annotations

from pipeline.airflow_plugin.own_schedule import own_schedule
from pipeline.airflow_plugin.portfolios import listed_portfolios
from pipeline.airflow_plugin.scoring import read_out

for portfolio in listed_portfolios():
    if not portfolio.problem:
        own_schedule(portfolio, "read_out__", portfolio.schedule.score_at, read_out, __doc__)
