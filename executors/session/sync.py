"""The one thread, and the one database connection, through which a node speaks.

Claims, starts, ends, heartbeats, leases, logs and progress of everything that runs on the node go through here in
batches, so that a node with a hundred jobs costs the database what a node with one costs. While the database is away
it keeps what has to be said, and says it when the database is back.
"""

import logging
import os
import queue
import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection

from executors.run.placement_run import PlacementRun, record_starts, release_complete_gangs, renewable
from executors.session import known, pause
from executors.session.agreement import Agreement
from executors.session.departure import Departure
from executors.session.node_row import NodeRow
from executors.session.requests import Claim, Finish, Identity
from executors.upload import activity, events, logs, outputs, progress
from jobs.attempts import claims
from jobs.attempts.completion import finish
from jobs.recovery import sweep
from jobs.state.outcome import PlacementOutcome, PlacementRef
from scheduling.errors import TrainyardError
from scheduling.lifecycle import EndReason
from workers import heartbeats
from workers.hardware.inventory import Hardware
from workers.heartbeats import Load, ProbeReader, QueueProbeResult
from workers.proof_marks import TURNED, mark
from workers.runtime.shim.clock import boottime

log = logging.getLogger(__name__)
DATABASE_ERRORS = (DatabaseError, InterfaceError)
GLANCE_SECONDS = 0.2  # how often starts are looked for while something starts
BUSY_SECONDS = 0.05  # what comes so soon after the last turn is waited for, and said together with what else comes
SHIP_SECONDS, FOLLOWED_SECONDS = 1.0, 0.25
"""How often logs, progress and wishes travel while something runs, and how often logs that somebody follows."""
LOST_GRACE_SECONDS, SYNC_THREAD = 5.0, "node-session"


class NodeSession:
    """Speaks for one node. `claim` and `finish` may be called from any thread and wait for the database's word."""

    def __init__(
        self,
        *,
        identity: Identity,
        hardware: Hardware,
        attempts: Path,
        load: Load,
        probe: ProbeReader = QueueProbeResult,
        beside: Callable[[Mapping[int, PlacementRun]], None] = lambda _: None,
    ) -> None:
        """`probe` says whether messages arrive here, `load` how the node is: heartbeats carry both. `beside` sees to sessions."""
        self.node_id = 0
        self._probe, self._load, self._beside = probe, load, beside
        self._identity = identity
        self._row = NodeRow(identity)
        self._hardware, self._attempts = hardware, attempts
        self._agreement = Agreement()
        self._runs: dict[int, PlacementRun] = {}
        self._inbox: queue.SimpleQueue[Claim | Finish | None] = queue.SimpleQueue()
        self.departure = Departure(wake=lambda: self._inbox.put(None), lifetime=identity.lifetime)
        self._unsaid: list[Claim | Finish] = []
        self._refresh_requested = threading.Event()
        self._draining = threading.Event()
        self._drained = False
        self._detaching = threading.Event()
        self._closing = threading.Event()
        self._registered: Future[int] = Future()
        self._next_beat = self._next_ship = self._next_tail = self._next_glance = self._spoke_at = self._heard_at = 0.0
        self._thread = threading.Thread(target=self._loop, name=SYNC_THREAD, daemon=True)

    # Called by others

    def open(self) -> int:
        """Register the node, waiting for the database if need be; returns its id.

        Raises ConflictError if the name belongs to another agent that is alive, and CancelledError if it was told to end
        before the database answered.
        """
        self._thread.start()
        return self._registered.result()

    def claim(self, ref: PlacementRef) -> PlacementRun | None:
        """The run that this node may start, or None: then somebody else has it, or nobody may."""
        request = Claim(ref)
        self._inbox.put(request)
        return request.answer.result()

    def finish(self, run: PlacementRun, ending: PlacementOutcome) -> None:
        """Report an end; returns when the database has it."""
        report = Finish(run, ending)
        self._inbox.put(report)
        report.answer.result()

    def reattach(self, run: PlacementRun) -> None:
        """Take over a run that an earlier agent of this node began."""
        self._runs[run.placement_id] = run

    def refresh(self) -> None:
        """Ask at once what is wished of the runs here, not with the next turn. Returns at once, from any thread."""
        self._refresh_requested.set()
        self._inbox.put(None)

    def beat_soon(self) -> None:
        """Send the next heartbeat at once: the node is not as it was."""
        self._next_beat = 0
        self._inbox.put(None)

    def known(self) -> known.Known:
        """What this agent knows without asking anybody; from any thread, also while the database is away."""
        unsaid = len(self._unsaid) + self._inbox.qsize()
        return known.known_of(self._runs, unsaid=unsaid, heard_at=self._heard_at, leaving=self._is_going)

    @property
    def patience(self) -> float:
        """How long what runs here may take to save its work when the node is drained."""
        return max((run.grace(settings.DRAIN_SECONDS) for run in list(self._runs.values())), default=0.0)

    def drain(self) -> None:
        """Claim nothing more and stop what runs, with the drain's grace. Safe to call from a signal handler."""
        self._draining.set()
        self._inbox.put(None)

    def close(self) -> None:
        """Drain, wait until every run has been reported, say goodbye."""
        self.drain()
        self._closing.set()
        self._inbox.put(None)
        self._thread.join()

    def detach(self, within: float) -> bool:
        """Claim nothing more, say what is unsaid, renew each lease once more, and fall silent: everything runs on.

        Returns whether that was done within so many seconds. The next agent has a whole lease to take over.
        """
        self._detaching.set()
        self._inbox.put(None)
        if self._thread.ident is not None:
            self._thread.join(within)
        return not self._thread.is_alive()

    # The thread

    def _loop(self) -> None:
        if not self._register():
            return
        while not self._over():
            self._collect()
            self._run_step(self._turn)
            mark(TURNED)
        if self._detaching.is_set():  # until it is said: after the time that `detach` gives the process ends anyway
            while not self._run_step(self._flush):
                pass
        else:
            self._run_step(self._deregister)
        connection.close()

    @property
    def _is_going(self) -> bool:
        return self._draining.is_set() or self._detaching.is_set() or self.departure.is_near

    def _over(self) -> bool:
        if self._unsaid:  # it is said first, however long the database is away
            return False
        if self._detaching.is_set():  # a command that is just being started would be lost to the next agent
            return all(run.can_detach for run in self._runs.values())
        return self._closing.is_set() and not self._runs

    def _register(self) -> bool:
        while True:
            try:
                self.node_id = self._row.register(self._hardware)
            except DATABASE_ERRORS as error:
                log.warning("The database is out of reach, trying again: %s", str(error).strip())
                connection.close()
                if self._is_going or self._closing.wait(1):
                    self._registered.cancel()
                    return False
            except TrainyardError as error:
                self._registered.set_exception(error)
                connection.close()
                return False
            else:
                self._registered.set_result(self.node_id)
                return True

    def _collect(self) -> None:
        """Wait for something to say, at most until the next regular turn, and take all that is there."""
        try:
            first = self._inbox.get(timeout=self._pause())
        except queue.Empty:
            return
        if time.monotonic() - self._spoke_at < BUSY_SECONDS:
            time.sleep(BUSY_SECONDS)  # more is about to come: say it together
        taken = [first, *(self._inbox.get() for _ in range(self._inbox.qsize()))]  # nobody else takes of it
        self._unsaid += [item for item in taken if item is not None]

    def _pause(self) -> float:
        if self._unsaid:
            return 0
        return pause.pause(self._runs.values(), self._next_beat, self._next_ship, self._next_tail, self._next_glance)

    def _turn(self) -> None:
        self._serve()
        self._drain_once()
        self.departure.settle(list(self._runs.values()), self.node_id)
        if self._refresh_requested.is_set():
            self._refresh_requested.clear()
            self._refresh_desired()
            self._beside(dict(self._runs))
        if time.monotonic() >= self._next_glance:
            record_starts(list(self._runs.values()), node_id=self.node_id)
            self._next_glance = time.monotonic() + GLANCE_SECONDS
        if self._runs and time.monotonic() >= self._next_ship:
            self._ship()
        elif time.monotonic() >= self._next_tail:
            logs.ship_logs([run for run in self._runs.values() if run.log.followed])
            self._next_tail = time.monotonic() + FOLLOWED_SECONDS
        if time.monotonic() >= self._next_beat:
            self._beat()
        self._spoke_at = time.monotonic()

    def _run_step(self, step: Callable[[], None]) -> bool:
        """Run `step`; when it fails, wait a moment, and leave what is unsaid unsaid. Whether it went well.

        Mostly the database has failed; but without this thread the node would fall silent, so nothing may end it.
        """
        try:
            step()
        except DATABASE_ERRORS as error:
            log.warning("The database did not answer, trying again: %s", str(error).strip())
            connection.close()
        except Exception:
            log.exception("The node could not say all that it has to say, trying again.")
        else:
            return True
        time.sleep(0.5)
        return False

    def _serve(self) -> None:
        """Say what has to be said; it is forgotten only when the database has taken it."""
        # Ends before claims: by an end the planner can place somebody; a claim only waits for this turn.
        reports = [item for item in self._unsaid if isinstance(item, Finish)]
        if reports:
            said = self._report_ends(reports)
            self._unsaid = [item for item in self._unsaid if item not in said]
        questions = [item for item in self._unsaid if isinstance(item, Claim)]
        if questions:
            self._answer_claims(questions)
            self._unsaid = [item for item in self._unsaid if item not in questions]

    def _report_ends(self, reports: Sequence[Finish]) -> Sequence[Finish]:
        """Report the ends of those whose logs are stored whole; a long one takes several turns, with leases in between."""
        whole = logs.ship_tails([report.run for report in reports])
        ready = [report for report in reports if report.run in whole]
        # Its log and its progress before its end, which closes them, and is judged by what the command has reported.
        progress.ship_progress([report.run for report in ready], to_the_end=True)
        outputs.announce([report.run for report in ready], self._attempts.parent)
        finish([report.ending for report in ready])
        for report in ready:
            self._runs.pop(report.run.placement_id, None)
            report.answer.set_result(True)
        return ready

    def _answer_claims(self, questions: Sequence[Claim]) -> None:
        deadline = boottime() + settings.LEASE_SECONDS  # before the question: our clock of the lease runs out first
        refs = {question.ref for question in questions}
        won = [] if self._is_going else claims.claim(refs, node_id=self.node_id, agent_id=self._identity.agent_id)
        for claimed in won:
            folder = self._attempts / str(claimed.placement_id)
            self._runs[claimed.placement_id] = PlacementRun(claimed, folder, lease_deadline=deadline)
        fresh = {claimed.placement_id for claimed in won}
        for question in questions:
            mine = question.ref.placement_id in fresh  # of two messages for one placement the first gets the run
            fresh.discard(question.ref.placement_id)
            question.answer.set_result(self._runs[question.ref.placement_id] if mine else None)
        if any(run.waits_for_its_gang for run in self._runs.values()):
            self._next_ship = 0  # a doorbell for a member that waits here says that its gang may be complete

    def _drain_once(self) -> None:
        if self._draining.is_set() and not self._drained:
            self.departure.drain(list(self._runs.values()))
            self._drained = True  # not sooner: should the database be away just now, the next turn does it again
            self._next_beat = 0  # says at once that the node is leaving

    def _ship(self) -> None:
        runs = list(self._runs.values())
        logs.ship_logs(runs)
        progress.ship_progress(runs)
        activity.ship(runs)
        events.ship(runs)
        release_complete_gangs(runs)
        self._refresh_desired()
        self._next_ship = time.monotonic() + SHIP_SECONDS

    def _beat(self) -> None:
        """Heartbeat and leases. The deadline is taken before the statement: the shim's clock runs out first."""
        runs = dict(self._runs)  # `reattach` may add one from another thread
        deadline = boottime() + settings.LEASE_SECONDS
        load, heard = {**self._load(), "placements": sorted(runs)}, self._probe()
        if self._row.beat(self.node_id, load, leaving=self._drained, heard=heard):
            renewal = claims.renew([run.claimed.ref for run in renewable(list(runs.values()))], node_id=self.node_id)
        else:
            self._give_way_to_another_agent()
            renewal = claims.Renewal(frozenset(), {})
        for placement_id, run in runs.items():
            if placement_id in renewal.kept:
                run.renew(deadline)
            else:  # closed, or somebody else's: it may start elsewhere soon, so it gets little time
                run.stop(EndReason.LOST_LEASE, LOST_GRACE_SECONDS)
        self._apply_desired(renewal.desired)
        self._beside(runs)
        self._agreement.look()
        self._heard_at = time.monotonic()
        self._next_beat = self._heard_at + settings.HEARTBEAT_SECONDS

    def _refresh_desired(self) -> None:
        suspended = [run.placement_id for run in self._runs.values() if run.suspended]
        self._apply_desired(claims.desired(list(self._runs), suspended) if self._runs else {})

    def _give_way_to_another_agent(self) -> None:
        """This one was silent for longer than a lease, and another one has taken the node's name: this process ends."""
        if not self._draining.is_set():
            log.error("Node %s belongs to another agent now: this one and its jobs end.", self._identity.name)
            os.kill(os.getpid(), signal.SIGTERM)
        self._draining.set()

    def _apply_desired(self, wishes: Mapping[int, str]) -> None:
        for placement_id, wish in wishes.items():
            if placement_id in self._runs:
                self._runs[placement_id].apply_desired(wish)

    def _flush(self) -> None:
        self._next_beat = self._next_ship = self._next_glance = 0
        self._turn()

    def _deregister(self) -> None:
        heartbeats.deregister(node_id=self.node_id, agent_id=self._identity.agent_id)
        # What was placed here and will not be taken goes elsewhere at once, not with the next sweep.
        sweep.release_unclaimed()
