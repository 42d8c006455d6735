"""Jobs in a real Kubernetes by way of its bridge; a scripted kubelet runs the commands of its pods."""

import sys
from collections.abc import Iterator

import pytest

from jobs.control import actions
from tests.acceptance.bridged import SAVES, Bridged, gives_way_and_goes_on
from tests.acceptance.platform import Platform, output, submitted, wait_for_state
from tests.deploy.api_server import ApiServer, api_server
from tests.executors.kubernetes.claims import bind_claim
from tests.executors.kubernetes.kubelet import Kubelet
from tests.waiting import wait_for

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[ApiServer]:
    with api_server(tmp_path_factory.mktemp("kubernetes-bridge")) as made:
        made.start_scheduler()
        yield made


class Hill(Bridged):
    """A cluster of one node, with its bridge."""

    def __init__(self, platform: Platform, server: ApiServer, namespace: str) -> None:
        super().__init__(platform, "hill")
        self.server, self.namespace = server, namespace

    def start_bridge(self, process: str = "bridge", **extra: str) -> None:
        command = [sys.executable, "manage.py", "bridge", self.name, "--kind", "kubernetes", "--image", "python:3"]
        words = {"kubeconfig": str(self.server.kubeconfig()), "namespace": self.namespace, "claim": "jobs"}
        for name, value in words.items():
            command += ["--set", f"{name}={value}"]
        extra.setdefault("DATABASE_URL", self.platform.agent_url())
        self.platform._start(process, command, TRAINYARD_ROLE="node", **extra)

    def left(self) -> list[str]:
        return [one["metadata"]["name"] for one in self.server.ask("get", "jobs", "-n", self.namespace)["items"]]


@pytest.fixture
def hill(platform: Platform, server: ApiServer, tmp_path, request) -> Iterator[Hill]:
    namespace = f"hill-{abs(hash(request.node.name)) % 10**6}"
    server.kubectl("create", "namespace", namespace)
    kubelet = Kubelet(server, tmp_path / "kubelet")
    bind_claim(kubelet, namespace, "jobs")
    kubelet.add_node("h1", gpus=1)
    platform.environment["TRAINYARD_PREEMPTION_MIN_RUNTIME_SECONDS"] = "1"
    platform.start()
    hill = Hill(platform, server, namespace)
    hill.start_bridge()
    hill.wait_until_up(1)
    yield hill
    kubelet.close()


def test_a_job_completes_and_says_all(hill: Hill) -> None:
    script = 'echo begin; echo \'{"progress": 1, "loss": 0.5}\' >> $TRAINYARD_REPORT; seq 1 5000; echo end'
    [job] = submitted(script, executor="hill")
    done = wait_for_state(job, "completed", platform=hill.platform, timeout=60)
    assert output(job) == "begin\n" + "".join(f"{n}\n" for n in range(1, 5001)) + "end\n"
    assert (done.progress, done.metrics["loss"], done.exit_code) == (1, 0.5, 0)
    wait_for(lambda: hill.left() == [], 20, "the cluster to keep nothing of it")


def test_a_job_is_paused_with_its_checkpoint_and_goes_on(hill: Hill) -> None:
    [job] = submitted(SAVES, checkpointable=True, executor="hill")
    wait_for_state(job, "running", platform=hill.platform, timeout=60)
    wait_for(lambda: "from 0" in output(job), 20, "its trap to be set")
    actions.pause(job_id=job.pk, actor="a test")
    wait_for_state(job, "paused", platform=hill.platform, timeout=60)
    assert job.attempts.get().saved is True
    actions.resume(job_id=job.pk, actor="a test")
    wait_for_state(job, "completed", platform=hill.platform, timeout=60)
    assert output(job) == "from 0\nfrom 7\n"


def test_a_job_that_gives_way_to_an_urgent_one_goes_on_where_it_was(hill: Hill) -> None:
    gives_way_and_goes_on(hill.platform, executor="hill", cpus=3)
    wait_for(lambda: hill.left() == [], 20, "the cluster to keep nothing of them")


def test_ends_and_a_restart_of_the_bridge(hill: Hill) -> None:
    """What runs there runs on while no bridge is there; the next one has its whole log, and its end."""
    failed, long = submitted("echo no; exit 3", "echo one; sleep 8; echo two", executor="hill")
    wait_for_state(long, "running", platform=hill.platform, timeout=60)
    wait_for(lambda: "one" in output(long), 20, "its first line")
    hill.platform.kill("bridge")
    hill.start_bridge("bridge-2")
    assert wait_for_state(failed, "failed", platform=hill.platform, timeout=60).exit_code == 3
    wait_for_state(long, "completed", platform=hill.platform, timeout=90)
    assert output(long) == "one\ntwo\n"
    assert long.attempts.count() == 1
