"""What every test of the machine side may use."""

import pytest

from tests.workers.launching import launcher


@pytest.fixture
def start(tmp_path):
    """Starts commands under shims; whatever is left of them after the test is killed."""
    yield from launcher(tmp_path)
