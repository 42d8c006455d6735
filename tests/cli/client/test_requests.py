from datetime import UTC, datetime

import httpx
import pytest

from cli.client.connection import Connection
from cli.client.requests import Server
from cli.errors import OutOfReachError, RefusedError
from tests.cli.yard import Answer


@pytest.fixture
def server(yard):
    with Server(Connection(yard.url, "secret", "the test"), timeout=httpx.Timeout(2)) as server:
        yield server


def test_the_token_goes_with_every_request(server, yard):
    yard.answers("GET", "jobs/1", {"id": 1})

    server.get("jobs/1")

    assert yard.asked[0].headers["Authorization"] == "Bearer secret"


def test_a_list_is_read_over_all_its_pages(server, yard):
    yard.answers(
        "GET",
        "jobs",
        {"next": "http://inside:1/api/v1/jobs?cursor=c2&state=running", "results": [{"id": 3}, {"id": 2}]},
        {"next": None, "results": [{"id": 1}]},
    )

    rows = server.rows("jobs", state="running")

    assert [row["id"] for row in rows] == [3, 2, 1]
    assert yard.asked[1].query == {"cursor": ["c2"], "state": ["running"]}


def test_no_more_pages_are_read_than_are_wanted(server, yard):
    yard.answers("GET", "jobs", {"next": f"{yard.url}/api/v1/jobs?cursor=c2", "results": [{"id": 3}, {"id": 2}]})

    rows = server.rows("jobs", limit=2)

    assert [row["id"] for row in rows] == [3, 2]
    assert len(yard.asked) == 1


def test_a_refusal_names_each_field(server, yard):
    yard.refuses("POST", "jobs", 400, "Invalid.", ("priority", "At most 100."), ("body", "Too large."))

    with pytest.raises(RefusedError) as refusal:
        server.post("jobs", {})

    assert refusal.value.lines == ("priority: At most 100.", "Too large.")


@pytest.mark.parametrize("status", [403, 404, 409])
def test_a_refusal_without_fields_is_its_sentence(server, yard, status):
    yard.refuses("POST", "jobs/1/cancel", status, "Job 1 is over.")

    with pytest.raises(RefusedError, match=r"^Job 1 is over\.$"):
        server.post("jobs/1/cancel")


def test_a_wrong_token_says_how_to_get_a_right_one(server, yard):
    yard.refuses("GET", "jobs", 401, "Invalid token.")

    with pytest.raises(RefusedError, match=r"^Invalid token\. Log in with `trainyard login URL`"):
        server.get("jobs")


@pytest.mark.parametrize("status", [500, 502, 503])
def test_a_server_that_cannot_answer_is_out_of_reach(server, yard, status):
    yard.says("GET", "jobs", Answer(status, b"<html>Bad Gateway</html>"))

    with pytest.raises(OutOfReachError, match=f"the server cannot answer now: {status}"):
        server.get("jobs")


def test_an_answer_from_something_else_is_not_taken_for_ours(server, yard):
    yard.says("GET", "jobs", Answer(200, b"<html>Welcome to nginx!</html>"))

    with pytest.raises(OutOfReachError, match="does not speak Trainyard"):
        server.get("jobs")


def test_a_redirect_is_not_followed_with_the_token(server, yard):
    yard.says("GET", "jobs", Answer(301, headers={"Location": "https://yard.example/api/v1/jobs"}))

    with pytest.raises(OutOfReachError, match=r"sends us on to https://yard\.example"):
        server.get("jobs")


def test_too_many_requests_wait_their_turn(server, yard):
    yard.refuses("POST", "jobs/1/cancel", 429, "Slow down.", Retry_After="0")
    yard.answers("POST", "jobs/1/cancel", {"id": 1})

    assert server.post("jobs/1/cancel") == {"id": 1}


def test_too_many_requests_for_ever_are_a_refusal(server, yard):
    yard.refuses("GET", "jobs", 429, "Slow down.", Retry_After="0")

    with pytest.raises(RefusedError, match="Slow down"):
        server.get("jobs")


def test_a_long_wait_is_left_to_the_user(server, yard):
    yard.refuses("POST", "auth/tokens", 429, "Try again in 50 seconds.", Retry_After="50")

    with pytest.raises(RefusedError, match="Try again in 50 seconds"):
        server.post("auth/tokens")

    assert len(yard.asked) == 1


def test_a_server_that_is_not_there_is_out_of_reach():
    nowhere = Connection("http://127.0.0.1:1", "secret", "TRAINYARD_URL")

    with (
        Server(nowhere) as server,
        pytest.raises(OutOfReachError, match=r"127.0.0.1:1 \(from TRAINYARD_URL\).*refused"),
    ):
        server.get("jobs")


def test_a_question_is_repeated_when_the_connection_was_cut(server, yard):
    yard.says("GET", "jobs/1", Answer(200, b"{", {"Content_Length": "100"}, pieces=[b"{"]))
    yard.answers("GET", "jobs/1", {"id": 1})

    assert server.get("jobs/1") == {"id": 1}


def test_a_request_that_may_have_been_done_is_not_repeated(server, yard):
    yard.says("POST", "jobs", Answer(201, b"{", {"Content_Length": "100"}, pieces=[b"{"]))
    yard.answers("POST", "jobs", {"id": 1}, status=201)

    with pytest.raises(OutOfReachError):
        server.post("jobs", {})

    assert len(yard.asked) == 1


def test_the_time_is_the_servers_own(server, yard):
    yard.answers("GET", "jobs/1", {}, Date="Tue, 01 Jan 2030 12:00:00 GMT")

    server.get("jobs/1")

    assert server.now == datetime(2030, 1, 1, 12, tzinfo=UTC)


def test_half_a_character_is_left_to_the_server_to_refuse(server, yard):
    yard.answers("POST", "jobs", {"id": 1})

    server.post("jobs", {"command": ["\udcff"]})

    assert yard.asked[0].body == {"command": ["\udcff"]}
