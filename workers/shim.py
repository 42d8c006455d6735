"""Owns one command: starts it in a session of its own, writes its log and its end, and sees that nothing of it survives.

Run as `python -I -S shim.py FOLDER`, never imported by the platform. It outlives the agent that started it, so that an agent
can be replaced while training goes on; and it stops the command by itself when the lease file is no longer renewed.

One of these runs beside every job, so it must stay small and start fast. `json`, `signal` and `ctypes` are Python wrappers
that cost 3 to 15 ms each at start; the C modules under them (`_json`, `_signal`, `_ctypes`) cost well under one.
"""

import _json
import _signal
import os
import select
import sys
import time
from typing import Never

LEASE_CHECK_SECONDS = 1.0
CHUNK_BYTES = 64 * 1024
DRAIN_BYTES = 1024 * 1024  # the most a pipe can hold unless an administrator raised it
KILL_WAIT_SECONDS = 10.0  # a process stuck in the kernel cannot die; say so instead of waiting for ever
PR_SET_CHILD_SUBREAPER = 36


class Spec:
    """What to run and within which limits, as the launcher wrote it."""

    def __init__(self, folder) -> None:
        spec = parse_json(read_text(folder + "/spec.json"))
        self.argv = spec["argv"]
        self.cwd = spec["cwd"]
        self.env = spec["env"]
        self.log_limit = spec["log_limit_bytes"]
        self.grace = spec["grace_seconds"]
        self.max_runtime = spec["max_runtime_seconds"]
        self.lease_grace = spec["lease_grace_seconds"]


class JsonContext:
    """What the C scanner under `json.loads` wants to know."""

    strict = False
    object_hook = object_pairs_hook = None
    parse_float, parse_int, parse_constant = float, int, float
    memo = {}


def parse_json(text):
    return _json.make_scanner(JsonContext)(text, 0)[0]


def read_text(path):
    with open(path, "rb", buffering=0) as file:
        return file.read().decode()


class Status:
    """`status.json`: replaced as a whole, so that a reader sees the old one or the new one."""

    def __init__(self, folder) -> None:
        self.path = folder + "/status.json"
        self.fields = {
            "phase": "running",
            "shim_pid": os.getpid(),
            "shim_start": start_ticks("self"),
            "pid": 0,
            "pid_start": 0,
            "started_at": None,
            "ended_at": None,
            "exit_code": None,
            "signal": None,
            "reason": "",
            "message": "",
        }

    def write(self, **changes) -> None:
        self.fields.update(changes)
        text = "{" + ", ".join('"%s": %s' % (key, as_json(value)) for key, value in self.fields.items()) + "}\n"
        fd = os.open(self.path + ".tmp", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            os.write(fd, text.encode())
        finally:
            os.close(fd)
        os.rename(self.path + ".tmp", self.path)


def as_json(value):
    if value is None:
        return "null"
    return _json.encode_basestring_ascii(value) if isinstance(value, str) else repr(value)


def stat_fields(pid):
    """The fields of /proc/PID/stat from the third on; the second may hold spaces and brackets."""
    return read_text("/proc/%s/stat" % pid).rpartition(") ")[2].split()


def start_ticks(pid):
    return int(stat_fields(pid)[19])


class Log:
    """Keeps the first `limit` bytes of what the command prints, says so once, and drops the rest."""

    def __init__(self, path, limit) -> None:
        self.fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self.limit = limit
        self.room = limit
        self.full = False
        self.error = ""

    def add(self, data) -> None:
        if self.full:
            return
        kept = data[: self.room]
        self.room -= len(kept)
        self.full = len(kept) < len(data)
        try:
            self.write(kept)
            if self.full:
                self.write(self.marker(kept))
        except OSError as error:  # a full disk must not stop the training
            self.full = True
            self.error = "the log could not be written: %s" % error.strerror

    def marker(self, kept):
        line = "[trainyard] log limit of %g MB reached; the rest is dropped\n" % round(self.limit / 2**20, 3)
        return (line if kept.endswith(b"\n") or self.limit == 0 else "\n" + line).encode()

    def write(self, data) -> None:
        while data:
            data = data[os.write(self.fd, data) :]


class Lease:
    """The monotonic time until which the command may run; unreadable twice in a row counts as run out."""

    def __init__(self, folder) -> None:
        self.path = folder + "/lease"
        self.failures = 0
        self.deadline = 0.0

    def left(self):
        """Seconds left; zero or less when the lease has run out."""
        try:
            self.deadline = float(read_text(self.path))
            self.failures = 0
        except (OSError, ValueError):
            self.failures += 1
        if self.failures:
            return 0.0 if self.failures > 1 else LEASE_CHECK_SECONDS
        left = self.deadline - time.monotonic()
        return left if left == left else 0.0  # NaN never compares as run out


class Command:
    """The running command: its main process, its output, and everything it started."""

    def __init__(self, spec) -> None:
        self.spec = spec
        self.pid = 0
        self.output = -1
        self.wait_status = None

    def start(self):
        """Starts the command; returns what went wrong, or an empty text."""
        self.output, output_write = os.pipe()
        error_read, error_write = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            self.become(output_write, error_write)
        os.close(output_write)
        os.close(error_write)
        with open(error_read, "rb") as pipe:  # closed by a successful exec
            problem = pipe.read().decode(errors="replace")
        os.set_blocking(self.output, False)
        return problem

    def become(self, output_write, error_write) -> None:
        problem = "cannot start %r" % self.spec.argv[0]
        try:
            os.setsid()
            self.reset_signals()
            stdin = os.open("/dev/null", os.O_RDONLY)
            for target, fd in enumerate((stdin, output_write, output_write)):
                os.dup2(fd, target)
            problem = "cannot enter working directory %r" % self.spec.cwd
            os.chdir(self.spec.cwd)
            problem = "cannot start %r" % self.spec.argv[0]
            self.execute()
        except OSError as error:
            os.write(error_write, ("%s: %s" % (problem, error.strerror)).encode(errors="replace"))
        except BaseException as error:
            os.write(error_write, ("%s: %s" % (problem, error)).encode(errors="replace"))
        os._exit(127)

    @staticmethod
    def reset_signals() -> None:
        """A parent may have ignored or blocked signals; a command must not inherit that."""
        _signal.set_wakeup_fd(-1)
        for number in range(1, _signal.NSIG):
            try:
                _signal.signal(number, _signal.SIG_DFL)
            except (OSError, ValueError):
                continue  # SIGKILL, SIGSTOP and those that the C library keeps
        _signal.pthread_sigmask(_signal.SIG_SETMASK, ())

    def execute(self) -> Never:
        """As `os.execvpe`, which would import `warnings` to read PATH."""
        name, env = self.spec.argv[0], self.spec.env
        if "/" in name:
            os.execve(name, self.spec.argv, env)
        denied = None
        for folder in env.get("PATH", os.defpath).split(":"):
            try:
                os.execve((folder or ".") + "/" + name, self.spec.argv, env)
            except (FileNotFoundError, NotADirectoryError):
                continue
            except PermissionError as error:
                denied = error
        raise denied or FileNotFoundError(2, os.strerror(2))

    def ended(self):
        """Whether the main process has ended. It stays unreaped, so that its ids cannot be given to another."""
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def reap(self) -> None:
        self.wait_status = os.waitpid(self.pid, 0)[1]

    def signal(self, number) -> None:
        try:
            os.killpg(self.pid, number)
        except (ProcessLookupError, PermissionError):
            return

    def others(self):
        """The living processes of the command other than its main one; reaps those that ended."""
        alive = [pid for pid in tree(os.getpid()) if pid != self.pid]
        for pid in alive:
            try:
                os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                continue
        return alive

    def kill(self):
        """SIGKILL until nothing is left; returns how many processes would not die."""
        give_up = time.monotonic() + KILL_WAIT_SECONDS
        pause = 0.001
        self.signal(_signal.SIGKILL)
        while True:
            others = self.others() if has_children_beside(self.pid) else []
            if (not others and self.ended()) or time.monotonic() > give_up:
                return len(others) + (not self.ended())
            for pid in others:
                kill(pid)
            self.signal(_signal.SIGKILL)
            time.sleep(pause)
            pause = min(pause * 2, 0.1)


def has_children_beside(pid):
    """Cheap: one file names the children; all orphans of the command become children of the shim."""
    try:
        children = read_text("/proc/self/task/%d/children" % os.getpid()).split()
    except OSError:
        return True  # a kernel without that file: look at every process
    return children not in ([], [str(pid)])


def kill(pid) -> None:
    try:
        os.kill(pid, _signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


def tree(root):
    """Every process below `root`, zombies included."""
    children = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                parent = int(stat_fields(name)[1])
            except (OSError, IndexError):
                continue  # it ended meanwhile
            children.setdefault(parent, []).append(int(name))
    found, waiting = [], [root]
    while waiting:
        below = children.get(waiting.pop(), [])
        found += below
        waiting += below
    return found


def adopt_orphans() -> None:
    """Processes whose parent ended become children of the shim instead of leaving for init: none can escape."""
    try:
        import _ctypes  # noqa: PLC0415  an interpreter may lack it; the session then still finds nearly everything

        prctl = _ctypes.dlsym(_ctypes.dlopen(None, 0), "prctl")
        _ctypes.call_cdeclfunction(prctl, (PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))
    except (ImportError, OSError):
        return


class Supervisor:
    """The shim's only loop: output, signals and deadlines of one command until nothing of it is left."""

    def __init__(self, folder) -> None:
        self.folder = folder
        self.status = Status(folder)
        self.spec = Spec(folder)
        self.log = Log(folder + "/log", self.spec.log_limit)
        self.lease = Lease(folder)
        self.command = Command(self.spec)
        self.poll = select.poll()
        self.reason = ""
        self.stop_asked = False
        self.kill_at = float("inf")
        self.lease_check_at = 0.0
        self.runtime_ends = float("inf")
        self.wakeup = -1

    def run(self):
        self.catch_signals()
        adopt_orphans()
        if not self.may_start():
            return self.status.write(phase="ended", reason=self.reason, ended_at=time.time())
        started_at = time.time()
        problem = self.command.start()
        if problem:
            ended = {"phase": "ended", "reason": "start_failed", "message": problem, "ended_at": time.time()}
            return self.status.write(pid=self.command.pid, started_at=started_at, **ended)
        pid = self.command.pid
        self.status.write(pid=pid, pid_start=start_ticks(pid), started_at=started_at)
        self.supervise()
        return self.finish()

    def catch_signals(self) -> None:
        self.wakeup, write = os.pipe()
        os.set_blocking(self.wakeup, False)
        os.set_blocking(write, False)
        _signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        _signal.signal(_signal.SIGHUP, _signal.SIG_IGN)
        _signal.signal(_signal.SIGINT, _signal.SIG_IGN)
        _signal.signal(_signal.SIGCHLD, lambda *_: None)  # only to wake the loop
        _signal.signal(_signal.SIGTERM, self.on_term)
        # The launcher blocked SIGTERM, so that one sent while Python was starting is kept until here.
        _signal.pthread_sigmask(_signal.SIG_SETMASK, ())

    def on_term(self, *_) -> None:
        self.stop_asked = True

    def may_start(self) -> bool:
        if self.stop_asked:
            self.reason = "stopped"
        elif self.lease.left() <= 0:
            self.reason = "lost_lease"
        return not self.reason

    def supervise(self) -> None:
        self.poll.register(self.command.output, select.POLLIN)
        self.poll.register(self.wakeup, select.POLLIN)
        if self.spec.max_runtime is not None:
            self.runtime_ends = time.monotonic() + self.spec.max_runtime
        while not self.over():
            now = time.monotonic()
            self.keep_deadlines(now)
            if now >= self.kill_at:
                return
            wake_at = min(self.lease_check_at, self.runtime_ends, self.kill_at)
            self.take_events(max(0, wake_at - now))

    def over(self) -> bool:
        """The main process ended. While stopping, its children still have the rest of the grace to save their work."""
        if not self.command.ended():
            return False
        return not self.reason or not has_children_beside(self.command.pid) or not self.command.others()

    def keep_deadlines(self, now) -> None:
        if self.stop_asked:
            self.stop_asked = False
            self.end("stopped", self.stop_grace(), now)
        if now >= self.runtime_ends:
            self.runtime_ends = float("inf")
            self.end("timeout", self.spec.grace, now)
        if now >= self.lease_check_at:
            left = self.lease.left()
            self.lease_check_at = now + max(0.0, min(left, LEASE_CHECK_SECONDS))
            if left <= 0:
                self.lease_check_at = float("inf")
                self.end("lost_lease", self.spec.lease_grace, now)

    def stop_grace(self):
        try:
            return float(read_text(self.folder + "/stop"))
        except (OSError, ValueError):
            return self.spec.grace

    def end(self, reason, grace, now) -> None:
        """SIGTERM now, SIGKILL after the grace. A second reason may only bring the end forward."""
        self.kill_at = min(self.kill_at, now + max(0.0, grace))
        if not self.reason:
            self.reason = reason
            self.command.signal(_signal.SIGTERM)
            self.command.signal(_signal.SIGCONT)  # a suspended process cannot answer SIGTERM

    def take_events(self, seconds) -> None:
        for fd, _ in self.poll.poll(min(seconds, 3600) * 1000):
            if fd == self.wakeup:
                os.read(fd, 512)
            elif not self.copy_output():
                self.poll.unregister(fd)

    def copy_output(self):
        """Copies one chunk; false when the command closed its output."""
        try:
            data = os.read(self.command.output, CHUNK_BYTES)
        except BlockingIOError:
            return True
        self.log.add(data)
        return bool(data)

    def finish(self) -> None:
        stuck = self.command.kill()
        self.drain()
        messages = [self.log.error] if self.log.error else []
        if stuck:
            messages.append("%d processes of the command did not die of SIGKILL" % stuck)
        self.status.write(phase="ended", ended_at=time.time(), message="; ".join(messages), **self.result())

    def drain(self) -> None:
        for _ in range(DRAIN_BYTES // CHUNK_BYTES):
            try:
                data = os.read(self.command.output, CHUNK_BYTES)
            except BlockingIOError:
                return
            if not data:
                return
            self.log.add(data)

    def result(self):
        reason = self.reason or "exited"
        if not self.command.ended():
            return {"reason": reason}
        self.command.reap()
        code = os.waitstatus_to_exitcode(self.command.wait_status)
        number = -code if code < 0 else None
        return {"reason": reason, "exit_code": code if code >= 0 else 128 - code, "signal": number}


def main() -> None:
    try:
        os.setsid()
    except PermissionError:
        pass  # the launcher has done it
    supervisor = Supervisor(sys.argv[1])
    try:
        supervisor.run()
    except BaseException:
        if supervisor.command.pid:
            supervisor.command.kill()  # whatever went wrong here, nothing may run unwatched
        raise


if __name__ == "__main__":
    main()
