"""Words and numbers of priority."""

import pytest

from scheduling import priorities
from scheduling.errors import InvalidError


@pytest.mark.parametrize(
    ("said", "number"),
    [("urgent", 90), ("p0", 90), ("HIGH", 90), ("normal", 50), ("medium", 50), (" p2 ", 10), (0, 0), (100, 100)],
)
def test_words_and_numbers_are_understood(said, number):
    assert priorities.number_of(said) == number


@pytest.mark.parametrize("said", ["asap", 101, -1, 50.5, None, True, [], ""])
def test_anything_else_is_refused_and_says_what_would_be_right(said):
    with pytest.raises(InvalidError, match=r"0 to 100.*urgent"):
        priorities.number_of(said)


@pytest.mark.parametrize(
    ("number", "name"),
    [(100, "urgent"), (70, "urgent"), (69, "normal"), (30, "normal"), (29, "background"), (0, "background")],
)
def test_classes_have_fixed_borders(number, name):
    assert priorities.class_of(number) == name
