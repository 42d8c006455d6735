"""What agents enforce: each choice in the settings is one that they know."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage

from executors.session.lifetime import read_until
from scheduler_site.checks.findings import error, is_node, unknown_value_errors
from workers.hardware import spot_notices
from workers.runtime import job_user, walls


def check_memory_limit(**_: Any) -> list[CheckMessage]:
    return unknown_value_errors(40, "TRAINYARD_MEMORY_LIMIT", [settings.MEMORY_LIMIT], ("enforce", "warn", "off"))


def check_run_as(**_: Any) -> list[CheckMessage]:
    """Whether the account exists is the agent's to say: the site may run elsewhere."""
    if settings.RUN_AS in (job_user.AUTO, job_user.AGENT) or not is_node():
        return []
    try:
        job_user.parsed(settings.RUN_AS)
    except ValueError as problem:
        hint = "Available: auto, agent, the name of an account, or a range of user ids such as 1900000000-1900999999."
        return [error(57, str(problem), hint)]
    return []


def check_walls(**_: Any) -> list[CheckMessage]:
    """Whether they can be had is the agent's to say: it refuses to start without those that were asked for."""
    return unknown_value_errors(78, "TRAINYARD_WALLS", [settings.WALLS], walls.CHOICES)


def check_job_folders(**_: Any) -> list[CheckMessage]:
    return [
        error(58, f"TRAINYARD_JOB_FOLDERS: {folder!r} is no absolute path.", "Name folders from / on, with commas.")
        for folder in settings.JOB_FOLDERS
        if not folder.startswith("/")
    ]


def check_engines(**_: Any) -> list[CheckMessage]:
    """Whether one can be loaded is its bridge's to say: the site need not have it."""
    return [
        error(
            67,
            f"TRAINYARD_ENGINES: {kind!r} names no engine.",
            "Write kind=package.module.connect, with commas between.",
        )
        for kind, path in settings.ENGINES.items()
        if not all(map(str.isidentifier, path.split("."))) or "." not in path
    ]


def check_control_groups(**_: Any) -> list[CheckMessage]:
    return unknown_value_errors(41, "TRAINYARD_CONTROL_GROUPS", [settings.CONTROL_GROUPS], ("auto", "yes", "no"))


def check_spot_notice(**_: Any) -> list[CheckMessage]:
    """Whether it can be asked there is the node's to say: the site may run elsewhere."""
    if not settings.SPOT_NOTICE or not is_node():
        return []
    try:
        spot_notices.source(settings.SPOT_NOTICE)
    except ValueError as problem:
        return [error(65, f"TRAINYARD_SPOT_NOTICE: {problem}", f"Available: {spot_notices.KINDS}.")]
    return []


def check_node_until(**_: Any) -> list[CheckMessage]:
    """Whether that moment is yet to come is the agent's to say."""
    if not settings.NODE_UNTIL or not is_node():
        return []
    try:
        read_until(settings.NODE_UNTIL)
    except ValueError as problem:
        return [error(79, f"TRAINYARD_NODE_UNTIL: {problem}", "Unset it where the machine stays.")]
    return []
