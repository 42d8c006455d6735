"""The table for those who come from earlier services: what it names on our side is there."""

import importlib
import json
import re

import pytest

from cli.agent_tools import changes, questions
from cli.main import load
from tests.architecture import source

PAGE = source.ROOT / "docs" / "reference" / "seed-services.md"
OPERATIONS = json.loads((source.ROOT / "docs" / "openapi.json").read_text())["paths"]
ADDRESS = re.compile(r"`(GET|POST|PATCH|DELETE) (/\S+?)`(?: with `(\w+)`)?")
COMMAND = re.compile(r"`trainyard ([^`]+)`")
NAME = re.compile(r"`([\w.]+)`")


def rows():
    """The table's lines without its headings, as their four cells."""
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    found = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [cells for cells in found[1:] if set(cells[0]) != {"-"} and not cells[0].startswith("**")]


ROWS = rows()


def test_the_table_is_read():
    assert len(ROWS) > 50
    assert all(len(cells) == 4 for cells in ROWS)


@pytest.mark.parametrize("cells", ROWS, ids=lambda cells: cells[0])
def test_what_a_line_names_is_there(cells):
    earlier, address, command, other = cells
    assert address, earlier
    if address.startswith("[not offered]"):
        assert "## What is not offered" in PAGE.read_text()
    else:
        has_operation(*ADDRESS.fullmatch(address).groups())
    for words in COMMAND.findall(command):
        parses(words.split())
    for name in NAME.findall(other):
        assert imports(name) if "." in name else hasattr(changes, name) or hasattr(questions, name), name


def has_operation(verb, path, parameter):
    operation = OPERATIONS[path][verb.lower()]
    known = {one["name"] for one in operation.get("parameters", ())}
    assert parameter is None or parameter in known, known


def parses(words):
    """Each word is a command below the one before, or an option of the last one."""
    command = load(words[0])
    for name in words[1:]:
        if name.startswith("--"):
            assert name in {option for one in command.params for option in one.opts}, words
        else:
            command = command.commands[name]


def imports(name):
    module, _, attribute = name.rpartition(".")
    try:
        importlib.import_module(name)
    except ModuleNotFoundError:
        return hasattr(importlib.import_module(module), attribute)
    return True
