"""GET /jobs/{id}/logs: pieces, the whole, and what comes while somebody follows."""

import json

import pytest
from django.utils import timezone

from api.v1 import logs
from api.v1.log_seats import Seats
from jobs.logs.follow import follow
from tests import builders
from tests.rest import V1, client_of, faults

pytestmark = pytest.mark.django_db


@pytest.fixture
def attempt():
    return builders.attempt(job=builders.job(state="running"), started_at=timezone.now())


@pytest.fixture
def get(attempt):
    client = client_of(builders.user(staff=True))
    return lambda query="", **headers: client.get(f"{V1}/jobs/{attempt.job_id}/logs{query}", headers=headers)


def end(attempt):
    type(attempt).objects.filter(pk=attempt.pk).update(ended_at=timezone.now(), end_reason="completed")


def write(attempt, *texts):
    for text in texts:
        builders.log(attempt=attempt, data=text)


def events(response):
    """(type, data) of each server-sent event; comments are left out."""
    return events_in(b"".join(response.streaming_content).decode())


def events_in(stream):
    blocks = stream.strip().split("\n\n")
    fields = [dict(line.split(": ", 1) for line in block.splitlines() if line[0] != ":") for block in blocks]
    return [(field.get("event", "message"), json.loads(field["data"])) for field in fields if "data" in field]


def test_a_piece_says_where_to_go_on(get, attempt):
    write(attempt, "one\n", "two\n")
    assert get("?limit=6").json() == {
        "attempt": 1, "rank": 0, "offset": 0, "next_offset": 6, "text": "one\ntw", "complete": False,
        "gaps": [],
    }  # fmt: skip
    assert get("?offset=6").json()["text"] == "o\n"


def test_pieces_put_together_are_the_whole(get, attempt):
    text = "äöü€ 🚂 plain " * 30
    data = text.encode()
    write(attempt, *(data[at : at + 7] for at in range(0, len(data), 7)))
    end(attempt)
    found, piece = "", {"next_offset": 0, "complete": False}
    while not piece["complete"]:
        piece = get(f"?offset={piece['next_offset']}&limit=5").json()
        found += piece["text"]
    assert found == text


def test_half_a_character_at_the_end_is_left_for_the_next_piece(get, attempt):
    write(attempt, "a€".encode()[:-1])
    assert (get().json()["text"], get().json()["next_offset"]) == ("a", 1)
    end(attempt)
    assert (get().json()["text"], get().json()["complete"]) == ("a\ufffd", True)


def test_what_is_no_text_is_shown_all_the_same(get, attempt):
    write(attempt, b"\xff\xfe\x00ok\n")
    assert get().json()["text"] == "\ufffd\ufffd\x00ok\n"
    assert b"".join(get("?format=text").streaming_content) == b"\xff\xfe\x00ok\n"


def test_a_log_is_complete_when_its_attempt_is_over_and_all_was_read(get, attempt):
    write(attempt, "one", "two")
    assert get().json()["complete"] is False
    end(attempt)
    assert get("?limit=4").json()["complete"] is False
    assert get().json()["complete"] is True
    assert get("?offset=6").json() == {
        "attempt": 1,
        "rank": 0,
        "offset": 6,
        "next_offset": 6,
        "text": "",
        "complete": True,
        "gaps": [],
    }


def test_a_negative_offset_counts_from_the_end(get, attempt):
    write(attempt, "one\n", "two\n")
    assert get("?offset=-4").json()["text"] == "two\n"
    assert get("?offset=-99").json()["offset"] == 0


def test_an_offset_beyond_the_end_waits_there(get, attempt):
    write(attempt, "one\n")
    assert get("?offset=99").json()["next_offset"] == 99


def test_earlier_attempts_can_be_read(get, attempt):
    write(attempt, "first")
    end(attempt)
    write(builders.attempt(job=attempt.job), "second")
    assert get().json()["text"] == "second"
    assert get("?attempt=1").json()["text"] == "first"
    assert get("?attempt=3").status_code == 404


def test_each_member_of_a_gang_has_a_log_of_its_own():
    members = builders.gang(builders.node(), builders.node(), state="running")
    write(members[0].attempt, "zero\n")
    for text in ("one\n", "more\n"):
        builders.log(attempt=members[0].attempt, rank=1, data=text)
    client = client_of(builders.user(staff=True))
    path = f"{V1}/jobs/{members[0].attempt.job_id}/logs"

    assert client.get(path).json()["text"] == "zero\n"
    assert client.get(f"{path}?rank=1").json() == {
        "attempt": 1, "rank": 1, "offset": 0, "next_offset": 9, "text": "one\nmore\n", "complete": False,
        "gaps": [],
    }  # fmt: skip
    assert b"".join(client.get(f"{path}?rank=1&format=text").streaming_content) == b"one\nmore\n"  # type: ignore[attr-defined]
    coming = follow(members[0].attempt.job, None, 4, seconds=60, rank=1)
    assert next(coming).text == "more\n"


def test_a_rank_that_the_job_has_not_is_named(get):
    assert get("?rank=1").status_code == 404
    assert "rank 0 only" in get("?rank=1").json()["detail"]


def test_a_job_that_has_not_started_has_an_empty_log():
    job = builders.job()
    response = client_of(builders.user(staff=True)).get(f"{V1}/jobs/{job.pk}/logs")
    assert response.json() == {
        "attempt": None,
        "rank": 0,
        "offset": 0,
        "next_offset": 0,
        "text": "",
        "complete": False,
        "gaps": [],
    }


@pytest.mark.parametrize(("query", "headers"), [("?format=text", {}), ("", {"Accept": "text/plain"})])
def test_as_text_the_whole_log_comes_at_once(get, attempt, query, headers):
    write(attempt, "one\n", "two\n")
    response = get(query, **headers)
    assert response["Content-Type"] == "text/plain; charset=utf-8"
    assert b"".join(response.streaming_content) == b"one\ntwo\n"


def test_following_ends_with_the_attempt(get, attempt):
    write(attempt, "one\n", "two\n")
    end(attempt)
    response = get("?follow=1")
    assert response["Content-Type"].startswith("text/event-stream")
    [(_, piece), (kind, last)] = events(response)
    assert (piece["text"], piece["next_offset"]) == ("one\ntwo\n", 8)
    assert (kind, last["attempt"]) == ("end", 1)


def test_following_goes_on_where_an_earlier_stream_broke_off(get, attempt):
    write(attempt, "one\n", "two\n")
    end(attempt)
    assert events(get("?follow=1&offset=4", Accept="text/event-stream"))[0][1]["text"] == "two\n"


def test_following_a_job_that_ends_without_an_attempt_ends_too():
    response = client_of(builders.user(staff=True)).get(f"{V1}/jobs/{builders.job(state='cancelled').pk}/logs?follow=1")
    assert events(response) == [
        ("end", {"attempt": None, "state": "cancelled", "exit_code": None, "end_reason": ""}),
    ]


@pytest.mark.parametrize("header", ["1:4", "2:0"])
def test_a_browser_that_connects_again_goes_on_where_it_was(get, attempt, header):
    write(attempt, "one\n", "two\n")
    end(attempt)
    write(builders.attempt(job=attempt.job), "other\n")
    end(attempt.job.attempts.last())
    response = get("?follow=1", **{"Last-Event-ID": header})
    blocks = b"".join(response.streaming_content).decode()
    assert events_in(blocks)[0][1]["text"] == {"1:4": "two\n", "2:0": "other\n"}[header]
    assert {"1:4": "id: 1:8\n", "2:0": "id: 2:6\n"}[header] in blocks


@pytest.mark.parametrize("header", ["x", "4", "0:4", "1:-4", "1:" + "9" * 40, "7:0"])
def test_an_event_that_never_was_is_refused(get, header):
    response = get("?follow=1", **{"Last-Event-ID": header})
    assert response.status_code == (404 if header == "7:0" else 400)


def test_an_attempt_that_never_was_cannot_be_followed(get):
    assert get("?follow=1&attempt=3").status_code == 404


def test_what_is_missing_is_told_as_data_too(get, attempt):
    write(attempt, "one\n")
    builders.log(attempt=attempt, data="[trainyard: 7 bytes]\n", gap="disk_full", missing=7)
    write(attempt, "two\n")
    gap = {"offset": 4, "length": 21, "missing": 7, "reason": "disk_full"}
    assert get().json()["gaps"] == [gap]
    assert get("?offset=5").json()["gaps"] == get("?limit=4").json()["gaps"] == []
    end(attempt)
    assert events(get("?follow=1"))[0][1]["gaps"] == [gap]


def test_rows_that_somebody_removed_leave_a_line_in_their_place(get, attempt):
    write(attempt, "one\n", "removed\n", "two\n")
    attempt.log_chunks.filter(number=1).delete()
    end(attempt)
    line = "\n[trainyard: 8 bytes of output are missing here: they are not in the database any more]\n"
    assert b"".join(get("?format=text").streaming_content).decode() == f"one\n{line}two\n"
    piece = get("?offset=4").json()
    assert (piece["next_offset"], piece["text"], piece["gaps"][0]["missing"]) == (12, line, 8)


def test_the_threads_that_follow_are_counted_and_given_back(get):
    streams = [get("?follow=1"), get("?follow=1")]
    full = get("?follow=1")
    assert (full.status_code, full["Retry-After"]) == (503, "5")
    for leave in streams[0]._resource_closers:  # what the server calls when the client has gone, once or more often
        leave(), leave()
    assert [get("?follow=1").status_code for _ in range(2)] == [200, 503]


def test_one_user_leaves_seats_for_others(get, attempt, monkeypatch):
    monkeypatch.setattr(logs, "seats", Seats(3, each=2))
    assert [get("?follow=1").status_code for _ in range(2)] == [200, 200]
    refused = get("?follow=1")
    assert (refused.status_code, refused.json()["detail"][:17]) == (503, "You follow 2 logs")
    other = client_of(builders.user(staff=True)).get(f"{V1}/jobs/{attempt.job_id}/logs?follow=1")
    assert other.status_code == 200


@pytest.fixture(autouse=True)
def _free_seats(monkeypatch):
    monkeypatch.setattr(logs, "seats", type(logs.seats)(2))


def test_a_log_takes_as_many_statements_however_long_it_is(get, attempt, django_assert_num_queries):
    write(attempt, "x")
    with django_assert_num_queries(3):  # the job, the attempt, its state; then the bytes
        get("?offset=5")
    write(attempt, *["x"] * 50)
    with django_assert_num_queries(4):
        assert len(get().json()["text"]) == 51


@pytest.mark.parametrize(
    "query", ["offset=a", "attempt=0", "limit=0", "limit=9999999", "follow=maybe", "tail=5", "offset=9" * 9]
)
def test_a_question_that_cannot_be_is_refused_by_name(get, query):
    response = get(f"?{query}")
    assert set(faults(response)) == {query.split("=")[0]}


def test_another_projects_log_is_not_there(attempt):
    assert client_of(builders.user()).get(f"{V1}/jobs/{attempt.job_id}/logs").status_code == 404
    assert client_of(builders.user()).get(f"{V1}/jobs/{attempt.job_id}/logs?format=text").status_code == 404
