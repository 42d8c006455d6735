"""Nodes on which one job after another fails: found with each sweep, drained by the platform, and told of."""

from collections.abc import Sequence
from datetime import timedelta

from django.conf import settings
from django.db import connection
from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Now

from jobs.messages import publishing
from jobs.models import Placement
from jobs.planning import snapshot
from jobs.state import transitions
from scheduling.failures.node_faults import Machine, NodeFault, Suspect, faulty_nodes, trial_after
from scheduling.failures.retry import NodeSuspicion, reasons_that
from scheduling.lifecycle import EndReason
from scheduling.nodes.feasibility import kind_of
from workers import heartbeats
from workers.models import Node

CERTAIN = reasons_that(suspicion=NodeSuspicion.ALWAYS)
AT_ONCE = reasons_that(suspicion=NodeSuspicion.AT_ONCE)
BY_PLATFORM = "By the platform."
DRAINED_BY_PLATFORM = ~Q(suspicion="") & Q(cordoned=True, drain_reason__startswith=BY_PLATFORM)
FAULTS = """
    SELECT node.name, job.id, job.owner_id, job.project_id, placement.end_reason, attempt.exit_code, EXISTS (
        SELECT FROM jobs_placement AS other JOIN jobs_attempt AS better ON better.id = other.attempt_id
        WHERE better.job_id = job.id AND better.id <> attempt.id AND other.node_id <> placement.node_id AND better.started_at IS NOT NULL AND (
              other.end_reason = 'completed' OR
              coalesce(other.closed_at, statement_timestamp()) - better.started_at >= make_interval(secs => %s)))
    FROM jobs_placement AS placement
    JOIN jobs_attempt AS attempt ON attempt.id = placement.attempt_id
    JOIN jobs_job AS job ON job.id = attempt.job_id
    JOIN workers_node AS node ON node.id = placement.node_id
    WHERE placement.closed_at > statement_timestamp() - make_interval(secs => %s)
      AND placement.end_reason NOT IN ('', 'completed')
      AND (placement.end_reason = ANY(%s) OR (placement.end_reason = ANY(%s) AND (
           attempt.started_at IS NULL OR placement.closed_at - attempt.started_at < make_interval(secs => %s))))
      AND placement.closed_at > coalesce(node.forgiven_at, '-infinity')
      AND NOT EXISTS (
          SELECT FROM jobs_placement AS good
          WHERE good.node_id = placement.node_id AND good.end_reason = 'completed' AND good.closed_at > placement.closed_at
      )
    ORDER BY placement.closed_at
"""


def detect() -> int:
    """Drain the nodes that are probably broken; returns how many. Those that are not after all are cleared of suspicion.

    A drained one is not held to what came before once somebody undrains it, or the platform itself, some time later:
    then it is on trial until a job completes there.
    """
    # Mercy first: what has been proved good since, or has waited long enough, is not judged by what was before.
    _acquit()
    _end_trials()
    found = faulty_nodes(faults(), _machines(), needed=settings.NODE_FAULTS)
    names = [one.node for one in found]
    Node.objects.exclude(suspicion="").filter(cordoned=False).exclude(name__in=names).update(suspicion="")
    for one in found:
        Node.objects.filter(name=one.node).exclude(suspicion=one.sentence[:500]).update(suspicion=one.sentence[:500])
    drained = [one for one in found if one.drain]
    for one in drained:
        _drain(one)
    return len(drained)


def faults() -> Sequence[NodeFault]:
    """What failed on each node since the last job that completed there."""
    window, soon = settings.NODE_FAULTS_SECONDS, settings.AT_ONCE_SECONDS
    with connection.cursor() as cursor:
        cursor.execute(FAULTS, [soon, window, sorted(CERTAIN), sorted(AT_ONCE), soon])
        return [
            NodeFault(
                node,
                job_id,
                _submitter(owner, project),
                reason in CERTAIN,
                f"{reason} {code}" if reason == EndReason.EXIT_CODE and code is not None else reason,
                elsewhere,
            )
            for node, job_id, owner, project, reason, code, elsewhere in cursor.fetchall()
        ]


def _submitter(owner: int | None, project: int) -> str:
    """A person is one, in however many projects."""
    return f"project {project}" if owner is None else f"user {owner}"


def _machines() -> list[Machine]:
    """The nodes that are there; of those that somebody else drained nobody knows when they come back."""
    by_platform = set(Node.objects.filter(DRAINED_BY_PLATFORM).values_list("name", flat=True))
    on_trial = set(Node.objects.filter(suspicions__gt=0, cordoned=False).values_list("name", flat=True))
    return [
        Machine(
            view.name,
            tuple(sorted(model for model, _ in kind_of(view))),
            drained=view.name in by_platform,
            on_trial=view.name in on_trial,
        )
        for view in snapshot.nodes()
        if view.alive and (view.state == "up" or view.name in by_platform)
    ]


def _acquit() -> None:
    """A job completed on a node that was on trial: it is as any other."""
    good = Placement.objects.filter(node=OuterRef("pk"), end_reason=EndReason.COMPLETED)
    since = good.filter(closed_at__gt=OuterRef("forgiven_at"))
    Node.objects.filter(Exists(since), suspicions__gt=0, cordoned=False).update(suspicions=0, trial_at=None)


def _end_trials() -> None:
    """End the platform's own drains that have lasted long enough: whether a node is mended only work on it can tell."""
    for node in Node.objects.filter(DRAINED_BY_PLATFORM, trial_at__lte=Now()):
        drains = node.suspicions
        heartbeats.undrain(node)  # which forgives all; but on trial it counts how often it was drained before
        Node.objects.filter(pk=node.pk).update(suspicions=drains)
        publishing.request_cycle()


def _drain(one: Suspect) -> None:
    node = Node.objects.get(name=one.node)
    drains = node.suspicions + 1
    seconds = trial_after(drains, settings.NODE_TRIAL_SECONDS)
    Node.objects.filter(pk=node.pk).update(suspicions=drains, trial_at=Now() + timedelta(seconds=seconds))
    again = f"It is tried again in {seconds / 60:.0f} min; undrain it once it is mended."
    heartbeats.drain(node, f"{BY_PLATFORM} {again} {one.sentence}")
    message = f"Node {one.node}, where it failed, takes no more jobs: others failed there too."
    transitions.note(one.job_ids, "node_drained", message=message, data={"node": one.node})
    publishing.request_cycle()
