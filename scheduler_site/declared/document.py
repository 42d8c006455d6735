"""Reading the file: all that is wrong with it is told at once, each with its line, and nothing is done by it then."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from rest_framework.exceptions import ValidationError
from rest_framework.settings import api_settings

from scheduler_site import yaml_files
from scheduler_site.declared.shapes import SECTIONS, budget_title, title_of
from scheduler_site.yaml_files import Document, Steps


class Refused(Exception):  # noqa: N818  a refusal is what it is
    """A sentence for each thing that is wrong, with file and line."""

    def __init__(self, sentences: Sequence[str]) -> None:
        super().__init__("\n".join(sentences))


@dataclass(frozen=True)
class Entry:
    """Something that the file declares; only the fields that are written there are among the values."""

    title: str
    values: dict[str, Any]
    document: Document
    steps: Steps

    def refusal(self, words: str, steps: Steps = ()) -> str:
        """The sentence with the place of the entry, or of one of its fields."""
        field = f"{'.'.join(str(step) for step in steps)}: " if steps else ""
        return f"{self.document.place((*self.steps, *steps))}: {self.title}: {field}{words}"

    def below(self, title: str, values: dict[str, Any], *steps: str | int) -> "Entry":
        """Something that is declared within it."""
        return Entry(title, values, self.document, (*self.steps, *steps))


Declared = dict[str, list[Entry]]
"""The entries by section. A section that is not in the file is not here: nothing is said of it."""


def read(path: Path) -> Declared:
    """Raises Refused with everything that is wrong."""
    try:
        document = yaml_files.read(path, yaml_files.Values)
    except OSError as error:
        raise Refused([f"{path}: cannot be read: {error.strerror}."]) from None
    except yaml_files.YamlError as error:
        raise Refused([str(error)]) from None
    faults = [fault for section in document.values for fault in _section_faults(document, section)]
    if faults:
        raise Refused(faults)
    found = {section: list(_entries(document, section, faults)) for section in document.values}
    if faults := faults or list(_twice(found)):
        raise Refused(faults)
    return found


def _section_faults(document: Document, section: str) -> Iterator[str]:
    place, rows = document.place((section,)), document.values[section]
    if section not in SECTIONS:
        yield f"{place}: there is no section {section}. There are: {', '.join(SECTIONS)}."
    elif not isinstance(rows, list):
        yield f"{place}: {section} must be a list: each entry begins with a dash."


def _entries(document: Document, section: str, faults: list[str]) -> Iterator[Entry]:
    for at, row in enumerate(document.values[section]):
        title = title_of(section, row) if isinstance(row, dict) else section
        entry = Entry(title, row, document, (section, at))
        try:
            values = SECTIONS[section].read(row)
        except ValidationError as refused:
            faults += [entry.refusal(words, steps) for steps, words in _flat(refused.detail, ())]
        else:
            yield Entry(title_of(section, values), _as_written(values, row), document, (section, at))


def _as_written(values: dict[str, Any], row: dict[str, Any]) -> dict[str, Any]:
    """Defaults of REST's are left out, but those that say what it is."""
    return {name: value for name, value in values.items() if name in row or name in {"target", "name", "capacity"}}


def _flat(detail: Any, steps: Steps) -> Iterator[tuple[Steps, str]]:
    """Every sentence of REST framework's faults, with the way to the value."""
    if isinstance(detail, dict):
        for name, inner in detail.items():
            yield from _flat(inner, steps if name == api_settings.NON_FIELD_ERRORS_KEY else (*steps, name))
    elif isinstance(detail, list) and any(isinstance(one, dict) for one in detail):
        for at, inner in enumerate(detail):
            yield from _flat(inner, (*steps, at))
    else:
        words = detail if isinstance(detail, list) else [detail]
        yield steps, " ".join(str(one) for one in words)


def _twice(found: Declared) -> Iterator[str]:
    seen: dict[str, Entry] = {}
    entries = chain.from_iterable(found.values())
    for entry in chain.from_iterable((one, *budgets_of(one)) for one in entries):
        if entry.title in seen:
            first = seen[entry.title]
            yield f"{entry.document.place(entry.steps)}: {entry.title} stands at {first.document.place(first.steps)} already."
        seen.setdefault(entry.title, entry)


def budgets_of(project: Entry) -> list[Entry]:
    """The budgets that the entry of a project declares."""
    slug = project.values.get("slug", "")
    return [
        project.below(budget_title(slug, values), values, "budgets", at)
        for at, values in enumerate(project.values.get("budgets", []))
    ]
