"""Which failures are worth another try."""

from __future__ import annotations

from airflow.sdk import ExceptionRetryPolicy, RetryAction, RetryRule

from pipeline.core.errors import PipelineError, StorageError

# Data, settings and permissions do not change by waiting; disks, networks and databases may.
RETRY_POLICY = ExceptionRetryPolicy(
    rules=[
        RetryRule(exception=StorageError, action=RetryAction.RETRY, reason="storage may come back"),
        RetryRule(
            exception=PipelineError,
            action=RetryAction.FAIL,
            reason="the input has to change first; its message says how",
        ),
    ]
)
