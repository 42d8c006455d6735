"""`trainyard workloads`: the guide's commands against the real site, and how people are told what went wrong."""

import json
import shlex
from pathlib import Path

import pytest
from knox.models import AuthToken

from jobs.models import Job, Workload
from quotas.models import Project
from tests import builders

pytestmark = pytest.mark.django_db(transaction=True)

GUIDE = Path(__file__).parents[2] / "docs" / "guide" / "workloads.md"
SWEEP = """
[defaults]
command = ["true"]
[[jobs]]
name = "a"
[[jobs]]
name = "b"
"""


@pytest.fixture
def ada(live_server, monkeypatch):
    builders.queue(name="default")
    ada = builders.user(username="ada")
    builders.project(slug="vision", members=[ada])
    monkeypatch.setenv("TRAINYARD_URL", live_server.url)
    monkeypatch.setenv("TRAINYARD_TOKEN", AuthToken.objects.create(ada)[1])
    monkeypatch.setenv("TRAINYARD_PROJECT", "vision")
    return ada


def commands():
    """What stands in the guide's blocks for a shell."""
    _, *blocks = GUIDE.read_text(encoding="utf-8").split("```sh\n")
    lines = (line for block in blocks for line in block.partition("```")[0].splitlines())
    return [shlex.split(line)[1:] for line in lines if line.startswith("trainyard ")]


def test_the_commands_of_the_guide_do_what_it_says(ada, trainyard):
    Path("sweep.toml").write_text(SWEEP, encoding="utf-8")
    said = {tuple(words): trainyard(*words) for words in commands()}

    assert len(said) > 8
    assert {words: one.err for words, one in said.items() if one.code} == {}
    assert said["workloads", "pause", "sweep-7"].out == "workload sweep-7 is paused: 2 pending\n"
    sweep, evaluation = Workload.objects.get(name="sweep-7"), Workload.objects.get(name="eval")
    assert (sweep.wanted, sweep.max_running, sweep.stop_on_failure) == ("open", 8, True)
    assert set(sweep.jobs.values_list("state", "priority")) == {("pending", 10)}
    assert (evaluation.wanted, set(evaluation.jobs.values_list("state", flat=True))) == ("cancelled", {"cancelled"})


def test_the_list_tells_how_each_stands(ada, trainyard):
    sweep = builders.workload(project=Project.objects.get(), name="sweep", owner=ada)
    builders.job(project=sweep.project, workload=sweep, state="completed")
    builders.job(project=sweep.project, workload=sweep, progress=0.5)

    title, row = trainyard("workloads").out.splitlines()

    assert title.split()[:4] == ["WORKLOAD", "PROJECT", "OWNER", "STATE"]
    assert row.split()[:6] == ["sweep", "vision", "ada", "waiting", "1/2", "75%"]


def test_show_tells_the_first_failure_and_the_best(ada, trainyard):
    sweep = builders.workload(project=Project.objects.get(), name="sweep", owner=ada)
    builders.job(project=sweep.project, workload=sweep, state="failed", name="lr-3", message="Exit code 3.")
    builders.job(project=sweep.project, workload=sweep, name="lr-1", metrics={"loss": 0.25})

    told = trainyard("workloads", "show", "sweep", "--best", "loss", "--lowest").out

    assert "lr-3: Exit code 3." in told
    assert "LOSS" in told
    assert "0.25" in told
    assert json.loads(trainyard("workloads", "show", str(sweep.pk), "--json").out)["counts"] == {
        "pending": 1,
        "failed": 1,
    }


def test_a_name_that_is_not_there_is_refused_with_those_that_are(ada, trainyard):
    builders.workload(project=Project.objects.get(), name="sweep", owner=ada)

    outcome = trainyard("workloads", "pause", "swep")

    assert outcome.code == 1
    assert "there is no workload 'swep'; there are: sweep" in outcome.err
    assert "there is no workload 'swep'" in trainyard("list", "--workload", "swep").err


def test_a_name_that_several_projects_have_wants_the_project(ada, trainyard):
    other = builders.project(slug="speech", members=[ada])
    for project in (Project.objects.get(slug="vision"), other):
        builders.workload(project=project, name="sweep", owner=ada)

    outcome = trainyard("workloads", "pause", "sweep")
    assert (outcome.code, "speech, vision" in outcome.err) == (2, True)

    assert trainyard("workloads", "pause", "sweep", "-p", "speech").code == 0
    assert set(Workload.objects.values_list("project__slug", "wanted")) == {("speech", "paused"), ("vision", "open")}


def test_a_cancellation_asks_first(ada, trainyard):
    sweep = builders.workload(project=Project.objects.get(), name="sweep", owner=ada)
    job = builders.job(project=sweep.project, workload=sweep)

    outcome = trainyard("workloads", "cancel", "sweep")

    assert (outcome.code, "add --yes" in outcome.err) == (2, True)
    assert Job.objects.get(pk=job.pk).state == "pending"


def test_terms_of_a_workload_want_its_name(ada, trainyard):
    Path("sweep.toml").write_text(SWEEP, encoding="utf-8")
    outcome = trainyard("batch", "sweep.toml", "--max-running", "2")
    assert (outcome.code, "--max-running is of a workload: name it with --workload" in outcome.err) == (2, True)
    assert trainyard("workloads", "set", "sweep", "--max-running", "few").code == 2


def test_one_that_another_project_has_is_refused_where_it_is_not(ada, trainyard):
    builders.project(slug="audio", members=[ada])
    trainyard("workloads", "create", "sweep")

    outcome = trainyard("workloads", "show", "sweep", "--project", "audio")

    assert (outcome.code, outcome.err) == (1, "error: there is no workload sweep there: see trainyard workloads\n")
