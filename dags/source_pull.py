"""Every morning before the night: the platforms' newest days into the portfolio's files.

Owner: growth-analytics. One DAG per portfolio folder of EQUIMARGINAL_PORTFOLIOS whose settings
have feeds; the partition key is the business day D, and days up to D-1 are fetched. Safe to clear:
a day that is fetched again replaces itself, and a feed that fails keeps what it had. Runbook: the
message names the feed and what its platform said. Throttling is waited out here and tried again by
the scheduler; a refused login needs a new token in the connection; the night runs in any case, and
old data are noticed there.
"""

from __future__ import annotations

from pipeline.airflow_plugin.connections import pull
from pipeline.airflow_plugin.own_schedule import own_schedule
from pipeline.airflow_plugin.portfolios import listed_portfolios

for portfolio in listed_portfolios():
    if portfolio.policy and portfolio.policy.feeds and not portfolio.problem:
        own_schedule(portfolio, "source_pull__", portfolio.schedule.pull_at, pull, __doc__)
