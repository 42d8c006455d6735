"""The process that forks this agent's shims: started with the first job, gone with the agent. The shims stay."""

import contextlib
import os
import select
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

MAIN = Path(__file__).resolve().parent / "shim" / "main.py"
KEPT_ENVIRONMENT = ("PATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL")  # the agent's secrets are no business of a shim
ANSWER_SECONDS = 10.0


class ShimServer:
    """Starts shims, from any thread. One that is found dead is replaced."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._server: subprocess.Popen[bytes] | None = None

    def start_shim(self, folder: Path) -> tuple[int, int]:
        """The process id and the start, in ticks since boot, of a new shim for this folder. Raises OSError."""
        with self._lock:
            if self._server is None or self._server.poll() is not None:
                self._server = start_server()
            try:
                pid, detail = self._ask(self._server, folder)
            except OSError:
                self._server.kill()  # whatever it did of this request: its shim gets no lease from us, and ends
                raise
        if pid == 0:
            raise OSError(detail, f"cannot start a shim: {os.strerror(detail)}")
        return pid, detail

    def close(self) -> None:
        """End the process that starts shims, and wait for it; the shims stay."""
        with self._lock:
            server, self._server = self._server, None
        if server is not None:
            server.kill()
            server.wait()

    @staticmethod
    def _ask(server: subprocess.Popen[bytes], folder: Path) -> tuple[int, int]:
        assert server.stdin is not None  # noqa: S101  both are pipes
        assert server.stdout is not None  # noqa: S101
        server.stdin.write(os.fsencode(folder) + b"\0")
        if not select.select([server.stdout], [], [], ANSWER_SECONDS)[0]:
            raise TimeoutError("the process that starts shims does not answer")
        answer = server.stdout.readline().split()
        if not answer:
            raise BrokenPipeError("the process that starts shims has ended")
        return int(answer[0]), int(answer[1])


def start_server() -> subprocess.Popen[bytes]:
    interpreter = sys.executable or shutil.which("python3") or "python3"
    with sigterm_blocked():
        return subprocess.Popen(
            [interpreter, "-I", "-S", "-X", "utf8", str(MAIN)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            cwd="/",
            env={name: os.environ[name] for name in KEPT_ENVIRONMENT if name in os.environ},
            start_new_session=True,
        )


@contextlib.contextmanager
def sigterm_blocked() -> Iterator[None]:
    """A shim inherits the block and lifts it when it is ready, so that a stop right after the launch is not lost."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
