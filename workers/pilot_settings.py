"""What a pool says of its pilots, as it stands in `NodePool.actuator_settings` of actuator slurm."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

from scheduling.errors import FieldError, InvalidError

FIELD = "actuator_settings"
SCRIPT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.,:@+-]*")
LONGEST = 200


@dataclass(frozen=True, slots=True)
class PilotSettings:
    """`script` is a file in the autoscaler's folder of pilots; the others are Slurm's own words, empty: as Slurm has them."""

    script: str = "pilot.sh"
    partition: str = ""
    account: str = ""
    qos: str = ""
    reservation: str = ""
    gpu_type: str = ""


NAMES = tuple(field.name for field in fields(PilotSettings))


def read_pilot_settings(settings: Mapping[str, Any]) -> PilotSettings:
    """Raises InvalidError that says what is wrong, and what would be right."""
    if faults := [FieldError(FIELD, words) for words in _faults(settings)]:
        raise InvalidError(faults)
    return PilotSettings(**settings)


def _faults(settings: Mapping[str, Any]) -> Iterator[str]:
    for name in sorted(settings.keys() - set(NAMES)):
        yield f"There is no {name[:64]!r}: there are {', '.join(NAMES)}."
    for name in NAMES:
        value = settings.get(name, "")
        if name == "script" and name in settings and not (isinstance(value, str) and SCRIPT.fullmatch(value)):
            yield "script must be the name of a file in the autoscaler's folder of pilots, no path; left out: pilot.sh."
        elif not isinstance(value, str) or len(value) > LONGEST or (value and not NAME.fullmatch(value)):
            yield f"{name} must be a name of Slurm's: letters, digits and _.,:@+-."
