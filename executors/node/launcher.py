"""From a claim to a running command: all that it needs is fetched, built and made, and its shim is started; and the way back."""

import logging
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from django.conf import settings

from executors.node import job_environment, job_secrets
from executors.node.beginning import INPUTS, NodeBeginning
from executors.node.code import COPY, NodeCode
from executors.node.containers import NodeContainers
from executors.node.environments import NodeEnvironments
from executors.node.secret_files import SECRETS
from executors.node.setup_steps import SetupError
from executors.run import rendezvous, run_spans, state_files
from executors.run.placement_run import PlacementRun
from jobs.attempts.claims import PlacementSpec
from jobs.state.outcome import PlacementOutcome
from scheduling.lifecycle import EndReason
from workers.hardware import cores
from workers.hardware.disk import Disk
from workers.hardware.inventory import Hardware
from workers.runtime import cgroups, environment, folder_removal
from workers.runtime.job_view import TEMPORARY
from workers.runtime.process import Command, Shim, cores_of, launch
from workers.runtime.walls import Place, Walls

log = logging.getLogger(__name__)
INHERITED = ("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_ALL", "TZ", "TMPDIR", "LD_LIBRARY_PATH")
"""What a command gets of the agent's own environment: nothing that could hold a secret."""


class Launcher:
    """What commands on this node start with. The node's `folder` is the agent's own, in its `home`."""

    def __init__(self, *, hardware: Hardware, home: Path, folder: Path, disk: Disk, walls: Walls) -> None:
        self._hardware = hardware
        self._home = home
        self._python = folder / "python"
        self._claimed_cores = cores.Claim()
        self._cores = cores.Cores()
        self._groups: cgroups.JobGroups | None = None
        self._walls = walls
        self._code = NodeCode(folder / "code", disk)
        self._beginning = NodeBeginning(home / "jobs", disk, walls)
        self._environments = NodeEnvironments(folder / "environments", disk, walls)
        self._containers = NodeContainers(walls, self._python)

    def start(self) -> None:
        """Have ready what is promised to every command."""
        job_environment.lay_out(self._python)
        self._code.start()
        self._environments.start()
        self._containers.start()
        (self._home / "jobs").mkdir(exist_ok=True)
        if settings.CPU_AFFINITY:
            self._cores = cores.of_this_machine(self._hardware.cpus, self._claimed_cores)
        if settings.MEMORY_LIMIT == "enforce":
            self._groups = cgroups.prepare(settings.CONTROL_GROUPS)

    def clear_groups(self) -> None:
        """Once it is known what goes on: control groups of nobody go."""
        if self._groups is not None:
            self._groups.clear()

    def launch(self, run: PlacementRun) -> Shim | PlacementOutcome:
        """The shim of its command, or how the attempt ended where it cannot be started."""
        try:
            run.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            # Before anything is started: the next agent knows a command only by this file.
            state_files.write_claim(run.folder, run.claimed)
            ended = self._code.prepare(run) or self._environments.prepare(run) or self._containers.prepare(run)
            ended = ended or self._beginning.prepare(run) or run.wait_for_its_gang() or job_secrets.prepare(run)
            return ended or launch(run.folder, self._command(run), lease_deadline=run.lease_deadline)
        except OSError as error:
            return run.failed_to_start(error)
        except SetupError as error:
            return error.ending(run)
        except Exception as error:
            log.exception("The agent failed to start job %d.", run.claimed.job_id)
            return run.failed(EndReason.PLATFORM_ERROR, f"The agent failed to start the command: {error!r}")

    def keep(self, run: PlacementRun, *, runs: bool) -> None:
        """An earlier agent has made this one ready, and where it `runs` started it: it keeps what it has."""
        if runs:
            run.cores = cores_of(run.folder)
            self._cores.keep(run.cores)
        self._environments.keep(run)

    def judged(self, run: PlacementRun, ending: PlacementOutcome) -> PlacementOutcome:
        """How the attempt ended, where what ran the command says more of it than its exit code."""
        return self._containers.judged(run, ending)

    def release(self, run: PlacementRun) -> None:
        """What the next command may have once this one has ended."""
        self._cores.release(run.cores)
        if self._groups is not None:
            self._groups.remove(str(run.placement_id))

    def clear(self, run: PlacementRun) -> None:
        """All that was made for it, once its end is told."""
        self._environments.release(run)
        self._containers.clear(run)
        self._walls.clear(run.folder, run.claimed.job_id)
        if run.claimed.code:
            folder_removal.remove(run.folder, COPY)  # whatever its job has made of it
        if run.claimed.inputs:
            folder_removal.remove(run.folder, INPUTS)
        if run.claimed.secret_files:
            folder_removal.remove(run.folder, SECRETS)
        shutil.rmtree(run.folder, ignore_errors=True)

    def folders(self, run: PlacementRun) -> tuple[Path, ...]:
        """All in which it may write."""
        temporary = (run.folder / name for name in TEMPORARY.values())
        return (self.checkpoints(run.claimed), self._outputs(run.claimed), *temporary, *_brought(run))

    def _command(self, run: PlacementRun) -> Command:
        checkpoints = self.checkpoints(run.claimed)
        outputs = self._outputs(run.claimed)
        memory = 0 if settings.MEMORY_LIMIT == "off" else run.claimed.memory_mb * 2**20
        run.cores = self._cores.allocate(run.claimed.cpus)
        code = _code(run)
        place = Place(
            run.claimed.job_id, run.folder, (checkpoints, outputs, *_brought(run)),
            alone=run.claimed.nodes == 1, gpus=tuple(run.claimed.gpu_indices), shown=self._environments.shown(run),
        )  # fmt: skip
        self._walls.prepare(place)
        command = Command(
            argv=run.claimed.command,
            cwd=str(code[0] / run.claimed.working_dir) if code else run.claimed.working_dir or str(outputs),
            env=self._environment(run, self._walls.environment(place), checkpoints=checkpoints, outputs=outputs),
            log_limit_bytes=int(settings.LOG_LIMIT_MB * 1024 * 1024),
            grace_seconds=settings.KILL_GRACE_SECONDS,
            timeout_grace_seconds=run.grace(settings.KILL_GRACE_SECONDS),
            lease_grace_seconds=settings.LEASE_MARGIN_SECONDS / 2,  # the other half is for what is slow to die
            max_runtime_seconds=run.claimed.max_runtime_seconds,
            memory_limit_bytes=memory,
            memory_enforced=settings.MEMORY_LIMIT == "enforce",
            cores=run.cores,
            group=self._groups.make(str(run.placement_id), memory, settings.PROCESS_LIMIT) if self._groups else "",
        )
        if self._containers.runs(run):
            gpus = [gpu for gpu in self._hardware.gpus if gpu.index in run.claimed.gpu_indices]
            return self._containers.around(command, place, run, gpus)
        return self._walls.around(command, place)

    def checkpoints(self, claimed: PlacementSpec) -> Path:
        """Where the job's checkpoints lie, for all its attempts."""
        return self._folder(claimed, "checkpoints")

    def _outputs(self, claimed: PlacementSpec) -> Path:
        return self._folder(claimed, "outputs", str(claimed.attempt))

    def _folder(self, claimed: PlacementSpec, *parts: str) -> Path:
        folder = self._home.joinpath("jobs", str(claimed.job_id), *parts)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _environment(
        self, run: PlacementRun, own: Mapping[str, str], *, checkpoints: Path, outputs: Path
    ) -> Mapping[str, str]:
        claimed = run.claimed
        gpus = [gpu for gpu in self._hardware.gpus if gpu.index in claimed.gpu_indices]
        threads_and_gpus = environment.environment(cpus=claimed.cpus, gpus=gpus)
        devices = {name: value for name, value in threads_and_gpus.items() if "DEVICE" in name}
        return {
            **{name: os.environ[name] for name in INHERITED if name in os.environ},
            **own,
            "PYTHONUNBUFFERED": "1",
            **threads_and_gpus,
            **({} if claimed.nodes > 1 else rendezvous.environment(claimed)),
            **claimed.env,
            **run.secrets,
            # What follows the job's own variables it cannot change: which GPUs are its, who it is, where a gang meets.
            **job_environment.environment(claimed, self._python),
            **self._environments.variables(run),
            **devices,
            **run_spans.environment(claimed),
            "TRAINYARD_JOB_ID": str(claimed.job_id),
            "TRAINYARD_ATTEMPT": str(claimed.attempt),
            "TRAINYARD_CHECKPOINT_DIR": str(checkpoints),
            "TRAINYARD_OUTPUT_DIR": str(outputs),
            "TRAINYARD_REPORT": str(run.folder / "report.jsonl"),
            **({"TRAINYARD_CODE_DIR": str(run.folder / COPY)} if claimed.code else {}),
            **({"TRAINYARD_INPUT_DIR": str(run.folder / INPUTS)} if claimed.inputs else {}),
            **(rendezvous.environment(claimed) if claimed.nodes > 1 else {}),
        }


def _code(run: PlacementRun) -> tuple[Path, ...]:
    """Its own copy of the code that it brings along, if it brings any."""
    return (run.folder / COPY,) if run.claimed.code else ()


def _brought(run: PlacementRun) -> tuple[Path, ...]:
    """The folders that were made for it alone."""
    inputs = (run.folder / INPUTS,) if run.claimed.inputs else ()
    return (*_code(run), *inputs, *((run.folder / SECRETS,) if run.claimed.secret_files else ()))
