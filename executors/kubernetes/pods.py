"""One pod as Kubernetes shows it: what is asked of the raw object, in words of the field."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from clusters.kubernetes.connection import JsonObject
from executors.kubernetes.manifest import LIMIT, LOG_MARK, MAIN, MEMBERS, RANK, REPORTER, STOP_BY, STOP_GRACE, WORKLOAD

INDEX = "batch.kubernetes.io/job-completion-index"
OVER = frozenset({"Succeeded", "Failed"})
Fields = Mapping[str, Any]


def _fields(*names: str, **parts: Fields) -> Fields:
    return dict.fromkeys(names) | parts


ASKED = _fields(
    metadata=_fields(
        "creationTimestamp", "deletionTimestamp", "name", "resourceVersion",
        labels=_fields(WORKLOAD, RANK),
        annotations=_fields(INDEX, MEMBERS, LIMIT, STOP_BY, STOP_GRACE, LOG_MARK + MAIN, LOG_MARK + REPORTER),
        ownerReferences=_fields("name"),
    ),
    spec=_fields(
        "activeDeadlineSeconds", "completionMode", "nodeName", "parallelism", "suspend", "terminationGracePeriodSeconds",
        containers=_fields("name"),
    ),
    status=_fields(
        "failed", "message", "phase", "reason", "startTime", "succeeded",
        conditions=_fields("lastTransitionTime", "message", "reason", "status", "type"),
        containerStatuses=_fields("name", "state"),
    ),
)  # fmt: skip
"""What this engine asks of a Job or a pod; of each the parts, or None: all of it."""


def name_of(item: JsonObject) -> str:
    return str(item["metadata"]["name"])


def label(item: JsonObject, name: str) -> str:
    return str((item["metadata"].get("labels") or {}).get(name, ""))


def annotation(item: JsonObject, name: str) -> str:
    return str((item["metadata"].get("annotations") or {}).get(name, ""))


def workload_of(item: JsonObject) -> str:
    return label(item, WORKLOAD)


def rank_of(pod: JsonObject) -> int:
    return int(label(pod, RANK) or annotation(pod, INDEX) or 0)


def trimmed(item: JsonObject) -> JsonObject:
    """Of a Job or a pod what this engine asks about: the rest, what it was made of and where it runs, is most of it."""
    found: JsonObject = _part(item, ASKED)
    return found


def _part(told: Any, fields: Fields | None) -> Any:
    if fields is None:
        return told
    if isinstance(told, list):
        return [_part(one, fields) for one in told]
    return {name: _part(told[name], parts) for name, parts in fields.items() if told.get(name) is not None}


def seconds(moment: object) -> float | None:
    """RFC 3339 as seconds since the epoch."""
    if not moment:
        return None
    return datetime.fromisoformat(str(moment)).timestamp()


def created(item: JsonObject) -> float:
    return seconds(item["metadata"].get("creationTimestamp")) or 0.0


def is_leaving(item: JsonObject) -> bool:
    return "deletionTimestamp" in item["metadata"]


def phase(pod: JsonObject) -> str:
    return str(pod.get("status", {}).get("phase", ""))


def is_over(pod: JsonObject) -> bool:
    return phase(pod) in OVER


def node_of(pod: JsonObject) -> str:
    return str(pod["spec"].get("nodeName") or "")


def container(pod: JsonObject, name: str) -> JsonObject:
    """Its status; empty while the kubelet has said nothing of it."""
    told = pod.get("status", {}).get("containerStatuses") or []
    return next((one for one in told if one.get("name") == name), {})


def state(pod: JsonObject, name: str, kind: str) -> dict[str, Any] | None:
    """Its state of this kind (waiting, running, terminated); None: it is in another one."""
    found = container(pod, name).get("state") or {}
    return found.get(kind)


def condition(item: JsonObject, kind: str, status: str = "True") -> dict[str, Any] | None:
    told = item.get("status", {}).get("conditions") or []
    return next((one for one in told if one.get("type") == kind and one.get("status") == status), None)


def started_at(pod: JsonObject) -> float | None:
    """When the command began."""
    for kind in ("running", "terminated"):
        if found := state(pod, MAIN, kind):
            return seconds(found.get("startedAt"))
    return None


def still_reports(pod: JsonObject) -> bool:
    return state(pod, REPORTER, "running") is not None and not is_over(pod)


def is_read(pod: JsonObject, container: str, position: int) -> bool:
    """Whether a reader at this byte has all that the container printed: one that counts its bytes says so as it ends."""
    told = str((state(pod, container, "terminated") or {}).get("message") or "").strip()
    return container == REPORTER and told.isdigit() and position >= int(told)


def stop_by(job: JsonObject) -> float | None:
    """Until when it has time to end, if it was asked to."""
    told = annotation(job, STOP_BY)
    return float(told) if told else None


def waiting_containers(pod: JsonObject) -> Iterator[dict[str, Any]]:
    for name in (MAIN, REPORTER):
        if found := state(pod, name, "waiting"):
            yield found
