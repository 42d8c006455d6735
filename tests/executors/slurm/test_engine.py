"""Each thing that an engine promises, on a real Slurm of either release."""

import json
from pathlib import Path

import pytest

from executors.engine import Output, Phase, RefusedError
from scheduling.lifecycle import EndReason
from tests.executors.slurm.workloads import ended, printed, seen, shell, wait_for_phase, workload
from tests.waiting import wait_for

SAVES = "trap 'echo saved; exit 0' TERM; echo ready; while :; do sleep 0.1; done"
STUBBORN = "trap '' TERM; echo ready; while :; do sleep 0.1; done"


def test_a_command_runs_word_by_word_and_its_end_and_output_are_told(engine):
    asked = workload("printf", "%s\\n", "a b", "$HOME", "'quoted'", "ünï", env={"EMPTY": "", "WITH.DOT": "1"})
    engine.start(asked)
    end = ended(engine, asked.name)
    assert (end.reason, end.exit_code, end.stop_asked) == (EndReason.COMPLETED, 0, False)
    assert end.started_at
    assert end.ended_at
    assert printed(engine, asked.name) == "a b\n$HOME\n'quoted'\nünï\n"


def test_the_environment_is_that_of_a_node_of_ours(engine):
    asked = workload(
        "env",
        env={"SECRET": "it's $5", "WITH.DOT": "1", "RANK": "7"},
        gpus=2,
        cpus=3,
        gpu_model="NVIDIA H100 80GB HBM3",
    )
    engine.start(asked)
    ended(engine, asked.name)
    found = dict(line.split("=", 1) for line in printed(engine, asked.name).splitlines() if "=" in line)
    assert found["SECRET"] == "it's $5"
    assert found["WITH.DOT"] == "1"
    assert found["RANK"] == "7"
    assert (found["MASTER_ADDR"], found["WORLD_SIZE"], found["OMP_NUM_THREADS"]) == ("127.0.0.1", "1", "3")
    assert found["CUDA_VISIBLE_DEVICES"] == "0,1"
    assert found["TRAINYARD_JOB_ID"] == str(asked.job.job_id)
    assert found["HOME"]
    for name in ("TRAINYARD_CHECKPOINT_DIR", "TRAINYARD_OUTPUT_DIR"):
        assert Path(found[name]).is_dir()


def test_who_asks_for_no_gpu_sees_none(engine):
    asked = shell('echo "[$CUDA_VISIBLE_DEVICES]"')
    engine.start(asked)
    ended(engine, asked.name)
    assert printed(engine, asked.name) == "[]\n"


def test_secrets_are_not_in_slurms_books(engine, slurm):
    asked = shell("sleep 30", env={"API_KEY": "very-secret"})
    engine.start(asked)
    wait_for_phase(engine, asked.name, Phase.RUNNING)
    [number] = slurm.command("squeue", "-h", "-o", "%i", "-n", asked.name).split()
    assert "very-secret" not in slurm.command("scontrol", "show", "job", "-dd", number)
    assert "very-secret" not in slurm.command("scontrol", "write", "batch_script", number, "-")


@pytest.mark.parametrize(
    ("command", "fields", "words"),
    [
        ("true", {"working_dir": "/no/such/folder"}, "The working directory /no/such/folder cannot be entered"),
        ("no-such-program", {}, "There is no command no-such-program on this node"),
    ],
)
def test_a_command_that_cannot_start_says_why(engine, command, fields, words):
    asked = workload(command, **fields)
    engine.start(asked)
    end = ended(engine, asked.name)
    assert end.reason == EndReason.START_FAILED
    assert words in end.message


def test_an_exit_code_and_a_signal_are_told(engine):
    failing, killed = shell("exit 7"), shell("kill -9 $$")
    for one in (failing, killed):
        engine.start(one)
    assert (ended(engine, failing.name).reason, ended(engine, failing.name).exit_code) == (EndReason.EXIT_CODE, 7)
    assert ended(engine, killed.name).exit_code == 137


def test_starting_twice_makes_one_job_whichever_bridge_asks(new_engine, slurm):
    asked = shell("sleep 30")
    first, second = new_engine(), new_engine()
    first.start(asked)
    first.start(asked)
    second.start(asked)
    assert len(slurm.command("squeue", "-h", "-o", "%i", "-n", asked.name).split()) == 1


def test_what_slurm_was_told_twice_runs_once_and_the_other_leaves_its_queue(engine, slurm):
    asked = shell("echo began; sleep 3")
    engine.start(asked)
    script = engine._shared.workload(asked.name)
    [number] = slurm.command("squeue", "-h", "-o", "%i", "-n", asked.name).split()
    again = slurm.command("scontrol", "write", "batch_script", number, "-")
    for _ in range(3):
        slurm.command("sbatch", "--job-name", asked.name, "--output", str(script.output), text=again)
    assert ended(engine, asked.name).reason == EndReason.COMPLETED
    wait_for(lambda: not slurm.command("squeue", "-h", "-n", asked.name, "-o", "%i"), 20, "the others to go")
    assert printed(engine, asked.name) == "began\n"


def test_a_stop_is_gentle_and_remembered(new_engine):
    engine = new_engine()
    asked = shell(SAVES)
    engine.start(asked)
    wait_for(lambda: engine.observe() and printed(engine, asked.name), 20, "ready")
    engine.stop(asked.name, 30)
    end = ended(new_engine(), asked.name)
    assert end.stop_asked
    assert end.exit_code == 0
    assert printed(engine, asked.name) == "ready\nsaved\n"


def test_who_does_not_listen_is_killed_after_the_grace_and_a_shorter_one_wins(engine):
    asked = shell(STUBBORN)
    engine.start(asked)
    wait_for(lambda: engine.observe() and printed(engine, asked.name), 20, "ready")
    engine.stop(asked.name, 600)
    engine.stop(asked.name, 1)
    engine.stop(asked.name, 600)
    end = ended(engine, asked.name, 20)
    assert end.stop_asked
    assert end.exit_code == 137


def test_what_waits_is_taken_out_of_the_queue(engine, slurm):
    first, second = shell("sleep 60", cpus=16), shell("echo never", cpus=16)
    for one in (first, second):
        engine.start(one)
    wait_for_phase(engine, first.name, Phase.RUNNING)
    wait_for_phase(engine, second.name, Phase.WAITING)
    waiting = wait_for(lambda: (one := seen(engine, second.name)) and "room" in one.message and one, 20, "a reason")
    assert waiting
    assert "Resources" in waiting.message
    engine.stop(second.name, 30)
    end = ended(engine, second.name)
    assert end.stop_asked
    assert printed(engine, second.name) == ""


def test_what_is_forgotten_is_gone_and_what_still_ran_ends(engine, slurm):
    running, over = shell("sleep 60"), shell("true")
    for one in (running, over):
        engine.start(one)
    wait_for_phase(engine, running.name, Phase.RUNNING)
    ended(engine, over.name)
    for one in (running, over):
        engine.forget(one.name)
        engine.forget(one.name)
    assert engine.observe() == {}
    wait_for(lambda: not slurm.command("squeue", "-h", "-n", running.name), 20, "the end of what was forgotten")
    for one in (running, over):
        engine.stop(one.name, 1)
        assert engine.read_log(one.name, 0, 5) == Output(b"", 5)


def test_logs_and_reports_are_read_by_position(engine):
    asked = shell('echo one; echo two; echo "{\\"step\\": 1}" >> "$TRAINYARD_REPORT"')
    engine.start(asked)
    ended(engine, asked.name)
    whole = engine.read_log(asked.name, 0, 0)
    assert (whole.data, whole.position) == (b"one\ntwo\n", 8)
    assert engine.read_log(asked.name, 0, 4).data == b"two\n"
    assert engine.read_log(asked.name, 0, 8).data == b""
    assert json.loads(engine.read_reports(asked.name, 0).data) == {"step": 1}


def test_the_time_limit_of_a_job_is_kept_to_the_second_with_time_to_save(engine):
    asked = shell(SAVES, max_runtime_seconds=2, grace_seconds=20)
    engine.start(asked)
    end = ended(engine, asked.name)
    assert end.reason == EndReason.TIMEOUT
    assert printed(engine, asked.name) == "ready\nsaved\n"
    assert not end.stop_asked


def test_more_time_than_the_partition_has_is_refused_with_the_field(new_engine):
    engine = new_engine(partition="short")
    with pytest.raises(
        RefusedError, match="max_runtime_seconds: 3600 is more than the partition of this cluster allows, 1 minutes"
    ):
        engine.start(shell("true", max_runtime_seconds=3600))
    assert engine.observe() == {}


def test_what_slurm_refuses_is_told_in_its_words_and_leaves_nothing(new_engine):
    engine = new_engine(account="nobody")
    with pytest.raises(RefusedError, match=r"Slurm refused it: .*Invalid account"):
        engine.start(shell("true"))
    assert engine.observe() == {}


def test_a_gang_meets_with_a_rank_for_each_node_as_the_planner_has_them(engine):
    asked = shell(
        "echo $RANK $NODE_RANK $WORLD_SIZE $NNODES $SLURMD_NODENAME $MASTER_ADDR $MASTER_PORT", nodes=("n3", "n1")
    )
    engine.start(asked)
    assert ended(engine, asked.name).reason == EndReason.COMPLETED
    first, second = (printed(engine, asked.name, rank).split() for rank in (0, 1))
    assert first[:6] == ["0", "0", "2", "2", "n3", "127.0.0.1"]
    assert second[:6] == ["1", "1", "2", "2", "n1", "127.0.0.1"]
    assert first[6] == second[6]


def test_one_bad_member_ends_its_gang_and_is_named(engine):
    asked = shell('[ "$RANK" = 1 ] && exit 9; sleep 60', nodes=("n1", "n2"))
    engine.start(asked)
    end = ended(engine, asked.name, 30)
    assert (end.reason, end.exit_code, end.rank) == (EndReason.EXIT_CODE, 9, 1)


def test_each_member_of_a_gang_may_save_when_it_is_stopped(engine):
    asked = shell(SAVES, nodes=("n1", "n2"))
    engine.start(asked)
    wait_for(lambda: engine.observe() and all(printed(engine, asked.name, rank) for rank in (0, 1)), 20, "ready")
    engine.stop(asked.name, 20)
    assert ended(engine, asked.name).stop_asked
    assert [printed(engine, asked.name, rank) for rank in (0, 1)] == ["ready\nsaved\n"] * 2


def test_what_a_job_has_used_comes_from_the_accounts(engine):
    asked = shell(
        "head -c 200000000 /dev/zero | tail > /dev/null & end=$((SECONDS+11)); while [ $SECONDS -lt $end ]; do :; done"
    )
    engine.start(asked)
    end = ended(engine, asked.name, 60)
    assert end.peak_memory_mb
    assert end.cpu_seconds
    assert end.cpu_seconds > 1


def test_nodes_are_those_of_the_partition_with_what_others_use(engine, slurm):
    asked = shell("sleep 30", cpus=2, gpus=1, nodes=("n2",))
    engine.start(asked)
    slurm.command(
        "sbatch", "-w", "n2", "-c", "3", "--mem=500", "--gpus-per-node=h100:4", "-o", "/dev/null", "--wrap", "sleep 30"
    )
    wait_for(lambda: len(slurm.command("squeue", "-h", "-t", "R", "-o", "%i").split()) == 2, 20, "both to run")
    by_name = {node.name: node for node in engine.nodes()}
    node = by_name["n2"]
    assert set(by_name) == {"n1", "n2", "n3"}
    assert (node.cpus, node.memory_mb, len(node.gpus), node.gpus[0].model) == (16, 64_000, 8, "h100")
    assert (node.others_cpus, node.others_memory_mb, node.others_gpus) == (3, 500, 4)
    assert node.labels["slurm.feature.fast"] == "true"
    assert node.usable


def test_a_drained_node_and_a_closed_partition_take_nothing(engine, slurm):
    slurm.command("scontrol", "update", "nodename=n3", "state=drain", "reason=broken fan")
    try:
        node = next(node for node in engine.nodes() if node.name == "n3")
        assert not node.usable
        assert "broken fan" in node.why_unusable
        slurm.command("scontrol", "update", "partitionname=main", "state=down")
        assert all("Partition main is DOWN" in node.why_unusable for node in engine.nodes())
        asked = shell("true")
        engine.start(asked)
        said = wait_for(lambda: (one := seen(engine, asked.name)) and "PartitionDown" in one.message and one, 20, "why")
        assert (said.phase, said.message) == (Phase.WAITING, "In Slurm's queue: PartitionDown: its partition is down.")
    finally:
        slurm.command("scontrol", "update", "partitionname=main", "state=up")
        slurm.command("scontrol", "update", "nodename=n3", "state=resume")
    assert ended(engine, asked.name).reason == EndReason.COMPLETED


def test_who_is_cancelled_by_hand_is_told_so(engine, slurm):
    asked = shell("sleep 60")
    engine.start(asked)
    wait_for_phase(engine, asked.name, Phase.RUNNING)
    slurm.command("scancel", "--name", asked.name)
    end = ended(engine, asked.name)
    assert (end.reason, end.stop_asked) == (EndReason.CANCELLED, False)
    assert "Somebody cancelled job" in end.message
    assert end.message.endswith("It was root.")
