import json

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
