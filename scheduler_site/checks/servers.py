"""What the servers say of themselves. Only `check --deploy` and `check --database default` connect."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import kombu
from django.conf import settings
from django.core.checks import CheckMessage
from django.db import connections
from django.db.utils import DatabaseError

from scheduler_site.checks.celery import major_minor, url_problem
from scheduler_site.checks.findings import error, on_redis

OLDEST_REDIS = (6, 2)


def check_database_url(**_: Any) -> Iterator[CheckMessage]:
    engine = settings.DATABASES["default"]["ENGINE"]
    if engine != "django.db.backends.postgresql":
        yield error(
            12,
            f"DATABASE_URL names {engine.rpartition('.')[2]}; only PostgreSQL has the locks that the planner needs.",
            "Use postgresql://user@host:5432/name, or `manage.py up`, which brings a PostgreSQL.",
        )


def check_database_answers(databases: Sequence[str] | None = None, **_: Any) -> Iterator[CheckMessage]:
    for alias in databases or ():
        try:
            connections[alias].ensure_connection()
        except DatabaseError as problem:
            reason = str(problem).strip().splitlines()[0]
            yield error(13, f"PostgreSQL does not answer: {reason}", "Start it, or correct DATABASE_URL.")


def redis_facts(url: str) -> dict[str, Any]:
    """What the Redis behind `url` says of itself; raises kombu's OperationalError when it does not answer."""
    options = {"socket_timeout": 5, "socket_connect_timeout": 5, "max_retries": 0}
    with kombu.Connection(url, transport_options=settings.CELERY_BROKER_TRANSPORT_OPTIONS | options) as connection:
        facts: dict[str, Any] = connection.default_channel.client.info()  # type: ignore[attr-defined]  # Redis's own channel has it
    return facts


def check_redis(**_: Any) -> list[CheckMessage]:
    if not on_redis() or url_problem(settings.BROKER_URL):
        return []
    try:
        return list(redis_findings(redis_facts(settings.BROKER_URL)))
    except kombu.exceptions.OperationalError as problem:
        return [error(14, f"The broker does not answer: {problem}", "Start it, or correct BROKER_URL.")]


def redis_findings(facts: Mapping[str, Any]) -> Iterator[CheckMessage]:
    version = str(facts["redis_version"])
    if major_minor(version) < OLDEST_REDIS:
        yield error(15, f"Redis {version} is too old for Celery's client.", "Use Redis 6.2 or newer, or Valkey.")
    if facts["maxmemory_policy"] != "noeviction":
        yield error(
            16,
            f"Redis drops keys when its memory is full (maxmemory-policy {facts['maxmemory_policy']}): queues are keys.",
            "Set maxmemory-policy noeviction.",
        )
