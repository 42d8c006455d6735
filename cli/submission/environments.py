"""`--environment KIND=WHERE` as the field `environment` of a request."""

from collections.abc import Sequence
from pathlib import PurePosixPath

from cli.errors import UsageError

KINDS = ("venv", "conda", "requirements", "lock", "project", "image", "python")
BY_NAME = {"uv.lock": "lock", "pyproject.toml": "project"}


def parse_environment(settings: Sequence[str]) -> dict[str, str]:
    """Raises UsageError; what the kinds may be together is for the server to say."""
    found: dict[str, str] = {}
    for setting in settings:
        kind, given, where = setting.partition("=")
        if not given:
            kind, where = _kind_of_file(setting), setting
        if kind not in KINDS or not where:
            raise UsageError(f"--environment {setting}: write KIND=WHERE, the kind being one of {', '.join(KINDS)}.")
        if kind in found:
            raise UsageError(f"--environment {setting}: {kind} was said already.")
        found[kind] = where
    return found


def _kind_of_file(path: str) -> str:
    name = PurePosixPath(path).name
    return BY_NAME.get(name) or ("requirements" if name.startswith("requirements") and name.endswith(".txt") else "")
