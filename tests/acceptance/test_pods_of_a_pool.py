"""A pool of pods on a real API server, whose pods are real agents: killed again and again, the autoscaler loses no job and ends none.

Only what starts a pod's command on a machine is ours: a few lines for the kubelet.
"""

import base64
import random
import signal
import sys
import threading
import time
from typing import Any

import pytest
import yaml
from django.db import connection
from kubernetes import client, config

from jobs.models import Attempt, Job, Placement
from jobs.planning import cycle
from jobs.planning.pool_scaling import scale_pools
from tests.acceptance.platform import Platform, submitted
from tests.deploy.api_server import ApiServer, rendered
from tests.deploy.conftest import kubernetes  # noqa: F401  a fixture
from tests.waiting import wait_for
from workers.models import Node, NodePool

NAMESPACE, POOL = "agents-of-a-test", "cpu"
NEEDED = {"ServiceAccount", "Role", "RoleBinding", "PodTemplate", "PriorityClass"}
KILLS, JOBS = 8, 24


class Kubelet(threading.Thread):
    """Of the only machine: starts the command of each pod that is there, ends it with SIGTERM, and says when it is gone.

    It decides for the platform meanwhile, as beat does; and notes who is told to end while a job runs there.
    """

    def __init__(self, api: client.CoreV1Api, platform: Platform, agent_url: str) -> None:
        super().__init__()
        self._api = api
        self._platform = platform
        self._extra = {"TRAINYARD_ROLE": "node", "DATABASE_URL": agent_url}
        self._told: set[str] = set()
        self.over = threading.Event()
        self.most = 0
        self.interrupted: list[str] = []

    def run(self) -> None:
        while not self.over.wait(0.3):
            scale_pools()
            cycle.run_cycle()
            items = self._api.list_namespaced_pod(NAMESPACE).items
            self.most = max(self.most, len(items))
            for pod in items:
                self._serve(pod)
        connection.close()

    def _serve(self, pod: Any) -> None:
        name, running = pod.metadata.name, self._platform.processes
        if pod.spec.node_name is None:
            target = client.V1ObjectReference(kind="Node", name="only")
            body = client.V1Binding(metadata=client.V1ObjectMeta(name=name), target=target)
            self._api.create_namespaced_binding(NAMESPACE, body, _preload_content=False)
        elif pod.metadata.deletion_timestamp is None:
            if name not in running:
                self._platform._start(name, command(pod), **self._extra)
        elif name not in self._told:
            self._told.add(name)
            if Placement.objects.filter(node__name=name, closed_at__isnull=True).exists():
                self.interrupted.append(name)
            if name in running:
                running[name].send_signal(signal.SIGTERM)
        elif name not in running or running[name].poll() is not None:
            running.pop(name, None)
            self._told.discard(name)
            self._api.delete_namespaced_pod(name, NAMESPACE, grace_period_seconds=0)


def command(pod: Any) -> list[str]:
    (container,) = pod.spec.containers
    words = {"$(POD_NAME)": pod.metadata.name, "$(POOL)": pod.metadata.labels["trainyard/pool"]}
    args = [sys.executable if word == "python" else word for word in container.args]
    for variable, value in words.items():
        args = [word.replace(variable, value) for word in args]
    return args


@pytest.fixture
def api(kubernetes: ApiServer) -> client.CoreV1Api:  # noqa: F811
    kubernetes.kubectl("create", "namespace", NAMESPACE)
    wanted = yaml.safe_dump_all(one for one in rendered("base") if one["kind"] in NEEDED)
    kubernetes.kubectl("apply", "-f", "-", text=wanted.replace("namespace: trainyard\n", f"namespace: {NAMESPACE}\n"))
    return client.CoreV1Api(config.new_client_from_config(str(kubernetes.kubeconfig())))


def token(api: client.CoreV1Api) -> str:
    """Of the account that the manifests make for the autoscaler."""
    for secret in api.list_namespaced_secret(NAMESPACE).items:
        of = (secret.metadata.annotations or {}).get("kubernetes.io/service-account.name")
        if of == "trainyard-autoscaler" and secret.data:
            return base64.b64decode(secret.data["token"]).decode()
    return ""


@pytest.mark.timeout(300)
def test_killed_again_and_again_it_loses_no_job_and_ends_none(platform: Platform, api, kubernetes: ApiServer):  # noqa: F811
    account = wait_for(lambda: token(api), 30, "the account's token")
    platform.environment |= {
        "TRAINYARD_LEASE_SECONDS": "30",
        "KUBECONFIG": str(kubernetes.kubeconfig(account, NAMESPACE)),
    }
    NodePool.objects.create(
        name=POOL, cpus=2, memory_mb=3500, max_nodes=3, actuator="kubernetes", scale_up_seconds=0, scale_down_seconds=2
    )
    platform.start_control()
    kubelet = Kubelet(api, platform, platform.agent_url())
    kubelet.start()
    autoscaler = [sys.executable, "manage.py", "autoscaler", "--kubernetes", NAMESPACE, "--every", "0.3"]
    dice = random.Random(11)  # noqa: S311  no secret
    jobs: list[Job] = []
    try:
        for kill in range(KILLS):
            platform._start("autoscaler", autoscaler)
            if kill % 2 == 0:
                # The short ones fill the pool, and it shrinks around the long one.
                short = [f"sleep {dice.uniform(0.1, 1.5):.1f}"] * (2 * JOBS // KILLS - 1)
                jobs += submitted(*short, "sleep 12")
            time.sleep(dice.uniform(2, 6))
            platform.kill("autoscaler")
        platform._start("autoscaler", autoscaler)
        done = Job.objects.filter(pk__in=[job.pk for job in jobs], state="completed")
        wait_for(lambda: done.count() == len(jobs), 150, lambda: f"all jobs; {platform.log('autoscaler')}")
        wait_for(
            lambda: not api.list_namespaced_pod(NAMESPACE).items, 90, lambda: f"no pod; {platform.log('autoscaler')}"
        )
        left = Node.objects.filter(cordoned=True, removed_at__isnull=True)
        wait_for(lambda: not left.exists(), 30, "the last one's row, which follows its process")
    finally:
        kubelet.over.set()
        kubelet.join()
    assert kubelet.interrupted == []
    assert kubelet.most > 1
    assert Attempt.objects.count() == len(jobs), "no job was begun twice"
