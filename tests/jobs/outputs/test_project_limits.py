"""What a project keeps in all: the newest come in, the oldest that nobody keeps go for them, and what goes is said."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from jobs.models import Job, JobEvent, KeptFile, KeptOutputs, OutputLimit
from jobs.outputs import project_limits, reading
from jobs.outputs.project_limits import in_words
from jobs.recovery import old_outputs
from tests import builders
from tests.api.v1.test_outputs import Agent
from tests.racing import race
from tests.rest import V1, client_of, faults

pytestmark = pytest.mark.django_db
MB = 2**20


@pytest.fixture(autouse=True)
def code_folder(settings, tmp_path):
    options = {"location": str(tmp_path / "code")}
    settings.STORAGES = settings.STORAGES | {"code": {"BACKEND": settings.FILES, "OPTIONS": options}}


@pytest.fixture
def project():
    return limited(builders.project(slug="vision"), 3)


def limited(project, mb):
    OutputLimit.objects.update_or_create(project=project, defaults={"most_mb": mb})
    return project


def left(project, *, days_ago=1, mb=1, state="completed", seed=b"", files=(("model.pt", "output"),), **fields):
    """A job that ended so long ago, and what it left."""
    job = builders.job(state="queued", project=project, **fields)
    agent = Agent(job)
    if state != "queued":
        at = timezone.now() - timedelta(days=days_ago)
        Job.objects.filter(pk=job.pk).update(state=state, finished_at=at if state == "completed" else None)
    for name, kind in files:
        agent.leave(name, (seed or str(job.pk).encode()) + bytes(mb * MB - len(seed or str(job.pk))), kind=kind)
    agent.complete()
    KeptOutputs.objects.filter(attempt__job=job).update(kept_at=timezone.now() - timedelta(days=days_ago))
    return job


def states(*jobs):
    return [reading.summary(reading.attempt_of(job, None)).state for job in jobs]


def test_the_oldest_that_nobody_keeps_go_for_the_newest_and_their_history_says_so(project):
    oldest, kept, young = left(project, days_ago=9), left(project, days_ago=8, keep_outputs=True), left(project)
    assert project_limits.used_by([project.pk]) == 3 * MB

    new = left(project, days_ago=0)

    assert states(oldest, kept, young, new) == ["forgotten", "kept", "kept", "kept"]
    assert not KeptFile.objects.filter(outputs__attempt__job=oldest).exists()
    event = JobEvent.objects.get(kind="outputs_forgotten")
    assert event.job_id == oldest.pk
    assert event.message.startswith("Its outputs, 1 MB. Forgotten to make room: vision keeps at most 3 MB")
    assert "Forgotten to make room" in reading.summary(reading.attempt_of(oldest, None)).message


def test_what_is_kept_still_needed_or_of_a_job_that_goes_on_never_goes_and_the_new_is_left_out_with_why(project):
    stay = [left(project, days_ago=9, keep_outputs=True), left(project, days_ago=8), left(project, state="pending")]
    builders.job(inputs=[{"job": stay[1].pk, "path": "", "to": "x"}])

    new = left(project, days_ago=0)

    assert states(*stay, new) == ["kept"] * 4
    [file] = KeptFile.objects.filter(outputs__attempt__job=new)
    assert (file.state, file.blobs) == ("left_out", [])
    assert file.message == "No room for it: vision keeps at most 3 MB, and 3 MB are to stay."
    told = reading.summary(reading.attempt_of(new, None))
    assert (told.files, told.left_out, told.left_out_bytes) == (0, 1, MB)
    event = JobEvent.objects.get(job=new).message
    assert event == f"Of what attempt 1 left 1 files with 1048576 bytes are not kept. {file.message}"
    assert project_limits.used_by([project.pk]) == 3 * MB


def test_what_could_never_fit_has_nobody_elses_go(project):
    old = left(project)
    new = left(project, mb=2, files=(("a", "output"), ("b", "output")))
    assert states(old) == ["kept"]
    assert list(KeptFile.objects.filter(outputs__attempt__job=new).values_list("path", "state")) == [
        ("a", "kept"), ("b", "left_out"),
    ]  # fmt: skip
    left(limited(builders.project(), 1), mb=2)
    young = left(project, days_ago=0)
    assert states(new, young) == ["kept", "kept"]


def test_checkpoints_of_a_job_that_goes_on_come_in_all_the_same_and_go_once_it_is_over(project):
    [left(project, keep_outputs=True) for _ in range(3)]
    goes_on = left(project, state="pending", files=(("step-1", "checkpoint"), ("model.pt", "output")))
    assert set(KeptFile.objects.filter(outputs__attempt__job=goes_on).values_list("path", "state")) == {
        ("step-1", "kept"), ("model.pt", "left_out"),
    }  # fmt: skip
    assert "1 MB over the limit" in project_limits.standing_of(project.pk).sentence
    old_outputs.prune()
    assert states(goes_on) == ["kept"]
    Job.objects.filter(pk=goes_on.pk).update(state="completed", finished_at=timezone.now())
    old_outputs.prune()
    assert states(goes_on) == ["forgotten"]


def test_a_limit_holds_for_all_below_and_each_level_makes_its_own_room():
    org = limited(builders.project(slug="org"), 3)
    team, other = limited(builders.project(slug="team", parent=org), 2), builders.project(slug="other", parent=org)
    first, second, elsewhere = left(team, days_ago=5), left(team, days_ago=4), left(other, days_ago=9)

    third = left(team, days_ago=0)
    assert states(first, second, elsewhere, third) == ["forgotten", "kept", "kept", "kept"]
    fourth = left(other, days_ago=0)
    assert states(second, elsewhere, third, fourth) == ["kept", "forgotten", "kept", "kept"]


def test_a_limit_that_was_lowered_counts_with_the_next_clean_up(project):
    jobs = [left(project, days_ago=day) for day in (3, 2, 1)]
    limited(project, 1)
    old_outputs.prune()
    assert states(*jobs) == ["forgotten", "forgotten", "kept"]


def test_an_agent_that_begins_again_takes_no_room_twice(project):
    job = builders.job(state="queued", project=project)
    agent = Agent(job)
    for _ in range(2):
        agent.leave("model.pt", bytes(2 * MB))
    assert agent.client.get(agent.url).json()["project_bytes"] == 3 * MB
    agent.complete()
    assert [(file.state, file.size) for file in KeptFile.objects.all()] == [("kept", 2 * MB)]
    assert KeptOutputs.objects.get().size == 2 * MB


def test_without_a_limit_nobody_is_asked(project):
    free = builders.project(slug="free")
    job = builders.job(state="queued", project=free)
    agent = Agent(job)
    assert agent.client.get(agent.url).json()["project_bytes"] is None
    assert project_limits.standing_of(free.pk).sentence == "0 bytes of outputs kept, no limit"


def test_the_platforms_default_holds_for_each_project_by_itself_where_nobody_says_another_one(settings):
    settings.OUTPUT_PROJECT_GB = 1 / 1024
    org = builders.project(slug="org")
    team = builders.project(slug="team", parent=org)
    more = limited(builders.project(slug="more", parent=org), 2)
    old, elsewhere = left(team, days_ago=5), left(org, days_ago=9)

    young, of_more = left(team, days_ago=0), [left(more, days_ago=day) for day in (2, 1)]

    assert states(old, elsewhere, young, *of_more) == ["forgotten", "kept", "kept", "kept", "kept"]
    assert "Forgotten to make room: team keeps at most 1 MB" in JobEvent.objects.get(kind="outputs_forgotten").message
    assert project_limits.standing_of(team.pk).sentence == "1 MB of outputs kept; team keeps 1 MB of at most 1 MB"
    limited(org, 2)
    left(more, days_ago=0)
    assert states(elsewhere, young, *of_more) == ["forgotten", "kept", "forgotten", "forgotten"]


def test_a_default_that_was_lowered_counts_with_the_next_clean_up(settings):
    free = builders.project()
    jobs = [left(free, days_ago=day) for day in (3, 2)]
    limit = left(limited(builders.project(slug="limited"), 3), mb=3)
    settings.OUTPUT_PROJECT_GB = 1 / 1024
    old_outputs.prune()
    assert states(*jobs, limit) == ["forgotten", "kept", "kept"]


def test_more_than_the_platforms_default_is_said_by_staff_alone(settings):
    settings.OUTPUT_PROJECT_GB = 10
    org = builders.project(slug="org")
    team = builders.project(slug="team", parent=org)
    staff, above = client_of(builders.user(staff=True)), client_of(builders.member(project=org, role="admin"))
    url = f"{V1}/projects/{team}/retention"

    assert above.get(url).json()["output_gb"] == 10
    assert above.patch(url, {"output_gb": 11}).status_code == 403
    assert above.patch(url, {"output_gb": 5}).json()["output_gb"] == 5
    assert staff.patch(url, {"output_gb": 11}).json()["output_gb"] == 11


def test_a_batch_of_new_files_sums_up_once_what_its_attempt_left():
    def summed(agent, name, content):
        with CaptureQueriesContext(connection) as asked:
            agent.leave(name, content)
        return sum('AS "outputs", SUM("jobs_keptfile"."size")' in one["sql"] for one in asked)

    agent = Agent(builders.job(state="queued", project=builders.project()))
    assert summed(agent, "model.pt", b"1") == 1
    assert summed(agent, "model.pt", b"two") == 2  # its size is taken away first
    assert KeptOutputs.objects.get().size == 3


@pytest.mark.parametrize("by_default", [False, True])
def test_of_two_uploads_at_once_the_second_sees_what_the_first_has_taken(transactional_db, settings, by_default):
    project = builders.project()
    if by_default:
        settings.OUTPUT_PROJECT_GB = 1 / 1024
    else:
        limited(project, 1)
    jobs = [builders.job(state="queued", project=project) for _ in range(2)]
    agents = [Agent(job) for job in jobs]
    for agent in agents:
        agent.upload(bytes(MB))
    race(lambda: agents[0].leave("a", bytes(MB)), lambda: agents[1].leave("b", bytes(MB)))
    assert set(KeptFile.objects.values_list("path", "state")) == {("a", "kept"), ("b", "left_out")}


def test_it_is_set_by_those_above_and_below_their_limit_by_its_own_administrators():
    org = builders.project(slug="org")
    team = builders.project(slug="team", parent=org)
    staff, above = client_of(builders.user(staff=True)), client_of(builders.member(project=org, role="admin"))
    own, member = client_of(builders.member(project=team, role="admin")), client_of(builders.member(project=team))

    def ask(client, gb, slug="team"):
        return client.patch(f"{V1}/projects/{slug}/retention", {"output_gb": gb})

    assert ask(own, 1).status_code == 403  # nothing above has a limit
    assert ask(above, 50, "org").status_code == 403
    assert ask(staff, 50, "org").json()["output_gb"] == 50
    assert ask(own, 0.005).json()["output_gb"] == 0.005
    told = ask(own, 20).json()
    assert (told["output_gb"], told["output_gb_from_project"], told["outputs_kept_gb"]) == (20, "team", 0)
    assert faults(ask(own, 51)) == {"output_gb": "org keeps at most 50 GB, with all below it: say that or less."}
    assert "output_gb" in faults(ask(above, 51))
    assert ask(member, 1).status_code == 403
    assert OutputLimit.objects.get(project=team).changed_by
    assert ask(own, None).json()["output_gb_from_project"] == "org"
    used = own.get(f"{V1}/projects/team/usage").json()["kept_outputs"]
    assert (used["limit_gb"], used["limit_of"], used["used_gb"], used["code_gb"]) == (50, "org", 0, 0)


@pytest.mark.parametrize("gb", [-1, "many", True, 1e30])
def test_nonsense_is_refused_by_its_field(project, gb):
    answer = client_of(builders.user(staff=True)).patch(f"{V1}/projects/vision/retention", {"output_gb": gb})
    assert list(faults(answer)) == ["output_gb"]


@pytest.mark.parametrize(
    ("size", "words"),
    [(10, "10 bytes"), (3 * MB, "3 MB"), (1536 * MB, "1.5 GB"), (2**40, "1,024 GB"), (100 * 2**30, "100 GB")],
)
def test_sizes_are_said_as_people_do(size, words):
    assert in_words(size) == words
