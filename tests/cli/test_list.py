import json

from tests.cli.rows import completed, failed, job, running


def test_jobs_are_listed_with_all_that_matters(trainyard, connected):
    hardware = {"gpus": 2, "gpu_memory_gb": 0, "gpu_model": "h100", "cpus": 8, "memory_gb": 64, "nodes": 1}
    hardware["node_labels"] = {"zone": "a"}
    connected.lists("jobs", running(17, resources=hardware, progress=0.4, priority=90, node="gpu-01"))

    header, row = trainyard("list").out.splitlines()

    assert header.split() == [
        "ID",
        "NAME",
        "PROJECT",
        "QUEUE",
        "PRIORITY",
        "HARDWARE",
        "STATE",
        "NODE",
        "PROGRESS",
        "WAITED",
        "STARTS",
        "RAN",
        "REASON",
    ]
    for word in ("17", "train", "90 urgent", "2 GPU h100 zone=a", "running", "gpu-01", "████░░░░░░  40%", "5m 00s"):
        assert word in row


def test_a_job_that_waits_says_why(trainyard, connected):
    reasons = [{"code": "gpus", "sentence": "2 GPUs are missing."}, {"code": "quota", "sentence": "No quota."}]
    connected.lists("jobs", job(17, reasons=reasons))

    assert trainyard("list").out.rstrip().endswith("2 GPUs are missing.")


def test_a_job_that_failed_says_how(trainyard, connected):
    connected.lists("jobs", failed(17))

    assert trainyard("list").out.rstrip().endswith("exit code 3")


def test_filters_are_asked_of_the_server(trainyard, connected):
    connected.lists("jobs")

    trainyard("list", "-s", "running", "-s", "failed", "-p", "vision", "-q", "live", "--mine", "-l", "team=a", "-n", 5)

    asked = connected.asked[0].query
    assert asked["state"] == ["running", "failed"]
    assert (asked["project"], asked["queue"], asked["owner"], asked["label"]) == (
        ["vision"],
        ["live"],
        ["me"],
        ["team=a"],
    )


def test_a_longer_list_says_that_there_is_more(trainyard, connected):
    connected.lists("jobs", job(3), job(2), job(1))

    outcome = trainyard("list", "--limit", 2)

    assert len(outcome.out.splitlines()) == 3
    assert "--all shows all" in outcome.err


def test_json_is_one_list_over_all_pages(trainyard, connected):
    connected.answers("GET", "jobs", {"next": "?cursor=x", "results": [job(2)]}, {"next": None, "results": [job(1)]})

    assert json.loads(trainyard("list", "--all", "--json").out) == [job(2), job(1)]


def test_an_empty_list_is_no_table(trainyard, connected):
    connected.lists("jobs")

    outcome = trainyard("list")

    assert (outcome.code, outcome.out) == (0, "")
    assert "no jobs yet" in outcome.err


def test_names_are_shown_as_they_are_and_do_nothing(trainyard, connected):
    connected.lists("jobs", job(1, name="[bold]x[/] :smile: \x1b[31m größe\nnext"))

    out = trainyard("list").out

    assert "[bold]x[/] :smile: \\x1b[31m größe next" in out
    assert "\x1b" not in out


def test_a_pipe_gets_the_whole_line(trainyard, connected):
    connected.lists("jobs", completed(123456789, name="n" * 200))

    out = trainyard("list").out

    assert "123456789" in out
    assert "n" * 200 in out


def test_an_unknown_state_is_refused_by_the_server(trainyard, connected):
    connected.refuses("GET", "jobs", 400, "Invalid.", ("state", "Must be one of pending, queued."))

    outcome = trainyard("list", "--state", "lost")

    assert (outcome.code, outcome.err) == (1, "error: state: Must be one of pending, queued.\n")
