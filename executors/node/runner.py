"""Running placements on this node: from a claim to the report of the end, one thread each.

The thread only waits: the command belongs to its shim, so an agent that is killed leaves it running, and the next
agent of the node takes it over from the files in its attempt's folder.
"""

import logging
import os
import shutil
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection

from executors.beside.hub import SessionHub
from executors.celery_worker.queue_probe import QueueProbe
from executors.node import job_environment
from executors.node.code import COPY, NodeCode
from executors.node.exporter import NodeView
from executors.node.monitor import Monitor
from executors.node.node_status import NodeStatus
from executors.node.old_folders import OldFolders
from executors.node.spot_watch import SpotWatch
from executors.run import rendezvous, run_spans, state_files
from executors.run.placement_run import PlacementRun
from executors.session import reattach
from executors.session.reattach import Reattached
from executors.session.requests import Identity
from executors.session.sync import NodeSession
from executors.upload import series
from jobs.attempts.claims import PlacementSpec
from jobs.state.outcome import PlacementOutcome, PlacementRef
from scheduling.lifecycle import EndReason
from telemetry.origin import life
from telemetry.subject import about
from workers.hardware import cores
from workers.hardware.disk import Disk
from workers.hardware.gpu_faults import GpuFaults
from workers.hardware.inventory import Hardware
from workers.hardware.spot_notices import Source
from workers.heartbeats import QueueProbeResult
from workers.runtime import cgroups, environment, folder_removal
from workers.runtime.checkpoints import CheckpointMonitor
from workers.runtime.job_view import TEMPORARY
from workers.runtime.process import Command, CommandResult, Shim, cores_of, launch
from workers.runtime.walls import Place, Walls

log = logging.getLogger(__name__)
INHERITED = ("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_ALL", "TZ", "TMPDIR", "LD_LIBRARY_PATH")
"""What a command gets of the agent's own environment: nothing that could hold a secret."""


class Runner:
    """Everything that one node runs. The agent's process has one."""

    def __init__(
        self,
        *,
        identity: Identity,
        hardware: Hardware,
        home: Path,
        queue_probe: QueueProbe | None = None,
        walls: Walls | None = None,
        spot_notice: Source | None = None,
    ) -> None:
        self.queue_probe = queue_probe
        self._hardware = hardware
        self._home = home
        self._agent_id = identity.agent_id
        self._attempts = home / "nodes" / identity.name / "attempts"
        self._python = home / "nodes" / identity.name / "python"
        self._claimed_cores = cores.Claim()
        self._cores = cores.Cores()
        self._groups: cgroups.JobGroups | None = None
        folder = self._attempts.parent
        self._walls = walls or Walls(home, folder, process_limit=settings.PROCESS_LIMIT)
        disk = Disk([folder, home / "jobs"], settings.DISK_RESERVE_MB)
        self._old_folders = OldFolders(home / "jobs", self._attempts, disk)
        self._code = NodeCode(folder / "code", disk)
        self._status = NodeStatus(hardware, disk, GpuFaults(hardware.gpus, folder / "gpu-errors.json"))
        self._sessions = SessionHub(wake=self.refresh)
        self._session = NodeSession(
            identity=identity,
            hardware=hardware,
            attempts=self._attempts,
            probe=queue_probe.result if queue_probe is not None else QueueProbeResult,
            load=self._load,
            beside=self._sessions.look,
        )
        self._monitor = Monitor(self._status, tell=self._session.beat_soon)
        every = settings.SPOT_NOTICE_SECONDS
        self._spot = SpotWatch(spot_notice, self._session.departure.tell, every=every) if spot_notice else None

    def start(self) -> None:
        """Register the node and take over what an earlier agent left running."""
        # The folders first, as shims and claims lie there; the node's registration after all that it promises is ready,
        # because from then on the planner sends work.
        self._attempts.mkdir(parents=True, exist_ok=True, mode=0o700)
        job_environment.lay_out(self._python)
        self._code.start()
        (self._home / "jobs").mkdir(exist_ok=True)
        self._monitor.start()
        if settings.CPU_AFFINITY:
            self._cores = cores.of_this_machine(self._hardware.cpus, self._claimed_cores)
        if settings.MEMORY_LIMIT == "enforce":
            self._groups = cgroups.prepare(settings.CONTROL_GROUPS)
        node_id = self._session.open()
        self._reattach_runs(node_id)
        if self._groups is not None:
            self._groups.clear()
        if settings.REMOVE_FOLDERS:
            self._old_folders.start()
        if self._spot is not None:
            self._spot.start()

    def _load(self) -> dict[str, Any]:
        told = {"jobs_can_read": self._walls.sentence, "removed": self._old_folders.told()}
        return {**self._status.load(), **told}

    def view(self, *, name: str, version: str) -> NodeView:
        """For an exporter."""
        probe = self.queue_probe.result if self.queue_probe is not None else QueueProbeResult
        return NodeView(
            name, version, self._hardware, self._status, self._session.known, probe, jobs=settings.NODE_METRICS_JOBS
        )

    def refresh(self) -> None:
        """Ask at once what is wished of what runs here. Returns at once."""
        self._session.refresh()

    @property
    def patience(self) -> float:
        """How long a drain may take: the longest grace of what runs here."""
        return max(self._session.patience, settings.DRAIN_SECONDS)

    def drain(self) -> None:
        """Take nothing new and give back what runs, checkpointed if it can be. Returns at once."""
        self._session.drain()

    def close(self) -> None:
        """Drain, wait for everything to be reported, say goodbye."""
        if self._spot is not None:
            self._spot.close()
        self._old_folders.close()
        self._sessions.close()
        self._session.close()
        self._monitor.close()

    def detach(self, within: float) -> bool:
        """Fall silent within so many seconds and let everything run on; whether all that is known was said."""
        self._old_folders.close()
        self._sessions.close(within / 2)
        return self._session.detach(within / 2)

    def run(self, ref: PlacementRef) -> bool:
        """Claim the placement and run it to its end; False, quietly, if it is not this node's to run."""
        began = time.time()
        run = self._session.claim(ref)
        if run is None:
            extra = {"placement": ref.placement_id}
            log.info("Placement %d is not for this node, or not any more.", ref.placement_id, extra=extra)
            return False
        run_spans.claimed_since(run.claimed, began)
        with about(**run.claimed.ids):
            life.info("Job %d, attempt %d was claimed.", run.claimed.job_id, run.claimed.attempt)
            self._see_to_the_end(run, self._launch(run))
        return True

    def _launch(self, run: PlacementRun) -> Shim | PlacementOutcome:
        refused = self._monitor.refusal(run)
        if refused is not None:
            return refused
        try:
            run.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            # Before anything is started: the next agent knows a command only by this file.
            state_files.write_claim(run.folder, run.claimed)
            ended = self._code.prepare(run) or run.wait_for_its_gang()
            return ended or launch(run.folder, self._command(run), lease_deadline=run.lease_deadline)
        except OSError as error:
            return run.failed_to_start(error)
        except Exception as error:
            log.exception("The agent failed to start job %d.", run.claimed.job_id)
            return run.failed(EndReason.PLATFORM_ERROR, f"The agent failed to start the command: {error!r}")

    def _see_to_the_end(self, run: PlacementRun, shim: Shim | PlacementOutcome) -> None:
        began = time.time()
        ending = shim if isinstance(shim, PlacementOutcome) else self._watched(run, shim)
        self._sessions.end_beside(run.placement_id)
        # Before the end is told: at that word the planner may send the next job, which wants these cores.
        self._cores.release(run.cores)
        if self._groups is not None:
            self._groups.remove(str(run.placement_id))
        # On disk before in the database, and off the disk after: whenever the agent dies, somebody can still tell it.
        state_files.write_outcome(run.folder, ending)
        self._session.finish(run, ending)
        run_spans.ended(run.claimed, ending, began)
        self._walls.clear(run.folder, run.claimed.job_id)
        if run.claimed.code:
            folder_removal.remove(run.folder, COPY)  # whatever its job has made of it
        shutil.rmtree(run.folder, ignore_errors=True)

    def _watched(self, run: PlacementRun, shim: Shim) -> PlacementOutcome:
        """How the command ended. A run that nobody waits for would keep its place for ever: if the agent fails, it ends."""
        try:
            # Before the shim is attached: a stop that waits for it asks at once what was saved until then.
            run.checkpoints = CheckpointMonitor(self._checkpoints(run.claimed))
            run.attach(shim)
            temporary = (run.folder / name for name in TEMPORARY.values())
            self._monitor.add(run, self._checkpoints(run.claimed), self._outputs(run.claimed), *temporary, *_code(run))
            result = _wait(shim)
            self._monitor.remove(run, result.cpu_seconds)
            return run.outcome(result)
        except Exception as error:
            log.exception("The agent failed to look after job %d.", run.claimed.job_id)
            shim.kill()
            return run.failed(EndReason.PLATFORM_ERROR, f"The agent failed to look after the command: {error!r}")

    def _command(self, run: PlacementRun) -> Command:
        checkpoints = self._checkpoints(run.claimed)
        outputs = self._outputs(run.claimed)
        memory = 0 if settings.MEMORY_LIMIT == "off" else run.claimed.memory_mb * 2**20
        run.cores = self._cores.allocate(run.claimed.cpus)
        code = _code(run)
        place = Place(run.claimed.job_id, run.folder, (checkpoints, outputs, *code), alone=run.claimed.nodes == 1)
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
        return self._walls.around(command, place)

    def _checkpoints(self, claimed: PlacementSpec) -> Path:
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
            # What follows the job's own variables it cannot change: which GPUs are its, who it is, where a gang meets.
            **job_environment.environment(claimed, self._python),
            **devices,
            **run_spans.environment(claimed),
            "TRAINYARD_JOB_ID": str(claimed.job_id),
            "TRAINYARD_ATTEMPT": str(claimed.attempt),
            "TRAINYARD_CHECKPOINT_DIR": str(checkpoints),
            "TRAINYARD_OUTPUT_DIR": str(outputs),
            "TRAINYARD_REPORT": str(run.folder / "report.jsonl"),
            **({"TRAINYARD_CODE_DIR": str(run.folder / COPY)} if claimed.code else {}),
            **(rendezvous.environment(claimed) if claimed.nodes > 1 else {}),
        }

    def _reattach_runs(self, node_id: int) -> None:
        """Go on with what an earlier agent of this node left."""
        found = reattach.reattach_runs(self._attempts, node_id=node_id, agent_id=self._agent_id)
        self._sessions.take_over([left.run.placement_id for left in found])
        for left in sorted(found, key=lambda left: left.shim is None):  # what runs keeps its cores
            self._reattach(left)
        connection.close()  # the session's thread has one of its own; a node needs no second

    def _reattach(self, left: Reattached) -> None:
        run = left.run
        life.info("Job %d is still this node's: going on with it.", run.claimed.job_id, extra=run.claimed.ids)
        if left.shim is not None:
            run.cores = cores_of(run.folder)
            self._cores.keep(run.cores)
        if left.is_under_way:
            run.release()
            run.log.resume()
            series.resume(run)
        self._session.reattach(run)
        threading.Thread(target=self._resume, args=(left,), name=f"job-{run.claimed.job_id}").start()

    def _resume(self, left: Reattached) -> None:
        with about(**left.run.claimed.ids):
            self._see_to_the_end(left.run, left.ending or left.shim or self._launch(left.run))


def _code(run: PlacementRun) -> tuple[Path, ...]:
    """Its own copy of the code that it brings along, if it brings any."""
    return (run.folder / COPY,) if run.claimed.code else ()


def _wait(shim: Shim) -> CommandResult:
    while (result := shim.wait()) is None:
        pass
    return result
