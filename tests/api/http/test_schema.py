"""The OpenAPI description is complete, valid, and there for everybody."""

import pytest
from django.core.management import call_command

from tests.rest import V1, client_of


def test_it_is_generated_without_a_warning_and_valid(tmp_path):
    call_command("spectacular", fail_on_warn=True, validate=True, file=str(tmp_path / "schema.yml"))


@pytest.mark.django_db
def test_it_is_served_to_anybody():
    response = client_of().get(f"{V1}/schema/", headers={"Accept": "application/json"})
    assert response.status_code == 200
    assert f"{V1}/jobs" in response.content.decode()
