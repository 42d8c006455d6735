"""Each room has a sign, and none is so full that nothing is found in it."""

import ast

import pytest

from tests.architecture import source

WIDEST = 25


@pytest.mark.parametrize("room", source.rooms(), ids=source.name)
def test_a_room_says_what_lives_in_it_and_what_it_may_import(room):
    sign = ast.get_docstring(ast.parse((room / "__init__.py").read_text(encoding="utf-8"))) or ""
    assert "mport" in sign, f"{source.name(room)}/__init__.py: say what lives here, and what it may import"


@pytest.mark.parametrize("room", source.rooms(), ids=source.name)
def test_a_room_has_few_enough_modules_to_be_looked_through(room):
    assert len([path for path in room.glob("*.py") if path.name != "__init__.py"]) <= WIDEST
