"""The examples of shares on the page about usage come out as it says."""

import re

import pytest

from scheduling.sharing.fair_tree import Account
from scheduling.sharing.fairness import Demand, jain_index, shares
from scheduling.snapshot import ProjectView
from tests.architecture import source

TREE = (ProjectView("vision", weight=3), ProjectView("speech", weight=1))
VISION, SPEECH = Account("vision", "ada"), Account("speech", "bob")


def told():
    page = (source.ROOT / "docs/usage.md").read_text(encoding="utf-8")
    table = page.partition("| example | vision holds |")[2].partition("\n\n")[0]
    rows = re.findall(r"^\| ([a-z ]+) \| (.*) \|$", table, re.MULTILINE)
    return {name: [float(cell) for cell in cells.split(" | ")] for name, cells in rows}


def test_there_are_examples():
    assert len(told()) == 4


@pytest.mark.parametrize("name", told())
def test_an_example_comes_out_as_the_page_says(name):
    holds, waits, others_hold, others_wait, *expected = told()[name]
    found = shares(TREE, {VISION: Demand(holds, waits), SPEECH: Demand(others_hold, others_wait)})
    vision, speech = (found.get(account) for account in (VISION, SPEECH))
    index = jain_index(one.received / one.entitled for one in found.values())
    entitled, lent = (vision.entitled, vision.lent) if vision else (0, 0)
    assert [
        entitled,
        speech.entitled,
        lent,
        speech.borrowed,
        sum(one.short for one in found.values()),
        index,
    ] == expected
