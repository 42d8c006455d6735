"""Typed readers for settings: from the environment, else from `trainyard.yaml`, else from what the local stack runs with.

Until `settings.py` is read, which ends with `refuse_faults`, whatever is wrong is collected, so that all of it is told at once, in words
and without a traceback. After that a reader raises ImproperlyConfigured naming the variable.
"""

import functools
import os
import shlex
import sys
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

from django.core.exceptions import ImproperlyConfigured

from scheduler_site import settings_file
from scheduler_site.settings_file import Stated

TRUE_WORDS = frozenset({"1", "true", "yes", "on"})
FALSE_WORDS = frozenset({"0", "false", "no", "off", ""})

HINT = "Correct it, or unset it for the default: docs/operations.md has the table of all settings."
FILE_HINT = (
    "docs/configuration.md says what may stand in the file; `manage.py config` shows where each setting comes from."
)
HIGHEST_PORT = 65_535
WEB_WORKERS, WEB_THREADS = 2, 64
LOG_LEVELS = frozenset({"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"})
SHAPES: dict[type, str] = {list: "a list, or one text with commas", dict: "numbers by word, like {age: 1000, size: 50}"}
T = TypeVar("T")
_faults: list[str] | None = []  # None: nobody collects them any more

BASE_DIR = Path(__file__).resolve().parent.parent
HOME = Path(os.environ.get("TRAINYARD_HOME") or BASE_DIR / ".trainyard").absolute()


@dataclass(frozen=True, slots=True)
class Reading:
    """A setting as it was read. `source`: default, environment, local stack, or the file and its line."""

    name: str
    value: object
    source: str
    secret: bool = False

    @property
    def hidden(self) -> bool:
        """Whether its value is shown to nobody."""
        return self.secret or settings_file.holds_a_password(self.value)


readings: dict[str, Reading] = {}
"""Every setting that there is, once `settings.py` is read: all are read here, those of other processes too."""
secret_values: set[str] = set()
"""What must stand in no line of a log."""


def changed() -> list[dict[str, object]]:
    """What somebody has set, as plain values; of a secret that it is, never more."""
    stated = [one for _, one in sorted(readings.items()) if one.source != "default"]
    return [
        {"name": one.name, "value": None if one.hidden else one.value, "source": one.source, "secret": one.hidden}
        for one in stated
    ]


def of_local_stack(home: Path) -> dict[str, str]:
    """What `manage.py up` wrote down in this home, so that a command given beside it finds the same servers."""
    try:
        lines = (home / "env").read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    words = [shlex.split(line, comments=True) for line in lines]
    return dict(word[0].split("=", 1) for word in words if word)


LOCAL_STACK = of_local_stack(HOME)


def config_file() -> settings_file.SettingsFile:
    """The file of settings: that of TRAINYARD_CONFIG, which has to be there, else the one in TRAINYARD_HOME, if there is one."""
    named = os.environ.get("TRAINYARD_CONFIG")
    if named:  # processes that are started from here work in other folders
        os.environ["TRAINYARD_CONFIG"] = named = str(Path(named).absolute())
    return settings_file.read(Path(named or HOME / settings_file.NAME), required=bool(named))


FILE = config_file()
for _name, _value in (("TRAINYARD_HOME", HOME), ("TRAINYARD_CONFIG", FILE.path)):
    readings[_name] = Reading(_name, str(_value), "environment" if os.environ.get(_name) else "default")


def refuse_faults() -> None:
    """End the process with one line for each fault, if there are any: of the file, then of what was read."""
    global _faults
    found, _faults = _faults or [], None
    secrets = frozenset(name for name, one in readings.items() if one.secret)
    of_file = [*FILE.faults, *FILE.unknown(frozenset(readings), secrets)]
    told = [f"trainyard.E064 {fault}\n\tHINT: {FILE_HINT}" for fault in of_file]
    told += [f"trainyard.E060 {fault}\n\tHINT: {HINT}" for fault in found]
    if told:
        raise SystemExit("\n".join(told))


def _reader(reader: Callable[..., T]) -> Callable[..., T]:
    """Notes what was read and where it stands, and collects what is wrong."""

    @functools.wraps(reader)
    def read(name: str, default: Any = None, **more: Any) -> T:
        given = {} if default is None else {"default": default}
        value: Any = {} if default is None else default  # the one without a default reads a table
        try:
            value = reader(name, **given, **more)
        except ImproperlyConfigured as fault:
            words = f"{FILE.places[name]}: {fault}" if _from_file(name) else str(fault)
            if _faults is None:
                raise ImproperlyConfigured(words) from None
            _faults.append(words)
        readings.setdefault(name, Reading(name, value, _source(name)))
        return value

    return read


def _from_file(name: str) -> bool:
    """An empty text says nothing there, as in the environment; an empty list is one."""
    return not os.environ.get(name) and FILE.values.get(name, "") != ""


def _source(name: str) -> str:
    if os.environ.get(name):
        return "environment"
    if _from_file(name):
        return FILE.places[name]
    return "local stack" if LOCAL_STACK.get(name) else "default"


def _raw(name: str, default: str = "", *, shape: type[list[str]] | type[dict[str, str]] | None = None) -> str:
    """As it would stand in the environment; a file may have a list, or numbers by word, as YAML writes them."""
    if not _from_file(name):
        return os.environ.get(name) or LOCAL_STACK.get(name) or default
    return _one_text(name, FILE.values[name], shape)


def _one_text(name: str, stated: Stated, shape: type[list[str]] | type[dict[str, str]] | None) -> str:
    if isinstance(stated, str):
        return stated
    if shape is None or not isinstance(stated, shape):
        wanted = SHAPES[shape] if shape else "one value"
        raise ImproperlyConfigured(
            f"{name} must be {wanted}, not a {'list' if isinstance(stated, list) else 'mapping'}."
        )
    values: Collection[object] = stated.values() if isinstance(stated, dict) else stated
    if not all(isinstance(value, str) for value in values):
        raise ImproperlyConfigured(f"{name} must hold plain values, no lists or mappings within.")
    return ",".join("=".join(pair) for pair in stated.items()) if isinstance(stated, dict) else ",".join(stated)


@_reader
def text(name: str, default: str = "") -> str:
    """The setting's value as it stands, else `default`."""
    return _raw(name, default)


def given(name: str) -> bool:
    """Whether this process was started with the variable, or with the file that holds it."""
    return bool(os.environ.get(name) or os.environ.get(f"{name}_FILE"))


def stated(name: str) -> bool:
    """Whether the environment or the file says anything of the setting."""
    return bool(os.environ.get(name)) or _from_file(name)


@_reader
def number(name: str, default: float, *, at_least: float = 0) -> float:
    """The variable as a number; raises ImproperlyConfigured naming the variable when it is not one."""
    return _number(name, default, at_least)


@_reader
def whole(name: str, default: int, *, at_least: int = 0) -> int:
    return int(_number(name, default, at_least))


def _number(name: str, default: float, at_least: float) -> float:
    raw = _raw(name, str(default))
    try:
        value = float(raw)
    except ValueError:
        raise ImproperlyConfigured(f"{name} must be a number, not {raw!r}.") from None
    if not at_least <= value < float("inf"):
        raise ImproperlyConfigured(f"{name} must be at least {at_least}, not {raw!r}.")
    return value


@_reader
def port(name: str, default: int) -> int:
    raw = _raw(name, str(default))
    if not raw.isdecimal() or not 1 <= int(raw) <= HIGHEST_PORT:
        raise ImproperlyConfigured(f"{name} must be a port from 1 to {HIGHEST_PORT}, not {raw!r}.")
    return int(raw)


@_reader
def one_of(name: str, default: str, *, words: Collection[str]) -> str:
    """A word in capital letters, in whatever case it is written."""
    word = _raw(name, default).strip().upper()
    if word not in words:
        raise ImproperlyConfigured(f"{name} must be one of {', '.join(sorted(words))}, not {word!r}.")
    return word


@_reader
def yes_no(name: str, *, default: bool) -> bool:
    raw = _raw(name, "yes" if default else "no").strip().lower()
    if raw in TRUE_WORDS:
        return True
    if raw in FALSE_WORDS:
        return False
    raise ImproperlyConfigured(f"{name} must be yes or no, not {raw!r}.")


@_reader
def words(name: str, default: str = "") -> list[str]:
    """A comma-separated list, blanks dropped; a list in the file."""
    return _words(_raw(name, default, shape=list))


@_reader
def words_or_none(name: str, default: str) -> list[str]:
    """A list that may be empty: a variable that is set to nothing, or to `none`, means no words."""
    if os.environ.get(name) == "":
        return []
    found = _words(_raw(name, default, shape=list))
    return [] if found == ["none"] else found


def _words(raw: str) -> list[str]:
    return [word.strip() for word in raw.split(",") if word.strip()]


@_reader
def numbers_by_word(name: str) -> dict[str, float]:
    """A list such as `age=1000,size=50`; raises ImproperlyConfigured naming the variable when it is none."""
    raw = _raw(name, shape=dict)
    pairs = [word.partition("=") for word in _words(raw)]
    try:
        found = {word.strip(): float(value) for word, _, value in pairs}
    except ValueError:
        raise ImproperlyConfigured(f"{name} must be like age=1000,size=50, not {raw!r}.") from None
    if not all(0 <= value < float("inf") for value in found.values()):
        raise ImproperlyConfigured(f"{name} must have numbers of at least 0, not {raw!r}.")
    return found


def secret(name: str, default: str = "", *, wanted: bool = True) -> str:
    """The variable, or the contents of the file that `NAME_FILE` points to (container secrets); never from the file of settings.

    One that is not `wanted` here is not looked for, and still known as a secret.
    """
    stated = os.environ.get(name) or os.environ.get(f"{name}_FILE")
    source = "environment" if stated else "local stack" if LOCAL_STACK.get(name) else "default"
    readings.setdefault(name, Reading(name, bool(stated or LOCAL_STACK.get(name)), source, secret=True))
    value = _secret(name, default) if wanted else default
    secret_values.update({value} - {""})
    return value


def _secret(name: str, default: str) -> str:
    path = os.environ.get(f"{name}_FILE") or LOCAL_STACK.get(f"{name}_FILE")
    if not path:
        return os.environ.get(name) or LOCAL_STACK.get(name) or default
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        fault = f"{name}_FILE points to {path}, which cannot be read: {error.strerror}."
        if _faults is None:
            raise ImproperlyConfigured(fault) from None
        _faults.append(fault)
        return default


PROGRAMS = {
    "gunicorn": "web", "beat": "beat", "worker": "control", "flower": "flower",
    "node": "node", "autoscaler": "autoscaler", "pool": "pool", "up": "stack",
}  # fmt: skip


def program_name(words: Sequence[str] = tuple(sys.orig_argv)) -> str:
    """What this process is called among the database's connections: by the command line that it was started with."""
    known = next((PROGRAMS[name] for name in (Path(word).name for word in words) if name in PROGRAMS), "")
    return f"trainyard {known or Path(words[-1]).name}"[:63] if words else "trainyard"


def service_url(name: str, default: str, password: str) -> str:
    """The URL in the variable `name`, with the password from the variable named `password` where that one is set.

    A password that comes apart needs no percent-encoding and can be a container secret of its own. Several URLs, as of
    sentinels, stand apart by semicolons.
    """
    url, word = secret(name, default), secret(password)
    return ";".join(_with_password(one, word) for one in url.split(";")) if word else url


def _with_password(url: str, word: str) -> str:
    parts = urlsplit(url)
    user, _, address = parts.netloc.rpartition("@")
    return parts._replace(netloc=f"{user.partition(':')[0]}:{quote(word, safe='')}@{address}").geturl()
