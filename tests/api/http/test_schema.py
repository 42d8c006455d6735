"""The OpenAPI description is complete, valid, and there for everybody."""

import pytest
from django.core.management import call_command

from tests.architecture import source
from tests.rest import V1, client_of

COMMITTED = source.ROOT / "docs/openapi.json"


def test_it_is_generated_without_a_warning_and_valid(tmp_path):
    call_command("spectacular", fail_on_warn=True, validate=True, file=str(tmp_path / "schema.yml"))


def test_it_is_committed_as_it_is(tmp_path):
    """A change of what callers rely on is a change of a file that a reader sees."""
    call_command("spectacular", format="openapi-json", file=str(tmp_path / "openapi.json"))
    made, committed = (path.read_text(encoding="utf-8") for path in (tmp_path / "openapi.json", COMMITTED))
    assert made == committed, "Run `make openapi`, and see in the difference what changes for callers."


@pytest.mark.django_db
def test_it_is_served_to_anybody():
    response = client_of().get(f"{V1}/schema/", headers={"Accept": "application/json"})
    assert response.status_code == 200
    assert f"{V1}/jobs" in response.content.decode()
