"""The shim's only loop: the output, the signals and the deadlines of one command, until nothing of it is left."""

import _signal  # type: ignore[import-not-found]  # the C module under `signal`
import posix
import select
import time

from workers.runtime.shim.command import Command, adopt_orphans
from workers.runtime.shim.folder import Lease, Spec, Status
from workers.runtime.shim.log import Log
from workers.runtime.shim.memory import QUICKEST_SECONDS, SLOWEST_SECONDS, MemoryMonitor
from workers.runtime.shim.processes import oom_kills, read_text
from workers.runtime.shim.sigterm import SigtermDelivery
from workers.runtime.shim.suspension import Suspension

LEASE_CHECK_SECONDS = 1.0
CHUNK_BYTES = 64 * 1024
DRAIN_CHUNKS = 16  # 1 MiB, the most a pipe can hold unless an administrator raised it
NEVER = float("inf")
ONE_HOUR = 3600.0
TOLD_SECONDS = 0.2
"""Who ends a batch job tells all its processes, one after another: a command may have died of it before we are told."""


class Supervisor:
    """Runs the command of one attempt folder and writes down how it ended."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.status = Status(folder)
        self.spec = Spec(folder)
        self.log = Log(folder, self.spec.log_limit)
        self.lease = Lease(folder)
        self.command = Command(self.spec)
        self.memory = MemoryMonitor(self.spec.memory_limit)
        self.memory.most_threads = self.spec.process_limit
        self.suspension = Suspension(folder)
        self.poll = select.poll()
        self.wakeup = -1
        self.stop_asked = False
        self.look_asked = False
        self.reason = ""
        self.threads_counted = ""
        self.oom_kills_before = oom_kills()
        self.sigterm = SigtermDelivery()
        self.kill_at = self.runtime_ends = NEVER
        self.lease_check_at = 0.0
        self.memory_look_at = NEVER

    def run(self) -> None:
        own_session(self.folder.rpartition("/")[2])
        self.catch_signals()
        adopt_orphans()
        try:
            self.run_command()
        except BaseException:
            if self.command.pid:
                self.command.kill()  # whatever went wrong here, nothing may run unwatched
            raise

    def run_command(self) -> None:
        self.keep_deadlines(time.monotonic())
        if self.reason:
            self.status.ended({"reason": self.reason, "message": "ended before the command was started"})
            return
        started_at = time.time()
        problem = self.command.start()
        if problem:
            fault = "platform_error" if self.command.blames_node else "start_failed"
            self.status.ended({"reason": fault, "message": problem, "started_at": started_at})
            return
        self.memory.apart = self.command.init
        self.status.running(self.command.pid, started_at, self.command.init)
        if self.spec.wall is not None:
            self.memory.files = self.spec.wall.shared_memory(self.command.init or self.command.pid)
        self.supervise()
        self.finish()

    def catch_signals(self) -> None:
        self.wakeup, write = posix.pipe()
        posix.set_blocking(self.wakeup, False)
        posix.set_blocking(write, False)
        _signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        _signal.signal(_signal.SIGHUP, _signal.SIG_IGN)
        _signal.signal(_signal.SIGINT, _signal.SIG_IGN)
        _signal.signal(_signal.SIGCHLD, lambda *_: None)  # it only has to wake the loop
        _signal.signal(_signal.SIGTERM, self.on_term)
        _signal.signal(_signal.SIGCONT, self.on_cont)
        # The launcher blocked SIGTERM, so that one sent while Python was starting is kept until here.
        _signal.pthread_sigmask(_signal.SIG_SETMASK, ())

    def on_term(self, *_: object) -> None:
        self.stop_asked = True

    def on_cont(self, *_: object) -> None:
        self.look_asked = True

    def supervise(self) -> None:
        self.poll.register(self.command.output, select.POLLIN)
        self.poll.register(self.wakeup, select.POLLIN)
        began = time.monotonic()
        self.memory_look_at = began + QUICKEST_SECONDS
        if self.spec.max_runtime is not None:
            self.runtime_ends = began + self.spec.max_runtime
        while not self.over():
            now = time.monotonic()
            self.keep_deadlines(now)
            if now >= self.kill_at:
                return
            self.handle_events(min(self.lease_check_at, self.memory_look_at, self.runtime_ends, self.kill_at) - now)

    def over(self) -> bool:
        """The main process has ended. While stopping, what it started has the rest of the grace to save its work."""
        if not self.command.ended():
            return False
        if not (self.reason or self.stop_asked) and self.command.died_of_sigterm():
            time.sleep(TOLD_SECONDS)
        self.keep_stop(time.monotonic())  # one that was asked for by now may be why it has ended
        if not self.reason or not self.command.others():
            return True
        self.sigterm.deliver()  # those whose parents have ended
        return False

    def keep_stop(self, now: float) -> None:
        if self.stop_asked:
            self.stop_asked = False
            self.end("stopped", self.stop_grace(), now)

    def keep_deadlines(self, now: float) -> None:
        self.keep_stop(now)
        if self.look_asked or now >= self.lease_check_at:
            self.keep_still(now)
        if now >= self.runtime_ends:
            self.runtime_ends = NEVER
            self.end("timeout", self.spec.timeout_grace, now)
        if now >= self.lease_check_at:
            left = self.lease.remaining()
            self.lease_check_at = now + min(left, LEASE_CHECK_SECONDS) if left > 0 else NEVER
            self.memory_look_at = min(self.memory_look_at, now)  # awake anyway
            if left <= 0:
                # Counted from the end of the lease: a shim that was itself stopped meanwhile has no time left to give.
                self.end("lost_lease", self.spec.lease_grace + left, now)
        if now >= self.memory_look_at:
            self.check_memory(now)

    def check_memory(self, now: float) -> None:
        """Its memory cannot wait for a grace: what it takes meanwhile is missing elsewhere."""
        self.memory.measure(now, posix.getpid())
        pause = self.memory.pause
        self.memory_look_at = now + pause if pause < SLOWEST_SECONDS else NEVER
        if self.memory.exceeded and self.spec.memory_enforced:
            self.end("out_of_memory", 0.0, now)
        limit = self.spec.process_limit
        if limit and self.memory.threads > limit and not self.reason:
            self.threads_counted = f"had {self.memory.threads} processes and threads at once; it may have {limit}"
            self.end("process_limit", 0.0, now)

    def keep_still(self, now: float) -> None:
        """Suspends the command or lets it go on, as is wished; a stop is stronger."""
        self.look_asked = False
        if self.command.pid and not self.reason:
            self.runtime_ends = self.suspension.apply(now, self.runtime_ends)

    def stop_grace(self) -> float:
        try:
            return float(read_text(f"{self.folder}/stop"))
        except (OSError, ValueError):
            return self.spec.grace

    def end(self, reason: str, grace: float, now: float) -> None:
        """SIGTERM now, SIGKILL after the grace. A second reason can only bring the end forward."""
        self.kill_at = min(self.kill_at, now + max(0.0, grace))
        if self.reason:
            return
        self.reason = reason
        if self.command.pid:
            self.sigterm.deliver()
            self.command.signal(_signal.SIGCONT)  # a suspended process cannot answer SIGTERM
            self.suspension.end(now, NEVER)

    def handle_events(self, seconds: float) -> None:
        for fd, _ in self.poll.poll(max(0.0, min(seconds, ONE_HOUR)) * 1000):
            if fd == self.wakeup:
                posix.read(fd, 512)
            elif not self.copy_output():
                self.poll.unregister(fd)

    def copy_output(self) -> bool:
        """Copies one chunk; false once the command has closed its output."""
        try:
            data = posix.read(self.command.output, CHUNK_BYTES)
        except BlockingIOError:
            return True
        self.log.add(data)
        return bool(data)

    def finish(self) -> None:
        stuck = self.command.kill()
        self.command.clean_up()
        for _ in range(DRAIN_CHUNKS):
            if not self.copy_output():
                break
        result = self.result()
        self.command.close()
        self.command.group.remove()
        memory = self.memory.words() if self.memory.exceeded or result["reason"] == "out_of_memory" else ""
        problems = [
            memory,
            self.threads_counted,
            self.log.problem,
            f"{stuck} processes did not die of SIGKILL" if stuck else "",
        ]
        self.status.ended({**result, **self.usage(), "message": "; ".join(filter(None, problems))})

    def usage(self) -> dict[str, object]:
        """Memory, processor time and output. Processor time counts of all that were waited for: everything but a process that would not die."""
        times = posix.times()
        return {
            "peak_memory_bytes": self.memory.peak or None,
            "cpu_seconds": round(times.children_user + times.children_system, 2),
            "log_bytes": self.log.position,
            "log_lost": self.log.lost,
        }

    def result(self) -> dict[str, object]:
        if not self.command.ended():
            return {"reason": self.reason}
        code = self.command.exit_code()
        reason = self.reason or self.own_end(code)
        return {"reason": reason, "exit_code": code if code >= 0 else 128 - code, "signal": -code if code < 0 else None}

    def own_end(self, code: int) -> str:
        """A shell passes on that its child was killed; only the system's own count tells who did it."""
        if self.spec.group:
            return "out_of_memory" if code and self.command.group.out_of_memory() else "exited"
        killed = code in (-_signal.SIGKILL, 128 + _signal.SIGKILL)
        return "out_of_memory" if killed and oom_kills() > self.oom_kills_before else "exited"


def own_session(name: str) -> None:
    """Out of reach of the agent's terminal, and told apart by `ps`."""
    if posix.getsid(0) != posix.getpid():
        posix.setsid()
    fd = posix.open("/proc/self/comm", posix.O_WRONLY)
    posix.write(fd, f"shim {name}".encode()[:15])
    posix.close(fd)
