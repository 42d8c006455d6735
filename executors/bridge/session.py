"""The one thread, and the one database connection, through which a bridge speaks for its cluster.

Everything is done for all workloads at once: however many run, there is one look at the cluster, one claim, one renewal.
While the database is away what was seen is kept and said later; while the cluster is out of reach nothing is concluded:
what runs there runs, what is placed there goes back in line unclaimed.
"""

import logging
import math
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from uuid import UUID

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection

from executors.bridge import node_rows, reports
from executors.bridge.attempt_run import AttemptRun
from executors.bridge.book import Book
from executors.bridge.errands import Errands
from executors.bridge.finishing import Finisher
from executors.bridge.outputs import Outputs
from executors.bridge.starting import Starter
from executors.bridge.watching import Watch, Watcher
from executors.engine import ClusterNode, Engine, OutOfReachError
from jobs.attempts import claims
from jobs.messages import publishing
from jobs.models import Placement
from scheduling.lifecycle import LEASED_STATES
from telemetry.origin import life
from workers import clusters
from workers.clusters import Reach, TakenOverError
from workers.heartbeats import ProbeReader, QueueProbeResult
from workers.models import Cluster
from workers.proof_marks import TURNED, mark

log = logging.getLogger(__name__)
DATABASE_ERRORS = (DatabaseError, InterfaceError)
BUSY_SECONDS, BUSY_TIMES = 0.05, 4.0
"""What comes so soon after the last turn is said together with what else comes: so many times what that turn has worked."""
SHIP_SECONDS = 1.0  # how often logs, progress and wishes travel while something runs
CLAIMS_A_TURN = 500
AGAIN_SECONDS = 2.0
"""A cluster that did not answer is asked again after so long."""
LONGEST_LOOK_SECONDS = 5.0
SESSION_THREAD = "cluster-session"


class ClusterSession:
    """Speaks for one cluster from `begin` on, until it is told to end or another bridge has taken over."""

    def __init__(
        self,
        *,
        cluster: Cluster,
        agent_id: UUID,
        engine: Engine,
        folder: Path,
        probe: ProbeReader = QueueProbeResult,
        on_taken_over: Callable[[], None] = lambda: None,
    ) -> None:
        self._cluster = cluster
        self._agent_id = agent_id
        self._engine = engine
        self._probe = probe
        self._on_taken_over = on_taken_over
        self._book = Book(folder)
        self._outputs = Outputs(engine)
        self._errands = Errands(engine, self._wake)
        self._finisher = Finisher(engine, self._outputs, self._errands)
        self._watch = Watch(engine, self._book, self._outputs, self._finisher, cluster.name)
        self._starter = Starter(engine, self._book, self._errands)
        self._nodes: list[ClusterNode] | None = None
        self._fault = ""
        self._kept_at = -math.inf  # when its nodes were last said to be there
        self._ask_at = self._next_beat = self._next_ship = self._next_nodes = self._spoke_at = self._worked = 0.0
        self._look_wanted = threading.Event()
        self._rung = threading.Event()
        self._refresh_wanted = threading.Event()
        self._closing = threading.Event()
        self._inbox: queue.SimpleQueue[None] = queue.SimpleQueue()
        look_seconds = min(settings.HEARTBEAT_SECONDS, LONGEST_LOOK_SECONDS)
        self._watcher = Watcher(engine, self.look, look_seconds)
        self._thread = threading.Thread(target=self._loop, name=SESSION_THREAD, daemon=True)

    # Called by others, from any thread

    def begin(self) -> None:
        self._rung.set()
        self._look_wanted.set()
        self._watcher.start()
        self._thread.start()

    def ring(self) -> None:
        """Something was placed on the cluster's nodes."""
        self._rung.set()
        self._inbox.put(None)

    def refresh(self) -> None:
        """Somebody wishes something of a job that runs here."""
        self._refresh_wanted.set()
        self._inbox.put(None)

    def look(self) -> None:
        """The cluster may have changed."""
        self._look_wanted.set()
        self._inbox.put(None)

    def _wake(self) -> None:
        """Something that the engine was asked is over."""
        self._inbox.put(None)

    def end(self, within: float) -> bool:
        """Say what is unsaid and give the cluster up to the next bridge; what runs there runs on. Whether all was said."""
        self._closing.set()
        self._watcher.stop()
        self._inbox.put(None)
        if self._thread.ident is not None:
            self._thread.join(within)
        return not self._thread.is_alive()

    # The thread

    def _loop(self) -> None:
        try:
            while not self._closing.is_set():
                self._collect()
                self._turn()
                mark(TURNED)
            self._errands.close(wait=True)
            self._next_ship = 0.0
            self._finisher.hurry()
            self._turn()
            self._step(lambda: clusters.deregister(self._cluster.pk, self._agent_id))
        except TakenOverError as error:
            log.error("%s This bridge ends.", error)  # noqa: TRY400  no fault of the code's
            self._on_taken_over()
        finally:
            self._errands.close()
            connection.close()

    def _collect(self) -> None:
        """Wait for something to do, at most until the next regular turn."""
        busy = min(BUSY_SECONDS, BUSY_TIMES * self._worked)
        starts = self._book.unstarted and not self._errands.is_busy
        if not starts and (early := busy - (time.monotonic() - self._spoke_at)) > 0:
            time.sleep(early)
        try:
            self._inbox.get(timeout=self._pause())
            while True:
                self._inbox.get_nowait()
        except queue.Empty:
            return

    def _pause(self) -> float:
        until = [self._next_beat, self._finisher.next_report]
        if len(self._book):
            until.append(self._next_ship)
        if self._is_reached:
            until += [self._outputs.next_due(), self._next_look]
            if self._rung.is_set() or self._starter.ready():
                return 0.001
        else:
            until.append(self._ask_at)
        return max(min(until) - time.monotonic(), 0.001)

    @property
    def _next_look(self) -> float:
        """When something may have changed, or when its nodes are to be looked at anew."""
        due = 0.0 if self._look_wanted.is_set() else self._next_nodes
        return max(due, self._watch.not_before, self._ask_at)

    @property
    def _is_reached(self) -> bool:
        return not self._fault and self._watch.looked_at > 0

    def _turn(self) -> None:
        worked = time.thread_time()
        self._step(self._errands.note)
        if self._starter.answered:
            self._look_wanted.set()
            self._starter.answered = False
        now = time.monotonic()
        self._look_and_beat(now)
        if self._refresh_wanted.is_set() or (len(self._book) and now >= self._next_ship):
            self._step(self._apply_wishes)
        if self._is_reached:
            self._ask_engine()
        if len(self._book) and now >= self._next_ship:
            self._step(self._ship)
        self._see_to_ends()
        self._spoke_at, self._worked = time.monotonic(), time.thread_time() - worked

    def _look_and_beat(self, now: float) -> None:
        if now >= self._next_look:
            self._step(self._look)
        if now >= self._next_beat:
            self._step(self._beat)

    def _see_to_ends(self) -> None:
        ended = self._watch.ended()
        if self._is_reached:
            self._finisher.fetch(ended)
            self._step(self._errands.note)
        if self._finisher.is_due(ended):
            self._step(partial(self._report_ends, ended))
        if self._is_reached:
            self._finisher.clean(hurried=bool(self._book.unstarted))

    def _ask_engine(self) -> None:
        """What needs a cluster that answers."""
        if self._rung.is_set() and not self._closing.is_set():
            self._step(self._claim)
        self._step(self._start)
        self._step(self._starter.stop_some)
        self._step(partial(self._outputs.read_some, hurried=bool(self._book.unstarted)))

    def _step(self, step: Callable[[], None]) -> bool:
        """Run `step`; where it fails, the others are not kept from theirs, and it is tried again. Whether it went well."""
        try:
            step()
        except TakenOverError:
            raise
        except DATABASE_ERRORS as error:
            log.warning("The database did not answer, trying again: %s", str(error).strip())
            connection.close()
            time.sleep(0.5)
        except OutOfReachError as error:
            self._lose_reach(str(error) or "It does not answer.")
        except Exception:
            log.exception("The bridge could not do all that it has to do, trying again.")
            time.sleep(0.5)
        else:
            return True
        return False

    def _lose_reach(self, words: str) -> None:
        if words != self._fault:
            log.warning("Cluster %s is out of reach, what runs there runs on: %s", self._cluster.name, words)
        self._fault = words
        self._ask_at = time.monotonic() + AGAIN_SECONDS
        self._look_wanted.set()
        self._next_beat = min(self._next_beat, time.monotonic())

    def _look(self) -> None:
        self._look_wanted.clear()  # before the look: what changes meanwhile is for the next one
        self._watch.look()
        if self._fault:
            log.warning("Cluster %s answers again.", self._cluster.name)
            self._fault, self._next_nodes = "", 0.0
            self._rung.set()
            self._next_beat = 0.0
        if time.monotonic() >= self._next_nodes:
            self._nodes = list(self._engine.nodes())
            self._next_nodes = time.monotonic() + settings.HEARTBEAT_SECONDS
            self._next_beat = 0.0
        fresh = self._watch.started()
        if fresh:
            with clusters.speaking(self._cluster.pk, self._agent_id):
                reports.record_starts(fresh, self._cluster.pk)

    def _beat(self) -> None:
        """Sign of life, nodes, leases; and whether what is in hand is what the database says is ours."""
        own, reached = self._cluster.pk, self._is_reached
        with clusters.speaking(own, self._agent_id):
            clusters.beat(own, self._agent_id, Reach(self._told_fault, self._book.phases()))
            if reached:
                # Its nodes were taken for dead meanwhile: jobs that came before would wait for the next request.
                more = time.monotonic() - self._kept_at > settings.LEASE_SECONDS
                if self._nodes is not None:
                    more |= node_rows.refresh(self._cluster, self._agent_id, self._nodes)
                if more:
                    publishing.request_cycle()
                clusters.keep_nodes(own, self._agent_id, self._probe())
                refs = [run.claimed.ref for run in self._book.members()]
                self._wish(claims.renew(refs, cluster_id=own).desired if refs else {})
            self._compare()
        self._nodes = None
        if reached:
            self._kept_at = time.monotonic()
            self._watch.see_to_orphans()
        self._next_beat = time.monotonic() + settings.HEARTBEAT_SECONDS

    @property
    def _told_fault(self) -> str:
        return self._fault or ("" if self._watch.looked_at else "It has not been asked yet.")

    def _compare(self) -> None:
        """Take up what is ours and not in hand, and let go of what is in hand and not ours any more."""
        leased = Placement.objects.filter(node__cluster=self._cluster.pk, state__in=LEASED_STATES)
        ours = frozenset(leased.values_list("pk", flat=True))
        if ours - {run.placement_id for run in self._book.members()}:
            found = self._book.adopt(claims.held_on(self._cluster.pk))
            reports.resume(found)
            for attempt in found:
                life.info("Job %d is run by cluster %s: going on with it.", attempt.spec.job_id, self._cluster.name)
        for attempt in self._book:
            if ours.isdisjoint(run.placement_id for run in attempt.members):
                self._book.drop(attempt)

    def _claim(self) -> None:
        self._rung.clear()  # before the look, as above
        own = self._cluster.pk
        refs = claims.placed_on(own, CLAIMS_A_TURN)
        if not refs:
            return
        with clusters.speaking(own, self._agent_id):
            won = claims.claim(refs, cluster_id=own, agent_id=self._agent_id)
        self._book.claimed(won)
        for spec in won:
            life.info("Job %d, attempt %d was claimed.", spec.job_id, spec.attempt, extra=spec.ids)
        if len(refs) == CLAIMS_A_TURN:
            self._rung.set()

    def _start(self) -> None:
        self._starter.release_gangs()
        if ready := self._starter.ready():
            self._starter.start(ready, self._starter.prepare(ready))

    def _apply_wishes(self) -> None:
        self._refresh_wanted.clear()
        self._wish(claims.desired_on(self._cluster.pk))

    def _wish(self, wishes: Mapping[int, str]) -> None:
        for run in self._book.members() if wishes else ():
            if run.placement_id in wishes:
                run.apply_desired(wishes[run.placement_id])

    def _ship(self) -> None:
        with clusters.speaking(self._cluster.pk, self._agent_id):
            reports.ship(self._outputs.changed, self._book.members())
        self._outputs.changed = {run for run in self._outputs.changed if run.log.unsent_bytes()}
        self._next_ship = time.monotonic() + SHIP_SECONDS

    def _report_ends(self, ended: Sequence[AttemptRun]) -> None:
        """Those whose output lies here whole; a few hundred at a time."""
        began = time.monotonic()
        with clusters.speaking(self._cluster.pk, self._agent_id):
            over = reports.report_ends(reports.ended_whole(ended))
        for attempt in over:
            self._book.drop(attempt)
            self._watch.seen.pop(attempt.name, None)
        self._finisher.reported(over, time.monotonic() - began)
