"""Callers who mean harm, or are only slow, over real sockets at the site's real server and configuration."""

import json
import os
import resource
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from local_stack.servers.ports import answers, pick_free
from tests.waiting import wait_for

ROOT = Path(__file__).resolve().parents[3]
KEY = "a-long-and-random-key-9f8e7d6c5b4a3f2e1d0c-0123456789abcdef"
THREADS = 4
SIGN_IN = "/api/v1/auth/tokens"


@pytest.fixture(scope="module")
def site():
    """The port of a server with one process and few threads."""
    port = pick_free()
    size = {
        "TRAINYARD_WEB_WORKERS": "1",
        "TRAINYARD_WEB_THREADS": str(THREADS),
        "TRAINYARD_THROTTLE_SIGN_IN": "999/min",
    }
    known = {**os.environ, **size, "TRAINYARD_SECRET_KEY": KEY, "TRAINYARD_PORT": str(port)}
    command = [sys.executable, "-m", "gunicorn", "--config", "deploy/gunicorn.conf.py", "scheduler_site.wsgi"]
    nowhere = subprocess.DEVNULL
    with subprocess.Popen(command, cwd=ROOT, env=known, stdout=nowhere, stderr=nowhere) as server:
        wait_for(lambda: answers(port) or server.poll() is not None, 60, "the server")
        yield port
        server.send_signal(signal.SIGTERM)


@pytest.fixture
def callers(site):
    """Opens connections that have sent these bytes, and closes them in the end."""
    with ExitStack() as stack:

        def call(sent=b"", count=1):
            sockets = [
                stack.enter_context(socket.create_connection(("127.0.0.1", site), timeout=20)) for _ in range(count)
            ]
            for one in sockets:
                one.sendall(sent)
            return sockets

        yield call


def get(site, path="/healthz", **options):
    return httpx.get(f"http://127.0.0.1:{site}{path}", timeout=20, **options)


def answer_to(caller):
    """The status and the document that the server answers with before it closes."""
    data = b""
    while piece := caller.recv(65536):
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)


HEAD = f"POST {SIGN_IN} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n".encode()


@pytest.mark.parametrize(
    "half",
    [
        b"",
        b"GET /healthz HT",
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n",
        HEAD + b'Content-Length: 500\r\n\r\n{"username": ',
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n20\r\n{",
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\nGET /healthz HTTP/1.1\r\nHost:",
    ],
    ids=["nothing", "a line", "a head", "a body", "a chunk", "a second request"],
)
def test_half_sent_requests_keep_nobody_else_from_an_answer(site, callers, half):
    callers(half, count=16 * THREADS)
    assert get(site).json() == {"ok": True}


def test_callers_who_never_hang_up_keep_nobody_else_from_an_answer(site, callers):
    callers(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", count=16 * THREADS)
    assert get(site).elapsed.total_seconds() < 2


def test_a_request_that_comes_byte_by_byte_is_answered(site, callers):
    [caller] = callers()
    for byte in b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n":
        caller.send(bytes([byte]))
    assert answer_to(caller) == (200, {"ok": True})


def test_requests_on_one_connection_are_all_answered(site, callers):
    [caller] = callers(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n" * 3)
    caller.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    data = b""
    while piece := caller.recv(65536):
        data += piece
    assert data.count(b'{"ok":true}') == 4


def chunked(*pieces):
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in (*pieces, b""))


def refused_fields(answer):
    status, document = answer
    assert status == 400, document
    return {error["field"] for error in document["errors"]}


def test_a_body_in_chunks_is_read(site, callers):
    head = HEAD + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    [caller] = callers(head + chunked(b'{"username": ', b'"a", "typo": 1}'))
    assert refused_fields(answer_to(caller)) == {"password", "typo"}


def test_a_large_body_is_read_whether_or_not_it_was_announced(site):
    document = json.dumps({"username": "a", "typo": "x" * 3_000_000}).encode()
    kind = {"Content-Type": "application/json"}
    for content in (document, iter([document[:1_000_000], document[1_000_000:]])):
        answered = httpx.post(f"http://127.0.0.1:{site}{SIGN_IN}", content=content, headers=kind, timeout=20)
        assert refused_fields((answered.status_code, answered.json())) == {"password", "typo"}


@pytest.mark.parametrize("chunks", [b"xyz\r\n{}\r\n0\r\n\r\n", b"2\r\n{}xx\r\n0\r\n\r\n"])
def test_chunks_that_are_none_are_no_empty_body(callers, chunks):
    [caller] = callers(HEAD + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks)
    assert answer_to(caller)[0] == 400


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}", 415),
        (b"Content-Length: 99999999999\r\n\r\n", 413),
        (b"Content-Length: nonsense\r\n\r\n", 400),
        (b"Transfer-Encoding: gzip\r\n\r\n", 400),
        (b"Expect: a-miracle\r\nContent-Length: 0\r\n\r\n", 417),
        (b"X-Long: " + b"x" * 70_000 + b"\r\n\r\n", 431),
        (b"Bad header\r\n\r\n", 400),
    ],
    ids=["encoded", "endless", "no length", "no coding", "expecting", "long header", "bad header"],
)
def test_what_cannot_be_read_is_refused_with_a_problem_document(callers, headers, status):
    [caller] = callers(HEAD + b"Connection: close\r\n" + headers)
    answered, document = answer_to(caller)
    assert (answered, document["status"], document["type"][:22]) == (status, status, "urn:trainyard:problem:")


@pytest.mark.parametrize("length", [9_000, 100_000])
def test_an_address_that_is_too_long_is_refused_with_a_problem_document(callers, length):
    [caller] = callers(b"GET /" + b"a" * length + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
    answered, document = answer_to(caller)
    assert (answered, document["status"]) == (414, 414)


def test_whoever_waits_to_be_asked_for_the_body_is_asked(callers):
    body = b'{"username": "a"}'
    head = HEAD + b"Connection: close\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(body)
    [caller] = callers(head)
    assert caller.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
    caller.sendall(body)
    last = b""
    while piece := caller.recv(65536):
        last += piece
    assert b"HTTP/1.1 400 Bad Request" in last


def test_more_callers_than_there_is_room_for_lose_the_oldest_and_not_the_site(site, callers):
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 4096), most))
    [first] = callers(b"GET /healthz")
    callers(b"GET /healthz", count=1100)
    assert get(site).json() == {"ok": True}
    assert first.recv(1) == b""
