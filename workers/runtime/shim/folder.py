"""The files of one attempt: `spec.json` and `lease` to read, `status.json` to write. The output is in `log.py`."""

import _json
import posix
import time

from workers.runtime.shim.clock import boottime
from workers.runtime.shim.processes import read_text, start_ticks
from workers.runtime.shim.wall import Wall

UNREADABLE_RETRY_SECONDS = 1.0
STATUS_BYTES = 8192
SPARE = ("status.end", "status.next")  # there are two statuses, of a command that runs and of one that has ended
MESSAGE_CHARACTERS = 500  # each may take twelve bytes in JSON


class JsonContext:
    """What the C scanner under `json.loads` wants to know."""

    strict = False
    object_hook = object_pairs_hook = None
    parse_float, parse_int, parse_constant = float, int, float
    memo: dict[str, str] = {}


class Spec:
    """What to run and within which limits, as the launcher wrote it."""

    def __init__(self, folder: str) -> None:
        scan = _json.make_scanner(JsonContext())  # type: ignore[arg-type]  # any object with these attributes does
        values = scan(read_text(f"{folder}/spec.json"), 0)[0]
        self.argv: list[str] = values["argv"]
        self.cwd: str = values["cwd"]
        self.env: dict[str, str] = values["env"]
        self.log_limit: int = values["log_limit_bytes"]
        self.grace: float = values["grace_seconds"]
        self.max_runtime: float | None = values["max_runtime_seconds"]
        timeout_grace: float | None = values["timeout_grace_seconds"]
        self.timeout_grace: float = self.grace if timeout_grace is None else timeout_grace
        self.lease_grace: float = values["lease_grace_seconds"]
        self.memory_limit: int = values["memory_limit_bytes"]
        self.memory_enforced: bool = values["memory_enforced"]
        self.cores: list[int] = values["cores"]
        self.group: str = values["group"]
        self.wall = Wall(values["wall"]) if values["wall"] else None
        self.process_limit: int = values["process_limit"]
        self.after: list[str] = values.get("after") or []


class Status:
    """`status.json`: replaced as a whole, so that a reader sees the old one or the new one."""

    def __init__(self, folder: str) -> None:
        self.path = f"{folder}/status.json"
        self.fields: dict[str, object] = {
            "phase": "running",
            "shim_pid": posix.getpid(),
            "shim_start": start_ticks(posix.getpid()),
            "pid": 0,
            "pid_start": 0,
            "init_pid": 0,
            "init_start": 0,
            "started_at": None,
            "ended_at": None,
            "exit_code": None,
            "signal": None,
            "reason": "",
            "message": "",
            "peak_memory_bytes": None,
            "cpu_seconds": None,
            "log_bytes": 0,
            "log_lost": "",
        }
        self.spare = [self.reserve(f"{folder}/{name}") for name in SPARE]

    def reserve(self, path: str) -> tuple[str, int]:
        """Room for a later status, before the command begins: one that fills the disk at once must not hide its end."""
        # O_EXCL: a second shim in the same folder, if there ever was one, ends here.
        fd = posix.open(path, posix.O_WRONLY | posix.O_CREAT | posix.O_EXCL | posix.O_CLOEXEC, 0o600)
        try:
            posix.write(fd, b" " * STATUS_BYTES)
        except OSError:
            return path, fd  # full already; by the end there may be room again
        return path, fd

    def running(self, pid: int, started_at: float, init: int = 0) -> None:
        began = {"pid_start": start_ticks(pid), "init_start": start_ticks(init) if init else 0}
        self.write({"pid": pid, "init_pid": init, **began, "started_at": started_at})

    def ended(self, changes: dict[str, object]) -> None:
        self.write({"phase": "ended", "ended_at": time.time(), **changes})

    def write(self, changes: dict[str, object]) -> None:
        self.fields.update(changes)
        text = ", ".join(f'"{key}": {as_json(value)}' for key, value in self.fields.items())
        path, fd = self.spare.pop()
        posix.pwrite(fd, f"{{{text}}}\n".encode().ljust(STATUS_BYTES), 0)
        posix.close(fd)
        posix.rename(path, self.path)


def as_json(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, str):
        return _json.encode_basestring_ascii(value[:MESSAGE_CHARACTERS])
    return repr(value)


class Lease:
    """The time on the clock of `clock.py` until which the command may run."""

    def __init__(self, folder: str) -> None:
        self.path = f"{folder}/lease"
        self.failures = 0

    def remaining(self) -> float:
        """Seconds left; zero or less when it has run out. A file unreadable twice in a row counts as run out."""
        try:
            deadline = float(read_text(self.path))
        except (OSError, ValueError):
            deadline = float("nan")
        if deadline == deadline:  # noqa: PLR0124  false for NaN, in a file too
            self.failures = 0
            return deadline - boottime()
        self.failures += 1
        return UNREADABLE_RETRY_SECONDS if self.failures == 1 else 0.0
