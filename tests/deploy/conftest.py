"""What several of these tests ask of."""

from collections.abc import Iterator

import pytest

from tests.deploy.api_server import ApiServer, api_server


@pytest.fixture(scope="session")
def kubernetes(tmp_path_factory) -> Iterator[ApiServer]:
    with api_server(tmp_path_factory.mktemp("kubernetes")) as server:
        yield server
