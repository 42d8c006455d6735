"""Celery's settings: each rule answers to a fault that was measured (docs/decisions/0002-celery-settings.md)."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import kombu
from django.conf import settings
from django.core.checks import CheckMessage

from scheduler_site.checks.findings import BROKER_SCHEMES, broker_scheme, error, on_redis

PERIODIC_TASKS = frozenset({"trainyard.run_cycle", "trainyard.recover", "trainyard.archive_logs", "trainyard.prune"})
OLDEST_KOMBU = (5, 7)
MOST_PUBLISH_RETRIES = 3
KEEP = "Leave it as scheduler_site/settings.py has it."


@dataclass(frozen=True, slots=True)
class Rule:
    """One Celery setting that must have a certain value, and what happens otherwise."""

    number: int
    setting: str
    right: Any
    otherwise: str
    default: Any = None
    redis_only: bool = False

    def broken(self) -> bool:
        applies = on_redis() or not self.redis_only
        value: Any = getattr(settings, self.setting, self.default)
        return applies and value != self.right


RULES = (
    Rule(20, "CELERY_TASK_ACKS_LATE", False, "a redelivered message starts a running job again", default=False),
    Rule(
        21, "CELERY_WORKER_DISABLE_PREFETCH", True, "a waiting urgent job stands behind reserved ones", redis_only=True
    ),
    Rule(22, "CELERY_WORKER_PREFETCH_MULTIPLIER", 1, "a worker reserves jobs that it cannot start", default=4),
    Rule(23, "CELERY_RESULT_BACKEND", None, "each job costs a write to a second store that nobody reads"),
    Rule(24, "CELERY_TASK_REJECT_ON_WORKER_LOST", False, "a job that kills its worker comes back without end", False),
    Rule(25, "CELERY_BROKER_CONNECTION_MAX_RETRIES", None, "an agent gives up on a broker that was away", default=100),
    Rule(
        26,
        "CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS",
        False,
        "a short loss of the broker ends the training",
    ),
    Rule(28, "CELERY_TASK_ALWAYS_EAGER", False, "jobs run inside whoever places them", default=False),
)


def check_celery(**_: Any) -> list[CheckMessage]:
    return [
        error(rule.number, f"{rule.setting} must be {rule.right!r}: otherwise {rule.otherwise}.", KEEP)
        for rule in RULES
        if rule.broken()
    ]


def check_publish_retry(**_: Any) -> Iterator[CheckMessage]:
    policy = {"max_retries": 3, **getattr(settings, "CELERY_TASK_PUBLISH_RETRY_POLICY", {})}
    retries = policy["max_retries"]
    if settings.CELERY_TASK_PUBLISH_RETRY and (retries is None or retries > MOST_PUBLISH_RETRIES):
        yield error(
            27,
            f"CELERY_TASK_PUBLISH_RETRY_POLICY tries {retries or 'without end'}: requests hang on a broker that is away.",
            KEEP,
        )


@dataclass(frozen=True, slots=True)
class OptionRule:
    """What must hold for Redis's transport options, and what happens otherwise."""

    number: int
    holds: Callable[[Mapping[str, Any]], bool]
    message: str
    hint: str


OPTION_RULES = (
    OptionRule(
        30,
        lambda options: list(options.get("priority_steps", [])) == list(range(10)),
        "The broker's priority_steps are not 0 to 9: several priorities share one list and urgent jobs wait.",
        'Set "priority_steps": list(range(10)).',
    ),
    OptionRule(
        31,
        lambda options: options.get("queue_order_strategy") == "priority",
        "The broker's queue_order_strategy is not priority: a node takes its queues in turns.",
        'Set "queue_order_strategy": "priority".',
    ),
    OptionRule(
        32,
        lambda options: bool(options.get("socket_timeout") and options.get("socket_connect_timeout")),
        "The broker's sockets have no timeout: a worker whose connection is half open stays deaf for ever.",
        'Set "socket_timeout" and "socket_connect_timeout" to a few seconds.',
    ),
    OptionRule(
        33,
        lambda options: bool(options.get("health_check_interval")),
        "The broker's health_check_interval is off: a dead connection is noticed late.",
        'Set "health_check_interval" to 10.',
    ),
    OptionRule(
        34,
        lambda options: not options.get("retry_on_timeout"),
        "The broker's retry_on_timeout is on: a message may be sent twice, and batches are sent one by one.",
        "Remove it: recovery publishes again what was lost.",
    ),
)


def check_broker_options(**_: Any) -> list[CheckMessage]:
    if not on_redis():
        return []
    options = settings.CELERY_BROKER_TRANSPORT_OPTIONS
    return [error(rule.number, rule.message, rule.hint) for rule in OPTION_RULES if not rule.holds(options)]


def check_broker_url(**_: Any) -> Iterator[CheckMessage]:
    scheme = broker_scheme()
    if scheme not in BROKER_SCHEMES:
        yield error(
            8,
            f"BROKER_URL begins with {scheme or 'no scheme'!r}, which is not a broker.",
            f"Use one of {', '.join(sorted(BROKER_SCHEMES))}; Valkey answers to redis.",
        )
    elif problem := url_problem(settings.BROKER_URL):
        yield error(8, f"BROKER_URL cannot be read: {problem}.", "Use redis://:password@host:6379/0.")


def url_problem(url: str) -> str:
    """Why kombu cannot read the URL, or nothing; connects to nothing."""
    try:
        kombu.Connection(url)
    except ValueError as problem:
        return str(problem)
    return ""


def major_minor(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2])


def check_kombu(*, installed: str = version("kombu"), **_: Any) -> Iterator[CheckMessage]:
    if major_minor(installed) < OLDEST_KOMBU:
        yield error(
            9,
            f"kombu {installed} takes a worker's queues in random order.",
            "Install what requirements.txt pins: kombu 5.7 or newer.",
        )


def check_beat(**_: Any) -> Iterator[CheckMessage]:
    planned = {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()}
    for task in sorted(PERIODIC_TASKS - planned):
        yield error(10, f"CELERY_BEAT_SCHEDULE lacks {task}.", "Put it back: lost jobs are found by it.")


def check_beat_expiry(**_: Any) -> Iterator[CheckMessage]:
    for name, entry in settings.CELERY_BEAT_SCHEDULE.items():
        options: Any = entry.get("options", {})
        if not options.get("expires"):
            yield error(
                11,
                f"The periodic task {name!r} has no expiry: its ticks pile up while the control worker is away.",
                'Set "options": {"expires": ...} to its period.',
            )
