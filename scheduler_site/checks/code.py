"""Where the code is kept that jobs bring along, and where agents fetch it."""

from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage

from scheduler_site.checks.findings import error, is_node
from scheduler_site.checks.logs import NEEDED_FOR_S3, STORAGES


def check_code_storage(**_: Any) -> Iterator[CheckMessage]:
    """An agent stores nothing itself, and is asked for the site's address alone."""
    address = urlsplit(settings.CODE_URL)
    if settings.CODE_URL and (address.scheme not in ("http", "https") or not address.hostname):
        yield error(66, f"TRAINYARD_CODE_URL is {settings.CODE_URL!r}.", "Write it like http://trainyard:8000.")
    if is_node():
        return
    if settings.CODE_STORAGE not in STORAGES:
        words = f"TRAINYARD_CODE_STORAGE is {settings.CODE_STORAGE!r}."
        yield error(66, words, f"Choose one of {', '.join(STORAGES)}.")
    if settings.CODE_STORAGE != "s3":
        return
    if not settings.CODE_S3["bucket_name"]:
        yield error(66, "Code goes to S3, and no bucket is named.", "Set TRAINYARD_CODE_S3_BUCKET.")
    if missing := [name for name in NEEDED_FOR_S3 if find_spec(name) is None]:
        words = f"Code goes to S3, which needs packages that are not installed: {', '.join(missing)}."
        yield error(66, words, "pip install -r requirements-s3.txt, or unset TRAINYARD_CODE_STORAGE.")
