"""What is in a file of JSON, JSON lines, TOML or YAML, as JSON would say it."""

import json
import sys
import tomllib
from pathlib import Path
from typing import Any

import yaml

from cli.errors import UsageError

STDIN = Path("-")
YAML_ENDINGS = (".yaml", ".yml")


def read_content(file: Path) -> Any:
    """What is in a file of JSON, JSON lines, TOML or YAML; raises `UsageError`."""
    text = _read(file)
    if file.suffix in YAML_ENDINGS:
        return _parse_yaml(text, name_of_file(file))
    try:
        return _parse_toml(text) if file.suffix == ".toml" else _parse_json(text)
    except ValueError as error:
        raise UsageError(f"{name_of_file(file)} is neither JSON, JSON lines nor TOML: {error}.") from error


def _read(file: Path) -> str:
    try:
        data = sys.stdin.buffer.read() if file == STDIN else file.read_bytes()
        return data.decode("utf-8-sig")
    except OSError as error:
        raise UsageError(f"cannot read {name_of_file(file)}: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{name_of_file(file)} is not UTF-8 text: {error}.") from error


def _parse_toml(text: str) -> Any:
    """TOML as JSON would say it: a moment is a string."""
    return json.loads(json.dumps(tomllib.loads(text), default=lambda moment: moment.isoformat()))


class _Loader(yaml.SafeLoader):
    """Plain values; a name that stands twice is refused, of which YAML would take the last."""

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        names = [self.construct_object(key, deep=True) for key, _ in node.value]
        twice = next((name for name in names if names.count(name) > 1 and name != "<<"), None)
        if twice is not None:
            raise yaml.constructor.ConstructorError(None, None, f"{twice} stands there twice", node.start_mark)
        return super().construct_mapping(node, deep=deep)


def _parse_yaml(text: str, name: str) -> Any:
    """YAML as JSON would say it."""
    try:
        return json.loads(json.dumps(yaml.load(text, _Loader), default=lambda moment: moment.isoformat()))  # noqa: S506  a SafeLoader
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        raise UsageError(f"{name} cannot be read as YAML: {' '.join(str(error).split())}.") from error


def _parse_json(text: str) -> Any:
    """One JSON document, or one job a line."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        lines = [line for line in text.splitlines() if line.strip()]
        if len(lines) < 2 or error.msg != "Extra data":  # noqa: PLR2004  one line is one document
            raise
        return [_parse_line(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]


def _parse_line(number: int, line: str) -> Any:
    try:
        return json.loads(line)
    except json.JSONDecodeError as error:
        raise ValueError(f"line {number}: {error}") from error


def name_of_file(file: Path) -> str:
    """As its reader calls it."""
    return "standard input" if file == STDIN else str(file)
