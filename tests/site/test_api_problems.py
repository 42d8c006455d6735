"""Problem documents: whatever goes wrong under /api/, the answer has one shape and hides what is ours."""

import pytest
from django.db import OperationalError
from django.test import RequestFactory

from scheduler_site import problems
from scheduler_site.middleware import REQUEST_ID
from scheduling.errors import ConflictError
from tests import builders
from tests.rest import V1, client_of

pytestmark = pytest.mark.django_db
URL = f"{V1}/jobs"


@pytest.fixture
def client():
    return client_of(builders.user(staff=True))


def raw(client, body, content_type="application/json"):
    return client.generic("POST", URL, body, content_type=content_type)


def handled(error):
    request = RequestFactory().get("/api/v1/jobs")
    request.META[REQUEST_ID] = "abc"
    return problems.handle(error, {"request": request})


def test_the_shape(client):
    response = client.post(URL, {"project": "x", "command": "x"})
    document = response.json()
    assert response["Content-Type"] == "application/problem+json"
    assert set(document) == {"type", "title", "status", "detail", "instance", "errors", "request_id"}
    assert (document["title"], document["status"], document["instance"]) == ("Bad Request", 400, URL)
    assert set(document["errors"][0]) == {"field", "message", "code"}
    assert document["request_id"] == response["X-Request-ID"]


@pytest.mark.parametrize(
    ("body", "word"),
    [
        (b"{", "valid JSON"),
        (b"\xff\xfe\x00", "valid JSON"),
        (b'{"a": NaN}', "NaN"),
        (b'{"a": ' + b"9" * 5000 + b"}", "valid JSON"),
        (b"[" * 100_000, "nested"),
    ],
)
def test_a_body_that_is_no_json(client, body, word):
    response = raw(client, body)
    assert response.status_code == 400
    assert word in response.json()["detail"]


def test_another_media_type(client):
    response = raw(client, b"a=b", "application/x-www-form-urlencoded")
    assert response.status_code == 415
    assert "Send JSON" in response.json()["detail"]


@pytest.mark.parametrize("charset", ["zlib", "utf-16", "no-such-thing"])
def test_json_is_utf_8_whatever_the_header_says(client, charset):
    assert raw(client, b"{}", f"application/json; charset={charset}").status_code == 400


def test_a_body_that_is_too_large(client, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1024**2
    response = raw(client, b'"' + b"x" * 1024**2 + b'"')
    assert response.status_code == 413
    assert response.json()["errors"][0]["field"] == "body"


def test_an_address_that_is_nothing(client):
    response = client.get(f"{V1}/nothing")
    assert (response.status_code, response["Content-Type"]) == (404, "application/problem+json")


def test_outside_of_the_api_people_get_a_page(client):
    assert client.get("/nothing")["Content-Type"].startswith("text/html")


def test_a_method_that_is_not_there(client):
    response = client.delete(URL)
    assert response.status_code == 405
    assert "GET" in response["Allow"]


def test_a_media_type_that_we_cannot_answer_in(client):
    assert client.get(URL, headers={"Accept": "application/xml"}).json()["status"] == 406


def test_an_address_with_a_slash_at_its_end_is_the_same_address(client):
    assert client.get(f"{URL}/").status_code == 200


@pytest.mark.parametrize("header", ["Bearer nonsense", "Bearer", "Bearer a b", "Bearer \xff\xff", "Token x"])
def test_a_wrong_token(header):
    response = client_of().get(URL, headers={"Authorization": header})
    assert response.status_code == 401
    assert response["WWW-Authenticate"] == "Bearer"


def test_a_surprise_tells_nothing_but_its_id_and_the_log_has_the_rest(caplog):
    response = handled(RuntimeError("the password is 1234"))
    assert response.status_code == 500
    assert b"1234" not in response.content
    assert b'"request_id": "abc"' in response.content
    assert "abc" in caplog.text
    assert "1234" in caplog.text


def test_a_database_that_is_away_is_no_fault_of_the_caller():
    response = handled(OperationalError("connection refused"))
    assert (response.status_code, response["Retry-After"]) == (503, "5")


def test_a_conflict_names_the_state():
    assert b'"state": "running"' in handled(ConflictError("It runs.", state="running")).content


def test_the_callers_request_id_is_kept_when_it_is_sane(client):
    assert client.get(URL, headers={"X-Request-ID": "run-7"})["X-Request-ID"] == "run-7"
    assert client.get(URL, headers={"X-Request-ID": "a\tb"})["X-Request-ID"] != "a\tb"
