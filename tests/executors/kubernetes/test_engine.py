"""The engine against a real API server, controllers and scheduler of Kubernetes, with a scripted kubelet: see `kubelet.py`."""

import pytest

from executors.engine import Phase, RefusedError
from scheduling.lifecycle import EndReason
from tests.executors.kubernetes.conftest import seen, workload
from tests.waiting import wait_for

CATCHES = """trap 'echo saving; echo "{\\"checkpoint\\": true}" >> "$TRAINYARD_REPORT"; exit 7' TERM; echo ready; while :; do sleep 0.1; done"""
DEAF = """trap '' TERM; echo ready; while :; do sleep 0.1; done"""


def test_a_command_runs_to_its_end_with_its_log_and_its_reports(engine, namespace):
    one = workload(
        namespace,
        "sh",
        "-c",
        'echo "$GREETING from $TRAINYARD_JOB_ID"; echo \'{"progress": 1}\' >> "$TRAINYARD_REPORT"',
        env={"GREETING": "$(hello) $$"},
    )
    engine.start(one)
    ended = seen(engine, one.name, Phase.ENDED)
    assert (ended.reason, ended.exit_code, ended.stop_asked) == (EndReason.COMPLETED, 0, False)
    assert ended.started_at <= ended.ended_at
    output = engine.read_log(one.name, 0, 0)
    assert output.data.decode() == f"$(hello) $$ from {one.job.job_id}\n"
    assert engine.read_log(one.name, 0, output.position).data == b""
    assert engine.read_reports(one.name, 0).data == b'{"progress": 1}\n'
    engine.forget(one.name)
    engine.forget(one.name)
    assert one.name not in engine.observe()


def test_of_reports_that_were_read_to_their_end_nothing_is_asked(engine, namespace, monkeypatch):
    silent = workload(namespace, "true")
    said = workload(namespace, "sh", "-c", 'for n in 1 2 3; do echo "{\\"step\\": $n}" >> "$TRAINYARD_REPORT"; done')
    for one in (silent, said):
        engine.start(one)
        seen(engine, one.name, Phase.ENDED)
    reports = engine.read_reports(said.name, 0)
    assert len(reports.data.splitlines()) == 3
    monkeypatch.setattr(engine._connection, "read", None)
    for one, position in ((silent, 0), (said, reports.position)):
        again = engine.read_reports(one.name, position)
        assert (again.data, again.position, again.whole) == (b"", position, True)


def ready(engine, one):
    """Once the command has said that it is."""
    seen(engine, one.name, Phase.RUNNING)
    wait_for(lambda: b"ready" in engine.read_log(one.name, 0, 0).data, 20, "its first line")


def test_a_second_start_changes_nothing(engine, engines, namespace, server):
    one = workload(namespace, "sh", "-c", "echo once")
    engine.start(one)
    engine.start(one)
    engines().start(one)
    seen(engine, one.name, Phase.ENDED)
    assert len(server.ask("get", "pods", "-n", namespace)["items"]) == 1


def test_who_is_stopped_gets_its_grace_and_its_last_words_are_read(engine, engines, namespace):
    one = workload(namespace, "sh", "-c", CATCHES, grace_seconds=20)
    engine.start(one)
    ready(engine, one)
    engine.stop(one.name, 20)
    engine.stop(one.name, 20)
    ended = seen(engine, one.name, Phase.ENDED)
    assert (ended.reason, ended.exit_code, ended.stop_asked) == (EndReason.EXIT_CODE, 7, True)
    assert engine.read_log(one.name, 0, 0).data == b"ready\nsaving\n"
    assert engine.read_reports(one.name, 0).data == b'{"checkpoint": true}\n'
    assert engines().observe()[one.name] == ended, "another process knows it too"


def test_who_does_not_hear_is_killed_after_its_grace(engine, namespace):
    one = workload(namespace, "sh", "-c", DEAF, grace_seconds=1)
    engine.start(one)
    ready(engine, one)
    engine.stop(one.name, 1)
    assert seen(engine, one.name, Phase.ENDED).exit_code == 137


def test_a_shorter_grace_than_the_job_s_own_wins(engine, namespace):
    one = workload(namespace, "sh", "-c", DEAF, grace_seconds=600)
    engine.start(one)
    ready(engine, one)
    engine.stop(one.name, 600)
    engine.stop(one.name, 1)
    engine.stop(one.name, 900)
    ended = seen(engine, one.name, Phase.ENDED)
    assert (ended.exit_code, ended.stop_asked) == (137, True)


def test_who_waits_for_room_says_so_and_can_be_stopped(engine, namespace):
    one = workload(namespace, "sh", "-c", "echo never", cpus=64)
    engine.start(one)
    wait_for(lambda: "Insufficient cpu" in engine.observe()[one.name].message, 20, "the scheduler's words")
    assert engine.observe()[one.name].phase is Phase.WAITING
    engine.stop(one.name, 5)
    ended = seen(engine, one.name, Phase.ENDED)
    assert (ended.reason, ended.charged, ended.stop_asked) == (EndReason.CANCELLED, False, True)


def test_without_room_for_longer_than_its_patience_it_goes_back_at_nobody_s_cost(engines, kubelet, namespace):
    engine = engines(room_patience="1")
    one = workload(namespace, "sh", "-c", "echo never", cpus=64)
    engine.start(one)
    ended = seen(engine, one.name, Phase.ENDED)
    assert (ended.reason, ended.charged) == (EndReason.PREEMPTED, False)
    assert "Insufficient cpu" in ended.message


def test_an_image_that_never_comes_fails_the_start(engines, kubelet, namespace):
    engine = engines(image_patience="1")
    one = workload(namespace, "true", image="registry.invalid/nothing")
    engine.start(one)
    ended = seen(engine, one.name, Phase.ENDED)
    assert (ended.reason, ended.charged) == (EndReason.START_FAILED, True)
    assert 'ImagePullBackOff: Back-off pulling image "registry.invalid/nothing"' in ended.message


def test_a_command_that_is_not_there_fails_the_start(engine, namespace):
    one = workload(namespace, "no-such-program")
    engine.start(one)
    ended = seen(engine, one.name, Phase.ENDED)
    assert (ended.reason, ended.exit_code) == (EndReason.START_FAILED, 127)
    assert "no such command: no-such-program" in ended.message


def test_out_of_memory_of_the_command_ends_it_while_its_reporter_lives(engine, kubelet, namespace):
    one = workload(namespace, "sh", "-c", 'echo \'{"step": 1}\' >> "$TRAINYARD_REPORT"; echo ready; exec sleep 60')
    engine.start(one)
    ready(engine, one)
    kubelet.run_of(one.name).main.kill("OOMKilled")
    ended = seen(engine, one.name, Phase.ENDED)
    assert (ended.reason, ended.exit_code, ended.charged) == (EndReason.OUT_OF_MEMORY, 137, True)
    assert engine.read_reports(one.name, 0).data == b'{"step": 1}\n'


def test_a_reporter_that_never_ends_keeps_no_job_from_its_end(engine, kubelet, namespace):
    one = workload(namespace, "sh", "-c", "sleep 1")
    engine.start(one)
    seen(engine, one.name, Phase.RUNNING)
    kubelet.run_of(one.name).never_end_the_reporter()
    assert seen(engine, one.name, Phase.ENDED).reason is EndReason.COMPLETED


def test_a_limit_counts_from_the_command_s_start(engine, namespace):
    one = workload(namespace, "sh", "-c", "echo ready; exec sleep 60", max_runtime_seconds=2)
    engine.start(one)
    ended = seen(engine, one.name, Phase.ENDED)
    assert (ended.reason, ended.charged, ended.stop_asked) == (EndReason.TIMEOUT, True, False)
    assert ended.message.startswith("DeadlineExceeded: Pod was active")


def test_an_evicted_one_goes_back_at_nobody_s_cost_but_for_who_filled_the_disk(engine, kubelet, namespace):
    told = {
        "The node was low on resource: memory.": (EndReason.PREEMPTED, False),
        "Pod ephemeral local storage usage exceeds the total limit of containers 1Gi.": (EndReason.OUTPUT_LIMIT, True),
    }
    for words, expected in told.items():
        one = workload(namespace, "sh", "-c", "echo ready; exec sleep 60")
        engine.start(one)
        ready(engine, one)
        kubelet.run_of(one.name).fail("Evicted", words)
        ended = seen(engine, one.name, Phase.ENDED)
        assert ((ended.reason, ended.charged), ended.message) == (expected, f"Evicted: {words}")


def test_a_pod_that_somebody_deletes_is_the_end_of_it_and_runs_no_second_time(engine, namespace, server):
    one = workload(namespace, "sh", "-c", "echo ready; exec sleep 60")
    engine.start(one)
    ready(engine, one)
    server.kubectl("delete", "pods", "-n", namespace, "-l", f"trainyard/workload={one.name}", "--wait=false")
    ended = seen(engine, one.name, Phase.ENDED)
    assert (ended.reason, ended.charged) == (EndReason.PREEMPTED, False)
    assert "deleted by somebody else" in ended.message
    engine.forget(one.name)
    wait_for(lambda: not server.ask("get", "pods", "-n", namespace)["items"], 30, "the garbage collector")


def test_a_job_that_somebody_deletes_is_the_end_of_it(engine, namespace, server):
    one = workload(namespace, "sh", "-c", "echo ready; exec sleep 60")
    engine.start(one)
    ready(engine, one)
    server.kubectl("delete", "job", one.name, "-n", namespace, "--wait=false")
    ended = seen(engine, one.name, Phase.ENDED)
    assert (ended.reason, ended.charged, ended.stop_asked) == (EndReason.PREEMPTED, False, False)
    engine.forget(one.name)
    assert one.name not in engine.observe()


def test_a_node_that_falls_silent_is_not_dead_until_its_pod_is_gone(engine, kubelet, namespace, server):
    one = workload(namespace, "sh", "-c", "echo ready; exec sleep 60")
    engine.start(one)
    ready(engine, one)
    kubelet.fall_silent()
    pod = kubelet.run_of(one.name).pod["metadata"]["name"]
    lost = {"conditions": [{"type": "Ready", "status": "Unknown", "reason": "NodeStatusUnknown"}]}
    kubelet.ask("PATCH", f"/api/v1/namespaces/{namespace}/pods/{pod}/status", {"status": lost})
    wait_for(lambda: "does not answer" in engine.observe()[one.name].message, 20, "the word of it")
    assert engine.observe()[one.name].phase is Phase.RUNNING
    assert engine.read_log(one.name, 0, 0).data == b""
    server.kubectl("delete", "pod", pod, "-n", namespace, "--grace-period=0", "--force")
    ended = seen(engine, one.name, Phase.ENDED)
    assert (ended.reason, ended.charged) == (EndReason.NODE_LOST, False)


def test_a_quota_that_is_used_up_is_told_in_its_own_words(engine, namespace, server):
    server.kubectl("create", "quota", "small", "--hard=requests.cpu=1", "-n", namespace)
    wait_for(lambda: "hard" in server.ask("get", "quota", "small", "-n", namespace)["status"], 30, "the quota")
    one = workload(namespace, "true", cpus=2)
    engine.start(one)
    wait_for(lambda: "exceeded quota: small" in engine.observe()[one.name].message, 30, "the word of it")
    assert engine.observe()[one.name].phase is Phase.WAITING
    server.kubectl("create", "quota", "jobs", "--hard=count/jobs.batch=1", "-n", namespace)
    wait_for(
        lambda: (
            server.ask("get", "quota", "jobs", "-n", namespace)["status"].get("used", {}).get("count/jobs.batch") == "1"
        ),
        30,
        "the quota",
    )
    with pytest.raises(RefusedError, match="exceeded quota: jobs") as told:
        engine.start(workload(namespace, "true"))
    assert (told.value.reason, told.value.charged) == (EndReason.PREEMPTED, False)


def test_what_kubernetes_cannot_take_is_refused_in_its_own_words(engine, namespace):
    with pytest.raises(RefusedError, match="a valid environment variable name must consist of") as told:
        engine.start(workload(namespace, "true", env={"1=": "x"}))
    assert told.value.charged
    with pytest.raises(RefusedError, match="names no container image") as told:
        engine.start(workload(namespace, "true", image=""))
    assert not told.value.charged


def test_a_gang_meets_under_one_name_and_fails_as_one(engine, kubelet, namespace, server):
    kubelet.add_node(f"{namespace}-b")
    told = 'echo "$RANK of $WORLD_SIZE at $MASTER_ADDR:$MASTER_PORT"; [ $RANK = 0 ] || exit 3; exec sleep 60'
    one = workload(namespace, "sh", "-c", told, members=2, nodes=(f"{namespace}-a", f"{namespace}-b"))
    engine.start(one)
    ended = seen(engine, one.name, Phase.ENDED)
    assert (ended.reason, ended.exit_code) == (EndReason.EXIT_CODE, 3)
    where = f"{one.name}-0.{one.name}.{namespace}.svc:29500\n"
    assert engine.read_log(one.name, 1, 0).data.decode() == f"1 of 2 at {where}"
    pods = server.ask("get", "pods", "-n", namespace)["items"]
    assert {(pod["spec"]["hostname"], pod["spec"]["subdomain"], pod["spec"]["nodeName"]) for pod in pods} == {
        (f"{one.name}-0", one.name, f"{namespace}-a"),
        (f"{one.name}-1", one.name, f"{namespace}-b"),
    }
    service = server.ask("get", "service", one.name, "-n", namespace)["spec"]
    assert (service["clusterIP"], service["publishNotReadyAddresses"]) == ("None", True)
    engine.forget(one.name)
    wait_for(lambda: not server.ask("get", "pods,jobs,services", "-n", namespace)["items"], 30, "the garbage collector")


def test_a_gang_that_was_half_made_is_started_again(engine, kubelet, namespace, server):
    one = workload(namespace, "true", members=3)
    engine.start(one)
    seen(engine, one.name, Phase.ENDED)
    engine.forget(one.name)
    two = workload(namespace, "true", members=3)
    create = engine._create
    made: list[str] = []

    def dies(kind, wish):
        if len(made) == 2:
            raise KeyboardInterrupt
        made.append(wish["metadata"]["name"])
        return create(kind, wish)

    engine._create = dies
    with pytest.raises(KeyboardInterrupt):
        engine.start(two)
    assert made == [two.name, f"{two.name}-2"]
    assert two.name not in engine.observe()
    engine._create = create
    engine.start(two)
    assert seen(engine, two.name, Phase.ENDED).reason is EndReason.COMPLETED


def test_nodes_are_told_with_what_others_use_there(engine, kubelet, namespace, server):
    kubelet.add_node(f"{namespace}-b", cpus="2500m")
    server.kubectl("cordon", f"{namespace}-b")
    server.kubectl(
        "run",
        "theirs",
        "--image=x",
        "-n",
        namespace,
        "--overrides",
        f'{{"spec": {{"nodeName": "{namespace}-a", "containers": [{{"name": "theirs", "image": "x", "command": ["sleep", "60"], "resources": {{"limits": {{"cpu": "500m", "memory": "1Gi", "nvidia.com/gpu": "1"}}}}}}]}}}}',
    )
    ours = workload(namespace, "sh", "-c", "exec sleep 60", gpu_indices=(0,))
    engine.start(ours)
    seen(engine, ours.name, Phase.RUNNING)
    a, b = sorted(engine.nodes(), key=lambda node: node.name)
    assert (a.name, a.cpus, a.memory_mb, a.usable, a.address) == (f"{namespace}-a", 4, 8192, True, "127.0.0.1")
    assert [gpu.model for gpu in a.gpus] == ["NVIDIA L4", "NVIDIA L4"]
    assert (a.others_cpus, a.others_memory_mb, a.others_gpus) == (0.5, 1024, 1)
    assert (b.cpus, b.usable) == (2, False)
    assert "cordoned" in b.why_unusable


def test_a_log_can_be_read_on_by_another_process(engine, engines, namespace, kubelet):
    one = workload(
        namespace,
        "sh",
        "-c",
        "for i in 1 2 3; do echo $i; done; printf half; echo ready >&2; while [ ! -e \"$TRAINYARD_OUTPUT_DIR/go\" ]; do sleep 0.1; done; printf way; printf '\\rbar'; echo; echo end",
    )
    engine.start(one)
    wait_for(lambda: engine.read_log(one.name, 0, 0).data, 30, "its output")
    first = engine.read_log(one.name, 0, 0)
    other = engines()
    outputs = next(kubelet.folder.glob("*/outputs"))
    (outputs / "go").touch()
    seen(other, one.name, Phase.ENDED)
    rest = other.read_log(one.name, 0, first.position)
    assert first.data + rest.data == b"1\n2\n3\nhalfready\nway\rbar\nend\n"
    assert other.read_log(one.name, 0, rest.position).data == b""
