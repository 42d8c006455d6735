"""How a check says what it found, and what every check may ask about this process."""

from collections.abc import Iterable
from urllib.parse import urlsplit

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage

REDIS_SCHEMES = frozenset({"redis", "rediss", "sentinel"})
BROKER_SCHEMES = REDIS_SCHEMES | {"amqp", "amqps"}


def error(number: int, message: str, hint: str) -> CheckMessage:
    return checks.Error(message, hint=hint, id=f"trainyard.E{number:03}")


def warning(number: int, message: str, hint: str) -> CheckMessage:
    return checks.Warning(message, hint=hint, id=f"trainyard.W{number:03}")


def broker_scheme() -> str:
    return urlsplit(settings.BROKER_URL).scheme


def on_redis() -> bool:
    return broker_scheme() in REDIS_SCHEMES


def is_node() -> bool:
    """A node agent needs neither the site's secret key nor its hosts, so it is not asked for them."""
    return settings.TRAINYARD_ROLE == "node"


def unknown_value_errors(
    number: int, setting: str, values: Iterable[str], available: Iterable[str]
) -> list[CheckMessage]:
    """An error for each value of the setting that is not available."""
    names = sorted(available)
    return [
        error(
            number,
            f"{setting} {value!r} is unknown.",
            f"Available: {', '.join(names)}.",
        )
        for value in values
        if value not in names
    ]
