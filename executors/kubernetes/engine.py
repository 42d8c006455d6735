"""One Kubernetes as an engine: asked in few requests, seen through two watches.

What must not be forgotten stands on the objects themselves, as annotations: that somebody asked a workload to stop and
until when it has time. A process that dies and begins anew finds all of it there.
"""

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from django.conf import settings

from clusters.kubernetes.connection import GONE, TAKEN, Connection, DeniedError, JsonObject, KubernetesError
from clusters.kubernetes.watched import Watched, pages
from executors.engine import ClusterNode, Engine, Observed, OutOfReachError, Output, RefusedError, Workload
from executors.kubernetes import enforcing, manifest, node_list, observing, options, pods
from executors.kubernetes.ends import Patience
from executors.kubernetes.logs import PODS_ARE_GONE, LogReader
from executors.kubernetes.observing import Parts
from executors.kubernetes.options import Options
from scheduling.lifecycle import EndReason

INDEXED_SINCE = (1, 22)
"""Indexed Jobs came with 1.21, switched on with 1.22."""
REFUSALS_SECONDS, PODLESS_SECONDS = 5.0, 2.0
FORGOTTEN_SECONDS = 900.0
LATELY_SECONDS = 0.2
BACKGROUND = {"propagationPolicy": "Background"}


def connect(cluster: str, words: Mapping[str, str]) -> Engine:
    """As `executors.engine.Connect` has it."""
    chosen = options.read(words)
    try:
        connection = Connection(kubeconfig=chosen.kubeconfig, context=chosen.context)
    except KubernetesError as error:
        raise ValueError(f"kubeconfig: {error}") from None
    return KubernetesEngine(cluster, connection, chosen)


class KubernetesEngine:
    """The Jobs in one namespace that carry the cluster's name."""

    kind = "kubernetes"
    asks_at_once = 8

    def __init__(self, cluster: str, connection: Connection, chosen: Options) -> None:
        self._cluster = cluster
        self._options = chosen
        self._connection = connection
        self._namespace = chosen.namespace or connection.namespace
        self._patience = Patience(image=chosen.image_patience, room=chosen.room_patience)
        self._logs = LogReader(connection, self._namespace, self._annotate)
        self._changed = threading.Event()
        self._refusals: dict[str, str] = {}
        self._refusals_at = 0.0
        self._forgotten: dict[str, float] = {}
        self._version: tuple[int, int] | None = None
        self._parts: dict[str, Parts] = {}
        self._parts_of, self._grouped_at = (-1, -1), 0.0
        self._grouping = threading.Lock()
        self._begin = threading.Lock()
        self._begun = False
        selector = manifest.selector(cluster)
        self._jobs = Watched(connection, self._path("jobs"), selector, self._changed.set, pods.trimmed)
        self._pods = Watched(connection, self._path("pods"), selector, self._changed.set, pods.trimmed)

    def nodes(self) -> Sequence[ClusterNode]:
        alive = "status.phase!=Succeeded,status.phase!=Failed"
        with _translated(denied=True):
            chosen = {"labelSelector": self._options.nodes} if self._options.nodes else {}
            listed = [
                one for page in pages(self._connection, "/api/v1/nodes", **chosen) for one in page.get("items") or []
            ]
            taking = pages(self._connection, "/api/v1/pods", fieldSelector=alive)
            running = [pod for page in taking for pod in page.get("items") or []]
        return node_list.nodes(listed, running, cluster=self._cluster, options=self._options)

    def start(self, workload: Workload) -> None:
        if not workload.image:
            words = "The job names no container image, and the cluster has none of its own (manage.py bridge --image)."
            raise RefusedError(words, charged=False)
        made = manifest.manifests(workload, self._site(gang=len(workload.members) > 1))
        wanted = ([("services", made.service)] if made.service else []) + [("jobs", job) for job in made.jobs]
        try:
            for kind, wish in wanted:
                found = self._create(kind, wish)
                if kind == "jobs" and found is not None:
                    self._jobs.put(found)
        except RefusedError:
            if len(wanted) > 1:
                self._remove(workload.name, [pods.name_of(job) for job in made.jobs], gang=True)
            raise

    def observe(self) -> Mapping[str, Observed]:
        now = time.time()
        known = self._known()
        podless = any(
            not its.pods and _wants_pods(job) and _age(job, now) > PODLESS_SECONDS
            for its in known.values()
            for job in its.jobs.values()
        )
        refusals = self._told_refusals() if podless else {}
        found = observing.observed(known, refusals, now=now, patience=self._patience)
        for name, its in known.items():
            if name in found:
                self._carry_out(enforcing.overdue(its, now=now))
        return found

    def wait(self, seconds: float) -> None:
        self._start_watching()
        self._changed.wait(seconds)
        self._changed.clear()

    def stop(self, name: str, grace_seconds: float) -> None:
        now = time.time()
        self._carry_out(enforcing.stop(self._known().get(name, Parts()), now=now, grace_seconds=grace_seconds))
        self._carry_out(enforcing.overdue(self._known().get(name, Parts()), now=now))

    def forget(self, name: str) -> None:
        its = self._its(name)
        gang = any(int(pods.annotation(job, manifest.MEMBERS) or 1) > 1 for job in its.all_jobs.values())
        self._remove(name, list(its.all_jobs) or [name], gang=gang)
        its_pods = [pods.name_of(pod) for pod in (*its.pods, *its.gone_pods)]
        for pod in its_pods:
            self._logs.forget(pod)
        with self._grouping:
            self._forgotten[name] = time.monotonic()
        self._jobs.drop(list(its.all_jobs))
        self._pods.drop(its_pods)

    def read_log(self, name: str, rank: int, position: int) -> Output:
        return self._read(name, rank, manifest.MAIN, position)

    def read_reports(self, name: str, position: int) -> Output:
        return self._read(name, 0, manifest.REPORTER, position)

    def unsupported(self) -> Mapping[str, str]:
        found = {
            "suspend": "Kubernetes cannot have a container stand still: pause the job, and it gives its place back."
        }
        if not self._options.claim:
            found["checkpointable"] = (
                "What a job saves here goes with its pod, as the bridge has no volume claim (--set claim=NAME): it "
                "cannot go on from a checkpoint."
            )
        return found

    def close(self) -> None:
        self._jobs.close()
        self._pods.close()
        self._changed.set()
        self._connection.close()

    def _path(self, kind: str) -> str:
        base = "/apis/batch/v1" if kind == "jobs" else "/api/v1"
        return f"{base}/namespaces/{self._namespace}/{kind}"

    def _site(self, *, gang: bool) -> manifest.Site:
        if gang and self._version is None:
            with _translated():
                told = self._connection.ask("tell its version", "GET", "/version")
            major, minor = (int("".join(filter(str.isdigit, str(told[part]))) or 0) for part in ("major", "minor"))
            self._version = major, minor
        return manifest.Site(
            cluster=self._cluster,
            options=self._options,
            namespace=self._namespace,
            grace_seconds=round(settings.KILL_GRACE_SECONDS),
            indexed=gang and self._version is not None and self._version >= INDEXED_SINCE,
        )

    def _create(self, kind: str, wish: JsonObject) -> JsonObject | None:
        """None: it was there."""
        name = pods.name_of(wish)
        try:
            with _translated():
                return self._connection.ask(f"make {name}", "POST", self._path(kind), body=wish)
        except DeniedError as error:
            if error.status == TAKEN:
                return None
            raise _refusal(error) from None

    def _remove(self, name: str, jobs: Sequence[str], *, gang: bool) -> None:
        """Rank 0 last: where its Job is, the others can be asked about."""
        wanted = [(self._path("jobs"), job) for job in sorted(jobs, key=lambda job: job == name)]
        if gang:
            wanted.append((self._path("services"), name))
        for path, one in wanted:
            self._ask_unless_gone(f"delete {one}", "DELETE", f"{path}/{one}", body=BACKGROUND)

    def _ask_unless_gone(self, what: str, method: str, path: str, **more: Any) -> JsonObject | None:
        try:
            with _translated():
                return self._connection.ask(what, method, path, **more)
        except DeniedError as error:
            if error.status in (GONE, TAKEN):  # taken: it changed or went while it was asked
                return None
            raise OutOfReachError(str(error)) from None

    def _carry_out(self, wishes: Iterator[enforcing.Wish]) -> None:
        for wish in wishes:
            path = f"{self._path(wish.kind)}/{wish.name}"
            changed = self._ask_unless_gone(f"{wish.method.lower()} {wish.name}", wish.method, path, body=wish.body)
            if wish.method == "PATCH" and changed is not None:
                (self._jobs if wish.kind == "jobs" else self._pods).put(changed)

    def _its(self, name: str) -> Parts:
        """Of one workload, as it was a moment ago: many are asked about one after the other, while everything changes."""
        lately = time.monotonic() - self._grouped_at < LATELY_SECONDS
        return (self._parts.get(name) if lately else None) or self._known().get(name, Parts())

    def _known(self) -> Mapping[str, Parts]:
        """What the watches show of workloads that were not forgotten."""
        self._start_watching()
        with _translated(denied=True):
            revisions = self._jobs.current(), self._pods.current()
        with self._grouping:
            if revisions != self._parts_of:
                self._group(revisions)
            return self._parts

    def _group(self, revisions: tuple[int, int]) -> None:
        jobs, its_pods = self._jobs.objects(), self._pods.objects()
        long_ago = time.monotonic() - FORGOTTEN_SECONDS
        self._forgotten = {name: moment for name, moment in self._forgotten.items() if moment > long_ago}
        known = observing.parts(jobs, its_pods)
        self._parts = {name: its for name, its in known.items() if name not in self._forgotten}
        self._parts_of, self._grouped_at = revisions, time.monotonic()
        # What went and belongs to nothing that anybody asks about.
        over = [its for name, its in known.items() if name in self._forgotten or not its.all_jobs]
        self._jobs.drop([name for its in over for name in its.gone_jobs])
        self._pods.drop([pods.name_of(pod) for its in over for pod in its.gone_pods])

    def _told_refusals(self) -> Mapping[str, str]:
        """Why Jobs have no pods: their controller says it in events alone. One request for all of them."""
        now = time.monotonic()
        if now - self._refusals_at >= REFUSALS_SECONDS:
            selector = "involvedObject.kind=Job,reason=FailedCreate"
            with _translated(denied=True):
                told = [
                    one
                    for page in pages(self._connection, self._path("events"), fieldSelector=selector)
                    for one in page.get("items") or []
                ]
            told.sort(key=lambda event: str(event.get("lastTimestamp") or event.get("eventTime") or ""))
            self._refusals = {str(one["involvedObject"]["name"]): str(one.get("message") or "") for one in told}
            self._refusals_at = now
        return self._refusals

    def _read(self, name: str, rank: int, container: str, position: int) -> Output:
        its = self._its(name)
        pod = observing.first_pod([*its.gone_pods, *its.pods], rank)
        if pod is None:
            return Output(b"", position)
        if not any(one.get("name") == container for one in pod["spec"]["containers"]):
            return Output(b"", position)
        if pod not in its.pods:
            return Output(b"", position, PODS_ARE_GONE)
        if not pods.node_of(pod):
            return Output(b"", position)
        if pods.is_read(pod, container, position):
            return Output(b"", position, whole=True)
        with _translated(denied=True):
            return self._logs.read(pod, container, position, ended=_has_ended(pod, container))

    def _annotate(self, pod: str, annotations: Mapping[str, str]) -> None:
        changed = self._ask_unless_gone(
            f"mark {pod}", "PATCH", f"{self._path('pods')}/{pod}", body={"metadata": {"annotations": dict(annotations)}}
        )
        if changed is not None:
            self._pods.put(changed)

    def _start_watching(self) -> None:
        with self._begin:
            if not self._begun:
                self._jobs.start()
                self._pods.start()
                self._begun = True


@contextmanager
def _translated(*, denied: bool = False) -> Iterator[None]:
    """What the connection says, as the platform is told: silence is out of reach; a denial too, where it is about us."""
    try:
        yield
    except DeniedError as error:
        if not denied:
            raise
        raise OutOfReachError(str(error)) from None
    except KubernetesError as error:
        raise OutOfReachError(str(error)) from None


def _refusal(error: DeniedError) -> Exception:
    """What a denied creation means: the job's own fault, no room in a quota, or that we may not ask at all."""
    words = error.words.lower()
    if error.status == 403 and "exceeded quota" in words:  # noqa: PLR2004
        return RefusedError(str(error), EndReason.PREEMPTED, charged=False)
    if error.status == GONE or "cannot create resource" in words:  # no such namespace, no such right
        return OutOfReachError(str(error))
    return RefusedError(str(error))


def _age(job: JsonObject, now: float) -> float:
    return now - (pods.seconds(job["metadata"].get("creationTimestamp")) or 0.0)


def _has_ended(pod: JsonObject, container: str) -> bool:
    return pods.state(pod, container, "terminated") is not None or pods.is_over(pod)


def _wants_pods(job: JsonObject) -> bool:
    spec, status = job["spec"], job.get("status", {})
    return (
        not spec.get("suspend")
        and spec.get("parallelism", 1) > 0
        and not status.get("succeeded")
        and not status.get("failed")
    )
