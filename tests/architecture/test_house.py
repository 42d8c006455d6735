"""The drawings of the house in the documents are what stands there, and the table of its rooms names each of them."""

import re

import pytest

from tests.architecture import house, source

ROOM = re.compile(r"^\| `([\w/]+)/` \|", re.MULTILINE)


@pytest.fixture(scope="module")
def known():
    return house.imports()


def test_the_drawings_are_what_make_house_draws(known):
    for document, text in house.drawn(known):
        assert document.read_text(encoding="utf-8") == text, "run: make house"


def test_an_import_between_rooms_that_had_nothing_to_do_with_each_other_changes_the_drawing(known):
    more = known | {"quotas.limits": known["quotas.limits"] | {"workers.models"}}
    assert "quotas_doors --> workers_words" in house.rooms_drawn(more)
    assert "quotas_doors --> workers_words" not in house.rooms_drawn(known)


def test_what_follows_from_other_arrows_is_not_drawn():
    assert house.telling({("a", "b"), ("b", "c"), ("a", "c")}) == {("a", "b"), ("b", "c")}


def test_two_rooms_that_import_each_other_do_not_explain_each_other_s_arrows_away():
    drawn = {("a", "b"), ("b", "a"), ("a", "c"), ("b", "c")}
    assert house.telling(drawn) == drawn


def test_the_table_of_rooms_has_a_row_for_each_room_and_no_other():
    text = (source.ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    assert sorted(ROOM.findall(text)) == sorted(source.name(room) for room in source.rooms())
