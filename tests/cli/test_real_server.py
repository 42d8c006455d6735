"""The command line against the real site: Django over HTTP, PostgreSQL behind it."""

import io
import json
import threading
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone
from knox.models import AuthToken

from jobs.models import Attempt, Job, Queue
from jobs.models.planning import Reservation
from quotas.models import Budget, Membership, Price, Project, Quota
from tests import builders
from workers.models import NodePool

pytestmark = pytest.mark.django_db(transaction=True)

PASSWORD = "correct horse battery"


@pytest.fixture
def ada(live_server, monkeypatch):
    """A member of the project `vision`, with a token for the site."""
    for rank, name in enumerate(("batch", "default", "live")):
        builders.queue(name=name, rank=rank)
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


@pytest.mark.parametrize(
    ("words", "field"),
    [
        (["quota", "vision", "--limit", "gpus=1.125"], "limits.gpus"),
        (["quota", "vision", "--limit", "gpus=1e308"], "limits.gpus"),
        (["quota", "vision", "--limit", "gpus=2147483648"], "limits.gpus"),
        (["quota", "vision", "--limit", "memory_gb=1e308"], "limits.memory_gb"),
        (["budgets", "add", "vision", "NaN"], "amount"),
        (["budgets", "add", "vision", "1e308"], "amount"),
        (["budgets", "add", "vision", "5", "--currency", "USD"], "currency"),
        (["budgets", "add", "vision", "5", "--zone", "Mars/Olympus"], "zone"),
        (["budgets", "add", "vision", "5", "--period", "once", "--to", "2001-01-01T00:00Z"], "ends_at"),
        (["prices", "add", "cpu", "NaN"], "per_hour"),
        (["prices", "add", "cpu", "1e308"], "per_hour"),
        (["prices", "add", "cpu", "0.04", "--from", "2001-01-01T00:00Z"], "valid_from"),
        (["retention", "-p", "vision", "--days", "0"], "job_days"),
        (["retention", "-p", "vision", "--days", "99999999999999"], "job_days"),
    ],
)
def test_amounts_that_cannot_be_are_refused_by_their_field_and_nothing_is_written(ada, trainyard, words, field):
    User.objects.filter(pk=ada.pk).update(is_staff=True)

    outcome = trainyard(*words)

    assert outcome.code in {1, 2}
    assert field in outcome.err
    assert "Traceback" not in outcome.err
    assert [model.objects.count() for model in (Quota, Budget, Price)] == [0, 0, 0]


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


def test_a_job_is_shown_with_its_attempts_and_events(ada, trainyard):
    job = builders.running_job(project=Project.objects.get(), owner=ada, name="digits", metrics={"loss": 0.25})
    builders.event(job=job, kind="started", from_state="assigned", to_state="running", message="Off we go.")

    out = trainyard("show", job.pk).out

    for words in (f"job {job.pk} digits", "running", str(job.node), "loss=0.25", "Off we go."):
        assert words in out


def test_a_log_is_printed_byte_for_byte(ada, trainyard):
    attempt = builders.attempt(job=builders.job(project=Project.objects.get()), ended_at=timezone.now())
    builders.log(attempt=attempt, data="one\n")
    builders.log(attempt=attempt, data="größe\n")

    assert trainyard("logs", attempt.job_id).out == "one\ngröße\n"
    assert json.loads(trainyard("logs", attempt.job_id, "--json").out)["text"] == "one\ngröße\n"


def test_a_log_is_followed_until_the_job_is_over(ada, trainyard):
    job = builders.job(project=Project.objects.get(), state="running")
    attempt = builders.attempt(job=job)
    builders.log(attempt=attempt, data="one\n")

    def finish():
        builders.log(attempt=attempt, data=b"\xfftwo\n")
        Attempt.objects.filter(pk=attempt.pk).update(ended_at=timezone.now(), end_reason="completed", exit_code=0)
        Job.objects.filter(pk=job.pk).update(state="completed", finished_at=timezone.now())
        connection.close()

    timer = threading.Timer(1, finish)
    timer.start()
    outcome = trainyard("logs", "-f", job.pk)
    timer.join()

    assert (outcome.code, outcome.out) == (0, "one\n\ufffdtwo\n")


def test_an_explanation_names_the_reasons_and_the_start(ada, trainyard):
    project = Project.objects.get()
    builders.running_job(node=builders.node(name="n1", gpus=2), gpu_indices=[0], max_runtime_seconds=7230)
    job = builders.job(project=project, gpus=2)

    out = trainyard("explain", job.pk).out

    for words in ("Needs 2 GPUs; node n1 has the most free: 1 of 2.", "probably in 2h 0", "With 1 GPU instead of 2"):
        assert words in out


def test_a_quote_submits_nothing(ada, trainyard):
    builders.node(name="n1", gpus=2)

    assert "now, on n1" in trainyard("quote", "--project", Project.objects.get().slug, "--gpus", 2).out
    assert not Job.objects.exists()


def test_nodes_queues_and_quota_are_what_the_database_says(ada, trainyard):
    node = builders.node(name="n1", cpus=8, gpus=4, load={"cpu_percent": 50, "memory_used_mb": 16384, "gpus": []})
    Quota.objects.create(project=Project.objects.get(), gpus=4, cpus=16)
    builders.running_job(project=Project.objects.get(), node=node, gpu_indices=[0, 1], cpus=2)

    [line] = trainyard("nodes").out.splitlines()[1:]
    assert all(words in line for words in ("n1", "up", "2/8", "2/4", " 50%", "4 x NVIDIA H100 (simulated)"))
    assert [row.split()[0] for row in trainyard("queues").out.splitlines()[1:]] == ["live", "default", "batch"]
    assert ["GPUs", "2", "4", "█████░░░░░", "50%", "2"] in [row.split() for row in trainyard("quota").out.splitlines()]


def test_the_admin_of_a_project_manages_what_is_below_and_not_his_own(ada, trainyard):
    builders.user(username="bob")
    Membership.objects.update(role="admin")
    for words in (
        ["projects", "add", "study", "--parent", "vision"],
        ["projects", "add", "group", "--parent", "vision", "--name", "A group"],
        ["projects", "change", "study", "--parent", "group", "--weight", "2"],
        ["quota", "study", "--limit", "gpus=2", "--borrow", "gpus=1"],
        ["members", "add", "bob", "--role", "admin", "-p", "study"],
    ):
        assert trainyard(*words).code == 0, words
    study = Project.objects.get(slug="study")
    assert (study.parent.slug, study.weight, study.quota.gpus, study.memberships.get().user.username) == (
        "group", 2, 2, "bob",
    )  # fmt: skip

    assert "gpus" not in trainyard("projects", "show", "vision").out.lower()
    assert "GPUs: 0 of 2 GPUs used, 0 borrowed of at most 1" in trainyard("projects", "show", "study").out
    for words in (
        ["quota", "vision", "--limit", "gpus=99"],
        ["projects", "change", "vision", "--top", "--weight", "5"],
    ):
        assert trainyard(*words).code == 1
    assert trainyard("projects", "change", "vision", "--parent", "study").code == 1
    assert Project.objects.get(slug="vision").weight == 1


def test_staff_set_what_a_queue_limits_and_nobody_else_may(ada, trainyard):
    words = ["queues", "set", "live", "--max-walltime", "2h", "--max-waiting", "3", "--allow", "vision"]
    assert "Only staff may" in trainyard(*words).err

    User.objects.filter(pk=ada.pk).update(is_staff=True)
    assert trainyard(*words).out == "queue live, open: 2h 00m a job, 3 waiting a user, only for vision\n"
    assert "2h 00m a job, 3 waiting a user, only for vision" in trainyard("queues").out
    assert "max_runtime_seconds" in trainyard("queues", "set", "live", "--default-walltime", "3h").err
    assert trainyard("queues", "add", "debug", "--max-gpus", "1", "--rank", "7").code == 0
    assert trainyard("queues", "set", "live", "--max-walltime", "none", "--allow", "none").code == 0
    live = Queue.objects.get(name="live")
    assert (live.max_runtime_seconds, live.max_waiting_per_user, live.allowed_projects.count()) == (None, 3, 0)
    assert Queue.objects.get(name="debug").max_gpus == 1


def test_staff_keep_nodes_and_give_them_back_and_nobody_else_may(ada, trainyard):
    builders.node(name="n1")
    words = ["reservations", "add", "cooling", "--node", "n1", "--start", "+1h", "--for", "4h"]
    assert "Only staff may" in trainyard(*words).err

    User.objects.filter(pk=ada.pk).update(is_staff=True)
    assert trainyard(*words).code == 0
    assert "cooling" in trainyard("reservations").out
    assert "Node n1 is kept by reservation cooling then." in trainyard("reservations", "add", "again", *words[3:]).err

    assert trainyard("reservations", "remove", "cooling").code == 0
    assert not Reservation.objects.exists()


def test_staff_set_a_pool_pause_it_and_forget_it_and_nobody_else_may(ada, trainyard, tmp_path):
    words = ["pools", "add", "small", "--cpus", "2", "--memory-gb", "8", "--max", "4", "--actuator", "local"]
    assert "Only staff may" in trainyard(*words).err
    assert "no pools yet" in trainyard("pools").err

    User.objects.filter(pk=ada.pk).update(is_staff=True)
    assert trainyard(*words).out == "pool small, local: 0 to 4 nodes with 2 CPUs, 8 GB\n"
    assert trainyard("pools", "set", "small", "--scale-up", "0", "--scale-down", "5m", "--label", "zone=a").code == 0
    assert trainyard("pools", "set", "small", "--lifetime", "4h").code == 0
    assert "4h" in next(line for line in trainyard("pools", "show", "small").out.splitlines() if "stays" in line)
    assert trainyard("pools", "set", "small", "--lifetime", "0").code == 0
    assert "stays" not in trainyard("pools", "show", "small").out
    pool = NodePool.objects.get()
    assert (pool.scale_up_seconds, pool.scale_down_seconds, pool.labels) == (0, 300, {"zone": "a"})
    assert "Pool small is being scaled: pause it first" in trainyard("pools", "rm", "small").err
    assert trainyard("pools", "pause", "small").out.startswith("pool small, paused")
    assert [line.split()[:2] for line in trainyard("pools", "list").out.splitlines()[1:]] == [["small", "paused"]]
    shown = trainyard("pools", "show", "small").out
    assert "grows after 0s, shrinks after 5m" in shown
    settings = tmp_path / "settings.json"
    settings.write_text('{"up": ["make"]}')
    refused = trainyard("pools", "set", "small", "--actuator", "command", "--settings", settings)
    assert (refused.code, "up must be told of which node" in refused.err) == (1, True)
    settings.write_text("{")
    assert trainyard("pools", "set", "small", "--settings", settings).code == 2
    assert "there are: small" in trainyard("pools", "resume", "smal").err
    assert trainyard("pools", "rm", "small").out == "pool small is gone, its nodes are not\n"
    assert not NodePool.objects.exists()


def test_top_shows_what_runs_and_what_waits(ada, trainyard):
    builders.running_job(project=Project.objects.get(), name="runs")
    builders.job(project=Project.objects.get(), name="waits", reasons=[{"code": "gpus", "sentence": "No GPU is free."}])

    out = trainyard("top").out

    assert out.index("running 1") < out.index("runs") < out.index("waiting 1") < out.index("No GPU is free.")
    services, sums = out.splitlines()[1:3]
    assert services.startswith("services: web ok  beat ")
    assert "  database ok  agents " in services
    assert sums == "jobs: 1 pending, 1 running  cost: today 0.00 EUR, this month 0.00, expected of what waits 0.00"


def test_a_project_that_is_not_there_has_no_quota(ada, trainyard):
    assert trainyard("quota", "nobody").code == 1


def test_a_sweep_is_a_workload_of_jobs_with_their_values(ada, trainyard):
    outcome = trainyard(
        "submit", "--workload", "s", "--sweep", "lr=0.1,0.01", "--max-running", 1, "--key", "k", "--", "python", "t.py"
    )
    again = trainyard(
        "submit", "--workload", "s", "--sweep", "lr=0.1,0.01", "--max-running", 1, "--key", "k", "--", "python", "t.py"
    )

    jobs = Job.objects.order_by("pk")
    assert (outcome.code, again.code) == (0, 0)
    assert [(job.command[-1], job.labels["lr"]) for job in jobs] == [("--lr=0.1", "0.1"), ("--lr=0.01", "0.01")]
    assert [job.env["TRAINYARD_ARRAY_INDEX"] for job in jobs] == ["0", "1"]
    assert {(job.workload.name, job.workload.max_running) for job in jobs} == {("s", 1)}


def test_a_schedule_is_made_looked_at_changed_run_and_forgotten(ada, trainyard):
    made = trainyard(
        "schedules", "create", "nightly", "--cron", "0 2 * * *", "--time-zone", "Europe/Berlin", "--cpus", 2, "--", "python", "t.py"
    )  # fmt: skip
    assert made.code == 0, made.err
    assert made.out.startswith("schedule nightly submits its next job in ")

    assert "0 2 * * * Europe/Berlin" in trainyard("schedules").out
    assert "in Europe/Berlin" in trainyard("schedules", "show", "nightly").out
    assert trainyard("schedules", "pause", "nightly").out == "schedule nightly is paused\n"
    assert trainyard("schedules", "set", "nightly", "--cron", "61 * * * *").code == 1
    assert trainyard("schedules", "set", "nightly", "--overlap", "replace", "--ends", "+30d").code == 0
    assert trainyard("schedules", "run", "nightly").code == 0
    assert Job.objects.get().command == ["python", "t.py"]
    assert trainyard("schedules", "rm", "nightly").code == 0
    assert trainyard("schedules", "show", "nightly").code == 1


def test_a_schedule_needs_a_time(ada, trainyard):
    assert trainyard("schedules", "create", "nightly", "--", "true").code == 2
