"""Which server a command talks to, and as whom."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from trainyard.errors import UsageError
from trainyard.http.profiles import (
    DEFAULT,
    Profile,
    Profiles,
    checked_name,
    config_file,
    config_folder,
    read_file,
    read_profiles,
    write_profiles,
)

NOWHERE = (
    "no server is known here. Start one with `make up`, log in to one with `trainyard login URL`, "
    "or set TRAINYARD_URL and TRAINYARD_TOKEN."
)


CREDENTIALS = "credentials.json"
STACKS = "stacks.json"


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
    url: str | None,
    token_file: Path | None,
    *,
    environ: Mapping[str, str],
    folder: Path,
    profile: str | None = None,
    token: str | None = None,
) -> Connection:
    """The server that was named by option or environment, else the first that is known; raises `UsageError` if none.

    An option goes before the environment, an address before a profile. Known servers, in this order: the local stack in
    TRAINYARD_HOME, the current login, the local stack in `folder` or one of its parents, the one that was started
    last anywhere, and the only login there is.
    """
    if url and profile:
        raise UsageError("--url and --profile both name a server: give one of them.")
    token = _clean_token(token, "token") if token else _explicit_token(token_file, environ)
    address = url or (None if profile else environ.get("TRAINYARD_URL"))
    if address:
        return _addressed(clean_url(address), token, "--url" if url else "TRAINYARD_URL", environ, folder)
    name = profile or environ.get("TRAINYARD_PROFILE")
    found = _of_profile(name, environ) if name else next(_candidates(environ, folder), None)
    if found is None:
        raise UsageError(NOWHERE)
    return replace(found, token=token) if token else found


def saved_login(*, environ: Mapping[str, str], profile: str | None = None) -> Connection | None:
    """The login of the profile; else the current one, else the only one."""
    known = read_profiles(environ)
    name = profile or known.current or known.only
    return _of_profile(name, environ) if name else None


def save_login(url: str, token: str, expiry: str, *, environ: Mapping[str, str], profile: str | None = None) -> Path:
    """Remember a login, readable by its owner alone. One without a name is used from now on."""
    known = read_profiles(environ)
    name = checked_name(profile) if profile else DEFAULT
    logins = {**known.by_name, name: Profile(url, token, expiry)}
    return write_profiles(Profiles(logins, known.chosen if profile else ""), environ=environ)


def forget_login(*, environ: Mapping[str, str], profile: str | None = None) -> None:
    """Forget that profile's login, or the current one."""
    known = read_profiles(environ)
    name = profile or known.current or known.only
    write_profiles(
        Profiles({other: one for other, one in known.by_name.items() if other != name}, known.chosen), environ=environ
    )


def clean_url(url: str) -> str:
    """The address without what does not belong to it; raises `UsageError` when it is not one."""
    address = url.strip().rstrip("/").removesuffix("/api/v1")
    scheme, _, host = address.partition("://")
    if scheme not in ("http", "https") or not host:
        raise UsageError(f"'{url}' is not the address of a server: write http://host:port or https://host.")
    return address


def _addressed(address: str, token: str | None, source: str, environ: Mapping[str, str], folder: Path) -> Connection:
    token = token or next((one.token for one in _everything(environ, folder) if one.url == address), None)
    if not token:
        raise UsageError(f"no token for {address}: set TRAINYARD_TOKEN, give --token-file, or `trainyard login` first.")
    return Connection(address, token, source)


def _explicit_token(token_file: Path | None, environ: Mapping[str, str]) -> str | None:
    if token_file:
        return _clean_token(_read_token(token_file), f"--token-file {token_file}")
    token = environ.get("TRAINYARD_TOKEN")
    return _clean_token(token, "TRAINYARD_TOKEN") if token else None


def _of_profile(name: str, environ: Mapping[str, str]) -> Connection:
    profile = read_profiles(environ).find(name)
    source = config_file(environ) if name == DEFAULT else f"profile {name} in {config_file(environ)}"
    return Connection(clean_url(profile.url), profile.token, str(source))


def _everything(environ: Mapping[str, str], folder: Path) -> Iterator[Connection]:
    yield from _candidates(environ, folder)
    yield from (_of_profile(name, environ) for name in read_profiles(environ).by_name)


def _candidates(environ: Mapping[str, str], folder: Path) -> Iterator[Connection]:
    home = environ.get("TRAINYARD_HOME")
    yield from _stacks([Path(home)] if home else [])
    known = read_profiles(environ)
    yield from [_of_profile(known.current, environ)] if known.current else []
    yield from _stacks(place / ".trainyard" for place in (folder, *folder.parents))
    yield from _stacks(_started_last(environ))
    # Last, because nobody has said that it is to be used unasked: it must not come between a user and their own stack.
    yield from [_of_profile(known.only, environ)] if known.only and not known.current else []


def _stacks(homes: Iterable[Path]) -> Iterator[Connection]:
    for path in (home / CREDENTIALS for home in homes):
        content = read_file(path)
        if content.get("url") and content.get("token"):
            yield Connection(clean_url(str(content["url"])), str(content["token"]), str(path))


def _started_last(environ: Mapping[str, str]) -> list[Path]:
    """The homes of local stacks as `make up` wrote them down, the one that was started last before the others."""
    try:
        homes = read_file(config_folder(environ) / STACKS).get("homes")
    except UsageError:  # not a file of the user's: the next stack writes it anew
        return []
    return [Path(home) for home in homes if isinstance(home, str)] if isinstance(homes, list) else []


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
