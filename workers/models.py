"""The machines. A node agent speaks for each; this app knows nothing of jobs."""

from datetime import datetime, timedelta

from django.conf import settings
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from scheduling.scaling.pools import LABEL

node_name_validator = RegexValidator(
    r"\A[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\Z",
    "Use letters, digits and dashes, at most 63, neither first nor last a dash.",
)


cluster_name_validator = RegexValidator(
    r"\A[a-z]([a-z0-9-]{0,38}[a-z0-9])?\Z",
    "Use small letters, digits and dashes, at most 40, a letter first, no dash last.",
)


class Cluster(models.Model):
    """A cluster that runs commands by its own means (Kubernetes, Slurm); one process, its bridge, speaks for it.

    Its nodes are rows as all others, with its name before theirs.
    """

    name = models.CharField(max_length=40, unique=True, validators=[cluster_name_validator])
    kind = models.CharField(max_length=20, help_text="By which engine its bridge speaks to it.")
    image = models.CharField(
        max_length=500, blank=True, db_default="", help_text="In which jobs run that name no container image."
    )
    # One run of the bridge, and when it was heard of; a second one waits until this one has been silent for a lease.
    agent_id = models.UUIDField(null=True, editable=False)
    last_heartbeat_at = models.DateTimeField(null=True, editable=False)
    version = models.CharField(max_length=40, blank=True, db_default="", editable=False)
    # When the cluster itself last answered its bridge; `fault`: why it does not, in words, empty while it does.
    reached_at = models.DateTimeField(null=True, editable=False)
    # Since when it has answered without a pause: before that nobody could know how anything there was.
    reached_since = models.DateTimeField(null=True, editable=False)
    fault = models.CharField(max_length=500, blank=True, db_default="", editable=False)
    # Fields of jobs that its engine cannot honour, each with the reason in a sentence.
    unsupported = models.JSONField(default=dict, db_default=models.Value({}, models.JSONField()), editable=False)
    # What it has of ours, by phase: {"waiting": 2, "running": 17}
    workloads = models.JSONField(default=dict, db_default=models.Value({}, models.JSONField()), editable=False)
    registered_at = models.DateTimeField(db_default=Now(), editable=False)
    # Declared gone for good by an operator; until a bridge reaches it again.
    lost_at = models.DateTimeField(null=True, editable=False)
    lost_by = models.CharField(max_length=150, blank=True, db_default="", editable=False)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def is_reached(self, now: datetime) -> bool:
        """Whether it answered within one lease: then what its nodes are said to be can be planned with."""
        return self.reached_at is not None and now - self.reached_at <= timedelta(seconds=settings.LEASE_SECONDS)

    def is_spoken_for(self, now: datetime) -> bool:
        """Whether its bridge was heard of within one lease."""
        heard = self.last_heartbeat_at
        return heard is not None and now - heard <= timedelta(seconds=settings.LEASE_SECONDS)


class Node(models.Model):
    """One machine (or pod) with measured hardware; one Celery worker process, the node agent, speaks for it."""

    class State(models.TextChoices):
        UP = "up"
        DRAINING = "draining"  # takes nothing new; what runs goes on
        DOWN = "down"  # its agent said goodbye, or recovery found its leases run out

    class DrainMode(models.TextChoices):
        WAIT = "wait"  # what runs there may end in its own time
        CHECKPOINT = "checkpoint"  # what can save its work gives way, the rest may end
        NOW = "now"  # everything goes back in line

    class Liveness(models.TextChoices):
        ALIVE = "alive"
        DEAD = "dead"
        UNKNOWN = "unknown"

    name = models.CharField(max_length=63, unique=True, validators=[node_name_validator])
    hostname = models.CharField(max_length=255, blank=True)
    # Where the other nodes reach it: a name or an IP address, as its agent measured it or its operator said.
    address = models.CharField(max_length=255, blank=True, db_default="")
    state = models.CharField(max_length=10, choices=State.choices, default=State.DOWN, db_index=True)
    drain_reason = models.CharField(max_length=200, blank=True)
    # The operator's word, kept over restarts of the agent; `state` follows it.
    cordoned = models.BooleanField(default=False, help_text="An operator has drained this node.")
    # What becomes of the jobs that run on it while it is cordoned, and until when they may take their time.
    drain_mode = models.CharField(max_length=10, choices=DrainMode.choices, default=DrainMode.WAIT, db_default="wait")
    drain_deadline = models.DateTimeField(null=True, blank=True)
    cpus = models.PositiveIntegerField(default=0)
    memory_mb = models.PositiveBigIntegerField(default=0)
    # Why the platform takes it for broken: jobs failed on it one after another. Empty again when it is undrained.
    suspicion = models.CharField(max_length=500, blank=True, db_default="", editable=False)
    # How often in a row the platform has drained it, no job having completed there in between, and when it ends that by itself.
    suspicions = models.PositiveSmallIntegerField(default=0, db_default=0, editable=False)
    trial_at = models.DateTimeField(null=True, editable=False)
    # What happened on it before this moment does not count against it any more.
    forgiven_at = models.DateTimeField(null=True, editable=False)
    # [{"index": 0, "model": "NVIDIA H100", "memory_mb": 81559, "uuid": "GPU-...", "simulated": false}, ...]
    gpus = models.JSONField(default=list, blank=True)
    # {"cpu_percent": 12.5, "memory_used_mb": 812, "gpus": [{"index": 0, "utilisation": 97, "memory_used_mb": 60000}]}
    load = models.JSONField(default=dict, blank=True)
    labels = models.JSONField(default=dict, blank=True)
    # Whether messages for the node arrive at its agent, by its own trials; null: not known. `heard_at`: the last proof.
    consuming = models.BooleanField(null=True, editable=False)
    heard_at = models.DateTimeField(null=True, blank=True, editable=False)
    # One run of the agent process; a second process under the same name is refused while the first is alive.
    agent_id = models.UUIDField(null=True, editable=False)
    # Of the machine's running kernel: after a reboot it is another one, and nothing that ran before runs still.
    boot_id = models.CharField(max_length=64, blank=True, db_default="", editable=False)
    version = models.CharField(max_length=40, blank=True)
    registered_at = models.DateTimeField(db_default=Now(), editable=False)
    last_heartbeat_at = models.DateTimeField(null=True, blank=True, editable=False)
    # Why an agent that came for it was turned away, and when; it holds until one registers.
    refusal = models.CharField(max_length=500, blank=True, db_default="", editable=False)
    refused_at = models.DateTimeField(null=True, editable=False)
    # Where that is known beforehand, as of a pilot in a batch system.
    leaves_at = models.DateTimeField(
        null=True, editable=False, help_text="When its agent stops what still runs there and goes; null: it stays."
    )
    # Whose node it is, and what that calls it; null: an agent speaks for it.
    cluster = models.ForeignKey(Cluster, null=True, on_delete=models.PROTECT, related_name="nodes", editable=False)
    cluster_node = models.CharField(max_length=253, blank=True, db_default="", editable=False)
    # Since when it counts as scaled away: kept for the history of what ran there, until its agent is heard of again.
    removed_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(condition=Q(state__in=["up", "draining", "down"]), name="node_state_known"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def doorbell(self) -> str:
        """Under which name its placements are told of: its own, or its cluster's, whose bridge speaks for all its nodes."""
        return self.name if self.cluster is None else self.cluster.name

    def liveness(self, now: datetime) -> str:
        """Alive within one lease of its last heartbeat; unknown before the first one; dead after."""
        if self.last_heartbeat_at is None:
            return self.Liveness.UNKNOWN
        silent = now - self.last_heartbeat_at
        return self.Liveness.ALIVE if silent <= timedelta(seconds=settings.LEASE_SECONDS) else self.Liveness.DEAD


class PlatformProtocol(models.Model):
    """The one row in which agents read what the platform understands: see `workers.protocol`."""

    oldest = models.PositiveSmallIntegerField()
    newest = models.PositiveSmallIntegerField()

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(id=1), name="platform_protocol_is_one")]

    def __str__(self) -> str:
        return f"{self.oldest} to {self.newest}"


class AgentRole(models.Model):
    """That agents who connect to the database as `role` speak for `node`, whether or not it has a row yet: see `executors.node_rights`."""

    role = models.CharField(max_length=63)
    node = models.CharField(max_length=63, validators=[node_name_validator])

    class Meta:
        constraints = [models.UniqueConstraint(fields=["role", "node"], name="agent_role_of_node_once")]

    def __str__(self) -> str:
        return f"{self.role} of {self.node}"


pool_name_validator = RegexValidator(
    r"\A[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?\Z",
    "Use small letters, digits and dashes, at most 40, neither first nor last a dash.",
)


class NodePool(models.Model):
    """Nodes of one shape of which more or fewer can be had; a node belongs to the one that its label `pool` names.

    What an operator says stands first; then what the last decision found and made of it.
    """

    LABEL = LABEL

    class Actuator(models.TextChoices):
        NONE = "none"  # somebody else reads `desired_nodes` and acts: KEDA, an HPA, a person
        LOCAL = "local"  # a `manage.py pool` of this name, on the machine of the autoscaler
        COMMAND = "command"  # commands of the operator's
        KUBERNETES = "kubernetes"  # pods of a Kubernetes, made of a PodTemplate
        SLURM = "slurm"  # pilots: agents in batch jobs of a Slurm

    name = models.CharField(max_length=40, unique=True, validators=[pool_name_validator])
    cpus = models.PositiveIntegerField(help_text="Of each node, as its agent would report it.")
    memory_mb = models.PositiveBigIntegerField()
    gpus = models.PositiveSmallIntegerField(default=0)
    gpu_model = models.CharField(max_length=100, blank=True)
    gpu_memory_mb = models.PositiveBigIntegerField(default=0)
    labels = models.JSONField(default=dict, blank=True, help_text="Labels of each node, beside `pool`.")
    min_nodes = models.PositiveIntegerField(default=0)
    max_nodes = models.PositiveIntegerField(default=50)
    spare_nodes = models.PositiveIntegerField(
        default=0, help_text="Kept free beyond what jobs use, so that the next job need not wait for a node to start."
    )
    consolidate = models.BooleanField(
        default=False,
        db_default=False,
        help_text="Jobs that save their work are moved together where that pays, and the node that is empty then goes.",
    )
    lifetime_seconds = models.PositiveIntegerField(
        null=True, blank=True, help_text="After so long each of its nodes goes by itself; empty: it stays."
    )
    startup_seconds = models.PositiveIntegerField(
        default=60, help_text="From the demand for a node to its first job; who starts before then needs no new node."
    )
    scale_up_seconds = models.PositiveIntegerField(
        default=30, db_default=30, help_text="It grows only to what was wanted all through the last so many seconds."
    )
    scale_down_seconds = models.PositiveIntegerField(
        default=600, db_default=600, help_text="It shrinks only to what sufficed all through the last so many seconds."
    )
    actuator = models.CharField(max_length=10, choices=Actuator.choices, default=Actuator.NONE)
    actuator_settings = models.JSONField(default=dict, blank=True)
    paused = models.BooleanField(default=False, help_text="What is wanted is shown; nothing is changed.")

    busy_nodes = models.PositiveIntegerField(null=True, editable=False)
    demand_now = models.PositiveIntegerField(null=True, editable=False)
    demand_soon = models.PositiveIntegerField(null=True, editable=False)
    waiting_jobs = models.PositiveIntegerField(null=True, editable=False)
    wanted_nodes = models.PositiveIntegerField(null=True, editable=False)
    desired_nodes = models.PositiveIntegerField(null=True, editable=False)
    why = models.CharField(max_length=200, blank=True, editable=False)
    # Of the last minutes, for the pace: [[seconds since the epoch, wanted, change], ...]
    history = models.JSONField(default=list, editable=False)
    # Names of nodes that hold no job and are not about to.
    idle_nodes = models.JSONField(default=list, editable=False)
    # A node whose jobs have room on others: {"node": ..., "jobs": [ids], "gain": GPU-seconds, "cost": GPU-seconds}
    emptying = models.JSONField(default=dict, db_default={}, editable=False)
    decided_at = models.DateTimeField(null=True, editable=False)
    acted_at = models.DateTimeField(null=True, editable=False)
    # What the actuator said when it last failed; empty since it worked again.
    fault = models.CharField(max_length=500, blank=True, editable=False)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(condition=Q(min_nodes__lte=models.F("max_nodes")), name="pool_least_within_most"),
            models.CheckConstraint(condition=Q(cpus__gte=1), name="pool_node_has_a_cpu"),
            models.CheckConstraint(
                condition=Q(actuator__in=["none", "local", "command", "kubernetes", "slurm"]),
                name="pool_actuator_known",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def hardware(self) -> str:
        return "gpu" if self.gpus else "cpu"
