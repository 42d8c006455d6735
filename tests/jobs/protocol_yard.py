"""A yard for the model of the protocol: the real tables and transitions, with commands and messages that are only values.

A command runs from the moment at which its node may start it until the node says that it has ended, or until its lease is
over: that is what its shim promises. Time passes by moving what is on record into the past.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID, uuid4

from django.conf import settings
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from jobs.attempts import claims, completion, gangs
from jobs.attempts.claims import PlacementSpec
from jobs.messages.publishing import PlacementMessage
from jobs.models import Attempt, Job, Placement
from jobs.planning import cycle
from jobs.state.desired import END_REASONS
from jobs.state.outcome import PlacementOutcome, PlacementRef
from scheduling.lifecycle import EndReason, PlacementState
from tests import builders
from workers import heartbeats
from workers.hardware.inventory import GpuDevice, Hardware
from workers.models import Node

LONG = timedelta(days=1)
HARDWARE = Hardware(cpus=3, memory_mb=8_192, gpus=tuple(GpuDevice(n, "NVIDIA H100", 81_559) for n in range(2)))
QUOTA = {"cpus": 5, "gpus": 3}


@dataclass
class Command:
    """One member of an attempt on a node: it was claimed there, and may have been started."""

    claimed: PlacementSpec
    node: str
    started: bool = False

    @property
    def ref(self) -> PlacementRef:
        return self.claimed.ref


@dataclass
class Machine:
    """One node and the run of its agent."""

    name: str
    node_id: int
    agent_id: UUID
    up: bool = True


class Yard:
    """Two nodes, one project, and what really runs."""

    def __init__(self) -> None:
        self.project = builders.project(quota=QUOTA)
        self.owner = builders.member(project=self.project)
        self.messages: list[PlacementMessage] = []
        self.reports: list[tuple[str, PlacementOutcome]] = []
        self.commands: list[Command] = []
        self.machines = [self._machine(f"n{number}") for number in range(2)]

    def _machine(self, name: str) -> Machine:
        agent_id = uuid4()
        node = heartbeats.register(name=name, hardware=HARDWARE, agent_id=agent_id, labels={}, version="1")
        return Machine(name, node.pk, agent_id)

    def plan(self) -> None:
        """A cycle. Who waits for a moment waits until time passes, however slow the machine of this test is."""
        Job.objects.filter(not_before__isnull=False).update(not_before=Now() + LONG)
        cycle.run_cycle()

    # What a node does

    def deliver(self, message: PlacementMessage, machine: Machine) -> None:
        """An agent asks for the placement that a message names."""
        won = claims.claim([PlacementRef(message.placement_id, message.token)], node_id=machine.node_id)
        self.commands += [Command(claimed, machine.name) for claimed in won]

    def start(self, machine: Machine) -> None:
        """Start what may be started, and say so."""
        waiting = [one for one in self.on(machine) if not one.started]
        complete = gangs.complete([one.claimed.attempt_id for one in waiting if one.claimed.nodes > 1])
        for one in waiting:
            one.started = one.claimed.nodes == 1 or one.claimed.attempt_id in complete
        begun = [one for one in waiting if one.started]
        if begun:
            claims.started({one.ref: timezone.now() for one in begun}, node_id=machine.node_id)

    def beat(self, machine: Machine) -> None:
        """Heartbeat, leases and wishes, as the agent's session asks for them."""
        heartbeats.beat(node_id=machine.node_id, agent_id=machine.agent_id, load={})
        renewal = claims.renew([one.ref for one in self.on(machine)], node_id=machine.node_id)
        for one in list(self.on(machine)):
            wish = renewal.desired.get(one.ref.placement_id)
            if one.ref.placement_id not in renewal.kept:
                self.end(one, EndReason.LOST_LEASE, 137)
            elif wish in END_REASONS:
                self.end(one, END_REASONS[wish], 143)

    def end(self, command: Command, reason: EndReason, exit_code: int) -> None:
        """The command is gone; its report is on its way."""
        self.commands.remove(command)
        started = timezone.now() if command.started else None
        ending = PlacementOutcome(command.ref, reason, exit_code=exit_code, started_at=started)
        self.reports.append((command.node, ending))

    def fall_silent(self, machine: Machine) -> None:
        """Longer than lease and margin: its shims have ended what ran there, and its reports are never heard of."""
        machine.up = False
        self.commands = [one for one in self.commands if one.node != machine.name]
        self.reports = [report for report in self.reports if report[0] != machine.name]
        Placement.objects.filter(node=machine.node_id, lease_expires_at__isnull=False).update(
            lease_expires_at=Now() - LONG
        )
        heartbeats_of(machine).update(last_heartbeat_at=Now() - LONG)

    def come_back(self, machine: Machine) -> None:
        machine.up = True
        node = heartbeats.register(
            name=machine.name, hardware=HARDWARE, agent_id=machine.agent_id, labels={}, version="1"
        )
        assert node.pk == machine.node_id

    def report(self, report: tuple[str, PlacementOutcome], *, forget: bool) -> None:
        """Hand in a report; one that is not forgotten comes again."""
        completion.finish([report[1]])
        if forget:
            self.reports.remove(report)

    # Looking

    def on(self, machine: Machine) -> list[Command]:
        return [one for one in self.commands if one.node == machine.name]

    def machine(self, name: str) -> Machine:
        return next(one for one in self.machines if one.name == name)

    def refs(self, *, still_open: bool = False) -> Iterator[PlacementRef]:
        rows = Placement.objects.select_related("attempt").order_by("pk")
        for row in rows.filter(closed_at__isnull=True) if still_open else rows:
            yield PlacementRef(row.pk, str(row.attempt.token))


def heartbeats_of(machine: Machine):
    return Node.objects.filter(pk=machine.node_id)


def let_time_pass() -> None:
    """All that waits for a moment has waited long enough: retries, lost messages, gangs that do not come together."""
    Job.objects.filter(not_before__isnull=False).update(not_before=None)
    Placement.objects.filter(state=PlacementState.PLACED).update(published_at=F("published_at") - LONG)
    Attempt.objects.filter(ended_at__isnull=True).update(
        created_at=F("created_at") - timedelta(seconds=settings.GANG_START_SECONDS + 1)
    )
