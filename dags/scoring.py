"""Every noon: what earlier plans promised against what came, drift, gain and holdouts.

Owner: growth-analytics. One DAG per portfolio folder of EQUIMARGINAL_PORTFOLIOS; the partition key
is the business day. Safe to clear: a day's scores replace themselves, and plans never wait for
them (the night scores for itself). Scores are kept in `.equimarginal/scores`.

Runbook. Fails with "the sources cannot be used": the night of that day failed for the same reason;
mend the source and clear both. `interval_coverage` far below 0.9: forecasts are too sure; the night
widens its curves by itself, look at `equimarginal score --lines` for the line. `alarms_in_force`
above 0: the plan's page says what changed and until when its consequence lasts. `missed_unsigned`
grows: plans expire without a signature; see `schedule.sign_by`.

Metrics `equimarginal.<portfolio>.*` go to StatsD or OpenTelemetry, whichever Airflow's `[metrics]`
names. With the OpenLineage provider installed the task's run is reported like any other; which
files were read is in each run's `snapshot`.
"""

from __future__ import annotations

from pipeline.airflow_plugin.own_schedule import own_schedule
from pipeline.airflow_plugin.portfolios import listed_portfolios
from pipeline.airflow_plugin.scoring import score

for portfolio in listed_portfolios():
    if not portfolio.problem:
        own_schedule(portfolio, "scoring__", portfolio.schedule.score_at, score, __doc__)
