"""What a machine is told about its end: by clouds as their documents say, by addresses, files and programs."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from executors.node.spot_watch import SpotWatch
from workers.hardware.spot_notices import Aws, Azure, Gcp, Notice, UnansweredError, source

AT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC).timestamp()


class Metadata(dict[str, tuple[int, str]]):
    """By method and path: (status, body); what is not there is a 404. `asked` are the headers of each question."""

    def __init__(self) -> None:
        self.asked: list[dict[str, str]] = []


@contextmanager
def metadata_server() -> Iterator[tuple[str, Metadata]]:
    answers = Metadata()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            answers.asked.append({name.lower(): value for name, value in self.headers.items()})
            status, body = answers.get(f"{self.command} {self.path.partition('?')[0]}", (404, "no"))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def do_PUT(self):
            self.do_GET()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", answers
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def metadata():
    with metadata_server() as served:
        yield served


def in_half_a_minute(notice):
    return notice is not None and 25 < notice.at - time.time() <= 31


def test_ec2_has_no_notice_until_the_action_is_there_and_is_asked_with_a_token(metadata):
    url, answers = metadata
    machine = Aws(url)
    answers["PUT /api/token"] = (200, "secret")
    assert machine.look() is None
    answers["GET /meta-data/spot/instance-action"] = (200, '{"action": "terminate", "time": "2026-03-04T05:06:07Z"}')
    assert machine.look() == Notice(AT)
    assert answers.asked[-1]["x-aws-ec2-metadata-token"] == "secret"
    answers["GET /meta-data/spot/instance-action"] = (401, "")
    with pytest.raises(UnansweredError, match="401"):
        machine.look()
    answers["PUT /api/token"] = (200, "another")
    answers["GET /meta-data/spot/instance-action"] = (404, "")
    assert machine.look() is None
    assert answers.asked[-1]["x-aws-ec2-metadata-token"] == "another"


def test_compute_engine_gives_half_a_minute(metadata):
    url, answers = metadata
    answers["GET /computeMetadata/v1/instance/preempted"] = (200, "FALSE")
    assert Gcp(url).look() is None
    assert answers.asked[-1]["metadata-flavor"] == "Google"
    answers["GET /computeMetadata/v1/instance/preempted"] = (200, "TRUE")
    assert in_half_a_minute(Gcp(url).look())


def test_azure_means_this_machine_and_its_end(metadata):
    url, answers = metadata
    machine = Azure(url)

    def events(*found):
        told = [{"EventType": kind, "Resources": [who], "NotBefore": when} for kind, who, when in found]
        answers["GET /scheduledevents"] = (200, json.dumps({"Events": told}))
        return machine.look()

    answers["GET /instance/compute/name"] = (200, "Node_1")
    when = "Wed, 04 Mar 2026 05:06:07 GMT"
    assert events() is None
    assert events(("Preempt", "node_2", when), ("Reboot", "node_1", when)) is None
    assert events(("Preempt", "node_1", when)) == Notice(AT)
    assert in_half_a_minute(events(("Terminate", "node_1", "")))
    assert answers.asked[-1]["metadata"] == "true"


@pytest.mark.parametrize(
    ("body", "told"),
    [("2026-03-04T05:06:07+00:00\n", Notice(AT)), ('{"NotBefore": "2026-03-04T05:06:07"}', Notice(AT)),
     ("false", None), ("None\n", None)],
)  # fmt: skip
def test_an_address_a_file_and_a_program_say_the_same(metadata, tmp_path, body, told):
    url, answers = metadata
    answers["GET /notice"] = (200, body)
    file = tmp_path / "notice"
    file.write_text(body)
    for text in (f"{url}/notice", f"file:{file}", f"file://{file}", f"command:cat {file}"):
        assert source(text).look() == told
    assert source(f"{url}/other").look() is None
    assert source(f"file:{file}.not").look() is None
    assert source("command:false").look() is None


def test_a_notice_without_a_time_counts_as_half_a_minute(tmp_path):
    (tmp_path / "notice").touch()
    assert in_half_a_minute(source(f"file:{tmp_path}/notice").look())


def test_who_gives_no_answer_says_neither(metadata, tmp_path):
    url, answers = metadata
    answers["GET /notice"] = (503, "")
    for text in (f"{url}/notice", "http://127.0.0.1:9/", f"file:{tmp_path}", "command:sh -c 'exit 7'"):
        with pytest.raises(UnansweredError):
            source(text).look()


@pytest.mark.parametrize(
    "text", ["amazon", "file:here", "http://", "command:", "command:no-such-program x", "ftp://h/"]
)
def test_what_can_not_be_asked_is_refused_in_words(text):
    with pytest.raises(ValueError, match=r"is none of: aws|no program 'no-such-program'"):
        source(text)


def test_each_change_is_told_once_and_no_answer_is_no_change():
    said = [None, None, UnansweredError("x"), Notice(5.0), Notice(6.0), UnansweredError("x"), Notice(7.0), None]

    class Told:
        def look(self):
            answer = said.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer

    heard: list[Notice | None] = []
    watch = SpotWatch(Told(), heard.append, every=1)
    while said:
        watch.look()
    assert heard == [None, Notice(5.0), None]
