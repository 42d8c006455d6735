"""Logins by name in one file that only its owner may read: servers, tokens, and which of them is used unasked."""

import json
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trainyard.errors import UsageError

DEFAULT = "default"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class Profile:
    """One login."""

    url: str
    token: str = field(repr=False)
    expiry: str = ""


@dataclass(frozen=True, slots=True)
class Profiles:
    """All logins by name; `chosen` is the name that `trainyard profiles use` was given, or nothing."""

    by_name: Mapping[str, Profile]
    chosen: str = ""

    @property
    def current(self) -> str | None:
        """The one that is used when none is named: the chosen one, else `default`."""
        return next((name for name in (self.chosen, DEFAULT) if name in self.by_name), None)

    @property
    def only(self) -> str | None:
        """The one that can be meant where nothing else is known."""
        return next(iter(self.by_name)) if len(self.by_name) == 1 else None

    def find(self, name: str) -> Profile:
        """Raises `UsageError` with the names there are."""
        if name not in self.by_name:
            there = f"there are: {', '.join(self.by_name)}" if self.by_name else "there are none"
            raise UsageError(f"there is no profile '{name}'; {there}. Make it: trainyard login URL --profile {name}")
        return self.by_name[name]


def config_folder(environ: Mapping[str, str]) -> Path:
    base = environ.get("XDG_CONFIG_HOME") or str(Path(environ.get("HOME") or Path.home()) / ".config")
    return Path(base) / "trainyard"


def config_file(environ: Mapping[str, str]) -> Path:
    """Where `trainyard login` keeps servers and tokens."""
    return config_folder(environ) / "config.toml"


def read_profiles(environ: Mapping[str, str]) -> Profiles:
    """What the file says; nothing where there is none. Raises `UsageError` when it is damaged."""
    content = read_file(config_file(environ))
    named = content.get("profiles")
    tables = {DEFAULT: content, **(named if isinstance(named, dict) else {})}
    known = {name: _profile(table) for name, table in tables.items() if _is_login(table)}
    return Profiles(known, str(content.get("current", "")))


def write_profiles(profiles: Profiles, *, environ: Mapping[str, str]) -> Path:
    """Write the file anew, mode 0600, whole or not at all; remove it when nothing is left to keep."""
    path = config_file(environ)
    try:
        if not profiles.by_name:
            path.unlink(missing_ok=True)
            return path
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = path.with_suffix(".new")
        draft.unlink(missing_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(_as_toml(profiles))
        draft.replace(path)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}.") from error
    return path


def checked_name(name: str) -> str:
    if not NAME.fullmatch(name):
        raise UsageError(f"--profile {name}: use letters, digits, dots, dashes and underscores, at most 64.")
    return name


def read_file(path: Path) -> dict[str, Any]:
    """What a file of ours says; nothing if it is not there or not ours to read."""
    try:
        text = path.read_text(encoding="utf-8")
        content = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
    except OSError:
        return {}
    except ValueError as error:
        raise UsageError(f"{path} is damaged ({error}). Remove it, or log in again.") from error
    return content if isinstance(content, dict) else {}


def _is_login(table: Any) -> bool:
    return isinstance(table, dict) and bool(table.get("url") and table.get("token"))


def _profile(table: Mapping[str, Any]) -> Profile:
    return Profile(str(table["url"]), str(table["token"]), str(table.get("expiry", "")))


def _as_toml(profiles: Profiles) -> str:
    default = profiles.by_name.get(DEFAULT)
    head = _lines({"current": profiles.chosen} if profiles.chosen else {})
    top = _lines(_fields(default)) if default else ""
    others = [(name, one) for name, one in profiles.by_name.items() if name != DEFAULT]
    return head + top + "".join(f"\n[profiles.{json.dumps(name)}]\n{_lines(_fields(one))}" for name, one in others)


def _fields(profile: Profile) -> dict[str, str]:
    return {"url": profile.url, "token": profile.token, "expiry": profile.expiry}


def _lines(fields: Mapping[str, str]) -> str:
    # A JSON string is a TOML string, too.
    return "".join(f"{key} = {json.dumps(value)}\n" for key, value in fields.items())
