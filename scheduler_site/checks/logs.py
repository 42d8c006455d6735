"""Where logs are kept when their attempts are over."""

from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage

from scheduler_site.checks.findings import error, is_node

STORAGES = ("files", "s3")
NEEDED_FOR_S3 = ("storages", "boto3")


def check_log_storage(**_: Any) -> Iterator[CheckMessage]:
    """An agent stores nothing itself, and is not asked."""
    if is_node():
        return
    if settings.LOG_STORAGE not in STORAGES:
        yield error(55, f"TRAINYARD_LOG_STORAGE is {settings.LOG_STORAGE!r}.", f"Choose one of {', '.join(STORAGES)}.")
    if settings.LOG_STORAGE != "s3":
        return
    if not settings.LOG_S3["bucket_name"]:
        yield error(56, "Logs go to S3, and no bucket is named.", "Set TRAINYARD_LOG_S3_BUCKET.")
    missing = [name for name in NEEDED_FOR_S3 if find_spec(name) is None]
    if missing:
        yield error(
            42,
            f"Logs go to S3, which needs packages that are not installed: {', '.join(missing)}.",
            "pip install -r requirements-s3.txt, or unset TRAINYARD_LOG_STORAGE.",
        )
