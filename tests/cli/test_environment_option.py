"""`--environment`: a kind and where, or a file that tells its kind by its name."""

import pytest

from cli.errors import UsageError
from cli.submission.environments import parse_environment


@pytest.mark.parametrize(
    ("typed", "asked"),
    [
        ([], {}),
        (["uv.lock"], {"lock": "uv.lock"}),
        (["app/pyproject.toml", "python=3.12"], {"project": "app/pyproject.toml", "python": "3.12"}),
        (["requirements-gpu.txt"], {"requirements": "requirements-gpu.txt"}),
        (["venv=/opt/a=b"], {"venv": "/opt/a=b"}),
        (["image=python:3.12"], {"image": "python:3.12"}),
    ],
)
def test_what_is_typed_is_asked(typed, asked):
    assert parse_environment(typed) == asked


@pytest.mark.parametrize("typed", [["docker=x"], ["venv="], ["notes.txt"], ["venv=/a", "venv=/b"]])
def test_what_cannot_be_meant_is_said(typed):
    with pytest.raises(UsageError, match="--environment"):
        parse_environment(typed)
