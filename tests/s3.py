"""A server that speaks S3, from another project's hands, and storages in it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
from moto.server import ThreadedMotoServer


@contextmanager
def server() -> Iterator[str]:
    """Its address, while it is up."""
    running = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    try:
        yield f"http://{host}:{port}"
    finally:
        running.stop()


@contextmanager
def storage(url: str, settings: Any, alias: str) -> Iterator[Any]:
    """What settings call `alias` lies in a bucket of that name there; the bucket, as its client knows it."""
    options = {
        "bucket_name": alias, "location": "yard", "endpoint_url": url, "region_name": "us-east-1",
        "access_key": "key", "secret_key": "secret",
    }  # fmt: skip
    bucket = boto3.client("s3", endpoint_url=url, region_name="us-east-1",
                          aws_access_key_id="key", aws_secret_access_key="secret")  # fmt: skip
    bucket.create_bucket(Bucket=alias)
    settings.STORAGES = settings.STORAGES | {alias: {"BACKEND": "jobs.storage.s3.S3Objects", "OPTIONS": options}}
    yield bucket
    for entry in bucket.list_objects(Bucket=alias).get("Contents", []):
        bucket.delete_object(Bucket=alias, Key=entry["Key"])
