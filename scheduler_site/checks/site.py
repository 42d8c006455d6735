"""What this installation says of itself: its secret, its hosts, its folder and its clock."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage

from scheduler_site.checks.findings import error, is_node, unknown_value_errors, warning

LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "[::1]", "::1", ".localhost"})
SHORTEST_KEY = 32
HEARTBEATS_PER_LEASE = 3
RINGS_UNHEARD = 3
ROLES = ("site", "node")
# A shim whose lease ran out looks once a second and then gives its command 5 s (workers/runtime/process.py).
SHIM_STOPS_SECONDS = 7


def check_secret_key(**_: Any) -> Iterator[CheckMessage]:
    if not is_node() and settings.SECRET_KEY == settings.INSECURE_SECRET_KEY:
        yield error(
            1,
            "TRAINYARD_SECRET_KEY is not set: sessions would be signed with a key that everybody knows.",
            'Set it to 50 random characters: python -c "import secrets; print(secrets.token_urlsafe(50))".',
        )


def check_secret_key_length(**_: Any) -> Iterator[CheckMessage]:
    key = settings.SECRET_KEY
    if not is_node() and len(key) < SHORTEST_KEY:
        yield error(
            2,
            f"TRAINYARD_SECRET_KEY has {len(key)} characters: short enough to be guessed.",
            f"Use at least {SHORTEST_KEY} random characters.",
        )


def check_role(**_: Any) -> Iterator[CheckMessage]:
    if settings.TRAINYARD_ROLE not in ROLES:
        yield error(17, f"TRAINYARD_ROLE {settings.TRAINYARD_ROLE!r} is unknown.", f"Use {' or '.join(ROLES)}.")


def check_debug(**_: Any) -> Iterator[CheckMessage]:
    beyond = sorted(set(settings.ALLOWED_HOSTS) - LOOPBACK_HOSTS)
    if settings.DEBUG and beyond:
        yield error(
            3,
            f"TRAINYARD_DEBUG is on while the site answers to {', '.join(beyond)}: error pages would show its settings.",
            "Set TRAINYARD_DEBUG=no, or leave TRAINYARD_ALLOWED_HOSTS at its default.",
        )


def check_home(**_: Any) -> Iterator[CheckMessage]:
    home = Path(settings.TRAINYARD_HOME)
    existing = next(path for path in (home, *home.parents) if path.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        yield warning(
            1,
            f"TRAINYARD_HOME is {home}, and this user cannot write to {existing}.",
            "Name a folder that this user may write to: attempts, logs and checkpoints go there.",
        )


def check_time_zone(**_: Any) -> Iterator[CheckMessage]:
    zones = {"TIME_ZONE": settings.TIME_ZONE, "CELERY_TIMEZONE": settings.CELERY_TIMEZONE}
    for name, zone in zones.items():
        if zone != "UTC":
            yield error(
                4,
                f"{name} is {zone!r}: beat loads its entries by UTC hours and would miss some.",
                "Leave it at UTC; browsers and the command line show local time.",
            )


def check_inactive_owners(**_: Any) -> list[CheckMessage]:
    return unknown_value_errors(
        50, "TRAINYARD_INACTIVE_OWNERS_JOBS", [settings.INACTIVE_OWNERS_JOBS], ("keep", "cancel")
    )


def check_lease(**_: Any) -> Iterator[CheckMessage]:
    lease, beat = settings.LEASE_SECONDS, settings.HEARTBEAT_SECONDS
    if lease < HEARTBEATS_PER_LEASE * beat:
        yield error(
            7,
            f"A lease lasts {lease:g} s with a heartbeat every {beat:g} s: one lost heartbeat or two end healthy jobs.",
            f"Set TRAINYARD_LEASE_SECONDS to at least {HEARTBEATS_PER_LEASE * beat:g}.",
        )


def check_queue_probe(**_: Any) -> Iterator[CheckMessage]:
    every, deaf = settings.HEARING_SECONDS, settings.DEAF_SECONDS
    if deaf < RINGS_UNHEARD * every:
        yield error(
            29,
            f"An agent that rings every {every:g} s counts as deaf after {deaf:g} s: a ring or two that get lost restart it.",
            f"Set TRAINYARD_DEAF_SECONDS to at least {RINGS_UNHEARD * every:g}.",
        )


def check_lease_margin(**_: Any) -> Iterator[CheckMessage]:
    margin = settings.LEASE_MARGIN_SECONDS
    if margin < SHIM_STOPS_SECONDS:
        yield error(
            18,
            f"A job starts elsewhere {margin:g} s after its lease: its old command may still be writing its last words.",
            f"Set TRAINYARD_LEASE_MARGIN_SECONDS to at least {SHIM_STOPS_SECONDS}.",
        )
