"""YAML as people write it for us: plain values, no key twice, no aliases, and each value knows its line."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from yaml.events import AliasEvent
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

Steps = tuple[str | int, ...]
"""The way to a value: names in mappings, positions in lists."""
TEXT, TIMESTAMP = "tag:yaml.org,2002:str", "tag:yaml.org,2002:timestamp"


class YamlError(Exception):
    """What is wrong with a file, with its name and, where it is known, the line."""


class _Plain:
    def compose_node(self, parent: Any, index: Any) -> Any:
        """Without aliases no file can be larger than it looks, or hold itself."""
        if self.check_event(AliasEvent):  # type: ignore[attr-defined]  # a mixin of loaders
            mark = self.peek_event().start_mark  # type: ignore[attr-defined]  # likewise
            raise yaml.composer.ComposerError(None, None, "aliases (*name) are not read: write it out", mark)
        return super().compose_node(parent, index)  # type: ignore[misc]  # likewise


class Texts(_Plain, yaml.BaseLoader):
    """Every value is the text that stands there: `off` is no truth value, `1.10` no number."""


class Values(_Plain, yaml.SafeLoader):
    """Numbers, truth values, nulls and texts; a time is a text, to be read with its zone by who knows what it is for."""


Values.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in known if tag != TIMESTAMP]
    for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


@dataclass(frozen=True)
class Document:
    """What stands in a file."""

    path: Path
    values: dict[str, Any]
    lines: Mapping[Steps, int]

    def place(self, steps: Steps = ()) -> str:
        """`FILE:LINE` of a value; of what is not there, of the nearest that it would stand in."""
        known = next((steps[:end] for end in range(len(steps), 0, -1) if steps[:end] in self.lines), None)
        return f"{self.path}:{self.lines[known]}" if known else str(self.path)


def read(path: Path, kind: type[Texts] | type[Values]) -> Document:
    """The mapping that the file holds. Raises OSError where it cannot be read, and YamlError with its line for nonsense."""
    try:
        loader = kind(path.read_text(encoding="utf-8"))
        root = loader.get_single_node()
        lines = dict(_lines(root, (), path))
        values = loader.construct_document(root) if root is not None else {}
    except UnicodeDecodeError as error:
        raise YamlError(f"{path}: is not text in UTF-8: {error.reason}.") from None
    except RecursionError:
        raise YamlError(f"{path}: holds lists within lists within lists without end.") from None
    except yaml.YAMLError as error:
        raise YamlError(_words(error, path)) from None
    except (ValueError, TypeError, AttributeError) as error:  # such as a number of 5,000 digits, or `!!int many`
        raise YamlError(f"{path}: holds a value that is none: {error}.") from None
    if not isinstance(values, dict):
        raise YamlError(f"{path}:1: must hold names with their values, a line each: NAME: value.")
    return Document(path, values, lines)


def _words(error: yaml.YAMLError, path: Path) -> str:
    mark = getattr(error, "problem_mark", None)
    place = f"{path}:{mark.line + 1}" if mark else str(path)
    return f"{place}: cannot be read as YAML: {getattr(error, 'problem', None) or error}."


def _lines(node: Node | None, steps: Steps, path: Path) -> Iterator[tuple[Steps, int]]:
    """Where each value begins; refuses a name that stands twice in one mapping, of which YAML would take the last."""
    if isinstance(node, MappingNode):
        seen: dict[str, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, ScalarNode):
                raise YamlError(f"{path}:{line}: a name must be a word, not a list or a mapping.")
            if key.tag != TEXT:
                raise YamlError(f"{path}:{line}: the name {key.value} must be a text: put it in quotes.")
            if key.value in seen:
                raise YamlError(f"{path}:{line}: {key.value} stands on line {seen[key.value]} already: remove one.")
            seen[key.value] = line
            yield (*steps, key.value), line
            yield from _lines(value, (*steps, key.value), path)
    elif isinstance(node, SequenceNode):
        for at, value in enumerate(node.value):
            yield (*steps, at), value.start_mark.line + 1
            yield from _lines(value, (*steps, at), path)
