"""Which server a command talks to, and as whom."""

import json
import os
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from cli.errors import UsageError

NOWHERE = (
    "no server is known here. Start one with `make up`, log in to one with `trainyard login URL`, "
    "or set TRAINYARD_URL and TRAINYARD_TOKEN."
)


CREDENTIALS = "credentials.json"


@dataclass(frozen=True, slots=True)
class Connection:
    """A server's address, the caller's token, and where we learnt them."""

    url: str
    token: str = field(repr=False)
    source: str

    @property
    def is_local_stack(self) -> bool:
        return Path(self.source).name == CREDENTIALS


def find_connection(
    url: str | None, token_file: Path | None, *, environ: Mapping[str, str], folder: Path
) -> Connection:
    """The server that was named by option or environment, else the first that is known; raises `UsageError` if none.

    Known servers, in this order: the local stack in TRAINYARD_HOME, the one of the last `trainyard login`, and the
    local stack in `folder` or one of its parents.
    """
    address = url or environ.get("TRAINYARD_URL")
    token = _given_token(token_file, environ)
    if not address:
        return _nearest(environ, folder, token)
    address = clean_url(address)
    token = token or next((one.token for one in _known(environ, folder) if one.url == address), None)
    if not token:
        raise UsageError(f"no token for {address}: set TRAINYARD_TOKEN, give --token-file, or `trainyard login` first.")
    return Connection(address, token, "--url" if url else "TRAINYARD_URL")


def saved_login(*, environ: Mapping[str, str]) -> Connection | None:
    """The server of the last `trainyard login`, if it is remembered."""
    return next(_readable([config_file(environ)]), None)


def _given_token(token_file: Path | None, environ: Mapping[str, str]) -> str | None:
    if token_file:
        return _clean_token(_read_token(token_file), f"--token-file {token_file}")
    token = environ.get("TRAINYARD_TOKEN")
    return _clean_token(token, "TRAINYARD_TOKEN") if token else None


def _nearest(environ: Mapping[str, str], folder: Path, token: str | None) -> Connection:
    first = next(_known(environ, folder), None)
    if first is None:
        raise UsageError(NOWHERE)
    return replace(first, token=token) if token else first


def clean_url(url: str) -> str:
    """The address without what does not belong to it; raises `UsageError` when it is not one."""
    address = url.strip().rstrip("/").removesuffix("/api/v1")
    scheme, _, host = address.partition("://")
    if scheme not in ("http", "https") or not host:
        raise UsageError(f"'{url}' is not the address of a server: write http://host:port or https://host.")
    return address


def config_file(environ: Mapping[str, str]) -> Path:
    """Where `trainyard login` keeps the server and the token."""
    base = environ.get("XDG_CONFIG_HOME") or str(Path(environ.get("HOME") or Path.home()) / ".config")
    return Path(base) / "trainyard" / "config.toml"


def save_login(url: str, token: str, expiry: str, *, environ: Mapping[str, str]) -> Path:
    """Remember a login, readable by its owner alone."""
    path = config_file(environ)
    # A JSON string is a TOML string, too.
    lines = [f"{key} = {json.dumps(value)}\n" for key, value in (("url", url), ("token", token), ("expiry", expiry))]
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = path.with_suffix(".new")
        draft.unlink(missing_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.writelines(lines)
        draft.replace(path)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}.") from error
    return path


def _known(environ: Mapping[str, str], folder: Path) -> Iterator[Connection]:
    home = environ.get("TRAINYARD_HOME")
    files = [Path(home) / CREDENTIALS] if home else []
    files += [config_file(environ)]
    files += [place / ".trainyard" / CREDENTIALS for place in (folder, *folder.parents)]
    yield from _readable(files)


def _readable(files: Iterable[Path]) -> Iterator[Connection]:
    for path in files:
        content = _read(path)
        if content.get("url") and content.get("token"):
            yield Connection(clean_url(str(content["url"])), str(content["token"]), str(path))


def _read(path: Path) -> dict[str, Any]:
    """What a file of ours says; nothing if it is not there or not ours to read."""
    try:
        text = path.read_text(encoding="utf-8")
        content = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
    except OSError:
        return {}
    except ValueError as error:
        raise UsageError(f"{path} is damaged ({error}). Remove it, or log in again.") from error
    return content if isinstance(content, dict) else {}


def _read_token(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--token-file: cannot read {path}: {error}.") from error


def _clean_token(text: str, source: str) -> str:
    token = text.strip()
    if not token or not token.isascii() or not token.isprintable():
        raise UsageError(f"{source} holds no token: a token is one line of letters and digits.")
    return token
