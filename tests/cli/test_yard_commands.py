import json

import pytest

from tests.cli.rows import job, node, running

QUEUE = {
    "name": "live",
    "rank": 100,
    "policy": "",
    "state": "open",
    "max_running": 8,
    "description": "",
    "waiting": 2,
    "running": 3,
}
LIMITS = {"gpus": 8, "cpus": None, "memory_gb": 64.5, "running_jobs": 10, "waiting_jobs": None}
USED = {"gpus": 6, "cpus": 12, "memory_gb": 16.0, "running_jobs": 10, "waiting_jobs": 0}
LEFT = {"gpus": 2, "cpus": None, "memory_gb": 48.5, "running_jobs": 0, "waiting_jobs": None}
QUOTA = {"project": "vision", "provider": "local", "enforced": True, "limits": LIMITS, "usage": USED, "available": LEFT}


def line_of(out, word):
    return next(line for line in out.splitlines() if line.startswith(word))


def test_nodes_are_listed_with_what_is_taken_and_how_busy_they_are(trainyard, connected):
    gpus = [{"index": n, "model": "NVIDIA H100", "memory_mb": 81559, "uuid": "", "simulated": True} for n in (0, 1)]
    load = {
        "cpu_percent": 25,
        "memory_used_mb": 8192,
        "gpus": [{"index": 0, "utilisation": 100}, {"index": 1, "utilisation": 50}],
    }
    connected.lists("nodes", node("n1", gpus=gpus, load=load, free={"gpus": 1, "cpus": 5, "memory_gb": 28}))

    row = line_of(trainyard("nodes").out, "n1")

    for words in ("up", "3/8", "1/2", "4/32", " 25%", " 75%", "2 x NVIDIA H100 (simulated)"):
        assert words in row


@pytest.mark.parametrize(
    ("state", "liveness", "shown"),
    [("up", "alive", "up"), ("up", "dead", "dead"), ("down", "dead", "down"), ("draining", "alive", "draining")],
)
def test_a_node_whose_agent_is_silent_says_so(trainyard, connected, state, liveness, shown):
    connected.lists("nodes", node("n1", state=state, liveness=liveness))

    assert line_of(trainyard("nodes").out, "n1").split()[1] == shown


def test_a_node_that_was_never_heard_of_is_shown_without_a_load(trainyard, connected):
    connected.lists("nodes", node("n1", state="down", liveness="unknown", cpus=0, memory_gb=0, last_heartbeat_at=None))

    assert line_of(trainyard("nodes").out, "n1").rstrip().endswith("never")


def test_a_node_that_hears_nothing_says_so_and_why(trainyard, connected):
    health = {"ok": False, "reasons": ["Messages do not reach its agent."]}
    connected.lists("nodes", node("n1", consuming=False, health=health))

    row = line_of(trainyard("nodes").out, "n1")

    assert row.split()[1] == "deaf"
    assert row.endswith("Messages do not reach its agent.")


def test_draining_says_how_many_jobs_are_left(trainyard, connected):
    connected.answers("POST", "nodes/n1/drain", node("n1", state="draining", drain={"jobs_left": 2}))
    connected.answers("POST", "nodes/n2/drain", node("n2", state="draining", drain={"jobs_left": 0}))

    outcome = trainyard("nodes", "drain", "n1", "n2", "--mode", "checkpoint", "--deadline", "30m", "--reason", "fan")

    assert (outcome.code, outcome.out) == (0, "node n1 is draining (2 jobs left)\nnode n2 is drained\n")
    assert connected.asked[0].body == {"mode": "checkpoint", "reason": "fan", "deadline_seconds": 1800}


def test_a_node_that_is_not_there_keeps_no_other_from_being_drained(trainyard, connected):
    connected.refuses("POST", "nodes/n1/drain", 404, "There is no node n1.")
    connected.answers("POST", "nodes/n2/drain", node("n2", drain={"jobs_left": 1}))

    outcome = trainyard("nodes", "drain", "n1", "n2", "--mode", "now")

    assert (outcome.code, outcome.out) == (1, "node n2 is draining (1 job left)\n")
    assert outcome.err == "error: node n1: There is no node n1.\n"


def test_undraining_says_what_the_node_is_then(trainyard, connected):
    connected.answers("POST", "nodes/n1/undrain", node("n1", drain=None))

    assert trainyard("nodes", "undrain", "n1").out == "node n1 is up\n"


@pytest.mark.parametrize("words", [["--mode", "slowly"], ["--deadline", "soon"]])
def test_a_wrong_way_to_drain_is_a_usage_error(trainyard, connected, words):
    assert trainyard("nodes", "drain", "n1", *words).code == 2


def test_no_nodes_says_how_to_start_one(trainyard, connected):
    connected.lists("nodes")

    outcome = trainyard("nodes")

    assert (outcome.code, outcome.out) == (0, "")
    assert "no nodes yet" in outcome.err


def test_queues_are_listed_the_first_served_on_top(trainyard, connected):
    connected.lists("queues", {**QUEUE, "name": "batch", "rank": -100, "max_running": None}, QUEUE)

    _, live, batch = trainyard("queues").out.splitlines()

    assert live.split()[:5] == ["live", "100", "open", "3/8", "2"]
    assert batch.split()[:5] == ["batch", "-100", "open", "3", "2"]


def test_a_queue_s_limits_are_listed_and_set(trainyard, connected):
    limits = {
        "max_runtime_seconds": 7200, "default_runtime_seconds": 600, "max_gpus": 1, "max_memory_gb": 1.5,
        "max_waiting_per_user": 20, "max_priority_member": 50, "allowed_projects": ["vision", "speech"],
    }  # fmt: skip
    connected.lists("queues", {**QUEUE, **limits})
    connected.answers("PATCH", "queues/live", {**QUEUE, **limits})
    connected.answers("POST", "queues", QUEUE, status=201)
    words = (
        "2h 00m a job, 10m 00s without a limit of its own, 1 GPU a job, 1.5 GB a job, 20 waiting a user, "
        "priority 50 for members, only for vision, speech"
    )

    assert words in trainyard("queues").out
    options = ["--max-walltime", "2h", "--max-gpus", "1", "--max-memory-gb", "1.5", "--max-cpus", "none"]
    outcome = trainyard("queues", "set", "live", *options, "--allow", "vision", "--allow", "speech", "--policy", "none")
    assert (outcome.code, outcome.out) == (0, f"queue live, open: {words}\n")
    assert connected.asked[-1].body == {
        "max_runtime_seconds": 7200, "max_gpus": 1, "max_memory_gb": 1.5, "max_cpus": None,
        "allowed_projects": ["vision", "speech"], "policy": "",
    }  # fmt: skip
    assert trainyard("queues", "add", "live", "--rank", "5", "--allow", "none").out == "queue live, open: no limits\n"
    assert connected.asked[-1].body == {"name": "live", "rank": 5, "allowed_projects": []}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--max-walltime", "soon"], "--max-walltime"),
        (["--max-gpus", "many"], "--max-gpus"),
        (["--max-memory-gb", "much"], "--max-memory-gb"),
        (["--allow", "none", "--allow", "vision"], "--allow"),
        ([], "say what to set"),
    ],
)
def test_what_sets_nothing_of_a_queue_is_a_usage_error(trainyard, connected, words, told):
    outcome = trainyard("queues", "set", "live", *words)

    assert outcome.code == 2
    assert told in outcome.err
    assert connected.asked == []


def test_a_queue_that_is_not_there_is_named_with_those_that_are(trainyard, connected):
    connected.refuses("PATCH", "queues/lvie", 404, "There is no queue lvie.")
    connected.lists("queues", QUEUE)

    assert "there is no queue 'lvie'; there are: live" in trainyard("queues", "set", "lvie", "--rank", "1").err


def test_a_quota_shows_what_is_used_and_what_is_left(trainyard, connected):
    connected.answers("GET", "queues/quota/vision", QUOTA)

    out = trainyard("quota", "vision").out

    assert line_of(out, "GPUs").split() == ["GPUs", "6", "8", "████████░░", "75%", "2"]
    assert line_of(out, "CPUs").split() == ["CPUs", "12", "none", "no", "limit"]
    assert line_of(out, "memory GB").split()[2:4] == ["16", "64.5"]
    assert line_of(out, "running jobs").split()[-2:] == ["100%", "0"]


def test_the_quota_is_that_of_the_projects_in_the_environment(trainyard, connected, monkeypatch):
    monkeypatch.setenv("TRAINYARD_PROJECT", "vision")
    connected.answers("GET", "queues/quota/vision", {**QUOTA, "enforced": False})

    assert "not enforced" in trainyard("quota").err


DASHBOARD = {
    "jobs": {"running": 1, "failed": 0},
    "services": {"web": {"ok": True, "detail": "It works."}},
    "cost": {"currency": "EUR", "today": "7.500000", "month": "120.000000", "pending": "0.000000"},
}


def test_top_in_a_pipe_is_one_look_at_everything(trainyard, connected):
    connected.answers("GET", "dashboard", DASHBOARD)
    waits = job(18, name="waits", reasons=[{"code": "gpus", "sentence": "No GPU is free."}])
    connected.lists("nodes", node("n1"))
    connected.answers("GET", "jobs", {"results": [running(17)]}, {"results": [waits]})

    outcome = trainyard("top")

    assert outcome.code == 0
    for words in ("nodes: 1 up", "running 1", "waiting 1", "No GPU is free.", connected.url):
        assert words in outcome.out


@pytest.mark.parametrize(
    ("words", "path", "content"),
    [
        (["nodes"], "nodes", [node("n1")]),
        (["queues"], "queues", [QUEUE]),
        (["quota", "vision"], "queues/quota/vision", QUOTA),
        (["explain", "18"], "jobs/18/explain", {"job": 18, "state": "running"}),
    ],
)
def test_json_is_what_the_server_says(trainyard, connected, words, path, content):
    connected.answers("GET", path, content)

    assert json.loads(trainyard(*words, "--json").out) == content


def test_json_of_top_holds_its_three_lists_and_the_dashboard(trainyard, connected):
    connected.answers("GET", "dashboard", DASHBOARD)
    connected.lists("nodes", node("n1"))
    connected.answers("GET", "jobs", {"results": [running(17)]}, {"results": [job(18)]})

    answer = json.loads(trainyard("top", "--json").out)

    assert answer == {"nodes": [node("n1")], "running": [running(17)], "waiting": [job(18)], **DASHBOARD}


def test_a_node_is_described_with_its_gpus_and_jobs(trainyard, connected):
    gpus = [{"index": 0, "model": "NVIDIA H100", "memory_mb": 81920, "uuid": "", "simulated": False}]
    load = {"cpu_percent": 25, "gpus": [{"index": 0, "utilisation": 97}]}
    health = {"ok": True, "reasons": ["Its disk is filling up."]}
    said = {"health": health, "labels": {"zone": "a"}, "walls": ["user", "processes"]}
    connected.answers("GET", "nodes/n1", node("n1", gpus=gpus, load=load, **said))
    connected.lists("jobs", running(17, name="digits"))

    out = trainyard("nodes", "describe", "n1").out

    for words in (
        "zone=a",
        "NVIDIA H100",
        "80",
        " 97%",
        "Its disk is filling up.",
        "8 of 8 free",
        "digits",
        "user, processes",
    ):
        assert words in out
    assert json.loads(trainyard("nodes", "describe", "n1", "--json").out)["jobs"] == [running(17, name="digits")]


def test_a_node_that_is_not_there_is_named_with_those_that_are(trainyard, connected):
    connected.refuses("GET", "nodes/n9", 404, "There is no node n9.")
    connected.lists("nodes", node("n1"))

    assert trainyard("nodes", "describe", "n9").err == "error: node: there is no node 'n9'; there are: n1\n"


def test_all_nodes_are_those_that_are_hidden_too(trainyard, connected):
    connected.lists("nodes", node("n1"))

    trainyard("nodes"), trainyard("nodes", "--all")

    assert [asked.query.get("all") for asked in connected.asked] == [None, ["true"]]


def test_a_node_that_cannot_be_removed_keeps_no_other_from_it(trainyard, connected):
    connected.refuses("DELETE", "nodes/n1", 409, "Node n1 is alive: stop its agent first.")
    connected.answers("DELETE", "nodes/n2", None)

    outcome = trainyard("nodes", "remove", "n1", "n2")

    assert (outcome.code, outcome.out) == (1, "node n2 is removed\n")
    assert outcome.err == "error: node n1: Node n1 is alive: stop its agent first.\n"


def test_what_limits_a_project_is_told_below_it_in_the_server_s_words(trainyard, connected):
    bars = [
        {"resource": "gpus", "sentence": "6 of 4 GPUs used, 2 borrowed of at most 4"},
        {"resource": "memory_gb", "sentence": "1.5 GB of memory used, no quota of its own: 6 GB of 8 GB used in lab"},
    ]
    connected.answers("GET", "queues/quota/vision", {**QUOTA, "bars": bars})

    assert trainyard("quota", "vision").out.splitlines()[-2:] == [
        "GPUs: 6 of 4 GPUs used, 2 borrowed of at most 4",
        "memory: 1.5 GB of memory used, no quota of its own: 6 GB of 8 GB used in lab",
    ]


def test_a_quota_is_set_by_options(trainyard, connected):
    connected.answers("PATCH", "queues/quota/vision", QUOTA)

    assert (
        trainyard(
            "quota",
            "vision",
            "--limit",
            "gpus=8",
            "--limit",
            "cpus=none",
            "--borrow",
            "gpus=4",
            "--lend",
            "memory_gb=1.5",
        ).code
        == 0
    )
    assert connected.asked[-1].body == {
        "limits": {"gpus": 8, "cpus": None}, "borrowing_limits": {"gpus": 4}, "lending_limits": {"memory_gb": 1.5},
    }  # fmt: skip


def test_what_each_user_may_hold_is_set_and_told_with_what_the_caller_holds(trainyard, connected):
    shown = {"user_limits": {"gpus": 4, "cpus": None}, "user_usage": {"gpus": 2, "cpus": 8}, "max_nodes": 3}
    connected.answers("PATCH", "queues/quota/vision", {**QUOTA, **shown})

    words = ["--each-user", "gpus=4", "--each-user", "running_jobs=none", "--max-nodes", "3", "--gpu-model", "h100=4"]
    outcome = trainyard("quota", "vision", *words)

    assert connected.asked[-1].body == {
        "user_limits": {"gpus": 4, "running_jobs": None},
        "max_nodes": 3,
        "gpu_models": {"h100": 4},
    }
    assert outcome.out.splitlines()[-2:] == ["each user at most: 4 GPUs (you: 2)", "each job at most: 3 nodes"]


@pytest.mark.parametrize(
    "words",
    [
        ["--limit", "gpu=8"],
        ["--borrow", "running_jobs=3"],
        ["--lend", "gpus=many"],
        ["--lend", "gpus"],
        ["--limit", "gpus=nan"],
        ["--limit", "memory_gb=inf"],
        ["--borrow", "gpus=-1"],
        ["--lend", "cpus=1e999"],
        ["--each-user", "gpus=1.x"],
    ],
)
def test_an_option_that_sets_no_quota_is_named(trainyard, connected, words):
    outcome = trainyard("quota", "vision", *words)

    assert outcome.code == 2
    assert words[0] in outcome.err
