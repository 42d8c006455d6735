"""Which engine speaks to which kind of cluster: found by the setting ENGINES, loaded when a bridge asks for it."""

from typing import cast

from django.conf import settings
from django.utils.module_loading import import_string

from executors.engine import Connect


def connect_of(kind: str) -> Connect:
    """How a bridge of this kind comes to its engine. Raises ValueError naming the kinds that there are."""
    if kind not in settings.ENGINES:
        raise ValueError(f"--kind {kind!r}: there is no such engine. There are: {', '.join(sorted(settings.ENGINES))}.")
    try:
        return cast("Connect", import_string(settings.ENGINES[kind]))
    except ImportError as error:
        raise ValueError(f"--kind {kind!r}: its engine {settings.ENGINES[kind]} cannot be loaded: {error}") from None
