"""How far a member is, and how it ended: what Kubernetes shows of a Job and its pod, in the platform's reasons and its own words.

Pure: objects in, a value out; `now` is an argument.
"""

from dataclasses import dataclass
from typing import Any

from clusters.kubernetes.connection import JsonObject
from executors.engine import Phase
from executors.kubernetes import pods, reporter
from executors.kubernetes.manifest import MAIN
from scheduling.lifecycle import EndReason

REPORTER_SECONDS = 5.0
"""How long the end of a command is kept back for its last reports."""
KILL_SECONDS = 60.0
"""On top of its grace: how long a pod that failed may leave open how its command ended."""
NEVER_STARTS = frozenset({"InvalidImageName", "ErrImageNeverPull"})
CANNOT_START = frozenset({"StartError", "ContainerCannotRun"})
FILLS_THE_DISK = (
    "ephemeral local storage usage exceeds",
    "usage of emptydir volume",
    "exceeded its local ephemeral storage",
)
TAKEN_BY_OTHERS = frozenset({"PreemptionByScheduler", "EvictionByEvictionAPI", "TerminationByKubelet"})
NODE_WENT = frozenset({"DeletionByTaintManager", "DeletionByPodGC"})
"""Reasons of the condition DisruptionTarget."""
NODE_ENDED_IT = frozenset({"NodeLost", "NodeShutdown", "Shutdown", "Terminated", "NodeAffinity"})
NODE_REFUSED = ("OutOf", "UnexpectedAdmissionError", "TopologyAffinityError", "Preempting", "NodePorts")
"""Reasons of a pod's status."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long something may take of which it is not known whether it ever comes, in seconds."""

    image: float
    room: float


@dataclass(frozen=True, slots=True)
class Member:
    """One rank as it stands. As `executors.engine.Observed` has them."""

    phase: Phase
    started_at: float | None = None
    ended_at: float | None = None
    reason: EndReason | None = None
    exit_code: int | None = None
    message: str = ""
    charged: bool = True


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of a member: its Job and its pod, None where there is none; of a `gone` one as it was last seen."""

    job: JsonObject | None
    pod: JsonObject | None
    pod_gone: bool = False
    job_gone: bool = False
    refusal: str = ""
    """Why the Job's controller makes no pod, by its event."""


def member(seen: Seen, *, now: float, patience: Patience) -> Member:
    """How this member stands."""
    if seen.pod is None:
        return _without_pod(seen, now, patience)
    stop_asked = seen.job is not None and pods.stop_by(seen.job) is not None
    terminated = pods.state(seen.pod, MAIN, "terminated")
    if terminated is not None:
        return _terminated(seen.pod, terminated, stop_asked=stop_asked, gone=seen.pod_gone, now=now)
    if seen.pod_gone:
        return _vanished(seen.pod, stop_asked=stop_asked)
    if pods.is_over(seen.pod) and not _is_dying(seen.pod, now):
        return _failed_before_it_began(seen.pod, stop_asked=stop_asked)
    if pods.state(seen.pod, MAIN, "running") is not None:
        return Member(Phase.RUNNING, started_at=pods.started_at(seen.pod), message=_unrest(seen.pod))
    return _waiting(seen.pod, now, patience)


def _without_pod(seen: Seen, now: float, patience: Patience) -> Member:
    job = seen.job
    if job is None or seen.job_gone:
        words = "Its Job was deleted by somebody else than the platform."
        return Member(Phase.ENDED, reason=EndReason.PREEMPTED, message=words, charged=False)
    if over := _over_without_pod(job):
        return over
    if job["spec"].get("suspend"):
        words = "Its Job is suspended: whoever admits Jobs here (Kueue?) has not admitted it."
        return Member(Phase.WAITING, message=words)
    if seen.refusal:
        overdue = now - pods.created(job) > patience.room
        words = f"Kubernetes makes no pod: {seen.refusal.rstrip('.')}."
        return _gives_up(words) if overdue else Member(Phase.WAITING, message=words)
    return Member(Phase.WAITING, message="Its Job has no pod yet.")


def _over_without_pod(job: JsonObject) -> Member | None:
    if pods.stop_by(job) is not None:
        words = "It was stopped before anything of it ran."
        return Member(Phase.ENDED, reason=EndReason.CANCELLED, message=words, charged=False)
    if failed := pods.condition(job, "Failed"):
        words = f"Its pod is gone, and its Job failed: {_words(failed)}."
        return Member(Phase.ENDED, reason=EndReason.NODE_LOST, message=words, charged=False)
    if pods.condition(job, "Complete"):
        return Member(Phase.ENDED, reason=EndReason.COMPLETED, exit_code=0)
    return None


def _gives_up(words: str) -> Member:
    """There was no room after all: the job goes back in line, at nobody's cost."""
    return Member(Phase.ENDED, reason=EndReason.PREEMPTED, message=words, charged=False)


def _waiting(pod: JsonObject, now: float, patience: Patience) -> Member:
    scheduled = pods.condition(pod, "PodScheduled")
    unscheduled = pods.condition(pod, "PodScheduled", "False")
    if unscheduled is not None:
        since = pods.seconds(unscheduled.get("lastTransitionTime")) or pods.created(pod)
        words = f"Kubernetes finds no room for it: {_words(unscheduled)}."
        return _gives_up(words) if now - since > patience.room else Member(Phase.WAITING, message=words)
    since = pods.seconds((scheduled or {}).get("lastTransitionTime")) or pods.created(pod)
    for waiting in pods.waiting_containers(pod):
        reason = str(waiting.get("reason") or "")
        if reason in ("", "ContainerCreating", "PodInitializing"):
            continue
        words = f"Its container does not start: {_words(waiting)}."
        if reason in NEVER_STARTS or now - since > patience.image:
            return Member(Phase.ENDED, reason=EndReason.START_FAILED, message=words)
        return Member(Phase.WAITING, message=words)
    if pods.is_leaving(pod):
        return Member(Phase.WAITING, message="Its pod is being deleted.")
    where = f" on {pods.node_of(pod)}" if pods.node_of(pod) else ""
    return Member(Phase.WAITING, message=f"Its container is being made{where}.")


def _terminated(pod: JsonObject, terminated: dict[str, Any], *, stop_asked: bool, gone: bool, now: float) -> Member:
    ended_at = pods.seconds(terminated.get("finishedAt"))
    started_at = pods.seconds(terminated.get("startedAt"))
    if not gone and pods.still_reports(pod) and now - (ended_at or 0.0) < REPORTER_SECONDS:
        return Member(
            Phase.RUNNING, started_at=started_at, message="Its command has ended; its last reports are on their way."
        )
    code = int(terminated.get("exitCode", 0))
    reason, message, charged = _why(pod, terminated, code, stop_asked=stop_asked, gone=gone)
    return Member(Phase.ENDED, started_at, ended_at, reason, code, message, charged)


def _why(
    pod: JsonObject, terminated: dict[str, Any], code: int, *, stop_asked: bool, gone: bool
) -> tuple[EndReason, str, bool]:
    """The reason, its words, and whether it is charged, of a command that ended with this code."""
    told = str(terminated.get("reason") or "")
    last_words = str(terminated.get("message") or "").strip()
    if told in CANNOT_START or last_words.startswith(reporter.NOT_FOUND):
        return EndReason.START_FAILED, f"The command could not be started: {last_words or told}", True
    disrupted = None if stop_asked else _disruption(pod, code)
    if disrupted is not None:
        return disrupted
    if told == "OOMKilled":
        return EndReason.OUT_OF_MEMORY, "OOMKilled: the container used more memory than it had.", True
    if code == 0:
        return EndReason.COMPLETED, "", True
    if (pods.is_leaving(pod) or gone) and not stop_asked:
        return EndReason.PREEMPTED, "Its pod was deleted by somebody else than the platform.", False
    return EndReason.EXIT_CODE, last_words, True


def _disruption(pod: JsonObject, code: int) -> tuple[EndReason, str, bool] | None:
    """What Kubernetes itself did to the pod, if it did anything; a command that had succeeded before is not disrupted."""
    status = pod.get("status", {})
    if status.get("reason") == "DeadlineExceeded":
        return EndReason.TIMEOUT, f"{_words(status)}.", True
    if code == 0:
        return None
    by_node = _by_the_node(str(status.get("reason") or ""), _words(status))
    target = pods.condition(pod, "DisruptionTarget") or {}
    if by_node is not None or target.get("reason") not in TAKEN_BY_OTHERS | NODE_WENT:
        return by_node
    why = EndReason.NODE_LOST if target["reason"] in NODE_WENT else EndReason.PREEMPTED
    return why, f"{_words(target)}.", False


def _by_the_node(reason: str, words: str) -> tuple[EndReason, str, bool] | None:
    if reason == "Evicted" and any(part in words.lower() for part in FILLS_THE_DISK):
        return EndReason.OUTPUT_LIMIT, f"{words}.", True
    if reason == "Evicted":
        return EndReason.PREEMPTED, f"{words}.", False
    if reason in NODE_ENDED_IT:
        return EndReason.NODE_LOST, f"{words}.", False
    if reason.startswith(NODE_REFUSED):
        return EndReason.PREEMPTED, f"The node did not take it: {words}.", False
    return None


def _failed_before_it_began(pod: JsonObject, *, stop_asked: bool) -> Member:
    """The pod is over, and nobody ever said how its command ended: mostly it never began."""
    if stop_asked:
        words = "It was stopped before its command began."
        return Member(Phase.ENDED, reason=EndReason.CANCELLED, message=words, charged=False)
    if pods.phase(pod) == "Succeeded":
        return Member(Phase.ENDED, reason=EndReason.COMPLETED, exit_code=0)
    started_at = pods.started_at(pod)
    known = _disruption(pod, code=1)
    if known is not None:
        reason, words, charged = known
        return Member(Phase.ENDED, started_at, reason=reason, message=words, charged=charged)
    words = f"Its pod failed without a word of its command: {_words(pod.get('status', {}))}."
    return Member(Phase.ENDED, started_at, reason=EndReason.NODE_LOST, message=words, charged=False)


def _vanished(pod: JsonObject, *, stop_asked: bool) -> Member:
    """The object went before anybody said how its command ended: a node that was removed, or a deletion by force."""
    started_at = pods.started_at(pod)
    known = None if stop_asked else _disruption(pod, code=1)
    if known is not None:
        reason, words, charged = known
        return Member(Phase.ENDED, started_at, reason=reason, message=words, charged=charged)
    if started_at is None:
        words = "Its pod was deleted before its command began."
        reason = EndReason.CANCELLED if stop_asked else EndReason.PREEMPTED
        return Member(Phase.ENDED, reason=reason, message=words, charged=False)
    words = "Its pod went without a word of how its command ended: by force, or with its node."
    return Member(Phase.ENDED, started_at, reason=EndReason.NODE_LOST, message=words, charged=False)


def _is_dying(pod: JsonObject, now: float) -> bool:
    """Older kubelets say Failed when they begin to kill, not when it is done."""
    if pods.state(pod, MAIN, "running") is None:
        return False
    told = pods.condition(pod, "Ready", "False") or {}
    since = pods.seconds(told.get("lastTransitionTime")) or pods.started_at(pod) or pods.created(pod)
    return now - since < float(pod["spec"].get("terminationGracePeriodSeconds") or 30) + KILL_SECONDS


def _unrest(pod: JsonObject) -> str:
    """What is the matter with a pod that, as far as anybody knows, still runs."""
    if pods.is_leaving(pod):
        return "Its pod is being deleted."
    unknown = pods.condition(pod, "Ready", "Unknown")
    if pods.phase(pod) == "Unknown" or unknown or pod.get("status", {}).get("reason") == "NodeLost":
        return f"Its node {pods.node_of(pod)} does not answer Kubernetes: whether it still runs is not known."
    return ""


def _words(told: dict[str, Any]) -> str:
    """Reason and message as one text, without a full stop."""
    reason, message = str(told.get("reason") or ""), str(told.get("message") or "").strip().rstrip(".")
    return ": ".join(part for part in (reason, message) if part) or "it does not say why"
