"""An object store that speaks S3 over HTTP on this machine, for tests that need a real one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import pytest


@contextmanager
def s3_bucket() -> Iterator[str]:
    """Yield the URL of an empty bucket; clients find the server through the environment."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        environment.setenv("AWS_ACCESS_KEY_ID", "tester")
        environment.setenv("AWS_SECRET_ACCESS_KEY", "a-secret-of-the-tests")
        environment.setenv("AWS_DEFAULT_REGION", "eu-central-1")
        bucket = f"bucket-{uuid4().hex[:12]}"
        _make_bucket(bucket)
        try:
            yield f"s3://{bucket}"
        finally:
            server.stop()


def _make_bucket(name: str) -> None:
    import boto3

    boto3.client("s3").create_bucket(
        Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
    )
