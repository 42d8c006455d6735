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


def titles(out):
    return out.splitlines()[0].split()


def test_columns_come_as_they_were_asked_for(trainyard, connected):
    connected.lists("jobs", failed(17, labels={"team": "a"}))

    header, row = trainyard("list", "--columns", "id,exit,Owner,labels").out.splitlines()

    assert header.split() == ["ID", "EXIT", "OWNER", "LABELS"]
    assert row.split() == ["17", "3", "ada", "team=a"]


def test_a_column_and_an_order_that_are_none_are_refused_with_those_there_are(trainyard, connected):
    for words in (["--columns", "id,colour"], ["--columns", ","], ["--sort", "colour"]):
        outcome = trainyard("list", *words)
        assert outcome.code == 2
        assert "there are: " in outcome.err
        assert not connected.asked


def test_the_server_puts_in_order_what_it_can(trainyard, connected):
    connected.lists("jobs", job(1))

    trainyard("list", "--sort", "-priority")

    assert connected.asked[0].query["ordering"] == ["-priority"]


def test_other_orders_are_made_here_with_the_unknown_at_the_end(trainyard, connected):
    connected.lists("jobs", running(1, progress=0.5), job(2), running(3, progress=0.9), running(4, progress=0.1))

    def order(*words):
        return [row["id"] for row in json.loads(trainyard("list", "--json", *words).out)]

    assert order("--sort", "progress") == [4, 1, 3, 2]
    assert order("--sort", "-progress", "-n", 2) == [3, 1]
    assert order("--sort", "ran")[-1] == 2


def test_a_filter_by_what_is_not_there_is_refused_with_what_there_is(trainyard, connected):
    connected.lists("jobs")
    connected.lists("projects", {"slug": "vision"}, {"slug": "speech"})
    connected.lists("queues", {"name": "live"})
    connected.lists("nodes")

    assert (
        trainyard("list", "-p", "visio").err
        == "error: project: there is no project 'visio'; there are: vision, speech\n"
    )
    assert "there are: live" in trainyard("list", "-q", "life").err
    assert "there are none" in trainyard("list", "--node", "n9").err
    outcome = trainyard("list", "-p", "vision")
    assert (outcome.code, outcome.err) == (0, "no jobs match\n")


def test_mine_and_somebody_elses_are_not_asked_for_together(trainyard, connected):
    assert trainyard("list", "--mine", "--user", "ada").code == 2
