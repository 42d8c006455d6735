"""Gunicorn's worker with threads, for callers that are slow: it waits for them in its event loop, not in a thread.

A thread gets a request when all of it is there. Whoever sends half a request, sends it a byte at a time or never closes
costs a socket and what it has sent, for a limited time; when there are too many, those that have waited longest go.
"""

import errno
import json
import resource
import selectors
import socket
import time
from collections import deque
from functools import partial
from http import HTTPStatus
from typing import Any

from gunicorn import util
from gunicorn.http import errors
from gunicorn.workers.gthread import TConn, ThreadWorker

from api.http import handover
from scheduler_site.incoming import Incoming, Received

REQUEST_SECONDS = 30.0  # for all of a request, from its first byte or the connection on
SOCKET_SECONDS = 30.0  # for one write to a caller who does not read
LINGER_SECONDS = 2.0  # for an answer to arrive before its connection is torn down
LONGEST_BODY = 33 * 1024 * 1024  # a little more than DATA_UPLOAD_MAX_MEMORY_SIZE, which refuses with words
MOST_BYTES = 256 * 1024 * 1024  # of unfinished requests, all together
MOST_FILES = 8192
PIECE = 256 * 1024
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
OUT_OF_FILES = (errno.EMFILE, errno.ENFILE)
STATUSES = {
    errors.LimitRequestLine: HTTPStatus.REQUEST_URI_TOO_LONG,
    errors.LimitRequestHeaders: HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    errors.UnsupportedTransferCoding: HTTPStatus.NOT_IMPLEMENTED,
    errors.ExpectationFailed: HTTPStatus.EXPECTATION_FAILED,
    errors.ForbiddenProxyRequest: HTTPStatus.FORBIDDEN,
}


class Connection(TConn):
    """One caller. Its parser reads what came in already, and never waits long for more."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.data_ready = True
        self.incoming = Incoming(LONGEST_BODY)

    def init(self) -> None:
        super().init()
        self.sock.settimeout(SOCKET_SECONDS)
        if not isinstance(self.parser.unreader, Received):
            read_before = self.parser.unreader.take_buffered()
            self.parser.unreader = Received(self.sock)
            self.parser.unreader.unread(read_before)
        received, self.incoming = self.incoming.data, Incoming(LONGEST_BODY)
        self.parser.unreader.unread(received)


class PatientWorker(ThreadWorker):
    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.lingering: deque[Connection] = deque()
        self.most_pending = max(1, (self.worker_connections - self.cfg.threads) // 2)
        self.pending_bytes = 0

    @classmethod
    def check_config(cls, cfg: Any, log: Any) -> None:
        if cfg.is_ssl:  # the first bytes of TLS are no request
            raise RuntimeError("Let a proxy speak TLS, or use gunicorn's own --worker-class gthread.")
        super().check_config(cfg, log)

    def init_process(self) -> None:
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        files = MOST_FILES if most == resource.RLIM_INFINITY else min(most, MOST_FILES)
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, most))
        handover.offer()
        super().init_process()

    # --- coming in

    def accept(self, listener: Any) -> None:
        try:
            sock, address = listener.accept()
        except OSError as error:
            if error.errno in OUT_OF_FILES:
                self.drop_oldest()
            elif error.errno not in (errno.EAGAIN, errno.ECONNABORTED, errno.EWOULDBLOCK):
                raise
            return
        self.nr_conns += 1
        self.wait_for_request(Connection(self.cfg, sock, address, listener.getsockname()))

    def wait_for_request(self, conn: Connection) -> None:
        conn.timeout = time.monotonic() + REQUEST_SECONDS
        self.pending_conns.append(conn)
        self.poller.register(conn.sock, selectors.EVENT_READ, partial(self.on_pending_socket_readable, conn))
        if len(self.pending_conns) > self.most_pending:
            self.drop_oldest()

    def on_pending_socket_readable(self, conn: Connection, client: Any) -> None:
        try:
            piece = conn.sock.recv(PIECE)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            piece = b""
        if piece:
            self.collect(conn, piece)
        else:
            self.drop(conn)

    def collect(self, conn: Connection, piece: bytes) -> None:
        waited_for_word = conn.incoming.expects_a_word
        conn.incoming.add(piece)
        self.pending_bytes += len(piece)
        if conn.incoming.whole:
            self.leave_pending(conn)
            self.enqueue_req(conn)
            return
        if conn.incoming.expects_a_word and not waited_for_word:
            conn.sock.send(CONTINUE)
        while self.pending_bytes > MOST_BYTES:
            self.drop_oldest()

    def leave_pending(self, conn: Connection) -> None:
        self.poller.unregister(conn.sock)
        self.pending_conns.remove(conn)
        self.pending_bytes -= len(conn.incoming.data)

    def drop(self, conn: Connection) -> None:
        self.leave_pending(conn)
        self.nr_conns -= 1
        conn.close()

    def drop_oldest(self) -> None:
        if self.pending_conns:
            self.drop(self.pending_conns[0])

    def on_client_socket_readable(self, conn: Connection, client: Any) -> None:
        """A connection that was kept has its next request, or the beginning of it."""
        self.poller.unregister(client)
        self.keepalived_conns.remove(conn)
        self.wait_for_request(conn)

    # --- going out

    def finish_request(self, conn: Connection, future: Any) -> None:
        if taker := handover.taken(conn.sock):
            self.hand_over(conn, taker)
            return
        kept = not future.cancelled() and future.exception() is None and future.result() and self.alive
        if not kept:
            self.let_go(conn)
        elif following := conn.parser.unreader.take_buffered():
            conn.sock.setblocking(False)
            self.wait_for_request(conn)
            self.collect(conn, following)
        else:
            super().finish_request(conn, future)

    def hand_over(self, conn: Connection, taker: handover.Taker) -> None:
        """It is no request's any more: whoever takes it speaks on it, and closes it. It counts no longer as ours."""
        self.nr_conns -= 1
        try:
            taker(handover.copy(conn.sock), conn.parser.unreader.take_buffered())
        except Exception:
            self.log.exception("A connection could not be handed over.")
        finally:
            conn.close()

    def let_go(self, conn: Connection) -> None:
        """Close it when the caller has read the answer; nobody waits for that but the event loop."""
        conn.timeout = time.monotonic() + LINGER_SECONDS
        try:
            conn.sock.setblocking(False)
            conn.sock.shutdown(socket.SHUT_WR)
            self.poller.register(conn.sock, selectors.EVENT_READ, partial(self.on_lingering_socket_readable, conn))
        except (OSError, ValueError):
            self.nr_conns -= 1
            conn.close()
            return
        self.lingering.append(conn)

    def on_lingering_socket_readable(self, conn: Connection, client: Any) -> None:
        try:
            gone = not conn.sock.recv(PIECE)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            gone = True
        if gone:
            self.end(conn)

    def end(self, conn: Connection) -> None:
        self.lingering.remove(conn)
        self.poller.unregister(conn.sock)
        self.nr_conns -= 1
        conn.close()

    # --- time

    def murder_pending(self) -> None:
        now = time.monotonic()
        while self.pending_conns and self.pending_conns[0].timeout <= now:
            self.drop_oldest()
        while self.lingering and self.lingering[0].timeout <= now:
            self.end(self.lingering[0])

    def _cap_keepalive(self, deadline: float) -> None:
        """Who stops waits no longer for requests that may never be whole."""
        super()._cap_keepalive(deadline)
        for conn in self.pending_conns:
            conn.timeout = min(conn.timeout, deadline)

    # --- what gunicorn itself refuses

    def handle_error(self, req: Any, client: Any, addr: Any, exc: Exception) -> None:
        if not isinstance(exc, errors.ParseException) or isinstance(exc, errors.InvalidResponseHeader):
            super().handle_error(req, client, addr, exc)
            return
        status = STATUSES.get(type(exc), HTTPStatus.BAD_REQUEST)
        self.log.warning("Refused a request from %s with %d: %s", (addr or ("",))[0], status, exc)
        try:
            util.write_nonblock(client, refusal(status, str(exc)))
        except OSError:
            self.log.debug("The caller did not wait for the refusal.")


def refusal(status: HTTPStatus, detail: str) -> bytes:
    """A problem document as everywhere, for a request that never was one."""
    document = {
        "type": f"urn:trainyard:problem:{status.phrase.lower().replace(' ', '-')}",
        "title": status.phrase, "status": int(status), "detail": detail, "instance": "", "errors": [], "request_id": "",
    }  # fmt: skip
    body = json.dumps(document).encode()
    head = f"HTTP/1.1 {int(status)} {status.phrase}\r\nConnection: close\r\nContent-Type: application/problem+json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
