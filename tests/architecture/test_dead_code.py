"""What nothing but tests reaches is found, and the list of what frameworks call by name is no longer than it has to be."""

from fnmatch import fnmatchcase

from tests import dead_code
from tests.architecture import source

CONFIG = dead_code.configured()


def test_what_is_reached_by_nothing_is_found(tmp_path):
    (tmp_path / "product.py").write_text(
        "from dataclasses import dataclass\n\n"
        "@dataclass\nclass Point:\n    x: int\n\n    def far(self):\n        return 0\n\n"
        "def make():\n    return Point(x=1)\n\nmake()\n"
    )
    found = dead_code.dead(tmp_path, {**CONFIG, "paths": ["product.py"]})
    assert [(item.name, item.first_lineno) for item in found] == [("far", 7)]


def test_every_name_that_is_let_pass_lets_something_pass():
    found = dead_code.dead(source.ROOT, {**CONFIG, "ignore_names": []})
    names = {item.name for item in found}
    assert [one for one in CONFIG["ignore_names"] if not any(fnmatchcase(name, one) for name in names)] == []
