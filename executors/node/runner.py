"""Running placements on this node: from a claim to the report of the end, one thread each.

The thread only waits: the command belongs to its shim, so an agent that is killed leaves it running, and the next
agent of the node takes it over from the files in its attempt's folder.
"""

import logging
import threading
import time
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection

from executors.beside.hub import SessionHub
from executors.celery_worker.queue_probe import QueueProbe
from executors.celery_worker.shutdown import DETACH_SECONDS, REPORT_SECONDS
from executors.node import job_secrets
from executors.node.exporter import NodeView
from executors.node.launcher import Launcher
from executors.node.monitor import Monitor
from executors.node.node_status import NodeStatus
from executors.node.old_folders import OldFolders
from executors.node.outputs import NodeOutputs
from executors.node.spot_watch import SpotWatch
from executors.node.time_up import TimeUp
from executors.run import run_spans, state_files
from executors.run.placement_run import PlacementRun
from executors.session import reattach
from executors.session.reattach import Reattached
from executors.session.requests import Identity
from executors.session.sync import NodeSession
from executors.upload import series
from jobs.state.outcome import PlacementOutcome, PlacementRef
from scheduling.lifecycle import EndReason
from telemetry.origin import life
from telemetry.subject import about
from workers.hardware.disk import Disk
from workers.hardware.gpu_faults import GpuFaults
from workers.hardware.inventory import Hardware
from workers.hardware.spot_notices import Source
from workers.heartbeats import QueueProbeResult
from workers.runtime.checkpoints import CheckpointMonitor
from workers.runtime.process import CommandResult, Shim
from workers.runtime.walls import Walls

log = logging.getLogger(__name__)


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
        self._agent_id = identity.agent_id
        self._attempts = home / "nodes" / identity.name / "attempts"
        folder = self._attempts.parent
        self._walls = walls or Walls(home, folder, process_limit=settings.PROCESS_LIMIT)
        disk = Disk([folder, home / "jobs"], settings.DISK_RESERVE_MB)
        self._old_folders = OldFolders(home / "jobs", self._attempts, disk)
        self._launcher = Launcher(hardware=hardware, home=home, folder=folder, disk=disk, walls=self._walls)
        self._left = NodeOutputs(folder, home / "jobs")
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
        self._lifetime, self._time_up = identity.lifetime, TimeUp(identity.lifetime)
        self._spot = SpotWatch(spot_notice, self._session.departure.tell, every=every) if spot_notice else None

    def start(self) -> None:
        """Register the node and take over what an earlier agent left running."""
        # The folders first, as shims and claims lie there; the node's registration after all that it promises is ready,
        # because from then on the planner sends work.
        self._attempts.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._launcher.start()
        self._monitor.start()
        node_id = self._session.open()
        self._reattach_runs(node_id)
        self._launcher.clear_groups()
        self._left.start()
        if settings.REMOVE_FOLDERS:
            self._old_folders.start()
        if self._spot is not None:
            self._spot.start()
        self._time_up.start()

    def _load(self) -> dict[str, Any]:
        told = {"jobs_can_read": self._walls.sentence, "walls": self._walls.names, "removed": self._old_folders.told()}
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
        """How long a drain may take: the longest grace of what runs here, as long as the machine is there."""
        longest = max(self._session.patience, settings.DRAIN_SECONDS)
        return min(longest, max(self._lifetime.left - DETACH_SECONDS - REPORT_SECONDS, 1.0))

    def drain(self) -> None:
        """Take nothing new and give back what runs, checkpointed if it can be. Returns at once."""
        self._session.drain()

    def close(self) -> None:
        """Drain, wait for everything to be reported, say goodbye."""
        self._time_up.close()
        if self._spot is not None:
            self._spot.close()
        self._old_folders.close()
        self._sessions.close()
        self._session.close()
        self._left.finish(min(settings.DRAIN_SECONDS, max(self._lifetime.left - REPORT_SECONDS, 0.0)))
        self._monitor.close()

    def detach(self, within: float) -> bool:
        """Fall silent within so many seconds and let everything run on; whether all that is known was said."""
        self._old_folders.close()
        self._left.close()
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
        return self._monitor.refusal(run) or self._launcher.launch(run)

    def _see_to_the_end(self, run: PlacementRun, shim: Shim | PlacementOutcome) -> None:
        began = time.time()
        ending = shim if isinstance(shim, PlacementOutcome) else self._watched(run, shim)
        self._sessions.end_beside(run.placement_id)
        # Before the end is told: at that word the planner may send the next job, which wants these cores.
        self._launcher.release(run)
        # On disk before in the database, and off the disk after: whenever the agent dies, somebody can still tell it.
        state_files.write_outcome(run.folder, ending)
        self._left.take(run)
        self._session.finish(run, ending)
        self._left.look()
        run_spans.ended(run.claimed, ending, began)
        self._launcher.clear(run)

    def _watched(self, run: PlacementRun, shim: Shim) -> PlacementOutcome:
        """How the command ended. A run that nobody waits for would keep its place for ever: if the agent fails, it ends."""
        try:
            # Before the shim is attached: a stop that waits for it asks at once what was saved until then.
            run.checkpoints = CheckpointMonitor(self._launcher.checkpoints(run.claimed))
            run.attach(shim)
            self._monitor.add(run, *self._launcher.folders(run))
            result = _wait(shim)
            self._monitor.remove(run, result.cpu_seconds)
            return self._launcher.judged(run, run.outcome(result))
        except Exception as error:
            log.exception("The agent failed to look after job %d.", run.claimed.job_id)
            shim.kill()
            return run.failed(EndReason.PLATFORM_ERROR, f"The agent failed to look after the command: {error!r}")

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
        self._launcher.keep(run, runs=left.shim is not None)
        run.log.unsure = True  # it may have said something while it was made ready
        if left.is_under_way:
            job_secrets.recall(run)
            run.release()
            run.log.resume()
            series.resume(run)
        self._session.reattach(run)
        threading.Thread(target=self._resume, args=(left,), name=f"job-{run.claimed.job_id}").start()

    def _resume(self, left: Reattached) -> None:
        with about(**left.run.claimed.ids):
            self._see_to_the_end(left.run, left.ending or left.shim or self._launch(left.run))


def _wait(shim: Shim) -> CommandResult:
    while (result := shim.wait()) is None:
        pass
    return result
