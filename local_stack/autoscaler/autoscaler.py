"""The loop: every few seconds each pool that has an actuator is looked at, all at once, so that none waits for another's commands."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import NoReturn

from django.db import DatabaseError, InterfaceError, connection
from django.db.models.functions import Now

from local_stack.autoscaler.actuator import Actuator, ActuatorError
from local_stack.autoscaler.commands import CommandActuator
from local_stack.autoscaler.deletion_costs import keep_current
from local_stack.autoscaler.local_pool import LocalPool
from local_stack.autoscaler.pilots import Slurm, SlurmPilots
from local_stack.autoscaler.pods import Cluster, KubernetesPods
from local_stack.autoscaler.reconcile import Changes, reconcile
from local_stack.autoscaler.turn import our_turn
from local_stack.pools.errors import PoolError
from scheduling.errors import TrainyardError
from telemetry.subject import about
from workers.models import NodePool
from workers.proof_marks import LOOKED, mark

AT_ONCE = 8
FIRST_DELAY, LONGEST_DELAY = 5.0, 300.0
FRESH = timedelta(minutes=5)
"""A decision that is older is not acted on: the demand may be another one by now."""
LONGEST_FAULT = 500
Say = Callable[[str], None]


@dataclass
class Tries:
    """How often in a row a pool's actuator failed, and when it is asked again: half a minute later, then ever more rarely."""

    failures: int = 0
    again_at: float = 0.0

    def failed(self, now: float) -> None:
        self.failures += 1
        self.again_at = now + min(FIRST_DELAY * 2 ** min(self.failures - 1, 10), LONGEST_DELAY)


@dataclass
class Watched:
    """What is remembered of a pool from look to look; nothing depends on it but how soon things are asked again."""

    tries: Tries = field(default_factory=Tries)
    commands: CommandActuator | None = None


class Autoscaler:
    """Acts for all pools while it has the turn. To be killed at any moment."""

    def __init__(
        self,
        home: Path,
        commands: Path | None,
        say: Say,
        *,
        every_seconds: float,
        cluster: Cluster | None = None,
        slurm: Slurm | None = None,
    ) -> None:
        self._home = home
        self._folder = commands
        self._cluster = cluster
        self._slurm = slurm
        self._costs_fault = ""
        self._say = say
        self._every = every_seconds
        self._watched: dict[str, Watched] = {}

    def run(self) -> NoReturn:
        """For ever. While the database is away it waits."""
        while True:
            try:
                self._have_turns()
            except (DatabaseError, InterfaceError) as error:
                self._say(f"the database does not answer ({type(error).__name__}): nothing comes or goes meanwhile")
                self._pause()

    def _have_turns(self) -> NoReturn:
        with our_turn(self._pause) as still_ours:
            self._say("acts for the pools from now on")
            while True:
                still_ours()
                self.look()
                self._pause()

    def _pause(self) -> None:
        mark(LOOKED)
        connection.close()
        time.sleep(self._every)

    def look(self) -> None:
        """At each pool once."""
        pools = list(NodePool.objects.filter(paused=False, decided_at__gte=Now() - FRESH).exclude(actuator="none"))
        due = [pool for pool in pools if self._of(pool).tries.again_at <= time.monotonic()]
        with ThreadPoolExecutor(AT_ONCE) as threads:
            list(threads.map(self._in_thread, due))
        if self._cluster is not None:
            self._keep_costs(self._cluster)

    def _in_thread(self, pool: NodePool) -> None:
        try:
            with about(pool=pool.name):
                self.act(pool)
        except (DatabaseError, InterfaceError) as error:
            self._say(f"pool {pool}: the database does not answer ({type(error).__name__})")
        finally:
            connection.close()

    def act(self, pool: NodePool) -> None:
        """Once, for one pool; what fails stands in its row, and is tried again later."""
        watched = self._of(pool)
        try:
            changes = reconcile(pool, self._actuator(pool, watched))
        except (ActuatorError, PoolError, TrainyardError) as error:
            watched.tries.failed(time.monotonic())
            self._note_fault(pool, str(error))
            return
        watched.tries = Tries()
        self._note_fault(pool, "")
        if changes:
            NodePool.objects.filter(pk=pool.pk).update(acted_at=Now())
            self._say(spell(pool, changes))

    def _keep_costs(self, cluster: Cluster) -> None:
        """Said once when it fails, and once when it works again: pools are served all the same."""
        try:
            keep_current(cluster)
        except ActuatorError as error:
            fault = str(error)
        else:
            fault = ""
        if fault != self._costs_fault:
            self._costs_fault = fault
            self._say(f"what it would cost to end each pod: {fault or 'is written on them again.'}")

    def _of(self, pool: NodePool) -> Watched:
        return self._watched.setdefault(pool.name, Watched())

    def _actuator(self, pool: NodePool, watched: Watched) -> Actuator:
        if pool.actuator == NodePool.Actuator.LOCAL:
            return LocalPool(self._home, pool.name)
        if pool.actuator == NodePool.Actuator.KUBERNETES:
            if self._cluster is None:
                raise ActuatorError("No Kubernetes: start `manage.py autoscaler --kubernetes NAMESPACE`.")
            return KubernetesPods(self._cluster, pool)
        if pool.actuator == NodePool.Actuator.SLURM:
            if self._slurm is None:
                raise ActuatorError("No Slurm: start `manage.py autoscaler --slurm FOLDER`.")
            return SlurmPilots(*self._slurm, pool)
        watched.commands = watched.commands or CommandActuator(self._folder)
        return watched.commands.set_up(pool)

    def _note_fault(self, pool: NodePool, words: str) -> None:
        if words[:LONGEST_FAULT] != pool.fault:
            NodePool.objects.filter(pk=pool.pk).update(fault=words[:LONGEST_FAULT])
            self._say(f"pool {pool}: {words or 'works again'}")


def spell(pool: NodePool, changes: Changes) -> str:
    """`pool small is to have 2 nodes (2 jobs wait for them): starting small-1, small-2`."""
    parts = (
        ("starting", changes.up),
        ("ending", changes.down),
        ("keeping", changes.kept),
        ("moving the jobs of", changes.emptied),
    )
    done = "; ".join(f"{verb} {', '.join(names)}" for verb, names in parts if names)
    nodes = "1 node" if pool.desired_nodes == 1 else f"{pool.desired_nodes} nodes"
    return f"pool {pool} is to have {nodes} ({pool.why}): {done}"
