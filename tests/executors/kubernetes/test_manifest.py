"""A workload as objects of Kubernetes, held to the schemas of several of its versions."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from executors.kubernetes import manifest, options, pod_environment, reporter
from executors.kubernetes.manifest import Site, manifests
from scheduling.priorities import WORDS
from tests.executors.kubernetes.conftest import workload

VALIDATE = Path(sys.executable).with_name("kubernetes-validate")
EVERYTHING: dict[str, Any] = {
    "service_account": "jobs", "claim": "trainyard-jobs", "claim_path": "ml", "kueue_queue": "team", "image_pull_secrets": "a b",
    "tolerations": "gpu=yes:NoSchedule, spot", "priority_classes": "trainyard-urgent,trainyard-normal,trainyard-background",
}  # fmt: skip


def site(*, indexed=False, **words) -> Site:
    return Site("there", options.read(words), "ml", 30, indexed)


def pod_of(made: manifest.Manifests, job: int = -1):
    return made.jobs[job]["spec"]["template"]["spec"]


def env_of(pod):
    return {one["name"]: one.get("value", one.get("valueFrom")) for one in pod["containers"][0]["env"]}


@pytest.mark.parametrize("version", ["1.27", "1.35"])
def test_the_schemas_of_several_versions_take_all_of_it(version, tmp_path):
    gang = workload(
        "ns", "true", members=3, gpu_indices=(0, 1), max_runtime_seconds=60, labels={"kueue.x-k8s.io/queue-name": "own"}
    )
    made = [
        manifests(workload("ns", "true"), site()),
        manifests(gang, site(**EVERYTHING)),
        manifests(gang, site(indexed=True, **EVERYTHING)),
    ]
    objects = [one for each in made for one in (each.service, *each.jobs) if one]
    (tmp_path / "all.yaml").write_text("\n---\n".join(map(json.dumps, objects)))
    command = [VALIDATE, "-k", version, "--strict", tmp_path / "all.yaml"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)
    assert (done.returncode, "WARN" in done.stdout + done.stderr) == (0, False), done.stdout + done.stderr


def test_a_pod_asks_for_exactly_what_the_planner_counted():
    pod = pod_of(manifests(workload("ns", "true", cpus=4, memory_mb=8192, gpu_indices=(2, 5)), site()))
    assert [one["resources"]["requests"] for one in pod["containers"]] == [
        {"cpu": "3990m", "memory": "8160Mi", "nvidia.com/gpu": "2"},
        {"cpu": "10m", "memory": "32Mi"},
    ]
    assert all(one["resources"]["requests"] == one["resources"]["limits"] for one in pod["containers"])


def test_without_a_reporter_the_command_is_the_container_s_own():
    one = workload("ns", "python", "train.py", "--price=$HOME", cpus=4)
    pod = pod_of(manifests(one, site(reporter="no")))
    assert [(it["name"], it["command"]) for it in pod["containers"]] == [
        ("main", ["python", "train.py", "--price=$$HOME"])
    ]
    assert pod["containers"][0]["resources"]["limits"]["cpu"] == "4000m"
    assert len(pod_of(manifests(one, site()))["containers"]) == 2


def test_it_runs_once_where_the_planner_put_it_and_in_its_own_time():
    one = workload("ns", "true", nodes=("gpu-7",), max_runtime_seconds=600, grace_seconds=90)
    job = manifests(one, site()).jobs[0]
    pod = job["spec"]["template"]["spec"]
    assert (job["spec"]["backoffLimit"], pod["restartPolicy"], pod["terminationGracePeriodSeconds"]) == (0, "Never", 90)
    assert pod["activeDeadlineSeconds"] == 600 + manifest.START_SECONDS
    (term,) = pod["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    assert term == {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["gpu-7"]}]}
    assert pod_of(manifests(workload("ns", "true", grace_seconds=None), site()))["terminationGracePeriodSeconds"] == 30


def test_names_and_labels_hold_whatever_people_write_and_no_token():
    one = workload(
        "ns",
        "true",
        project="vision",
        job_name="ResNet 50 (Ann's) / lr=0.1 ü",
        token="secret-token",
        user="ann@example.com",
    )
    text = json.dumps(manifests(one, site()).jobs[0], ensure_ascii=False)
    assert "ResNet 50 (Ann's) / lr=0.1 ü" in text
    assert "secret-token" not in text
    labels = manifests(one, site()).jobs[0]["metadata"]["labels"]
    assert labels[manifest.JOB_ID] == str(one.job.job_id)
    assert manifest._label_value("Ann's lab / ü") == "Ann-s-lab"


def test_classes_of_priority_are_those_of_the_platform():
    for word, name in (
        ("urgent", "trainyard-urgent"),
        ("normal", "trainyard-normal"),
        ("background", "trainyard-background"),
    ):
        one = workload("ns", "true", priority=WORDS[word])
        assert pod_of(manifests(one, site(**EVERYTHING)))["priorityClassName"] == name
        assert "priorityClassName" not in pod_of(manifests(one, site()))


def test_a_gang_is_an_indexed_job_where_the_server_has_them():
    gang = workload("ns", "true", members=3, nodes=("a", "b", "c"), master_port=31_000)
    made = manifests(gang, site(indexed=True))
    (job,) = made.jobs
    assert (job["spec"]["completions"], job["spec"]["parallelism"], job["spec"]["completionMode"]) == (3, 3, "Indexed")
    pod = pod_of(made)
    assert made.service is not None
    assert pod["subdomain"] == made.service["metadata"]["name"] == gang.name
    env = env_of(pod)
    assert env["RANK"] == env["NODE_RANK"] == {"fieldRef": {"fieldPath": pod_environment.INDEX}}
    assert (env["WORLD_SIZE"], env["MASTER_ADDR"], env["MASTER_PORT"]) == (
        "3",
        f"{gang.name}-0.{gang.name}.ml.svc",
        "31000",
    )
    affinity = pod["affinity"]
    terms = affinity["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    assert [term["matchFields"][0]["values"] for term in terms] == [["a"], ["b"], ["c"]]
    assert "podAntiAffinity" in affinity, "no two on one node"


def test_a_gang_is_a_job_a_member_on_older_servers_rank_0_last():
    gang = workload("ns", "true", members=3, nodes=("a", "b", "c"))
    made = manifests(gang, site())
    assert [job["metadata"]["name"] for job in made.jobs] == [f"{gang.name}-2", f"{gang.name}-1", gang.name]
    assert [pod_of(made, index)["hostname"] for index in range(3)] == [f"{gang.name}-{rank}" for rank in (2, 1, 0)]
    assert [env_of(pod_of(made, index))["RANK"] for index in range(3)] == ["2", "1", "0"]


def test_kueue_is_told_its_queue_where_there_is_one():
    own = workload("ns", "true", labels={"kueue.x-k8s.io/queue-name": "own"})
    assert manifests(own, site(kueue_queue="team")).jobs[0]["metadata"]["labels"][manifest.KUEUE_QUEUE] == "own"
    assert (
        manifests(workload("ns", "true"), site(kueue_queue="team")).jobs[0]["metadata"]["labels"][manifest.KUEUE_QUEUE]
        == "team"
    )
    assert manifest.KUEUE_QUEUE not in manifests(own, site()).jobs[0]["metadata"]["labels"]


def test_checkpoints_lie_in_the_claim_under_the_job_and_outputs_under_the_attempt():
    one = workload("ns", "true")
    pod = pod_of(manifests(one, site(claim="jobs", claim_path="ml")))
    paths = {mount["mountPath"]: mount.get("subPath") for mount in pod["containers"][0]["volumeMounts"]}
    assert paths[pod_environment.CHECKPOINTS] == f"ml/{one.job.job_id}/checkpoints"
    assert paths[pod_environment.OUTPUTS] == f"ml/{one.job.job_id}/outputs/1"
    assert {"name": "checkpoints", "emptyDir": {}} in pod_of(manifests(one, site()))["volumes"]


def test_a_job_without_gpus_sees_none_whatever_its_image_asks_for():
    assert env_of(pod_of(manifests(workload("ns", "true"), site())))["NVIDIA_VISIBLE_DEVICES"] == "void"
    with_one = env_of(pod_of(manifests(workload("ns", "true", gpu_indices=(0,)), site())))
    assert not {"NVIDIA_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES"} & with_one.keys(), "the device plugin says it"
    assert with_one["TRAINYARD_REPORT"] == reporter.REPORT


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ({"nodez": "x"}, "nodez: no option of a Kubernetes; it has claim"),
        ({"namespace": "My_Space"}, "namespace='My_Space': Give a name as Kubernetes has them"),
        ({"claim-path": "/x"}, "claim-path='/x': Give a folder inside the claim"),
        ({"tolerations": "a:Never"}, "'a:Never': write KEY, KEY=VALUE, KEY:EFFECT"),
        ({"priority_classes": "one,two"}, "Give three PriorityClasses"),
        ({"room_patience": "soon"}, "Give seconds"),
        ({"room_patience": "nan"}, "Give seconds"),
        ({"reporter": "maybe"}, "Say yes or no"),
    ],
)
def test_a_word_that_will_not_do_is_named(words, told):
    with pytest.raises(ValueError, match=r".") as error:
        options.read(words)
    assert told in str(error.value)


def test_tolerations_are_as_kubernetes_has_them():
    assert options.read({"tolerations": "gpu=yes:NoSchedule spot"}).tolerations == (
        {"key": "gpu", "operator": "Equal", "value": "yes", "effect": "NoSchedule"},
        {"key": "spot", "operator": "Exists"},
    )
