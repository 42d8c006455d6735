"""A scripted kubelet: no machine and no containers, but nodes and pods as a real API server shows them, with commands that run.

It registers nodes, runs the commands of pods that the real scheduler puts there as processes of this machine, keeps their
output with the moments of its lines, serves it as a kubelet does, and reports states as the kubelet of 1.27 and later does.
Not real: images (a table says what happens to one), walls, memory limits (`kill` plays the kernel), volumes (folders, whose
paths are put in place of mount paths wherever a command or its environment names them), and names of pods in the network.
"""

import contextlib
import json
import os
import re
import signal
import ssl
import subprocess
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

from local_stack.servers.ports import LOOPBACK
from tests.deploy.api_server import ADMIN, ApiServer

NO_SUCH_IMAGE = "registry.invalid/"
LONGEST_LINE = 16384
"""What a container runtime keeps as one piece."""
BUSY = (httpx.TransportError, ssl.SSLError)


def stamp(moment: float | None = None) -> str:
    return datetime.fromtimestamp(time.time() if moment is None else moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def nano(moment: int) -> str:
    """RFC 3339 with as many digits as there are nanoseconds, as Go writes it."""
    whole = datetime.fromtimestamp(moment // 10**9, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    fraction = f"{moment % 10**9:09d}".rstrip("0")
    return f"{whole}.{fraction}Z" if fraction else f"{whole}Z"


@dataclass
class Log:
    """Pieces with their moments: a whole line, or a part of a long one without its end."""

    pieces: list[tuple[int, bytes]] = field(default_factory=list)

    def follow(self, stream: Any) -> None:
        for line in iter(lambda: stream.readline(LONGEST_LINE), b""):
            self.pieces.append((time.time_ns(), line))

    def rotate(self) -> None:
        self.pieces = []

    def answer(self, since: int, limit: int, *, timestamps: bool) -> bytes:
        found, new_line = [], True
        for moment, piece in list(self.pieces):
            if moment < since:
                continue
            found.append((f"{nano(moment)} ".encode() if timestamps and new_line else b"") + piece)
            new_line = piece.endswith(b"\n")
        return b"".join(found)[: limit or None]


class Container:
    """One that runs or has run: a process of this machine."""

    def __init__(self, spec: dict[str, Any], folder: Path, paths: dict[str, Path], annotations: dict[str, str]) -> None:
        self.name = spec["name"]
        self.last_words = folder / f"last-words-{self.name}"
        self._paths = {**paths, "/dev/termination-log": self.last_words}
        self.log = Log()
        self.started = time.time()
        self.ended: float | None = None
        self.reason = ""
        env = {one["name"]: self._value(one, annotations) for one in spec.get("env", [])}
        words = [self._put(expanded(word, env)) for word in [*spec.get("command", []), *spec.get("args", [])]]
        self.process: subprocess.Popen[bytes] | None = None
        try:
            self.process = subprocess.Popen(
                words, env={"PATH": os.environ["PATH"], **env}, cwd=self._put(spec.get("workingDir", str(folder))),
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            self.ended, self.reason = time.time(), "StartError"
            self.last_words.write_text(f"failed to create containerd task: exec: {words[0]}: {error.strerror}")
            return
        self._reading = threading.Thread(target=self.log.follow, args=(self.process.stdout,), daemon=True)
        self._reading.start()

    def poll(self) -> bool:
        """Whether it is over; then nothing of it is left, as in a container whose first process ended."""
        if self.ended is None and self.process.poll() is not None:
            self.kill()
            self._reading.join(5)
            self.ended = time.time()
        return self.ended is not None

    def terminate(self) -> None:
        if self.ended is None:
            self.process.terminate()

    def kill(self, reason: str = "") -> None:
        self.reason = reason or self.reason
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)

    @property
    def code(self) -> int:
        if self.process is None:
            return 128
        return self.process.returncode if self.process.returncode >= 0 else 128 - self.process.returncode

    def status(self) -> dict[str, Any]:
        if self.ended is None:
            return self._as({"running": {"startedAt": stamp(self.started)}})
        told = self.last_words.read_text() if self.last_words.exists() else ""
        reason = self.reason or ("Completed" if self.code == 0 else "Error")
        times = {"startedAt": stamp(self.started), "finishedAt": stamp(self.ended)}
        return self._as(
            {"terminated": {"exitCode": self.code, "reason": reason, **times, **({"message": told} if told else {})}}
        )

    def _as(self, state: dict[str, Any]) -> dict[str, Any]:
        return {
            "name": self.name,
            "image": "x",
            "imageID": "",
            "restartCount": 0,
            "ready": "running" in state,
            "state": state,
        }

    def _value(self, one: dict[str, Any], annotations: dict[str, str]) -> str:
        if "value" in one:
            return self._put(expanded(one["value"], {}))
        return annotations.get(one["valueFrom"]["fieldRef"]["fieldPath"].split("'")[1], "")

    def _put(self, text: str) -> str:
        for path, folder in sorted(self._paths.items(), reverse=True):
            text = text.replace(path, str(folder))
        return text


def expanded(text: str, env: dict[str, str]) -> str:
    """As Kubernetes does it: $$ is a dollar, $(NAME) the variable if there is one."""
    return re.sub(r"\$(\$|\(([^)]*)\))", lambda m: "$" if m[1] == "$" else env.get(m[2], m[0]), text)


class PodRun:
    """A pod on one of our nodes, in a thread of its own."""

    def __init__(self, kubelet: "Kubelet", pod: dict[str, Any]) -> None:
        self.kubelet, self.pod = kubelet, pod
        self.uid = pod["metadata"]["uid"]
        self.path = f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}"
        self.folder = kubelet.folder / self.uid
        self.began = time.time()
        self.containers: list[Container] = []
        self.why: tuple[str, str] | None = None
        self.kill_at: float | None = None
        self.news = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    @property
    def main(self) -> Container:
        return next(one for one in self.containers if one.name == "main")

    def never_end_the_reporter(self) -> None:
        for one in self.containers:
            if one.name == "reporter":
                os.kill(one.process.pid, signal.SIGSTOP)

    def update(self, pod: dict[str, Any]) -> None:
        self.pod = pod
        self.news.set()

    def fail(self, reason: str, message: str) -> None:
        """As the node itself ends it: evicted, shut down."""
        self.why = (reason, message)
        self.news.set()

    def _run(self) -> None:
        spec = self.pod["spec"]
        if spec["containers"][0]["image"].startswith(NO_SUCH_IMAGE):
            self._wait_for_the_image()
        elif self.kubelet.virtual:
            while not self._report(self._done_at_once(), "Succeeded") and not self.kubelet.over.is_set():
                time.sleep(0.1)
            return
        else:
            paths = {}
            for mount in spec["containers"][0].get("volumeMounts", []):
                if mount["mountPath"] == "/dev/shm":
                    continue
                paths[mount["mountPath"]] = self._volume(mount)
                paths[mount["mountPath"]].mkdir(parents=True, exist_ok=True)
            annotations = self.pod["metadata"].get("annotations", {})
            self.containers = [Container(one, self.folder, paths, annotations) for one in reversed(spec["containers"])]
            told = None
            while sum(one.poll() for one in self.containers) < len(self.containers):
                self._look_at_the_time()
                now = [one.status() for one in self.containers]
                if now != told and not self.kubelet.silent:
                    told = now if self._report(now, "Running") else None
                self.news.wait(0.05)
                self.news.clear()
        self._end()

    def _volume(self, mount: dict[str, Any]) -> Path:
        volume = next(one for one in self.pod["spec"]["volumes"] if one["name"] == mount["name"])
        claim = volume.get("persistentVolumeClaim")
        base = self.kubelet.folder / claim["claimName"] if claim else self.folder / mount["name"]
        return base / mount.get("subPath", "")

    def _look_at_the_time(self) -> None:
        its, now = self.pod["metadata"], time.time()
        grace = self.pod["spec"].get("terminationGracePeriodSeconds", 30)
        limit = self.pod["spec"].get("activeDeadlineSeconds")
        if limit is not None and self.why is None and now - self.began >= limit:
            self.why = ("DeadlineExceeded", "Pod was active on the node longer than the specified deadline")
        if "deletionTimestamp" in its:
            grace = its.get("deletionGracePeriodSeconds", grace)
            deleted_at = datetime.fromisoformat(its["deletionTimestamp"]).timestamp()
            self._end_by(min(now + grace, max(deleted_at, now)))
        elif self.why is not None:
            self._end_by(now + grace)
        if self.kill_at is not None and now >= self.kill_at:
            for one in self.containers:
                one.kill()

    def _end_by(self, moment: float) -> None:
        if self.kill_at is None:
            for one in self.containers:
                one.terminate()
        self.kill_at = moment if self.kill_at is None else min(self.kill_at, moment)

    def _wait_for_the_image(self) -> None:
        image = self.pod["spec"]["containers"][0]["image"]
        message = f'Back-off pulling image "{image}"'
        waiting = [
            {"name": one["name"], "image": image, "imageID": "", "restartCount": 0, "ready": False,
             "state": {"waiting": {"reason": "ImagePullBackOff", "message": message}}}
            for one in self.pod["spec"]["containers"]
        ]  # fmt: skip
        self._report(waiting, "Pending")
        while "deletionTimestamp" not in self.pod["metadata"] and self.why is None:
            self._look_at_the_time()
            self.news.wait(0.1)
            self.news.clear()

    def _done_at_once(self) -> list[dict[str, Any]]:
        done = {"exitCode": 0, "reason": "Completed", "startedAt": stamp(), "finishedAt": stamp()}
        return [
            {
                "name": one["name"],
                "image": "x",
                "imageID": "",
                "restartCount": 0,
                "ready": False,
                "state": {"terminated": done | ({"message": "0"} if one["name"] == "reporter" else {})},
            }
            for one in self.pod["spec"]["containers"]
        ]

    def _end(self) -> None:
        good = self.why is None and all(one.code == 0 and not one.reason for one in self.containers)
        while self.kubelet.silent:
            self.kubelet.speaks.wait(0.1)
        while not self._report(
            [one.status() for one in self.containers], "Succeeded" if good and self.containers else "Failed"
        ):
            time.sleep(0.1)
        while not self.kubelet.over.is_set():
            if "deletionTimestamp" in self.pod["metadata"]:
                body = {"gracePeriodSeconds": 0, "preconditions": {"uid": self.uid}}
                if self.kubelet.ask("DELETE", self.path, body) is not None:
                    return
            self.news.wait(0.2)
            self.news.clear()

    def _report(self, statuses: list[dict[str, Any]], phase: str) -> bool:
        ready = "True" if phase == "Running" else "False"
        status: dict[str, Any] = {
            "phase": phase, "startTime": stamp(self.began), "containerStatuses": statuses,
            "conditions": [{"type": "Ready", "status": ready, "lastTransitionTime": stamp()}],
        }  # fmt: skip
        if self.why is not None and phase == "Failed":
            status |= {"reason": self.why[0], "message": self.why[1]}
        return (
            self.kubelet.ask("PATCH", f"{self.path}/status", {"metadata": {"uid": self.uid}, "status": status})
            is not None
        )


class Kubelet:
    """All nodes of a test's cluster. `virtual`: every command ends well at once, without being run."""

    def __init__(self, server: ApiServer, folder: Path, *, virtual: bool = False) -> None:
        self.server, self.folder, self.virtual = server, folder, virtual
        self.runs: dict[str, PodRun] = {}
        self.nodes: list[str] = []
        self.over, self.speaks = threading.Event(), threading.Event()
        self.silent = False
        self._trusted = ssl.create_default_context(cafile=server.authority)
        self._client = httpx.Client(
            base_url=server.url, verify=self._trusted, timeout=30, headers={"Authorization": f"Bearer {ADMIN}"},
            limits=httpx.Limits(max_connections=64),
        )  # fmt: skip
        self._log_server = self._serve_logs()
        self._watching = threading.Thread(target=self._watch, daemon=True)
        self._watching.start()

    def add_node(self, name: str, *, cpus: str = "4", memory: str = "8Gi", gpus: int = 0, **labels: str) -> None:
        amounts = {"cpu": cpus, "memory": memory, "pods": "600", **({"nvidia.com/gpu": str(gpus)} if gpus else {})}
        self.nodes.append(name)
        labels = {"kubernetes.io/hostname": name, **{word.replace("__", "/"): value for word, value in labels.items()}}
        self.must("POST", "/api/v1/nodes", {"metadata": {"name": name, "labels": labels}})
        self.must("PATCH", f"/api/v1/nodes/{name}", {"spec": {"taints": None}})  # those of a node that is not ready yet
        self.must("PATCH", f"/api/v1/nodes/{name}/status", {"status": {
            "capacity": amounts, "allocatable": amounts,
            "conditions": [{"type": "Ready", "status": "True", "lastHeartbeatTime": stamp(), "lastTransitionTime": stamp()}],
            "addresses": [{"type": "InternalIP", "address": LOOPBACK}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": self._log_server.server_port}},
        }})  # fmt: skip

    def remove_nodes(self) -> None:
        for name in self.nodes:
            self.ask("DELETE", f"/api/v1/nodes/{name}")
        self.nodes = []

    def run_of(self, workload: str, rank: int = 0) -> PodRun:
        """The latest pod of a member."""
        found = [
            run for run in list(self.runs.values())
            if run.pod["metadata"]["labels"].get("trainyard/workload") == workload
            and int(run.pod["metadata"]["labels"].get("trainyard/rank", 0)) == rank
        ]  # fmt: skip
        return max(found, key=lambda run: run.began)

    def fall_silent(self) -> None:
        """Its nodes say nothing any more; what runs there runs on."""
        self.silent = True
        self.speaks.clear()

    def speak(self) -> None:
        self.silent = False
        self.speaks.set()

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """None: it could not be done."""
        kind = {"PATCH": "application/strategic-merge-patch+json"}.get(method, "application/json")
        try:
            answer = self._client.request(
                method, path, content=json.dumps(body) if body else None, headers={"Content-Type": kind}
            )
        except BUSY:
            return None
        if answer.status_code in (404, 409):
            return {}
        return answer.json() if answer.is_success else None

    def must(self, method: str, path: str, body: Any = None) -> Any:
        found = self.ask(method, path, body)
        assert found is not None, f"{method} {path}"
        return found

    def close(self) -> None:
        self.over.set()
        self.speak()
        for run in self.runs.values():
            for one in run.containers:
                one.kill()
        self.remove_nodes()
        self._log_server.shutdown()

    def _watch(self) -> None:
        version = ""
        while not self.over.is_set():
            try:
                if not version:
                    listed = self._client.get("/api/v1/pods").json()
                    version = listed["metadata"]["resourceVersion"]
                    for pod in listed["items"]:
                        self._take("MODIFIED", pod)
                asked = {"watch": "true", "resourceVersion": version, "timeoutSeconds": "30"}
                with self._client.stream("GET", "/api/v1/pods", params=asked) as answer:
                    for line in answer.iter_lines():
                        event = json.loads(line)
                        if event["type"] == "ERROR":
                            version = ""
                            break
                        version = event["object"]["metadata"]["resourceVersion"]
                        self._take(event["type"], event["object"])
            except (*BUSY, KeyError, ValueError):
                version = ""
                time.sleep(0.2)

    def _take(self, kind: str, pod: dict[str, Any]) -> None:
        uid, node = pod["metadata"]["uid"], pod["spec"].get("nodeName")
        if node not in self.nodes:
            return
        known = self.runs.get(uid)
        if known is not None:
            known.update(pod)
        elif kind != "DELETED" and pod["status"].get("phase") == "Pending":
            self.runs[uid] = PodRun(self, pod)

    def _serve_logs(self) -> ThreadingHTTPServer:
        kubelet = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                url = urlsplit(self.path)
                _, _, namespace, pod, container = url.path.split("/")
                asked = {name: values[0] for name, values in parse_qs(url.query).items()}
                log = kubelet.log_of(namespace, pod, container)
                if kubelet.silent or log is None:
                    self.send_error(404 if log is None else 503)
                    return
                since = (
                    int(datetime.fromisoformat(asked["sinceTime"]).timestamp()) * 10**9 if "sinceTime" in asked else 0
                )
                body = log.answer(since, int(asked.get("limitBytes", 0)), timestamps=asked.get("timestamps") == "true")
                self.send_response(200)
                self.send_header("Content-Type", "text/plain")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_words: Any) -> None: ...

        server = ThreadingHTTPServer((LOOPBACK, 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.server.authority, self.server.authority.with_suffix(".key"))
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server

    def log_of(self, namespace: str, pod: str, container: str) -> Log | None:
        for run in list(self.runs.values()):
            its = run.pod["metadata"]
            if (its["namespace"], its["name"]) == (namespace, pod):
                return next((one.log for one in run.containers if one.name == container), Log())
        return None
