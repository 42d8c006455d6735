"""What of a folder does not come along: what .gitignore and .trainyardignore say, as git reads them, and what never does."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from pathspec import GitIgnoreSpec

from trainyard.errors import UsageError

FILES = (".gitignore", ".trainyardignore")
NEVER = frozenset({".git", "__pycache__", ".trainyard"})
VIRTUAL_ENVIRONMENT = "pyvenv.cfg"
MOST_PARENTS = 50


class Rules(NamedTuple):
    """Patterns that hold below one folder; `above` is that folder as seen from the top, with a slash, or how far it lies above."""

    prefix: str
    spec: GitIgnoreSpec
    outer: bool = False

    def judge(self, path: str) -> bool | None:
        """Whether a path, of a folder with a slash at its end, is left out; None: these do not say."""
        inner = self.prefix + path if self.outer else path.removeprefix(self.prefix)
        return self.spec.check_file(inner).include


def rules_of(folder: Path, prefix: str, *, outer: bool = False) -> Iterator[Rules]:
    """Those of the files in this folder; raises UsageError for one that cannot be read."""
    for name in FILES[:1] if outer else FILES:
        file = folder / name
        try:
            lines = file.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
        except (FileNotFoundError, IsADirectoryError):
            continue
        except OSError as error:
            raise UsageError(f"--sync: cannot read {file}: {error.strerror}.") from error
        try:
            yield Rules(prefix, GitIgnoreSpec.from_lines(lines), outer)
        except ValueError as error:
            raise UsageError(f"--sync: {file} has a pattern that nobody understands: {error}.") from error


def rules_above(folder: Path) -> list[Rules]:
    """Those of the folders above, up to the top of its repository: they hold for it, too."""
    if (folder / ".git").exists():
        return []
    above: list[Path] = []
    for parent in folder.parents[:MOST_PARENTS]:
        above.append(parent)
        if (parent / ".git").exists():
            outer = ((one, f"{folder.relative_to(one).as_posix()}/") for one in reversed(above))
            return [rules for one, prefix in outer for rules in rules_of(one, prefix, outer=True)]
    return []


def left_out(rules: list[Rules], path: str, *, folder: bool) -> bool:
    """What is nearest to it says so; the last of several patterns in one file."""
    asked = f"{path}/" if folder else path
    for one in reversed(rules):
        said = one.judge(asked)
        if said is not None:
            return said
    return False
