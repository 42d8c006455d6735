"""A way to slurmrestd on which answers get lost: the request arrives, and whoever asked hears nothing."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import httpx


class LosingProxy(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, target: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.target = target
        self.losing: set[str] = set()
        """Of these methods the answers get lost."""
        self.lost = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: LosingProxy

    def log_message(self, *_: object) -> None:
        """Not on the terminal."""

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {
            name: value for name, value in self.headers.items() if name.lower().startswith(("x-slurm", "content-type"))
        }
        answer = httpx.request(self.command, self.server.target + self.path, content=body, headers=headers, timeout=20)
        if self.command in self.server.losing:
            self.server.lost += 1
            self.close_connection = True
            return
        self.send_response(answer.status_code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer.content)))
        self.end_headers()
        self.wfile.write(answer.content)

    do_POST = do_DELETE = do_GET  # noqa: N815


@contextmanager
def losing_proxy(target: str) -> Iterator[LosingProxy]:
    proxy = LosingProxy(target)
    Thread(target=proxy.serve_forever, daemon=True).start()
    try:
        yield proxy
    finally:
        proxy.shutdown()
        proxy.server_close()
