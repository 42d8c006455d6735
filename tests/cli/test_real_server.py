"""The command line against the real site: Django over HTTP, PostgreSQL behind it."""

import io
import json
from pathlib import Path

import pytest
from knox.models import AuthToken

from jobs.models import Job
from tests import builders

pytestmark = pytest.mark.django_db(transaction=True)

PASSWORD = "correct horse battery"


@pytest.fixture
def ada(live_server, monkeypatch):
    """A member of the project `vision`, with a token for the site."""
    for name in ("live", "default", "batch"):
        builders.queue(name=name)
    ada = builders.user(username="ada", password=PASSWORD)
    builders.project(slug="vision", members=[ada])
    monkeypatch.setenv("TRAINYARD_URL", live_server.url)
    monkeypatch.setenv("TRAINYARD_TOKEN", AuthToken.objects.create(ada)[1])
    monkeypatch.setenv("TRAINYARD_PROJECT", "vision")
    return ada


@pytest.fixture
def log_in(ada, live_server, trainyard, monkeypatch):
    """Log in as ada with a password, and forget the token of the environment."""

    def log_in(password):
        monkeypatch.delenv("TRAINYARD_URL")
        monkeypatch.delenv("TRAINYARD_TOKEN")
        monkeypatch.setattr("sys.stdin", io.StringIO(f"{password}\n"))
        return trainyard("login", live_server.url, "--user", "ada")

    return log_in


def test_a_login_lasts_until_the_logout(log_in, trainyard):
    assert log_in(PASSWORD).code == 0
    assert trainyard("list").code == 0

    assert trainyard("logout").code == 0
    assert AuthToken.objects.count() == 1  # the one of the fixture


def test_a_wrong_password_is_refused(log_in):
    outcome = log_in("wrong")

    assert outcome.code == 1
    assert outcome.err == "error: This name and this password do not belong together.\n"


def test_a_wrong_token_says_how_to_get_a_right_one(ada, trainyard, monkeypatch):
    monkeypatch.setenv("TRAINYARD_TOKEN", "wrong")

    outcome = trainyard("list")

    assert outcome.code == 1
    assert "trainyard login URL" in outcome.err


def test_a_job_goes_in_as_it_was_asked_for(ada, trainyard):
    outcome = trainyard(
        *("submit", "--priority", "urgent", "--cpus", 2, "--memory-gb", 0.5, "--time", "2h", "--env", "LR=0.1"),
        *("--label", "team=a", "--retries", 1, "--checkpointable", "--no-preempt", "--deadline", "+1d", "--", "true"),
    )

    job = Job.objects.get()
    assert (outcome.code, outcome.out) == (0, f"job {job.pk} submitted\n")
    assert (job.owner, job.project.slug, job.priority, job.cpus, job.memory_mb) == (ada, "vision", 90, 2, 512)
    assert (job.max_runtime_seconds, job.env, job.labels, job.max_retries) == (7200, {"LR": "0.1"}, {"team": "a"}, 1)
    assert (job.checkpointable, job.preemptible, job.working_dir) == (True, False, str(Path.cwd()))


def test_a_key_brings_one_job_however_often_it_is_used(ada, trainyard):
    trainyard("submit", "--key", "k", "true")

    assert "has this key already, and is pending" in trainyard("submit", "--key", "k", "true").out
    assert Job.objects.count() == 1


@pytest.mark.parametrize(
    ("options", "field"),
    [
        (["--priority", "101"], "priority"),
        (["--priority", "asap"], "priority"),
        (["--cpus", "-1"], "resources.cpus"),
        (["--project", "nobody"], "project"),
        (["--queue", "nowhere"], "queue"),
        (["--after", "999"], "depends_on"),
        (["--deadline", "2001-01-01T00:00Z"], "deadline"),
    ],
)
def test_bad_input_is_refused_by_its_field(ada, trainyard, options, field):
    outcome = trainyard("submit", *options, "true")

    assert outcome.code == 1
    assert outcome.err.startswith(f"error: {field}: ")
    assert Job.objects.count() == 0


def test_a_batch_is_all_or_nothing(ada, trainyard):
    jobs = [{"name": "good", "command": ["true"]}, {"name": "bad", "command": []}]
    Path("jobs.json").write_text(json.dumps(jobs))

    outcome = trainyard("batch", "jobs.json")

    assert outcome.code == 1
    assert outcome.err.startswith('error: job 2 "bad": command: ')
    assert Job.objects.count() == 0


def test_a_batch_goes_in_in_its_order(ada, trainyard):
    Path("jobs.toml").write_text("".join(f'[[jobs]]\nname = "lr-{n}"\ncommand = ["true"]\n' for n in range(3)))

    outcome = trainyard("batch", "jobs.toml")

    assert outcome.code == 0
    assert [line.split()[-1] for line in outcome.out.splitlines()] == ["lr-0", "lr-1", "lr-2"]


def test_jobs_are_listed_over_pages_and_filtered(ada, trainyard):
    project = builders.project(slug="other", members=[ada])
    for _ in range(60):
        builders.job(project=project)
    builders.running_job(project=project, owner=ada, name="mine", progress=0.5)

    assert len(json.loads(trainyard("list", "--all", "--json").out)) == 61
    assert "50%" in trainyard("list", "--state", "running", "--mine", "-p", "other").out
    assert trainyard("list", "--state", "lost").code == 1


def test_someone_elses_job_is_not_there(ada, trainyard):
    job = builders.job()

    outcome = trainyard("show", job.pk)

    assert (outcome.code, outcome.err) == (1, f"error: There is no job {job.pk}.\n")


def test_a_job_is_cancelled_and_runs_again(ada, trainyard):
    trainyard("submit", "true")
    number = Job.objects.get().pk

    assert trainyard("cancel", number).out == f"job {number} is cancelled\n"
    assert trainyard("requeue", number).out == f"job {number} is pending\n"
