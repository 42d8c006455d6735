import json

import pytest

from tests.cli.rows import job, running


def test_cancelling_says_what_became_of_each_job(trainyard, connected):
    connected.answers("POST", "jobs/1/cancel", job(1, state="cancelled"))
    connected.answers("POST", "jobs/2/cancel", running(2))

    outcome = trainyard("cancel", 1, 2)

    assert (outcome.code, outcome.out) == (0, "job 1 is cancelled\njob 2 is running and will be stopped\n")


def test_a_job_that_refuses_does_not_keep_it_from_the_others(trainyard, connected):
    connected.refuses("POST", "jobs/1/cancel", 409, "Job 1 is completed already.")
    connected.answers("POST", "jobs/2/cancel", job(2, state="cancelled"))

    outcome = trainyard("cancel", 1, 2)

    assert (outcome.code, outcome.out) == (1, "job 2 is cancelled\n")
    assert outcome.err == "error: job 1: Job 1 is completed already.\n"


def test_requeueing_puts_a_job_back_in_line(trainyard, connected):
    connected.answers("POST", "jobs/1/requeue", job(1))

    assert trainyard("requeue", 1).out == "job 1 is pending\n"


def test_json_lists_the_jobs(trainyard, connected):
    connected.answers("POST", "jobs/1/cancel", job(1, state="cancelled"))

    assert json.loads(trainyard("cancel", 1, "--json").out) == [job(1, state="cancelled")]


def test_cancelling_nothing_is_a_usage_error(trainyard, connected):
    assert trainyard("cancel").code == 2


HELD = {"by": "ann", "reason": "no data yet", "since": "2030-01-01T12:00:00Z"}


@pytest.mark.parametrize(
    ("words", "answer", "said"),
    [
        (["pause"], job(1, state="paused"), "job 1 is paused"),
        (["pause"], running(1, desired="pause"), "job 1 is running and will be paused"),
        (["pause", "--suspend"], running(1, suspended=True), "job 1 is running (suspended)"),
        (["resume"], job(1), "job 1 is pending"),
        (["resume"], running(1, suspended=False), "job 1 is running"),
        (["hold"], job(1, held=HELD), "job 1 is pending (held by ann)"),
        (["release"], job(1, held=None), "job 1 is pending"),
    ],
    ids=str,
)
def test_a_job_is_paused_held_and_let_go(trainyard, connected, words, answer, said):
    connected.answers("POST", f"jobs/1/{words[0]}", answer)

    outcome = trainyard(*words, 1)
    assert (outcome.code, outcome.out) == (0, f"{said}\n")


def test_how_and_why_is_told_to_the_server(trainyard, connected):
    connected.answers("POST", "jobs/1/pause", running(1, suspended=True))
    connected.answers("POST", "jobs/1/hold", job(1, held=HELD))
    trainyard("pause", 1, "--suspend")
    trainyard("hold", 1, "--reason", "no data yet", "--json")

    assert [asked.body for asked in connected.asked] == [{"suspend": True}, {"reason": "no data yet"}]


@pytest.mark.parametrize(("verb", "more"), [("cancel", {}), ("pause", {"suspend": False}), ("requeue", {})])
def test_why_somebody_s_job_is_touched_can_be_said(trainyard, connected, verb, more):
    connected.answers("POST", f"jobs/1/{verb}", running(1))
    trainyard(verb, 1, "--reason", "The rack is moved.")
    assert connected.asked[0].body == {**more, "reason": "The rack is moved."}


def test_a_refusal_names_the_job(trainyard, connected):
    connected.refuses("POST", "jobs/1/resume", 409, "Job 1 is running, and neither paused nor suspended.")

    outcome = trainyard("resume", 1)
    assert (outcome.code, outcome.out) == (1, "")
    assert "job 1: Job 1 is running" in outcome.err


def test_list_and_page_say_what_the_state_alone_does_not(trainyard, connected):
    connected.lists(
        "jobs",
        running(1, suspended=True),
        job(2, held=HELD),
        running(3, desired="pause"),
        running(4, gpus_idle_since="2030-01-01T12:00:00Z"),
    )
    listed = trainyard("list").out
    for words in ("running (suspended)", "pending (held by ann)", "running (being paused)", "running (GPUs idle)"):
        assert words in listed


def test_a_selection_by_a_queue_that_is_not_there_is_refused_with_those_that_are(trainyard, connected):
    nothing = {"matched": 0, "changed": 0, "unchanged": 0, "refused": 0, "jobs": [], "refusals": [], "dry_run": True}
    connected.answers("POST", "jobs/cancel", nothing)
    connected.lists("queues", {"name": "batch"})

    outcome = trainyard("cancel", "--queue", "bacth")

    assert (outcome.code, outcome.err) == (1, "error: queue: there is no queue 'bacth'; there are: batch\n")
