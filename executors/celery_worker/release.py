"""Which release this is: the version stands in `pyproject.toml`, once."""

import tomllib
from importlib.metadata import version
from pathlib import Path

PROJECT = Path(__file__).parents[2] / "pyproject.toml"


def release() -> str:
    """The version of the source that runs, which the image does not install; where there is no source, of what is installed."""
    if PROJECT.exists():
        return str(tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]["version"])
    return version("trainyard")
