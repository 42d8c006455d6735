"""A small real HTTP server that answers as it is told to, and remembers what it was asked."""

import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

PREFIX = "/api/v1/"


@dataclass(frozen=True)
class Asked:
    """One request."""

    method: str
    path: str
    query: dict[str, list[str]]
    body: Any
    headers: dict[str, str]


@dataclass
class Answer:
    """One answer; with `pieces` its body comes in several writes, and the connection closes after the last."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    pieces: list[bytes] = field(default_factory=list)


class Yard:
    """`url` is where it listens. An answer is used up when another one for the same question stands behind it."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self._answers: dict[tuple[str, str], list[Answer]] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (Handler,), {"yard": self}))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def answers(self, method: str, path: str, *contents: Any, status: int = 200, **headers: str) -> None:
        """Answer these, one after the other; the last one for ever."""
        kind = "application/json" if status < 400 else "application/problem+json"
        answers = [Answer(status, json.dumps(one).encode(), {"Content-Type": kind, **headers}) for one in contents]
        self._answers.setdefault((method, path), []).extend(answers)

    def says(self, method: str, path: str, answer: Answer) -> None:
        self._answers.setdefault((method, path), []).append(answer)

    def refuses(
        self, method: str, path: str, status: int, detail: str, *fields: tuple[str, str], **headers: str
    ) -> None:
        errors = [{"field": name, "message": message, "code": "invalid"} for name, message in fields]
        problem = {"title": "Refused", "status": status, "detail": detail, "errors": errors}
        self.answers(method, path, problem, status=status, **headers)

    def lists(self, path: str, *rows: Any) -> None:
        self.answers("GET", path, {"next": None, "previous": None, "results": list(rows)})

    def streams(self, path: str, *pieces: str) -> None:
        headers = {"Content-Type": "text/event-stream"}
        self.says("GET", path, Answer(headers=headers, pieces=[piece.encode() for piece in pieces]))

    def answer_to(self, asked: Asked) -> Answer:
        self.asked.append(asked)
        waiting = self._answers.get((asked.method, asked.path))
        if not waiting:
            return Answer(404, json.dumps({"title": "Not Found", "detail": f"Nothing at {asked.path}."}).encode())
        return waiting.pop(0) if len(waiting) > 1 else waiting[0]

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    yard: ClassVar[Yard]

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        path = url.path.removeprefix(PREFIX)
        answer = self.yard.answer_to(Asked(self.command, path, parse_qs(url.query), body, dict(self.headers)))
        self.send_response_only(answer.status)
        answer.headers.setdefault("Date", self.date_time_string())
        for name, value in answer.headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header(*(("Connection", "close") if answer.pieces else ("Content-Length", str(len(answer.body)))))
        self.end_headers()
        for piece in answer.pieces or [answer.body]:
            self.wfile.write(piece)
            self.wfile.flush()

    do_POST = do_PATCH = do_PUT = do_DELETE = do_GET  # noqa: N815  the names that the library calls

    def log_message(self, *words: Any) -> None:
        """Tests print nothing."""
