"""The tools as an agent meets them: over standard input and output, and over HTTP."""

from datetime import timedelta

import pytest
from django.utils import timezone

from jobs.models import Job, JobEvent, JobTemplate
from quotas.models import Budget, Price, Project
from tests import builders
from tests.rest import V1, client_of

pytestmark = pytest.mark.django_db(transaction=True)

HOUR = timedelta(hours=1)
TOOLS = {
    "queue_training_job", "get_queue_status", "submit_batch_training_jobs", "cancel_queued_job", "list_queued_jobs",
    "queue_job_from_template", "list_job_templates", "get_training_dashboard", "check_training_budget", "quote_job", "explain_job", "get_job_logs",
    "clone_job", "edit_job",
}  # fmt: skip
JOB = {"project": "vision", "command": ["python", "train.py"]}
ASKED = {"reason": "To see whether it learns.", "submission_key": "first"}


@pytest.fixture(params=["stdio", "http"])
def either(request, token):
    return request.getfixturevalue(f"over_{request.param}")(token)


@pytest.fixture
def agent(token, over_http):
    return over_http(token)


def test_each_argument_of_each_tool_says_what_it_is(either):
    tools = either.tools()

    assert tools.keys() == TOOLS
    for tool in tools.values():
        assert tool.description
        assert tool.input_schema["additionalProperties"] is False
    changing = {name for name, tool in tools.items() if not tool.annotations.read_only_hint}
    assert changing == {
        "queue_training_job", "queue_job_from_template", "submit_batch_training_jobs", "cancel_queued_job", "clone_job",
        "edit_job",
    }  # fmt: skip
    assert all("reason" in tools[name].input_schema["required"] for name in changing)


def test_a_job_goes_in_once_with_its_reason_in_its_history(either, ada):
    builders.node(gpus=4)
    job = {**JOB, "resources": {"gpus": 2}, "max_runtime_seconds": 60}

    first = either.call("queue_training_job", job=job, **ASKED)
    again = either.call("queue_training_job", job=job, **ASKED)

    row = Job.objects.get()
    assert (first["created"], again["created"], first["id"], again["id"]) == (True, False, row.pk, row.pk)
    assert (row.owner, row.gpus, row.max_runtime_seconds) == (ada, 2, 60)
    assert JobEvent.objects.get(kind="submitted").message == "To see whether it learns."


def test_a_job_comes_of_a_template(agent, ada):
    JobTemplate.objects.create(
        name="mnist", version=1, parameters={"epochs": {"type": "integer", "default": 2, "most": 5}},
        job={"command": ["python", "train.py", "--epochs", "{epochs}"]}, created_by="ops",
    )  # fmt: skip
    assert agent.call("list_job_templates")["templates"][0]["parameters"]["epochs"]["most"] == 5

    made = agent.call("queue_job_from_template", template="mnist", parameters={"epochs": 3}, project="vision", **ASKED)

    assert (made["created"], Job.objects.get().command) == (True, ["python", "train.py", "--epochs", "3"])
    refusal = agent.refused(
        "queue_job_from_template", template="mnist", parameters={"epochs": 9}, project="vision", **ASKED
    )
    assert refusal == "parameters.epochs: Must be at most 5."


def test_a_batch_goes_in_once(agent):
    jobs = [{**JOB, "name": f"lr-{n}"} for n in range(3)]

    told = agent.call("submit_batch_training_jobs", jobs=jobs, **ASKED)
    agent.call("submit_batch_training_jobs", jobs=jobs, **ASKED)

    assert (told["count"], [one["name"] for one in told["jobs"]]) == (3, ["lr-0", "lr-1", "lr-2"])
    assert list(Job.objects.order_by("pk").values_list("submission_key", flat=True)) == [
        "first-0",
        "first-1",
        "first-2",
    ]


def test_a_waiting_job_is_cancelled_with_a_reason_and_a_running_one_only_on_purpose(agent, ada):
    project = Project.objects.get(slug="vision")
    waits, runs = builders.job(project=project, owner=ada), builders.running_job(project=project, owner=ada)

    assert agent.call("cancel_queued_job", job_id=waits.pk, reason="A typo.")["state"] == "cancelled"
    assert JobEvent.objects.get(job=waits).message == "Cancelled by ada before it started. A typo."
    assert agent.refused("cancel_queued_job", job_id=runs.pk, reason="A typo.").startswith("also_if_running: ")
    told = agent.call("cancel_queued_job", job_id=runs.pk, reason="It diverged.", also_if_running=True)
    assert (told["state"], told["desired"]) == ("running", "cancel")
    assert JobEvent.objects.get(job=runs, kind="cancel_requested").message == "It diverged."


def test_a_job_is_cloned_once_with_changes_and_without_values_that_are_not_the_agents_to_see(agent, ada):
    project = Project.objects.get(slug="vision")
    job = builders.job(project=project, owner=ada, state="failed", command=["python", "train.py"])
    changes = {"command": ["python", "train.py", "--lr", "0.1"], "max_runtime_seconds": 60}

    first = agent.call("clone_job", job_id=job.pk, changes=changes, **ASKED)
    again = agent.call("clone_job", job_id=job.pk, changes=changes, **ASKED)

    row = Job.objects.exclude(pk=job.pk).get()
    assert (first["created"], again["created"], first["id"], again["id"]) == (True, False, row.pk, row.pk)
    assert (row.owner, row.command, row.max_runtime_seconds) == (ada, changes["command"], 60)
    assert JobEvent.objects.get(job=row, kind="submitted").message == f"A clone of job {job.pk}. {ASKED['reason']}"
    others = builders.job(project=project, owner=builders.member(project=project), env={"LOGIN": "hunter2"})
    refusal = agent.refused("clone_job", job_id=others.pk, reason="As theirs.", submission_key="second")
    assert refusal.startswith("env: ")
    assert "hunter2" not in refusal
    without = {"env": {"LOGIN": None}}
    made = agent.call("clone_job", job_id=others.pk, changes=without, reason="As theirs.", submission_key="second")
    assert Job.objects.get(pk=made["id"]).env == {}
    elsewhere = builders.job()
    assert agent.refused("clone_job", job_id=elsewhere.pk, **ASKED) == f"There is no job {elsewhere.pk}."
    assert Job.objects.filter(owner=ada).count() == 3


def test_a_waiting_job_is_edited_with_a_reason_within_the_caps(ada, over_http):
    builders.node(gpus=8)
    agent = over_http(client_of(ada).post(f"{V1}/auth/tokens/own", {"max_gpus": 4}).json()["token"])
    job = agent.call("queue_training_job", job={**JOB, "resources": {"gpus": 1}}, **ASKED)["id"]
    why = {"job_id": job, "reason": "It fits on two."}

    told = agent.call("edit_job", changes={"resources": {"gpus": 2}, "env": {"LR": "0.1"}}, **why)

    row = Job.objects.get()
    assert (told["id"], told["resources"]["gpus"], row.gpus, row.env) == (job, 2, 2, {"LR": "0.1"})
    assert JobEvent.objects.get(job=row, kind="changed").message == "It fits on two."
    refusal = agent.refused("edit_job", changes={"resources": {"gpus": 5}}, **why)
    assert refusal == (
        "resources.gpus: This token may have 4 GPUs at once in jobs that are not over; it has 0, and this asks for 5."
    )
    assert agent.refused("edit_job", changes={}, **why).startswith("changes: Say what to change")
    assert agent.refused("edit_job", changes={"gpus": 1}, **why).startswith("changes.gpus: ")
    Job.objects.update(state="queued")
    assert "is queued" in agent.refused("edit_job", changes={"resources": {"gpus": 1}}, **why)


def test_lists_are_short_and_say_that_there_is_more(agent):
    for number in range(4):
        builders.job(project=Project.objects.get(slug="vision"), name=f"j{number}", priority=number)

    told = agent.call("list_queued_jobs", project="vision", limit=3)

    assert ([one["name"] for one in told["jobs"]], told["more"]) == (["j3", "j2", "j1"], True)
    assert agent.call("get_queue_status", queue="default")["queues"][0]["waiting"] == 4
    assert (
        agent.refused("get_queue_status", queue="fast")
        == "queue: There is no queue fast. There are: live, default, batch."
    )
    assert agent.call("get_training_dashboard")["jobs"]["pending"] == 4


def test_an_explanation_says_why_and_until_when(agent):
    builders.running_job(node=builders.node(name="n1", gpus=2), gpu_indices=[0], max_runtime_seconds=7230)
    job = builders.job(project=Project.objects.get(slug="vision"), gpus=2)

    told = agent.call("explain_job", job_id=job.pk)

    assert told["reasons"][0]["sentence"].startswith("Needs 2 GPUs; node n1 has the most free: 1 of 2.")
    assert told["predicted_start"]["expected"]


def test_a_quote_submits_nothing(agent):
    builders.node(name="n1", gpus=2)

    told = agent.call("quote_job", job={**JOB, "resources": {"gpus": 1}})

    assert (told["starts_now"], told["nodes"]) == (True, ["n1"])
    assert not Job.objects.exists()


def test_a_budget_is_checked_before_anything_is_spent(agent):
    builders.node(gpus=4)
    Price.objects.create(target="gpu_model", per_hour=2, currency="EUR", valid_from=timezone.now())
    Budget.objects.create(
        project=Project.objects.get(slug="vision"), unit="money", currency="EUR", amount=10, hard=True,
        period="once", starts_at=timezone.now() - HOUR, ends_at=timezone.now() + 99 * HOUR,
    )  # fmt: skip
    job = {**JOB, "resources": {"gpus": 1}, "max_runtime_seconds": 3600}

    told = agent.call("check_training_budget", job=job, count=6, at_most="20")

    assert (told["runs"], told["within_at_most"], told["within_budgets"]) == (6, True, False)
    assert float(told["most_cost"]) == 12
    assert told["stopped_by"]["project"] == "vision"
    assert not Job.objects.exists()


def test_the_end_of_a_log_is_read_and_says_that_there_was_more(agent):
    attempt = builders.attempt(job=builders.job(project=Project.objects.get(slug="vision")))
    builders.log(attempt=attempt, data="".join(f"epoch {n}\n" for n in range(9)))

    told = agent.call("get_job_logs", job_id=attempt.job_id, lines=2)

    assert (told["text"], told["earlier_lines_left_out"]) == ("epoch 7\nepoch 8", True)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"resources": {"gpus": 1_000}}, "resources.gpus: "),
        ({"resources": {"gpus": "all"}}, "job.resources.gpus: "),
        ({"resources": {"gpu": 1}}, "job.resources.gpu: "),
        ({"project": "secret"}, "project: "),
        ({"command": []}, "command: "),
        ({"queue": "fast"}, "queue: "),
    ],
)
def test_what_cannot_be_is_refused_by_its_field_and_nothing_is_submitted(agent, wrong, field):
    builders.node(gpus=4)

    assert agent.refused("queue_training_job", job={**JOB, **wrong}, **ASKED).startswith(field)
    assert not Job.objects.exists()


def test_without_a_reason_nothing_is_changed(agent):
    assert agent.refused("queue_training_job", job=JOB, submission_key="k").startswith("reason: ")
    assert agent.refused("queue_training_job", job=JOB, **ASKED, priority=90).startswith("priority: There is no such")
    assert not Job.objects.exists()


def test_a_capped_token_is_told_what_is_left_and_where_to_stop(ada, over_http):
    builders.node(gpus=8)
    client = client_of(ada)
    made = client.post(f"{V1}/auth/tokens/own", {"max_gpus": 4}).json()["token"]
    agent = over_http(made)
    job = {**JOB, "resources": {"gpus": 3}}

    agent.call("queue_training_job", job=job, **ASKED)

    refusal = agent.refused("queue_training_job", job=job, reason="One more.", submission_key="second")
    assert refusal.startswith("resources.gpus: This token may have 4 GPUs at once")
    assert agent.refused("check_training_budget", job=job) == refusal
    assert Job.objects.count() == 1


def test_the_job_of_another_project_is_not_there(either):
    job = builders.job()

    for name, more in (("explain_job", {}), ("get_job_logs", {}), ("cancel_queued_job", {"reason": "Mine now."})):
        assert either.refused(name, job_id=job.pk, **more) == f"There is no job {job.pk}."
    job.refresh_from_db()
    assert job.state == "pending"


def test_a_wrong_token_lets_nobody_in(ada, over_stdio, over_http):
    for start in (over_stdio, over_http):
        assert "Invalid token" in start("wrong").refused("get_training_dashboard")


def test_over_http_nobody_acts_without_a_token_of_their_own(ada, over_http):
    assert over_http("").refused("get_training_dashboard").startswith("Authorization: ")


def test_a_server_that_is_away_is_told_apart_from_a_refusal(token, over_stdio):
    agent = over_stdio(token, url="http://127.0.0.1:9")

    assert agent.refused("get_training_dashboard").startswith("no answer from http://127.0.0.1:9")
