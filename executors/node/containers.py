"""Jobs in container images on this node: the image fetched if need be, the command run in it by the node's runtime.

docker and podman run as the agent, and the container's command as the job's user; what the container sees of the node is
what is mounted. apptainer runs as the job's user itself, behind the job's walls.
"""

import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from functools import cache
from pathlib import Path

from django.conf import settings

from executors.node.setup_steps import LOG, SetupError, SetupSteps, StoppedError, last_words
from executors.run.placement_run import PlacementRun
from jobs.state.outcome import PlacementOutcome
from scheduling.environments import CONTAINERS, IMAGE, YES, kind_of
from scheduling.lifecycle import EndReason
from workers.environments.containers import (
    RUNTIME_FAILED,
    Box,
    LinesError,
    Mount,
    Runtime,
    detect,
    env_lines,
    of_client,
    succeeds,
)
from workers.hardware.gpus import GpuDevice
from workers.runtime.process import Command, write_private
from workers.runtime.walls import CHECKOUT, Place, Walls

ENV_FILE = "container.env"
LOOK_SECONDS, REMOVE_SECONDS = 60.0, 30.0
OF_NODE = ("PATH", "USER", "LOGNAME", "SHELL", "LANG", "LC_ALL", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "HOME")
"""What of the node means nothing in a container, unless the job says it itself."""
OWN_WORDS = ("Error", "docker:", "error", "time=")
NO_RUNTIME = "This node has no container runtime (docker, podman or apptainer) that answers."


class NodeContainers:
    """The containers of all that runs on one node."""

    def __init__(self, walls: Walls, python: Path) -> None:
        self._walls = walls
        self._python = python
        self._runtime: Runtime | None = None

    def start(self) -> None:
        self._runtime = found()

    def runs(self, run: PlacementRun) -> bool:
        return kind_of(run.claimed.environment) == IMAGE

    def prepare(self, run: PlacementRun) -> PlacementOutcome | None:
        """Have its image here; how it ends, where there is none. Raises OSError."""
        if not self.runs(run):
            return None
        with run.getting_ready():
            try:
                self._fetch(run, run.claimed.environment[IMAGE])
            except StoppedError:
                return run.ended_by_stop()
            except SetupError as error:
                return error.ending(run)
        return None

    def _fetch(self, run: PlacementRun, image: str) -> None:
        if self._runtime is None:
            raise SetupError(NO_RUNTIME)
        client, look = of_client(os.environ), self._runtime.has(image)
        if look and succeeds(look, client, LOOK_SECONDS):
            return
        steps = SetupSteps(run)
        try:
            steps.say(f"Fetching the image {image} by {self._runtime.kind}.")
            pull = Command(
                tuple(self._runtime.pull(image)), "/", client, int(settings.LOG_LIMIT_MB * 2**20),
                settings.KILL_GRACE_SECONDS, max_runtime_seconds=steps.seconds_left,
            )  # fmt: skip
            steps.step(pull, steps.place(), what=f"Fetching the image {image}")
        finally:
            steps.close()

    def around(self, command: Command, place: Place, run: PlacementRun, gpus: Iterable[GpuDevice]) -> Command:
        """The command, in its container. Raises SetupError, OSError."""
        if self._runtime is None:
            raise SetupError(NO_RUNTIME)
        own, user = run.claimed.env, self._walls.user_of(place.job_id)
        home = {"HOME": command.env["HOME"]} if user is not None and "HOME" in command.env else {}
        env = {name: value for name, value in command.env.items() if name not in OF_NODE or name in own} | home
        env_file = run.folder / ENV_FILE
        try:
            write_private(env_file, env_lines({**env, **({"HOME": own["HOME"]} if "HOME" in own else {})}))
        except LinesError as error:
            words = f"The variable {error} has several lines, which cannot be given to a container."
            raise SetupError(words) from None
        uid, gid = (os.geteuid(), os.getegid()) if user is None else (user.uid, user.gid)
        box = Box(
            image=run.claimed.environment[IMAGE], name=name_of(run), cwd=command.cwd, env_file=str(env_file),
            mounts=self._mounts(place, home), uid=uid, gid=gid, gpus=[gpu.uuid or str(gpu.index) for gpu in gpus],
            memory_bytes=command.memory_limit_bytes if command.memory_enforced else 0, cores=command.cores,
            processes=self._walls.process_limit,
        )  # fmt: skip
        inside = replace(
            command,
            argv=tuple(self._runtime.run(box, command.argv)),
            env=of_client(os.environ),
            cwd="/",
            after=tuple(self._runtime.remove(box.name)),
        )
        if not self._runtime.as_user:
            return inside
        os.chown(env_file, uid, gid)
        return self._walls.around(inside, place)

    def _mounts(self, place: Place, home: dict[str, str]) -> list[Mount]:
        report = place.folder / "report.jsonl"
        report.touch(mode=0o600)
        written = [*place.kept, report, *map(Path, home.values())]
        opened = [Path(each) for each in self._walls.job_folders]
        # The package by its name below PYTHONPATH: a link out of the container leads nowhere.
        package = [CHECKOUT / "trainyard", self._python]
        mounts = [Mount(str(path)) for path in dict.fromkeys([*written, *opened]) if path.exists()]
        return [*mounts, *(Mount(str(path), writable=False) for path in package if path.exists())]

    def judged(self, run: PlacementRun, outcome: PlacementOutcome) -> PlacementOutcome:
        """How it ended, where it was the runtime that failed: in its own words."""
        if not self.runs(run) or (outcome.reason, outcome.exit_code) != (EndReason.EXIT_CODE, RUNTIME_FAILED):
            return outcome
        words = last_words(run.folder / LOG, lines=1)
        if not words.startswith(OWN_WORDS):
            return outcome
        return replace(outcome, reason=EndReason.SETUP_FAILED, message=f"The container could not be started: {words}")

    def clear(self, run: PlacementRun) -> None:
        """Nothing of it outlives its shim, however that ended."""
        if self.runs(run) and self._runtime is not None and (words := self._runtime.remove(name_of(run))):
            with suppress(OSError):
                succeeds(words, of_client(os.environ), REMOVE_SECONDS)


def name_of(run: PlacementRun) -> str:
    """Of its container: nobody else's, and known to the next agent."""
    return f"trainyard-{run.placement_id}-{run.claimed.token[:8]}"


def found() -> Runtime | None:
    """The runtime of this node. Raises ValueError for a setting that names none that answers."""
    return _detected(settings.CONTAINER_RUNTIME)


@cache
def _detected(setting: str) -> Runtime | None:
    """Asked once a process: a trial of a runtime takes a moment."""
    return detect(setting, os.environ)


def labels() -> dict[str, str]:
    """By which the planner knows that jobs may name an image here."""
    return {} if found() is None else {CONTAINERS: YES}
