"""Traces as files."""

import pytest


@pytest.fixture
def written(tmp_path):
    """Write a trace, as text in UTF-8 or as bytes; returns its path."""

    def write(text, name="trace"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write
