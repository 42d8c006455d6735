"""What a pool says of its pods, as it stands in `NodePool.actuator_settings` of actuator kubernetes."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from scheduling.errors import FieldError, InvalidError

FIELD = "actuator_settings"
TEMPLATE = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class PodSettings:
    """`template` is the name of a PodTemplate in the autoscaler's namespace; empty: that of the pool."""

    template: str = ""


def read_pod_settings(settings: Mapping[str, Any]) -> PodSettings:
    """Raises InvalidError that says what is wrong, and what would be right."""
    if faults := [FieldError(FIELD, words) for words in _faults(settings)]:
        raise InvalidError(faults)
    return PodSettings(**settings)


def _faults(settings: Mapping[str, Any]) -> Iterator[str]:
    for name in sorted(settings.keys() - {"template"}):
        yield f"There is no {name[:64]!r}: there is template, the name of a PodTemplate beside the autoscaler."
    template = settings.get("template", "")
    if not isinstance(template, str) or (template and not TEMPLATE.fullmatch(template)):
        yield "template must be the name of a PodTemplate, small letters, digits, dashes and dots; left out: the pool's name."
