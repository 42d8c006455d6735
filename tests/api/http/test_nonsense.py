"""Whatever is asked, the answer is never a failure of ours: every operation of the description, with nonsense in it."""

import pytest
from drf_spectacular.generators import SchemaGenerator

from tests import builders
from tests.rest import client_of

pytestmark = pytest.mark.django_db
ODD = [None, -1, 10**20, "\0", [None], {"": ""}, "0001-01-01T00:00:00+14:00"]
ODD_IN_ADDRESSES = ["-1", "9" * 30, "x", "%00", "%ff"]
SCHEMA = SchemaGenerator().get_schema(request=None, public=True)
OPERATIONS = [
    pytest.param(path, method, operation, id=operation["operationId"])
    for path, operations in SCHEMA["paths"].items()
    for method, operation in operations.items()
    if operation["operationId"] != "readyz"  # it may say 503
]


@pytest.fixture
def client():
    builders.project(slug="vision")
    builders.node(name="n1")
    return client_of(builders.user(staff=True))


def addresses(path, operation):
    """The operation's address for things that are there, for things that are not, and with odd parameters."""
    named = path.replace("{job_id}", str(builders.job().pk)).replace("{slug}", "vision")
    found = named.replace("{name}", "live" if "/queues" in path else "n1")
    queries = [
        one["name"] for one in operation.get("parameters", []) if one["in"] == "query" and one["name"] != "follow"
    ]
    lost = [path.replace("{job_id}", odd).replace("{slug}", odd).replace("{name}", odd) for odd in ODD_IN_ADDRESSES]
    return [found, *(lost if "{" in path else []), *(f"{found}?{q}={odd}" for q in queries for odd in ODD_IN_ADDRESSES)]


def bodies(operation):
    """Nothing, no object, and each field with each odd value."""
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    shape = SCHEMA["components"]["schemas"].get(content.get("$ref", "").rpartition("/")[2], {"properties": {}})
    return [None, [], "x", *({field: odd} for field in shape["properties"] for odd in ODD)]


@pytest.mark.parametrize(("path", "method", "operation"), OPERATIONS)
def test_nonsense_is_answered_with_a_refusal(client, path, method, operation):
    first, *others = addresses(path, operation)
    sent = bodies(operation) if method != "get" else [None]
    asked = [(first, body) for body in sent] + [(url, None) for url in others]
    for url, body in asked:
        response = getattr(client, method)(url) if body is None else getattr(client, method)(url, body)
        assert response.status_code < 500, (url, body)
        if response.status_code >= 400:
            assert response["Content-Type"] == "application/problem+json", (url, body)
