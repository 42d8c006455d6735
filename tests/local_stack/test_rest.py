"""The patient user of the REST interface."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from local_stack import rest
from local_stack.rest import NoAnswerError, Rest


@pytest.fixture
def site(monkeypatch):
    """Answers with these statuses, one after another; the last one goes on."""
    monkeypatch.setattr(rest, "PAUSE_SECONDS", 0.0)

    class Site(BaseHTTPRequestHandler):
        statuses = [200]
        asked = []

        def do_POST(self):
            length = int(self.headers["Content-Length"])
            self.asked.append((self.path, self.headers["Authorization"], json.loads(self.rfile.read(length))))
            body = json.dumps({"detail": "so it is"}).encode()
            self.send_response(self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0])
            self.send_header("Content-Type", "application/problem+json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            """Nothing on the test's output."""

    with HTTPServer(("127.0.0.1", 0), Site) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield Site, server.server_port
        server.shutdown()
        thread.join()


def test_it_asks_again_while_the_server_fails_or_has_no_time(site):
    handler, port = site
    handler.statuses = [503, 429, 201]

    answer = Rest(port, "secret").post("/jobs", {"name": "a"})

    assert (answer.status, answer.is_success, answer.body) == (201, True, {"detail": "so it is"})
    assert handler.asked == [("/api/v1/jobs", "Bearer secret", {"name": "a"})] * 3


def test_a_refusal_is_an_answer(site):
    handler, port = site
    handler.statuses = [409]

    answer = Rest(port, "secret").post("/jobs/1/cancel")

    assert (answer.status, answer.is_success) == (409, False)


def test_its_patience_ends(site):
    handler, port = site
    handler.statuses = [500]

    with pytest.raises(NoAnswerError, match="POST /jobs: 500"):
        Rest(port, "secret", patience=0.1).post("/jobs")
