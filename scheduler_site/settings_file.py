"""`trainyard.yaml`: settings by the names that they have in the environment, which goes before the file."""

from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from urllib.parse import urlsplit

from scheduler_site import yaml_files

NAME = "trainyard.yaml"
WHERE = frozenset({"TRAINYARD_HOME", "TRAINYARD_CONFIG"})
Stated = str | list[str] | dict[str, str]


@dataclass(frozen=True)
class SettingsFile:
    """What the file says, each with its place; without a file nothing. `faults`: what is wrong with the file itself."""

    path: Path
    values: dict[str, Stated] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)
    faults: tuple[str, ...] = ()

    def unknown(self, known: frozenset[str], secrets: frozenset[str]) -> list[str]:
        """A fault for each name that no setting has, and for each secret."""
        return [words for name in self.values for words in self._refusals(name, known, secrets)]

    def _refusals(self, name: str, known: frozenset[str], secrets: frozenset[str]) -> list[str]:
        place = self.places[name]
        if (secret := name.removesuffix("_FILE")) in secrets:
            return [f"{place}: {secret} is a secret: set {secret} or {secret}_FILE in the environment, not here."]
        if name in WHERE:
            return [f"{place}: {name} says where this file is: it is set in the environment."]
        if name not in known:
            near = get_close_matches(name, sorted(known), n=1)
            return [f"{place}: {name} is no setting.{f' Did you mean {near[0]}?' if near else ''}"]
        if holds_a_password(self.values[name]):
            return [f"{place}: {name} holds a password: set {name} in the environment, not here."]
        return []


def read(path: Path, *, required: bool) -> SettingsFile:
    """What stands in it. Raises nothing: what is wrong is told with all that is wrong with the settings."""
    try:
        document = yaml_files.read(path, yaml_files.Texts)
    except (FileNotFoundError, NotADirectoryError):
        told = (f"TRAINYARD_CONFIG names {path}, and there is no such file.",) if required else ()
        return SettingsFile(path, faults=told)
    except OSError as error:
        return SettingsFile(path, faults=(f"{path}: cannot be read: {error.strerror}.",))
    except yaml_files.YamlError as error:
        return SettingsFile(path, faults=(str(error),))
    return SettingsFile(path, document.values, {name: document.place((name,)) for name in document.values})


def holds_a_password(value: object) -> bool:
    """Whether it is an address with a password in it."""
    try:
        return isinstance(value, str) and "://" in value and urlsplit(value).password is not None
    except ValueError:  # no address at all: its reader says so
        return False
