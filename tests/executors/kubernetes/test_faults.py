"""The engine while its cluster misbehaves: an API server that dies, refuses, is slow, forgets who we are, or forgets its history."""

import base64
import http.server
import random
import ssl
import threading
from contextlib import contextmanager, suppress
from functools import partial
from urllib.parse import urlsplit

import httpx
import pytest
import yaml

from clusters.kubernetes import watched
from executors.engine import Observed, OutOfReachError, Phase
from executors.kubernetes.engine import connect
from local_stack.servers.ports import LOOPBACK
from scheduling.lifecycle import EndReason
from tests.deploy.api_server import ADMIN, ApiServer
from tests.executors.kubernetes.conftest import seen, workload
from tests.waiting import wait_for

SEED = 20261201


class Handler(http.server.BaseHTTPRequestHandler):
    proxy: "Proxy"

    def do(self) -> None:
        self.proxy.asked.append(f"{self.command} {urlsplit(self.path).path}")
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.proxy.answer is not None:
            self._say(self.proxy.answer[0], self.proxy.answer[1].encode(), "application/json")
            return
        kept = {
            name: self.headers[name] for name in ("Authorization", "Content-Type", "Accept") if name in self.headers
        }
        request = self.proxy.client.build_request(self.command, self.path, content=body, headers=kept)
        answer = self.proxy.client.send(request, stream=True)
        if "watch=true" in self.path and answer.is_success:
            self._pass_on(answer)
        else:
            self._say(answer.status_code, answer.read(), answer.headers.get("content-type", ""))
        answer.close()

    def _pass_on(self, answer: httpx.Response) -> None:
        self.send_response(200)
        self.send_header("Connection", "close")
        self.end_headers()
        with suppress(OSError, httpx.HTTPError):
            for piece in answer.iter_raw():
                if self.proxy.answer is not None:
                    return
                self.wfile.write(piece)

    def _say(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with suppress(OSError):
            self.wfile.write(body)

    def log_message(self, *_words) -> None: ...


for method in ("GET", "POST", "PATCH", "DELETE"):
    setattr(Handler, f"do_{method}", Handler.do)


class Proxy:
    """Between an engine and its API server; `answer` is given instead of what the server says."""

    def __init__(self, server: ApiServer) -> None:
        self.answer: tuple[int, str] | None = None
        self.asked: list[str] = []
        trusted = ssl.create_default_context(cafile=server.authority)
        self.client = httpx.Client(base_url=server.url, verify=trusted, timeout=60)
        handler = type("Handler", (Handler,), {"proxy": self})
        self._server = http.server.ThreadingHTTPServer((LOOPBACK, 0), handler)
        self.url = f"http://{LOOPBACK}:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()


@pytest.fixture
def proxy(server):
    made = Proxy(server)
    yield made
    made.close()


@pytest.fixture
def token(proxy, tmp_path):
    """Writes the token that an engine at the proxy finds."""
    path = tmp_path / "kubeconfig"

    def write(token: str) -> str:
        path.write_text(yaml.safe_dump({
            "apiVersion": "v1", "kind": "Config", "current-context": "it",
            "clusters": [{"name": "it", "cluster": {"server": proxy.url}}],
            "users": [{"name": "it", "user": {"token": token}}],
            "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
        }))  # fmt: skip
        return str(path)

    return write


@pytest.fixture
def far(token, namespace, kubelet):
    """An engine that speaks to its server through the proxy."""
    engine = connect("there", {"kubeconfig": token(ADMIN), "namespace": namespace})
    yield engine
    engine.close()


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_server_that_answers_with_errors_is_out_of_reach_and_nothing_else(far, proxy, namespace, status, monkeypatch):
    monkeypatch.setattr(watched, "WATCH_SECONDS", 2)
    one = workload(namespace, "sh", "-c", "echo ready; exec sleep 60")
    far.start(one)
    seen(far, one.name, Phase.RUNNING)
    proxy.answer = status, '{"message": "storage is (re)initializing"}'
    for ask in (
        far.nodes, partial(far.start, workload(namespace, "true")), partial(far.stop, one.name, 1),
        partial(far.forget, one.name),
    ):  # fmt: skip
        with pytest.raises(OutOfReachError, match=rf"{status} \(storage is \(re\)initializing\)"):
            ask()
    wait_for(lambda: raises(far.observe), 40, "its watch to find out")
    proxy.answer = None
    wait_for(lambda: not raises(far.observe), 20, "its watch to be there again")
    assert seen(far, one.name, Phase.RUNNING).stop_asked is False
    far.stop(one.name, 1)
    assert seen(far, one.name, Phase.ENDED).stop_asked


def raises(ask) -> bool:
    try:
        ask()
    except OutOfReachError:
        return True
    return False


def test_a_token_that_ran_out_is_read_anew_where_a_new_one_lies(far, token, namespace):
    token("expired")
    far._connection._expired = True
    with pytest.raises(OutOfReachError, match="does not know who asks"):
        far.nodes()
    token(ADMIN)
    wait_for(lambda: not raises(far.nodes), 20, "the new token")
    one = workload(namespace, "true")
    far.start(one)
    assert seen(far, one.name, Phase.ENDED).reason is EndReason.COMPLETED


def test_who_may_not_is_told_so_and_nothing_is_refused_for_it(server, namespace, kubelet):
    """Rights that are missing are the operator's to give: no job shall fail for them."""
    server.kubectl("create", "serviceaccount", "nobody", "-n", namespace)
    secret = wait_for(
        lambda: server.ask("get", "sa", "nobody", "-n", namespace).get("secrets", [{}])[0].get("name"), 30, "its token"
    )
    token = base64.b64decode(server.ask("get", "secret", secret, "-n", namespace)["data"]["token"]).decode()
    engine = connect("there", {"kubeconfig": str(server.kubeconfig(token)), "namespace": namespace})
    with pytest.raises(OutOfReachError, match="cannot create resource"):
        engine.start(workload(namespace, "true"))
    with pytest.raises(OutOfReachError, match='cannot list resource "jobs"'):
        engine.observe()
    with pytest.raises(OutOfReachError, match='cannot list resource "nodes"'):
        engine.nodes()
    engine.close()


def test_a_watch_that_is_too_old_is_begun_anew(engines, kubelet, namespace, monkeypatch):
    monkeypatch.setattr(watched, "WATCH_SECONDS", 1)
    engine = engines()
    engine.observe()
    one = workload(namespace, "sh", "-c", "exec sleep 60")
    engine.start(one)
    seen(engine, one.name, Phase.RUNNING)
    engine._jobs._version = engine._pods._version = "1"  # nobody remembers what came after that any more
    engine.stop(one.name, 1)
    assert seen(engine, one.name, Phase.ENDED).stop_asked
    wait_for(lambda: int(engine._pods._version or 0) > 1, 20, "a new list")


def test_an_idle_cluster_is_asked_nothing_but_its_watches(far, proxy, namespace):
    jobs = [workload(namespace, "sh", "-c", "exec sleep 60") for _ in range(3)]
    for one in jobs:
        far.start(one)
    for one in jobs:
        seen(far, one.name, Phase.RUNNING)
    proxy.asked.clear()
    for _ in range(50):
        far.observe()
    assert proxy.asked == []


class Downtimes:
    """Kills the API server at random moments, as often as told, each time once a few more jobs have ended."""

    def __init__(self, server: ApiServer, times: int) -> None:
        self.dice = random.Random(SEED)  # noqa: S311
        self._server, self._left, self._due = server, times, 0

    @contextmanager
    def maybe(self, ended: int):
        """While something is asked; the server is there again after."""
        if not self._left or ended < self._due:
            yield
            return
        self._left -= 1
        self._due = ended + 3
        timer = threading.Timer(self.dice.random(), self._server.kill_api)
        timer.start()
        with suppress(OutOfReachError):
            yield
        timer.join()
        self._server.start_api()


def test_whatever_dies_in_between_each_job_runs_once_and_its_end_is_known(engines, kubelet, server, namespace):
    """The API server is killed while engines start and observe; an engine that it was away for begins anew."""
    count = kubelet.folder / "count"
    kubelet.folder.mkdir(exist_ok=True)
    command = f"echo $TRAINYARD_JOB_ID >> {count}; exit $1"
    jobs = [workload(namespace, "sh", "-c", command, "sh", str(number % 3)) for number in range(12)]
    waiting = {one.name: one for one in jobs}
    ended: dict[str, Observed] = {}
    downtimes = Downtimes(server, 3)
    engine = engines()
    while len(ended) < len(jobs):
        try:
            with downtimes.maybe(len(ended)):
                for one in list(waiting.values())[:4]:
                    engine.start(one)
                    if downtimes.dice.random() < 0.5:
                        engine.start(one)
                    del waiting[one.name]
                ended |= {name: one for name, one in engine.observe().items() if one.phase is Phase.ENDED}
                engine.wait(0.5)
        except OutOfReachError:
            engine = engines()
    for number, one in enumerate(jobs):
        assert (ended[one.name].exit_code, ended[one.name].charged) == (number % 3, True), ended[one.name]
    ran = sorted(int(line) for line in count.read_text().split())
    assert ran == sorted(one.job.job_id for one in jobs)
