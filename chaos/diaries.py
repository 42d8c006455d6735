"""What the jobs of a drill wrote down themselves, read back as runs."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

DAEMON = ".daemon"


@dataclass(frozen=True, slots=True)
class DiaryRun:
    """One process that ran a job: its first and its last sign of life on the machine's monotonic clock.

    `code` is None for one that was ended before it came to its own end; `lines` counts what it printed, if it did.
    """

    job_id: int
    attempt: int
    rank: int
    began: float
    last: float
    code: int | None = None
    lines: int | None = None
    gpus: tuple[str, ...] = ()
    first_tick: int = 0


def read(folder: Path) -> list[DiaryRun]:
    """All runs, by their beginning. What a killed process wrote half is left out."""
    return read_some(folder.iterdir())


def read_some(files: Iterable[Path]) -> list[DiaryRun]:
    """The same of these files."""
    found = list(files)
    daemons = {_owner(file): _last(_lines(file)) for file in found if file.suffix == DAEMON}
    runs = [run for file in found if file.suffix != DAEMON and (run := _run(file.name, _lines(file)))]
    runs = [_with_daemon(run, daemons.get(f"{run.job_id}.{run.attempt}.{run.rank}")) for run in runs]
    return sorted(runs, key=lambda run: run.began)


def _owner(daemon: Path) -> str:
    """The run that left it: job, attempt and rank."""
    return ".".join(daemon.name.split(".")[:3])


def _lines(file: Path) -> list[list[str]]:
    *whole, _ = file.read_text(encoding="ascii").split("\n")
    return [line.split() for line in whole]


def _last(lines: list[list[str]]) -> float:
    return float(lines[-1][1]) if lines else 0.0


def _run(name: str, lines: list[list[str]]) -> DiaryRun | None:
    if not lines:
        return None
    job_id, attempt, rank, _ = map(int, name.split("."))
    _, began, gpus, first_tick = lines[0]
    ended = lines[-1][2:] if lines[-1][0] == "end" else None
    return DiaryRun(
        job_id=job_id,
        attempt=attempt,
        rank=rank,
        began=float(began),
        last=_last(lines),
        code=int(ended[0]) if ended else None,
        lines=int(ended[1]) if ended else None,
        gpus=() if gpus == "-" else tuple(gpus.split(",")),
        first_tick=int(first_tick),
    )


def _with_daemon(run: DiaryRun, daemon_last: float | None) -> DiaryRun:
    """A process that the run left behind counts as the run: what holds for one holds for the other."""
    if daemon_last is None or daemon_last <= run.last:
        return run
    return DiaryRun(
        run.job_id, run.attempt, run.rank, run.began, daemon_last, run.code, run.lines, run.gpus, run.first_tick
    )
