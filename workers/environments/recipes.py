"""How an environment is built of a file in a job's code, and by what it is known again.

An environment is the same for everybody who brings the same file for the same Python. Where the file names others beside
it, they count too: files by their content, anything else (folders, further lists) by all of the code.
"""

import hashlib
import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from workers.environments.pythons import Python

FORMAT = "1"
REQUIREMENTS, LOCK, PROJECT = "requirements", "lock", "project"
OF_LOCK = "pyproject.toml"
BY_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(\[[^\]]*\])?\s*(([=<>!~(;,].*)?)")
HARMLESS = (
    "--hash",
    "--index-url",
    "-i ",
    "--extra-index-url",
    "--pre",
    "--prefer-binary",
    "--no-binary",
    "--only-binary",
    "#",
)
ARCHIVES = (".whl", ".zip", ".tar.gz", ".tar.bz2", ".tgz")
LOCAL_SOURCES = ("editable", "virtual", "directory", "path", "workspace")


class RecipeError(Exception):
    """It cannot be built here, and why, in a sentence."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """What is run one after another, in which folder, to build `key` with this Python."""

    key: str
    title: str
    python: Python
    folder: Path
    kind: str

    def steps(self, uv: str, prefix: Path) -> list[list[str]]:
        """The commands; `prefix` is where it is to be, and is there as an empty folder."""
        if self.kind == LOCK:
            sync = ["sync", "--locked", "--no-dev", "--no-install-project", "--no-editable", "--compile-bytecode"]
            return [[uv, *sync, "--python", self.python.executable]]
        venv = ["venv", "--no-project", "--clear", "--quiet", "--python", self.python.executable, str(prefix)]
        install = ["pip", "install", "--compile-bytecode", "--python", str(prefix / "bin" / "python")]
        return [[uv, *venv], [uv, *install, "-r", f"./{self.title.rpartition('/')[2]}"]]


def recipe(
    kind: str, path: str, code: Path, *, digest: str, python: str, pythons: Sequence[Python], owner: str
) -> Recipe:
    """The recipe of the file at `path` in a copy of the code with this digest. Raises RecipeError.

    `owner`: for whom alone it is built; empty where all commands of the machine are the same user's.
    """
    file = inside(code, path)
    content = _read(file, path)
    parsed = {} if kind == REQUIREMENTS else _parsed(content, path)
    beside = b""
    if kind == LOCK:
        beside = _read(inside(code, _beside(path)), _beside(path))
        needs = _parsed(beside, OF_LOCK)
    else:
        needs = parsed
    chosen = choose(pythons, python, _requires(needs))
    local = list(_local(kind, content, parsed))
    parts: list[str | bytes] = [FORMAT, kind, owner, chosen.full, chosen.executable, content, beside]
    parts += [part for name in local for part in _content_of(name, file.parent, code, digest)]
    return Recipe(_hash(parts), path, chosen, file.parent, kind)


def inside(code: Path, path: str) -> Path:
    """Where it really is. Raises RecipeError unless that is a file in the code: links may lead out of it."""
    real = (code / path).resolve()
    if not real.is_relative_to(code.resolve()):
        raise RecipeError(f"{path} leads out of the job's code.")
    if not real.is_file():
        raise RecipeError(f"There is no file {path} in the job's code.")
    return real


def choose(pythons: Sequence[Python], asked: str, requires: str) -> Python:
    """The Python to build with: the first that is asked for and suits the project. Raises RecipeError."""
    try:
        suits = SpecifierSet(requires)
    except InvalidSpecifier:
        raise RecipeError(f"requires-python is {requires!r}, which is no range of versions.") from None
    for python in pythons:
        if asked in ("", python.minor) and suits.contains(python.full):
            return python
    wanted = " and ".join(filter(None, (asked, requires and f"requires-python {requires!r}"))) or "any"
    there = ", ".join(python.full for python in pythons) or "none"
    raise RecipeError(f"This node has no Python for it: wanted is {wanted}, there is {there}.")


def _read(file: Path, path: str) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise RecipeError(f"{path} cannot be read: {error.strerror}.") from None


def _parsed(content: bytes, path: str) -> dict[str, Any]:
    try:
        return tomllib.loads(content.decode())
    except ValueError as error:
        raise RecipeError(f"{path} is no TOML: {error}.") from None


def _beside(path: str) -> str:
    folder, slash, _ = path.rpartition("/")
    return f"{folder}{slash}{OF_LOCK}"


def _requires(project: dict[str, Any]) -> str:
    table = project.get("project")
    said = table.get("requires-python", "") if isinstance(table, dict) else ""
    return said if isinstance(said, str) else ""


def _local(kind: str, content: bytes, parsed: dict[str, Any]) -> Iterator[str]:
    """What it takes from the code itself, as it names it; "." for what is not to be told from the file."""
    if kind == REQUIREMENTS:
        yield from _local_lines(content.decode(errors="replace"))
    elif kind == LOCK:
        sources = [one.get("source", {}) for one in parsed.get("package", []) if isinstance(one, dict)]
        if any(source.get(word, ".") != "." for source in sources for word in LOCAL_SOURCES):
            yield "."
    elif (
        b"file:" in content
        or any(word in repr(parsed.get("tool", {}).get("uv", {})) for word in ("path", "workspace"))
        or "dependencies" in parsed.get("project", {}).get("dynamic", [])
    ):
        yield "."


def _local_lines(text: str) -> Iterator[str]:
    for line in (each.split(" #")[0].strip().rstrip("\\").strip() for each in text.splitlines()):
        by_name = BY_NAME.fullmatch(line) and not line.endswith(ARCHIVES)
        if line and not by_name and not line.startswith(HARMLESS) and "://" not in line.replace("file://", ""):
            yield line


def _content_of(name: str, folder: Path, code: Path, digest: str) -> list[str | bytes]:
    try:
        real = (folder / name).resolve()
        if real.is_relative_to(code.resolve()) and real.is_file():
            return [name, hashlib.sha256(real.read_bytes()).digest()]
    except (OSError, ValueError):
        pass  # then it is the code as a whole that counts
    return [name, digest]


def _hash(parts: Sequence[str | bytes]) -> str:
    whole = hashlib.sha256()
    for part in parts:
        data = part if isinstance(part, bytes) else part.encode()
        whole.update(f"{len(data)}:".encode())
        whole.update(data)
    return whole.hexdigest()[:40]
