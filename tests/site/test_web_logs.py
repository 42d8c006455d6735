"""Gunicorn's access log: each request with its id, and no secret of its address; and what a stack shows."""

import io
import json
import logging
from datetime import timedelta
from types import SimpleNamespace

import pytest
from gunicorn.config import Config

from local_stack.servers.output import JsonOutput
from scheduler_site import platform_logs, web_logs
from telemetry.lines import JsonLines

ENVIRON = {
    "TRAINYARD_REQUEST_ID": "me-1", "REQUEST_METHOD": "GET", "RAW_URI": "/api/v1/jobs?token=abc", "REMOTE_ADDR": "10.0.0.9",
    "QUERY_STRING": "token=abc", "SERVER_PROTOCOL": "HTTP/1.1", "PATH_INFO": "/api/v1/jobs",
}  # fmt: skip


@pytest.fixture(params=[False, True], ids=["text", "json"])
def access_line(request, monkeypatch, capsys):
    monkeypatch.setattr(platform_logs, "AS_JSON", request.param)
    monkeypatch.setattr(web_logs, "AS_JSON", request.param)
    config = Config()
    config.set("accesslog", "-")
    logs = web_logs.WebLogs(config)
    logs.access(
        SimpleNamespace(status="200 OK", sent=12, headers=[]),
        SimpleNamespace(headers=[]),
        ENVIRON,
        timedelta(seconds=0.25),
    )
    for logger in (logging.getLogger("gunicorn.access"), logging.getLogger("gunicorn.error")):
        logger.handlers.clear()
    return request.param, capsys.readouterr().out


def test_a_request_is_one_line_with_its_id(access_line):
    as_json, text = access_line
    assert text.count("\n") == 1
    assert "abc" not in text
    if not as_json:
        assert text.startswith("10.0.0.9 - - [")
        assert text.endswith(" request_id=me-1\n")
        return
    event = json.loads(text)
    wanted = {
        "request_id": "me-1",
        "method": "GET",
        "path": "/api/v1/jobs",
        "status": 200,
        "bytes": 12,
        "seconds": 0.25,
    }
    assert {name: event[name] for name in wanted} == wanted


def test_a_stack_shows_objects_as_they_are_and_makes_some_of_other_words():
    stream = io.StringIO()
    output = JsonOutput(JsonLines(process="stack"), stream)
    output.show("web", '{"message": "hello", "process": "web", "job": 7}')
    output.show("postgres", "LOG:  ready for connections of postgres://me:hunter2@here")
    first, second = map(json.loads, stream.getvalue().splitlines())
    assert first == {"message": "hello", "process": "web", "job": 7, "role": "web"}
    assert (second["role"], second["message"]) == ("postgres", "LOG:  ready for connections of postgres://me:***@here")
