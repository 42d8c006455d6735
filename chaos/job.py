"""One job of the drill: `python -S -I job.py KIND SECONDS FOLDER TICK`.

It keeps a diary in FOLDER of which the platform knows nothing: when it began, a sign of life every TICK seconds, when it ended
and how many lines it had printed by then. Whatever happens to its output, it goes on: only a signal stops it.
"""

import os
import signal
import sys
import time

DAEMON_TICK_SECONDS = 0.05
LINES_A_TICK = 2
DAEMON_SECONDS = 60.0
FAILURE = 3
STOPPED = 143


class Diary:
    """One run's own account, a line at a time, each with the machine's monotonic clock."""

    def __init__(self, folder: str, suffix: str = "") -> None:
        self.run = f"{os.environ['TRAINYARD_JOB_ID']}.{os.environ['TRAINYARD_ATTEMPT']}.{os.environ.get('RANK', '0')}"
        path = f"{folder}/{self.run}.{os.getpid()}{suffix}"
        self.file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def write(self, word: str, *more: object) -> None:
        text = " ".join([word, repr(time.monotonic()), *map(str, more)])
        os.write(self.file, text.encode() + b"\n")


class Work:
    """Ticks until the time is over, printing as it goes."""

    def __init__(self, kind: str, seconds: float, tick: float, diary: Diary) -> None:
        self.kind = kind
        self.tick = tick
        self.ticks = max(1, round(seconds / tick))
        self.diary = diary
        self.lines = 0
        self.mute = False
        self.checkpoint = f"{os.environ['TRAINYARD_CHECKPOINT_DIR']}/tick"
        self.first = self.resumed() if kind == "checkpointing" else 0

    def resumed(self) -> int:
        try:
            with open(self.checkpoint, encoding="ascii") as file:  # noqa: PTH123  no more imports than needed
                return int(file.read())
        except (OSError, ValueError):
            return 0

    def save(self, tick: int) -> None:
        os.makedirs(os.path.dirname(self.checkpoint), exist_ok=True)  # noqa: PTH103, PTH120  somebody may have deleted it
        draft = f"{self.checkpoint}.{os.getpid()}"
        with open(draft, "w", encoding="ascii") as file:  # noqa: PTH123
            file.write(str(tick))
        os.replace(draft, self.checkpoint)  # noqa: PTH105

    def print(self) -> None:
        """Lines that a log must have in this order. One is counted before it is written."""
        if self.mute:
            return
        try:
            for _ in range(LINES_A_TICK):
                self.lines += 1
                os.write(1, f"{self.diary.run} {self.lines}\n".encode())
        except OSError:
            self.mute = True  # nobody reads any more: a job that survives that must be found by other means

    def run(self) -> None:
        for tick in range(self.first, self.ticks):
            self.diary.write("beat")
            self.print()
            if self.kind == "checkpointing":
                self.save(tick + 1)
            elif self.kind == "babbler":
                babble(tick)
            time.sleep(self.tick)


def babble(tick: int) -> None:
    """Reports that are none, and output that is no text."""
    lines = ('{"progress": NaN}', '{"loss": Infinity}', "{broken", '{"progress": "much"}', "[]", f'{{"loss": {tick}}}')
    try:
        with open(os.environ["TRAINYARD_REPORT"], "a", encoding="utf-8") as report:  # noqa: PTH123
            report.write(lines[tick % len(lines)] + "\n")
    except OSError:
        pass  # the disk is full or read-only, or the folder is gone
    os.write(1, bytes(range(256)) * 8)


def flee(folder: str) -> None:
    """A grandchild in a session of its own, whose parent is gone: it must not outlive the job."""
    if os.fork():
        return
    os.setsid()
    if os.fork():
        os._exit(0)
    diary = Diary(folder, ".daemon")
    for _ in range(round(DAEMON_SECONDS / DAEMON_TICK_SECONDS)):
        diary.write("beat")
        time.sleep(DAEMON_TICK_SECONDS)
    os._exit(0)


def prepare(kind: str, folder: str, work: Work) -> None:
    if kind == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    elif kind == "checkpointing":
        signal.signal(signal.SIGTERM, lambda *_: os._exit(STOPPED))
    elif kind == "daemon":
        flee(folder)
    elif kind == "mute":
        os.close(1)
        os.close(2)
        work.mute = True
    elif kind == "homeless":
        leave_no_home()


def leave_no_home() -> None:
    try:  # noqa: SIM105  no more imports than needed
        os.rmdir(os.getcwd())  # noqa: PTH106, PTH109
    except OSError:
        pass  # somebody else was faster


def exit_code(kind: str) -> int:
    if kind == "flaky":
        os.makedirs(os.environ["TRAINYARD_CHECKPOINT_DIR"], exist_ok=True)  # noqa: PTH103
        marker = f"{os.environ['TRAINYARD_CHECKPOINT_DIR']}/failed-once"
        if os.path.exists(marker):  # noqa: PTH110
            return 0
        os.close(os.open(marker, os.O_CREAT | os.O_WRONLY))
        return FAILURE
    return FAILURE if kind == "failing" else 0


def main() -> int:
    kind, seconds, folder, tick = sys.argv[1], float(sys.argv[2]), sys.argv[3], float(sys.argv[4])
    diary = Diary(folder)
    work = Work(kind, seconds, tick, diary)
    diary.write("start", os.environ.get("CUDA_VISIBLE_DEVICES") or "-", work.first)
    prepare(kind, folder, work)
    work.run()
    code = exit_code(kind)
    diary.write("end", code, work.lines)
    return code


if __name__ == "__main__":
    os._exit(main())
