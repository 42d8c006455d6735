"""What every test of the machine side may use."""

import pytest

from tests.workers.launching import launcher
from tests.workers.yard import Yard


@pytest.fixture
def start(tmp_path):
    """Starts commands under shims; whatever is left of them after the test is killed."""
    yield from launcher(tmp_path)


@pytest.fixture
def build(tmp_path):
    """Makes yards with the walls that are asked for."""
    made = []

    def building(**settings):
        made.append(Yard(tmp_path / "home", **settings))
        return made[-1]

    yield building
    for yard in made:
        yard.close()


@pytest.fixture
def yard(build):
    """With the highest walls that this machine allows."""
    return build()
