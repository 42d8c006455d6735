"""ResourceQuotas of a real API server, with its controller that counts."""

import json
from itertools import count

import pytest

from jobs.recovery import quota_sync
from quotas.models import NativeQuotaRow
from tests import builders
from tests.rest import V1, client_of
from tests.waiting import wait_for
from workers.models import Cluster

pytestmark = pytest.mark.django_db
NUMBERS = count(1)
STARTS = [("new", "There is room for it on n1: the next scheduling cycle starts it.")]


@pytest.fixture
def namespace(server, settings):
    name = f"quotas-{next(NUMBERS)}"
    server.kubectl("create", "namespace", name)
    settings.QUOTA_PROVIDER, settings.K8S_QUOTA_NAMESPACE = "k8s", name
    settings.K8S_KUBECONFIG = str(server.kubeconfig())
    return name


@pytest.fixture
def staff():
    return client_of(builders.user(staff=True))


@pytest.fixture
def team():
    return builders.project(slug="team")


def synced(staff, slug="team"):
    answer = staff.post(f"{V1}/queues/quota/{slug}/sync")
    assert answer.status_code == 200, answer.content
    return answer.json()


def start_pod(server, namespace, name, gpus=1):
    amounts = {"cpu": "1", "memory": "100Mi", **({"nvidia.com/gpu": str(gpus)} if gpus else {})}
    container = {"name": "it", "image": "busybox", "resources": {"requests": amounts, "limits": amounts}}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"containers": [container]},
    }
    return server.kubectl("create", "-f", "-", text=json.dumps(pod), check=False)


def hard(server, namespace):
    return server.ask("get", "resourcequota", "project-team", "-n", namespace)["spec"]["hard"]


def reasons_of(staff, job):
    told = staff.get(f"{V1}/jobs/{job.pk}/explain")
    return [(one["code"], one["sentence"]) for one in told.json()["reasons"]]


def test_a_quota_that_is_set_is_in_force_there_and_put_back(server, namespace, staff, team):
    staff.patch(f"{V1}/queues/quota/team", {"limits": {"gpus": 2, "cpus": 8, "memory_gb": 4, "running_jobs": 5}})
    synced(staff)

    def refused():
        said = start_pod(server, namespace, f"big-{next(NUMBERS)}", gpus=3)
        return said if "exceeded quota" in said else ""

    said = wait_for(refused, 20, "a pod beyond the quota to be refused")
    assert "forbidden: exceeded quota: project-team, requested: requests.nvidia.com/gpu=3" in said
    assert hard(server, namespace)["requests.memory"] in ("4Gi", "4096Mi")

    server.kubectl(
        "patch",
        "resourcequota",
        "project-team",
        "-n",
        namespace,
        "-p",
        '{"spec":{"hard":{"requests.cpu":"99","configmaps":"1"}}}',
    )
    synced(staff)
    assert hard(server, namespace)["requests.cpu"] == "8"
    assert "configmaps" not in hard(server, namespace)

    staff.patch(f"{V1}/queues/quota/team", {"limits": dict.fromkeys(("gpus", "cpus", "memory_gb", "running_jobs"))})
    synced(staff)
    assert "project-team" not in server.kubectl("get", "resourcequota", "-n", namespace)


def test_one_that_is_not_ours_is_read_as_the_truth(server, namespace, staff, team, settings):
    settings.K8S_CREATE_RESOURCE_QUOTAS = False
    server.kubectl(
        "create", "quota", "project-team", "-n", namespace, "--hard=requests.nvidia.com/gpu=1,requests.cpu=1500m"
    )
    answer = synced(staff)
    assert (answer["native"]["gpu_quota"], answer["native"]["cpu_quota"], answer["gpu_quota"]) == (1, 1, None)
    refused = staff.post(
        f"{V1}/jobs", {"command": ["true"], "project": "team", "resources": {"gpus": 2}}, format="json"
    )
    assert refused.status_code == 400
    assert "ResourceQuota project-team of Kubernetes" in refused.content.decode()


def test_what_others_run_there_counts_and_frees_again(server, namespace, staff, team):
    builders.node(name="n1", gpus=4)
    staff.patch(f"{V1}/queues/quota/team", {"limits": {"gpus": 2, "cpus": 8, "memory_gb": 4}})
    synced(staff)
    wait_for(lambda: "created" in start_pod(server, namespace, "theirs", gpus=1), 20)
    wait_for(lambda: synced(staff)["native"]["used_gpu"] == 1, 20, "the pod to count")
    job = builders.job(project=team, gpus=2, memory_mb=100)

    [(code, sentence)] = reasons_of(staff, job)

    assert code == "quota"
    assert sentence.startswith(
        f"ResourceQuota project-team of Kubernetes (namespace {namespace}), of which others there hold 1 GPU, "
        "1 CPU and 100 MB of memory, allows 2 GPUs (1 in use); this job needs 2 GPUs"
    )
    answer = staff.get(f"{V1}/queues/quota/team").json()
    assert (answer["provider"], answer["used_gpu"], answer["native"]["available_gpu"]) == ("k8s", 0, 1)
    assert answer["native"]["gpu_usage_percent"] == 50.0

    server.kubectl("delete", "pod", "theirs", "-n", namespace, "--grace-period=0", "--force")
    wait_for(lambda: synced(staff)["native"]["used_gpu"] == 0, 20, "the pod to be gone")
    assert reasons_of(staff, job) == STARTS


def test_ours_are_no_others(server, namespace, staff, team):
    cluster = Cluster.objects.create(name="ml", kind="kubernetes")
    builders.running_job(project=team, node=builders.node(name="ml-a", gpus=4, cluster=cluster), gpu_indices=[0])
    staff.patch(f"{V1}/queues/quota/team", {"limits": {"gpus": 2}})
    synced(staff)
    wait_for(lambda: "created" in start_pod(server, namespace, "ours", gpus=1), 20)
    wait_for(lambda: synced(staff)["native"]["used_gpu"] == 1, 20, "the pod to count")
    builders.node(name="n1", gpus=4)
    assert reasons_of(staff, builders.job(project=team, gpus=1, memory_mb=100)) == STARTS


def test_an_api_server_that_is_away_holds_the_jobs_of_its_projects_until_it_is_back(
    server, namespace, staff, team, settings
):
    builders.node(name="n1", gpus=4)
    job = builders.job(project=team, gpus=1, memory_mb=100)
    [(code, sentence)] = reasons_of(staff, job)
    assert (code, sentence) == ("quota_provider_away", "What k8s allows project team has not been read yet.")

    synced(staff)
    settings.QUOTA_PROVIDER_AWAY_SECONDS = 0.01
    server.kill_api()
    answer = synced(staff)
    [(code, sentence)] = reasons_of(staff, job)
    server.start_api()

    assert code == "quota_provider_away"
    assert "Kubernetes does not answer" in sentence
    assert answer["native"]["fault"]
    settings.QUOTA_PROVIDER_AWAY_SECONDS = 30
    synced(staff)
    assert NativeQuotaRow.objects.get().fault == ""
    assert reasons_of(staff, job) == STARTS


def test_each_project_has_a_namespace_of_its_own_and_one_that_is_missing_is_no_matter_of_the_others(
    server, namespace, staff, team, settings
):
    settings.K8S_QUOTA_NAMESPACE = f"{namespace}-{{project}}"
    server.kubectl("create", "namespace", f"{namespace}-team")
    for slug in ("other", "team"):
        if slug == "other":
            builders.project(slug=slug)
        staff.patch(f"{V1}/queues/quota/{slug}", {"limits": {"gpus": 2}})
    quota_sync.sync()
    team_row, other_row = (NativeQuotaRow.objects.get(project__slug=slug) for slug in ("team", "other"))
    assert (team_row.hard, team_row.fault) == ({"gpus": 2}, "")
    assert other_row.synced_at is None
    assert f'Kubernetes does not make project-other: namespaces "{namespace}-other" not found' in other_row.fault
    assert (
        server.ask("get", "resourcequota", "-n", f"{namespace}-team")["items"][0]["metadata"]["name"] == "project-team"
    )
