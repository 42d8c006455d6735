"""Typed readers for settings that come from the environment.

While `settings.py` is read, between `collect_faults` and `refuse_faults`, whatever is wrong is collected, so that all of it is told at
once, in words and without a traceback. At other times a reader raises ImproperlyConfigured naming the variable.
"""

import functools
import os
import shlex
import sys
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

from django.core.exceptions import ImproperlyConfigured

TRUE_WORDS = frozenset({"1", "true", "yes", "on"})
FALSE_WORDS = frozenset({"0", "false", "no", "off", ""})


HINT = "Correct it, or unset it for the default: docs/operations.md has the table of all settings."
HIGHEST_PORT = 65_535
LOG_LEVELS = frozenset({"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"})
T = TypeVar("T")
_faults: list[str] | None = None  # None: nobody collects them

BASE_DIR = Path(__file__).resolve().parent.parent
HOME = Path(os.environ.get("TRAINYARD_HOME") or BASE_DIR / ".trainyard").absolute()


def of_local_stack(home: Path) -> dict[str, str]:
    """What `manage.py up` wrote down in this home, so that a command given beside it finds the same servers."""
    try:
        lines = (home / "env").read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    words = [shlex.split(line, comments=True) for line in lines]
    return dict(word[0].split("=", 1) for word in words if word)


LOCAL_STACK = of_local_stack(HOME)


def collect_faults() -> None:
    """From now on a reader that finds nonsense gives the default."""
    global _faults  # noqa: PLW0603 - one process reads its settings once
    _faults = []


def refuse_faults() -> None:
    """End the process with one line for each fault, if there are any."""
    global _faults
    found, _faults = _faults, None
    if found:
        raise SystemExit("\n".join(f"trainyard.E060 {fault}\n\tHINT: {HINT}" for fault in found))


def _collecting_faults(reader: Callable[..., T]) -> Callable[..., T]:
    @functools.wraps(reader)
    def read(name: str, default: Any = None, **more: Any) -> T:
        given = {} if default is None else {"default": default}
        try:
            return reader(name, **given, **more)
        except ImproperlyConfigured as fault:
            if _faults is None:
                raise
            _faults.append(str(fault))
            return {} if default is None else default  # the one without a default reads a table

    return read


def text(name: str, default: str = "") -> str:
    """The variable's value, else what the local stack runs with, else `default`."""
    return os.environ.get(name) or LOCAL_STACK.get(name) or default


def given(name: str) -> bool:
    """Whether this process was started with the variable, or with the file that holds it."""
    return bool(os.environ.get(name) or os.environ.get(f"{name}_FILE"))


@_collecting_faults
def number(name: str, default: float, *, at_least: float = 0) -> float:
    """The variable as a number; raises ImproperlyConfigured naming the variable when it is not one."""
    raw = text(name, str(default))
    try:
        value = float(raw)
    except ValueError:
        raise ImproperlyConfigured(f"{name} must be a number, not {raw!r}.") from None
    if not at_least <= value < float("inf"):
        raise ImproperlyConfigured(f"{name} must be at least {at_least}, not {raw!r}.")
    return value


def whole(name: str, default: int, *, at_least: int = 0) -> int:
    return int(number(name, default, at_least=at_least))


@_collecting_faults
def port(name: str, default: int) -> int:
    raw = text(name, str(default))
    if not raw.isdecimal() or not 1 <= int(raw) <= HIGHEST_PORT:
        raise ImproperlyConfigured(f"{name} must be a port from 1 to {HIGHEST_PORT}, not {raw!r}.")
    return int(raw)


@_collecting_faults
def one_of(name: str, default: str, *, words: Collection[str]) -> str:
    """A word in capital letters, in whatever case it is written."""
    word = text(name, default).strip().upper()
    if word not in words:
        raise ImproperlyConfigured(f"{name} must be one of {', '.join(sorted(words))}, not {word!r}.")
    return word


@_collecting_faults
def yes_no(name: str, *, default: bool) -> bool:
    raw = text(name, "yes" if default else "no").strip().lower()
    if raw in TRUE_WORDS:
        return True
    if raw in FALSE_WORDS:
        return False
    raise ImproperlyConfigured(f"{name} must be yes or no, not {raw!r}.")


def words(name: str, default: str = "") -> list[str]:
    """A comma-separated list, blanks dropped."""
    return [word.strip() for word in text(name, default).split(",") if word.strip()]


def words_or_none(name: str, default: str) -> list[str]:
    """A comma-separated list that may be empty: a variable that is set to nothing, or to `none`, means no words."""
    if os.environ.get(name) == "":
        return []
    found = words(name, default)
    return [] if found == ["none"] else found


@_collecting_faults
def numbers_by_word(name: str) -> dict[str, float]:
    """A list such as `age=1000,size=50`; raises ImproperlyConfigured naming the variable when it is none."""
    pairs = [word.partition("=") for word in words(name)]
    try:
        found = {word.strip(): float(raw) for word, _, raw in pairs}
    except ValueError:
        raise ImproperlyConfigured(f"{name} must be like age=1000,size=50, not {text(name)!r}.") from None
    if not all(0 <= value < float("inf") for value in found.values()):
        raise ImproperlyConfigured(f"{name} must have numbers of at least 0, not {text(name)!r}.")
    return found


@_collecting_faults
def secret(name: str, default: str = "") -> str:
    """The variable, or the contents of the file that `NAME_FILE` points to (container secrets)."""
    path = text(f"{name}_FILE")
    if not path:
        return text(name, default)
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ImproperlyConfigured(f"{name}_FILE points to {path}, which cannot be read: {error.strerror}.") from None


PROGRAMS = {"gunicorn": "web", "beat": "beat", "worker": "control", "flower": "flower", "node": "node"}


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
