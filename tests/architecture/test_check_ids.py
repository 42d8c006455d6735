"""An id of a system check stands for one fault: who looks it up, or silences it, means that one."""

import ast
from collections import defaultdict

from tests.architecture import source

CHECKS = source.ROOT / "scheduler_site" / "checks"
LETTERS = {"error": "E", "unknown_value_errors": "E", "Rule": "E", "OptionRule": "E", "warning": "W"}


def given_out():
    """Each id, and the functions or tables (the top of their modules) that give it out."""
    for path in sorted(CHECKS.glob("*.py")):
        for top in source.tree(path).body:
            for node in ast.walk(top):
                match node:
                    case ast.Call(func=ast.Name(id=made_by), args=[ast.Constant(value=int(number)), *_]):
                        if made_by in LETTERS:
                            yield f"{LETTERS[made_by]}{number:03}", f"{source.name(path)}:{top.lineno}"


def test_no_id_stands_for_two_faults():
    places = defaultdict(set)
    for one, place in given_out():
        places[one].add(place)
    assert len(places) > 40
    assert {one: sorted(found) for one, found in places.items() if len(found) > 1} == {}
