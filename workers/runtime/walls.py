"""What stands between the jobs of a node and the rest of it: built as high as this machine lets it be, and tried at start."""

import logging
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from workers.runtime import device_files, job_user, job_view, shared_memory
from workers.runtime.cgroups import KERNEL_ROOM
from workers.runtime.job_user import JobUser, RunAs
from workers.runtime.process import Command, launch
from workers.runtime.shim.clock import boottime

log = logging.getLogger(__name__)
NEEDED = {"CHOWN": 0, "DAC_OVERRIDE": 1, "FOWNER": 3, "KILL": 5, "SETGID": 6, "SETUID": 7, "SYS_PTRACE": 19}
"""What root needs to look after the commands of others; containers may lack some."""
TRIAL_SECONDS = 30.0
TRIAL = "import os, trainyard, tempfile; tempfile.TemporaryFile(); open(os.environ['TRAINYARD_REPORT'], 'a').close()"
AUTO, YES, NO = "auto", "yes", "no"
CHOICES = (AUTO, YES, NO)
NO_GPUS: Mapping[int, int] = MappingProxyType({})
CHECKOUT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Place:
    """Where one attempt of a job works: its folder beside its shim, and those that are kept."""

    job_id: int
    folder: Path
    kept: tuple[Path, ...] = ()
    alone: bool = True
    """Whether no other part of the job may run on this machine."""
    gpus: tuple[int, ...] = ()
    """Those that it holds, by their index on the node."""
    shown: tuple[Path, ...] = ()
    """What else of the platform it may look at, and cannot change."""


@dataclass(frozen=True, slots=True)
class Walls:
    """How the commands of one node are shut in. `run_as` None: they run as the agent.

    `private`: each has a /tmp of its own. `view`: each sees its own processes alone, and of GPUs the files of those that it
    holds, where `gpu_files` says which they are, by index. Either brings mounts of its own.
    """

    home: Path
    node: Path
    run_as: RunAs | None = None
    private: bool = False
    process_limit: int = 0
    job_folders: tuple[str, ...] = ()
    why_not: str = ""
    view: bool = False
    gpu_files: Mapping[int, int] | None = None

    @property
    def names(self) -> list[str]:
        """Those that stand, in a word each: `user`, `files`, `tmp`, `processes`, `devices`."""
        stand = {
            "user": self.run_as is not None,
            "files": self.run_as is not None and (self._own_mounts or not self.run_as.account),
            "tmp": self.private,
            "processes": self.view,
            "devices": self.view and self.gpu_files is not None,
        }
        return [name for name, is_up in stand.items() if is_up]

    @property
    def _own_mounts(self) -> bool:
        return self.private or self.view

    @property
    def sentence(self) -> str:
        """What jobs can read, in one line."""
        if self.run_as is None:
            place = " Their /tmp and shared memory are their own." if self.private else ""
            because = f" ({self.why_not})" if self.why_not else ""
            who = job_user.agent_name()
            return f"Jobs run as {who}, the agent's user{because}: they can read all that it can, the platform's passwords and other jobs' folders too.{place}"
        own = "with /tmp and shared memory of their own" if self.private else "with a /tmp that all share"
        others = (
            "other jobs' processes and open files"
            if self.run_as.account and not self.view
            else "what is open to everybody"
        )
        return f"Jobs run {self.run_as.words}, {own}: beside their own folders they can read {others}, not what is the platform's. {self._seen}"

    @property
    def _seen(self) -> str:
        """What they see of processes and devices, as a sentence."""
        because = f" ({self.why_not})" if self.why_not else ""
        if not self.view:
            return f"They see the command lines of all processes, and the files of all GPUs{because}."
        gpus = "" if self.gpu_files is None else " and GPUs"
        all_gpus = ", and the files of all GPUs, as the driver tells not which is whose" if not gpus else ""
        return f"They see their own processes{gpus} alone{all_gpus}."

    def user_of(self, job_id: int) -> JobUser | None:
        return None if self.run_as is None else self.run_as.user_of(job_id)

    def prepare(self, place: Place) -> None:
        """Give the job's user its folders, and the attempt a place for what is temporary. Raises OSError."""
        user = self.user_of(place.job_id)
        if user is not None:
            self._hand_over_folders(place, user)
        if self.private:
            for name in job_view.TEMPORARY.values():
                (place.folder / name).mkdir(exist_ok=True)
                (place.folder / name).chmod(0o1777)
        else:
            shared_memory.note(place.folder)
            self._temporary(place, user)

    def _hand_over_folders(self, place: Place, user: JobUser) -> None:
        """The folders above stay root's: nobody can put something else in the place of what is given away."""
        place.folder.chmod(0o711)
        report = place.folder / "report.jsonl"
        report.touch(mode=0o600)
        os.chown(report, user.uid, user.gid)
        for folder in (*place.kept, *self._own_home(place, user)):
            folder.mkdir(exist_ok=True)
            hand_over(folder, user)
            for above in (each for each in folder.parents if each.is_relative_to(self._job(place))):
                above.chmod(0o711)

    def _job(self, place: Place) -> Path:
        return self.home / "jobs" / str(place.job_id)

    def _own_home(self, place: Place, user: JobUser) -> list[Path]:
        return [] if user.home or not place.kept else [self._job(place) / "home"]

    def _temporary(self, place: Place, user: JobUser | None) -> None:
        """A folder in /tmp, as paths below it must stay short: they become addresses of sockets."""
        link = place.folder / "tmp"
        link.unlink(missing_ok=True)
        try:
            folder = tempfile.mkdtemp(prefix="trainyard-", dir=next(iter(job_view.TEMPORARY)))
        except OSError as error:
            log.warning(
                "Job %d gets no folder of its own in /tmp: %s", place.job_id, error, extra={"job": place.job_id}
            )
            return
        link.symlink_to(folder)
        if user is not None:
            os.chown(folder, user.uid, user.gid)

    def environment(self, place: Place) -> dict[str, str]:
        """Variables that give way to those which the job brings."""
        user = self.user_of(place.job_id)
        link = place.folder / "tmp"
        temporary = {"TMPDIR": str(link.readlink())} if link.is_symlink() else {}
        if self.private:
            temporary = {"TMPDIR": next(iter(job_view.TEMPORARY))}
        if user is None:
            return temporary
        home = user.home or str(next(iter(self._own_home(place, user)), place.folder))
        return {**temporary, "HOME": home, "USER": user.name, "LOGNAME": user.name}

    def around(self, command: Command, place: Place) -> Command:
        """The command, shut in."""
        user = self.user_of(place.job_id)
        command = replace(command, process_limit=self.process_limit)
        if user is None and not self._own_mounts:
            return command
        own = user is not None and self.run_as is not None and not self.run_as.account and place.alone
        wall = {
            "uid": -1 if user is None else user.uid,
            "gid": -1 if user is None else user.gid,
            "groups": [] if user is None else list(user.groups),
            "layers": self._layers(command, place, user) if self._own_mounts else [],
            "view": self.view,
            "devices": device_files.DEVICES if "devices" in self.names else "",
            "processes": self.process_limit + KERNEL_ROOM if self.process_limit and own else 0,
        }
        return replace(command, wall=wall)

    def _layers(self, command: Command, place: Place, user: JobUser | None) -> job_view.Layers:
        return job_view.layers(
            user=user,
            folder=place.folder if self.private else None,
            hidden=self.home,
            seen=self._visible(place, user),
            named=job_view.words_of(command.argv, command.env, command.cwd),
            cwd=command.cwd,
            memory=command.memory_limit_bytes,
            devices=self._devices(place) if "devices" in self.names else None,
        )

    def _devices(self, place: Place) -> list[Path]:
        files = self.gpu_files or {}
        return device_files.shown([files[index] for index in place.gpus if index in files], self.job_folders)

    def _visible(self, place: Place, user: JobUser | None) -> list[Path]:
        """What the platform needs in there, and what else was opened. A folder that is closed itself would bar the way to what is in it."""
        code = [CHECKOUT] if user is None or job_view.may_pass(CHECKOUT, user) else [*CHECKOUT.iterdir()]
        python = [Path(sys.prefix), Path(sys.base_prefix), Path(sys.executable).resolve().parents[1]]
        opened = [Path(each) for each in (*self.job_folders, *([user.home] if user is not None and user.home else []))]
        ways = [each for each in opened if user is None or job_view.may_pass(each, user)]
        others = [each for each in (*code, *python, *ways) if not job_view.is_below(str(each), [str(self.home)])]
        return [place.folder, self._job(place), self.node / "python", *place.shown, *others]

    def shows(self, path: Path) -> bool:
        """Whether a job has it before its eyes whoever it runs as: what the platform needs, or an operator has opened."""
        if self.run_as is None:
            return True
        opened = (*self.job_folders, *((sys.prefix, sys.base_prefix) if self.private else ()))
        return self.private and job_view.is_below(str(path), opened)

    def clear(self, folder: Path, job_id: int) -> None:
        """Remove what an attempt left in /tmp and in shared memory, where those are not its own."""
        link = folder / "tmp"
        if link.is_symlink():
            shutil.rmtree(link.readlink(), ignore_errors=True)
            user = self.user_of(job_id)
            shared_memory.sweep(folder, os.geteuid() if user is None else user.uid)


def hand_over(folder: Path, user: JobUser) -> None:
    """Make the folder and all in it the user's, closed to others; quick when it is already."""
    folder.chmod(0o700)
    if folder.stat().st_uid == user.uid:
        return
    for _, folders, files, here in os.fwalk(folder, follow_symlinks=False):
        for name in (*folders, *files):
            os.chown(name, user.uid, user.gid, dir_fd=here, follow_symlinks=False)
    os.chown(folder, user.uid, user.gid)


def build(
    *,
    home: Path,
    node: Path,
    run_as: str,
    private: bool,
    process_limit: int,
    job_folders: Sequence[str],
    choice: str = AUTO,
    gpu_files: Mapping[int, int] | None = NO_GPUS,
) -> Walls:
    """The highest walls that hold here, as a command has tried. Raises ValueError if those that were asked for do not.

    `choice` is whether each job has a view of its own: `auto` where it can be had, `yes` or none at all, `no`.
    """
    low = Walls(home, node, process_limit=process_limit, job_folders=tuple(job_folders), gpu_files=gpu_files)
    found = job_user.candidates(run_as)
    if choice == YES and (missing := lacking(run_as, found, gpu_files)):
        raise ValueError(f"TRAINYARD_WALLS=yes: {missing}")
    problems: list[str] = []
    for user in (*found, None):
        for view, own_mounts in rungs(user, private=private, choice=choice):
            walls = replace(low, run_as=user, private=own_mounts, view=view)
            problem = probe(walls) if user is not None or own_mounts else ""
            if not problem:
                why = next(iter(problems), "")
                return replace(walls, why_not=why if not view else "")
            problems.append(problem)
        if user is not None and choice == YES:
            raise ValueError(
                f"TRAINYARD_WALLS=yes: a trial command could not be given a view of its own: {problems[0]}"
            )
        if user is not None and run_as != job_user.AUTO:
            raise ValueError(f"TRAINYARD_RUN_AS={run_as}: a trial could not run {user.words}: {problems[0]}")
    raise AssertionError("the last of them needs nothing")


def rungs(user: RunAs | None, *, private: bool, choice: str) -> list[tuple[bool, bool]]:
    """(whether with a view of its own, whether with a /tmp of its own), the highest first.

    Who runs as the agent can undo a view of its own.
    """
    views = [] if user is None or choice == NO else [(True, private)]
    if user is not None and choice == YES:
        return views
    return [*views, *([(False, True)] if private and os.geteuid() == 0 else []), (False, False)]


def lacking(run_as: str, found: Sequence[RunAs], gpu_files: Mapping[int, int] | None) -> str:
    """Why no trial is needed to know that not every wall can be had; empty where one is."""
    if os.geteuid() != 0:
        return "only an agent that runs as root can shut its jobs in."
    if not found:
        why = "this machine has no user ids to spare" if run_as == job_user.AUTO else f"TRAINYARD_RUN_AS={run_as}"
        return f"jobs that run as the agent itself can be shut in by nothing ({why})."
    return "" if gpu_files is not None else "the driver does not tell which device file is which GPU's."


def probe(walls: Walls) -> str:
    """What goes wrong when a command is started behind these walls; empty if it runs."""
    if walls.run_as is not None and (lacking := missing_capabilities()):
        return f"root lacks {', '.join(lacking)} here"
    place = Place(0, walls.node / "trial")
    try:
        shutil.rmtree(place.folder, ignore_errors=True)
        place.folder.mkdir(mode=0o700, parents=True)
        if walls.run_as is not None and not walls.private:
            open_way(walls)
        walls.prepare(place)
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "TRAINYARD_REPORT": str(place.folder / "report.jsonl"),
        }
        environment |= {"PYTHONPATH": str(CHECKOUT), **walls.environment(place)}
        command = Command((sys.executable, "-c", TRIAL), "/", environment, 10_000, 1.0)
        outcome = launch(place.folder, walls.around(command, place), lease_deadline=boottime() + TRIAL_SECONDS).wait(
            TRIAL_SECONDS
        )
        said = "" if outcome is None else outcome.message or last_line(place.folder / "log")
    except OSError as error:
        return str(error)
    else:
        return "" if outcome is not None and outcome.exit_code == 0 else said or "a trial command did not end"
    finally:
        walls.clear(place.folder, 0)
        shutil.rmtree(place.folder, ignore_errors=True)


def open_way(walls: Walls) -> None:
    """Without mounts of its own a command has to go through our folders; that is not to list them."""
    for folder in (walls.home, walls.home / "jobs", walls.home / "nodes", walls.node, walls.node / "attempts"):
        with suppress(FileNotFoundError):
            folder.chmod(folder.stat().st_mode & 0o7777 | 0o011)
    for job in (walls.home / "jobs").glob("*"):  # of attempts before there were walls; who runs again gets its way back
        with suppress(FileNotFoundError):  # another agent of this disk removes what old jobs left
            if job.is_dir() and job.stat().st_mode & stat.S_IROTH:
                job.chmod(0o700)


def missing_capabilities(status: Path = Path("/proc/self/status")) -> list[str]:
    found = [line.split()[1] for line in status.read_text().splitlines() if line.startswith("CapEff:")]
    held = int(found[0], 16) if found else 0
    return [name for name, bit in NEEDED.items() if not held >> bit & 1]


def last_line(path: Path) -> str:
    with suppress(OSError):
        return next(reversed(path.read_text(errors="replace").strip().splitlines()), "")
    return ""
