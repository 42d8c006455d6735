"""The file of docs/configuration.md does what the page says, and nothing the second time."""

import re
from io import StringIO

import pytest
from django.core.management import call_command

from tests import builders
from tests.architecture import source

PAGE = (source.ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
FILE, TOLD = re.search(r"```yaml setup.yaml\n(.*?)```\n\n```\n(.*?)```", PAGE, re.DOTALL).groups()


@pytest.mark.django_db
def test_the_worked_example(tmp_path):
    builders.user(username="ada"), builders.user(username="bob")
    path = tmp_path / "setup.yaml"
    path.write_text(FILE)

    assert applied(path) == TOLD
    assert f"`{applied(path).strip()}`" in PAGE


def applied(path):
    told = StringIO()
    call_command("apply", file=path, stdout=told)
    return told.getvalue()
