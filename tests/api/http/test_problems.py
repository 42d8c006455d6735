"""Problem documents: whatever goes wrong under /api/, the answer has one shape and hides what is ours."""

import pytest
from django.db import OperationalError, connection
from django.http import UnreadablePostError
from django.test import Client, RequestFactory

from api.http import problems
from api.http.middleware import REQUEST_ID
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


@pytest.mark.parametrize(
    ("method", "address", "status"),
    [
        ("GET", "/nothing", 404),
        ("GET", "/static/nothing.css", 404),
        ("POST", "/metrics", 405),
        ("POST", "/healthz", 405),
        ("POST", "/admin/login/", 403),
    ],
)
def test_a_program_gets_a_problem_document_on_every_path_and_people_get_a_page(method, address, status):
    client = Client(enforce_csrf_checks=True)
    program = client.generic(method, address, headers={"Accept": "*/*"})
    browser = client.generic(method, address, headers={"Accept": "text/html,*/*;q=0.8"})
    assert (program.status_code, program["Content-Type"]) == (status, "application/problem+json")
    assert program["X-Request-ID"] == program.json()["request_id"]
    assert browser.status_code == status
    assert address == "/healthz" or browser["Content-Type"].startswith("text/html")


def test_a_host_that_is_not_ours_is_refused_in_the_same_shape(client):
    assert client.get("/healthz", headers={"Host": "elsewhere.example.com"}).json()["status"] == 400


def test_a_surprise_outside_of_the_api_has_the_same_shape(monkeypatch):
    monkeypatch.setattr("api.v1.prometheus._is_staff", None)
    response = client_of().get("/metrics")
    assert (response.status_code, response["Content-Type"]) == (500, "application/problem+json")


def test_a_page_of_the_admin_says_503_while_the_database_is_away():
    def fail(*_):
        raise OperationalError("connection refused")

    client = Client(raise_request_exception=False, headers={"Accept": "text/html"})
    client.force_login(builders.user(staff=True))
    with connection.execute_wrapper(fail):
        response = client.get("/admin/")
    assert (response.status_code, response["Retry-After"]) == (503, "5")


@pytest.mark.parametrize(
    ("headers", "status"),
    [({"Transfer-Encoding": "chunked"}, 411), ({"Content-Encoding": "gzip"}, 415)],
)
def test_a_body_that_cannot_be_read_is_no_empty_one(client, headers, status):
    response = client.generic("POST", f"{URL}/1/pause", b'{"suspend": true}', "application/json", headers=headers)
    assert (response.status_code, response.json()["errors"][0]["field"]) == (status, "body")


def test_a_body_that_breaks_off_is_no_empty_one():
    assert handled(UnreadablePostError("connection reset")).status_code == 400


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
