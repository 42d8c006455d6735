"""What agents enforce: each choice in the settings is one that they know."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage

from scheduler_site.checks.findings import known


def check_memory_limit(**_: Any) -> list[CheckMessage]:
    return known(40, "TRAINYARD_MEMORY_LIMIT", [settings.MEMORY_LIMIT], ("enforce", "warn", "off"))


def check_control_groups(**_: Any) -> list[CheckMessage]:
    return known(41, "TRAINYARD_CONTROL_GROUPS", [settings.CONTROL_GROUPS], ("auto", "yes", "no"))
