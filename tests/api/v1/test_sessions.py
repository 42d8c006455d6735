"""Sessions beside jobs, over REST: who may, beside which jobs, how many, and what goes on record."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from jobs.models import Job, JobSession
from jobs.sessions import ending, meeting
from jobs.sessions.ending import Ended
from jobs.sessions.waiting import waiting
from scheduling.errors import NotFoundError
from tests import builders
from tests.rest import V1, client_of, faults
from workers.models import Cluster

pytestmark = pytest.mark.django_db
EXEC = {"kind": "exec", "command": ["nvidia-smi"]}


@pytest.fixture
def vision():
    return builders.project(slug="vision")


@pytest.fixture
def owner(vision):
    return builders.member(project=vision)


@pytest.fixture
def job(vision, owner):
    return builders.running_job(project=vision, owner=owner)


def ask(user, job, **body):
    return client_of(user).post(f"{V1}/jobs/{job.pk}/sessions", {**EXEC, **body})


def opened(user, job, **body):
    answer = ask(user, job, **body)
    assert answer.status_code == 201, answer.content
    return answer.json()


def token_of(job):
    return str(job.attempts.get().token)


def meet(user, job):
    """A session whose two ends have come."""
    one = opened(user, job)
    meeting.caller_comes(one["id"], one["token"], relay="127.0.0.1:1")
    return meeting.agent_comes(one["id"], token_of(job))


def test_owners_admins_and_staff_may_and_nobody_else(vision, owner, job):
    may = {
        "owner": owner,
        "admin": builders.member(project=vision, role="admin"),
        "staff": builders.user(staff=True),
        "member": builders.member(project=vision),
        "viewer": builders.member(project=vision, role="viewer"),
        "stranger": builders.user(),
    }
    assert {who: ask(user, job).status_code for who, user in may.items()} == {
        "owner": 201, "admin": 201, "staff": 201, "member": 403, "viewer": 403, "stranger": 404,
    }  # fmt: skip
    said = ask(may["member"], job).json()["detail"]
    assert said == f"Only the owner of job {job.pk}, admins of project vision and staff may work beside it."


def test_an_owner_who_may_only_look_by_now_may_not(vision):
    viewer = builders.member(project=vision, role="viewer")
    job = builders.running_job(project=vision, owner=viewer)
    assert ask(viewer, job).status_code == 403


def test_beside_a_job_that_gets_secrets_is_its_owner_alone(vision, owner, job):
    """They may be his own, and inside the job they can be read."""
    Job.objects.filter(pk=job.pk).update(secrets=["WANDB_API_KEY"])
    admin, staff = builders.member(project=vision, role="admin"), builders.user(staff=True)
    assert [ask(user, job).status_code for user in (owner, admin, staff)] == [201, 403, 403]
    assert "gets secrets" in ask(admin, job).json()["detail"]


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("pending", "waits in line"),
        ("queued", "has not started yet"),
        ("paused", "is paused"),
        ("completed", "is over (completed)"),
        ("failed", "trainyard requeue"),
    ],
)
def test_a_job_that_does_not_run_is_a_conflict_that_says_why(vision, owner, state, words):
    job = builders.job(project=vision, owner=owner, state=state)
    answer = ask(owner, job)
    assert (answer.status_code, answer.json()["state"]) == (409, state)
    assert words in answer.json()["detail"]


@pytest.mark.parametrize(
    ("kind", "remedy"), [("kubernetes", "kubectl exec"), ("slurm", "srun --overlap"), ("other", "ways of its own")]
)
def test_a_job_in_a_cluster_is_refused_by_the_cluster_s_name(vision, owner, kind, remedy):
    cluster = Cluster.objects.create(name="far", kind=kind)
    job = builders.running_job(project=vision, owner=owner, node=builders.node(cluster=cluster))
    answer = ask(owner, job)
    assert answer.status_code == 409
    assert "far" in answer.json()["detail"]
    assert remedy in answer.json()["detail"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"kind": "exec"}, "command"),
        ({"kind": "exec", "command": []}, "command"),
        ({"kind": "look"}, "kind"),
        ({"kind": "port"}, "port"),
        ({"kind": "port", "port": 0}, "port"),
        ({"kind": "port", "port": 65536}, "port"),
        ({"kind": "shell", "port": 80}, "port"),
        ({"kind": "port", "port": 80, "command": ["true"]}, "command"),
        ({"kind": "shell", "rank": 1}, "rank"),
        ({"kind": "shell", "rank": -1}, "rank"),
        ({"kind": "shell", "rows": 70_000}, "rows"),
        ({"kind": "shell", "tty": True}, "tty"),
    ],
)
def test_what_cannot_be_understood_is_refused_by_its_field(owner, job, body, field):
    answer = client_of(owner).post(f"{V1}/jobs/{job.pk}/sessions", body)
    assert answer.status_code == 400
    assert field in faults(answer)
    assert not JobSession.objects.exists()


def test_a_window_of_nothing_is_taken(owner, job):
    assert ask(owner, job, kind="shell", rows=0, columns=0).status_code == 201


def test_there_are_so_many_for_a_user_and_beside_a_job(settings, vision, owner, job):
    settings.SESSIONS_PER_USER, settings.SESSIONS_PER_JOB = 2, 3
    admin = builders.member(project=vision, role="admin")
    meet(owner, job)
    second = opened(owner, job)
    full = ask(owner, job)
    assert (full.status_code, "TRAINYARD_SESSIONS_PER_USER" in full.json()["detail"]) == (409, True)
    opened(admin, job)
    crowded = ask(admin, job)
    assert (crowded.status_code, "TRAINYARD_SESSIONS_PER_JOB" in crowded.json()["detail"]) == (409, True)
    # Whoever has not come in time counts no longer.
    JobSession.objects.filter(pk=second["id"]).update(created_at=timezone.now() - timedelta(minutes=1))
    assert ask(owner, job).status_code == 201


def test_the_switch_is_heeded(settings, owner, job):
    settings.SESSIONS = False
    answer = ask(owner, job)
    assert (answer.status_code, "TRAINYARD_SESSIONS" in answer.json()["detail"]) == (403, True)


def test_each_end_comes_once_and_by_its_own_word(owner, job):
    one, other = opened(owner, job), opened(owner, job)
    with pytest.raises(NotFoundError):
        meeting.agent_comes(one["id"], token_of(job))  # the caller is not there yet
    for word in ("", "wrong", other["token"], token_of(job), "\ud800"):
        with pytest.raises(NotFoundError):
            meeting.caller_comes(one["id"], word, relay="127.0.0.1:1")
    meeting.caller_comes(one["id"], one["token"], relay="127.0.0.1:1")
    with pytest.raises(NotFoundError):
        meeting.caller_comes(one["id"], one["token"], relay="127.0.0.1:2")
    assert [str(row.pk) for row in waiting([job.attempts.get().placements.get().pk])] == [one["id"]]
    for token in ("", one["token"], str(uuid4())):
        with pytest.raises(NotFoundError):
            meeting.agent_comes(one["id"], token)
    meeting.agent_comes(one["id"], token_of(job))
    with pytest.raises(NotFoundError):
        meeting.agent_comes(one["id"], token_of(job))


def test_the_history_says_who_did_what_for_how_long_and_how_it_ended(owner, job):
    session = meet(owner, job)
    JobSession.objects.filter(pk=session.pk).update(agent_at=timezone.now() - timedelta(seconds=90))
    ending.end([Ended(session.pk, 3)])
    ending.end([Ended(session.pk, 4)])  # said twice
    begun, ended = job.events.filter(kind__startswith="session_").order_by("pk")
    assert (begun.kind, begun.actor, ended.kind, ended.actor) == (
        "session_opened", owner.username, "session_ended", owner.username,
    )  # fmt: skip
    assert begun.data == {"session": str(session.pk), "kind": "exec", "rank": 0, "command": ["nvidia-smi"]}
    assert ended.data["exit_code"] == 3
    assert 89 < ended.data["seconds"] < 120
    assert "nvidia-smi; exit code 3" in ended.message


def test_what_nobody_ended_is_ended_and_what_never_began_is_no_history(owner, job):
    forgotten, left, never = meet(owner, job), meet(owner, job), opened(owner, job)
    placement = left.placement
    ending.end_left_behind([placement.pk])
    assert set(JobSession.objects.filter(ended_at__isnull=True).values_list("pk", flat=True)) == {
        JobSession.objects.get(pk=never["id"]).pk
    }
    assert ending.end_forgotten() == 0
    JobSession.objects.update(created_at=timezone.now() - timedelta(minutes=5))
    assert ending.end_forgotten() == 1
    JobSession.objects.filter(pk=forgotten.pk).update(ended_at=None)
    placement.closed_at, placement.state = timezone.now() - timedelta(minutes=5), "closed"
    placement.save()
    assert ending.end_forgotten() == 1
    assert job.events.filter(kind="session_ended", message__contains="ended with its attempt").count() == 1


def test_those_that_are_on_are_seen_and_ended(vision, owner, job):
    session = meet(owner, job)
    viewer = builders.member(project=vision, role="viewer")
    [seen] = client_of(viewer).get(f"{V1}/jobs/{job.pk}/sessions").json()
    assert (seen["user"], seen["kind"], seen["command"], seen["job"]) == (
        owner.username,
        "exec",
        ["nvidia-smi"],
        job.pk,
    )
    assert "token" not in str(seen)
    address = f"{V1}/sessions/{session.pk}"
    assert meeting.why_not_any_more(session.pk) == ""
    assert client_of(builders.user()).delete(address).status_code == 404
    assert client_of(viewer).delete(address).status_code == 403
    assert client_of(owner).delete(address).status_code == 204
    assert client_of(owner).delete(address).status_code == 404
    assert meeting.why_not_any_more(session.pk) == "The session was ended."


def test_who_may_not_any_more_is_told(vision, owner, job):
    session = meet(owner, job)
    owner.memberships.update(role="viewer") if hasattr(owner, "memberships") else vision.memberships.update(
        role="viewer"
    )
    assert meeting.why_not_any_more(session.pk) == f"You may not be beside job {job.pk} any more."


@pytest.mark.parametrize("end", ["caller", "agent"])
def test_a_web_socket_needs_the_words_and_a_server_that_hands_over(owner, job, end):
    one = opened(owner, job)
    address = f"{V1}/sessions/{one['id']}/{end}"
    plain = client_of().get(address)
    assert (plain.status_code, list(faults(plain))) == (400, ["Upgrade"])
    asking = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"}
    bad = client_of().get(address, headers=asking | {"Sec-WebSocket-Key": "no key"})
    assert bad.status_code == 400
    good = client_of().get(address, headers=asking | {"Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="})
    assert good.status_code == 503
    assert "gunicorn" in good.json()["detail"]
    assert not JobSession.objects.filter(caller_at__isnull=False).exists()
