"""Rules of retention and for idle GPUs in the admin."""

import pytest

from jobs.models import IdleGpuRule, IdleGpuStep, JobRetention, OutputLimit
from tests import builders
from tests.admin_pages import operator, page

pytestmark = pytest.mark.django_db
RULES = "/admin/jobs/jobretention/"
LIMITS = "/admin/jobs/outputlimit/"
IDLE = "/admin/jobs/idlegpurule/"
TERMS = {"warn_minutes": "10", "requeue_priority": "5", "max_requeues": "1", "start_minutes": "0"}


def test_a_rule_is_set_and_changed():
    client, project = operator(), builders.project(slug="vision")
    client.post(f"{RULES}add/", {"project": project.pk, "days": "90"})
    rule = JobRetention.objects.get()
    assert (rule.project, rule.days, rule.changed_by) == (project, 90, "operator")
    client.post(f"{RULES}{rule.pk}/change/", {"days": ""})
    assert JobRetention.objects.get().days is None
    assert "vision" in page(client, RULES)


def test_nonsense_is_refused():
    client, project = operator(), builders.project()
    client.post(f"{RULES}add/", {"project": project.pk, "days": "0"})
    assert not JobRetention.objects.exists()


def test_a_limit_of_outputs_is_set_changed_and_held_against_the_one_above():
    client, org = operator(), builders.project(slug="org")
    team = builders.project(slug="team", parent=org)
    client.post(f"{LIMITS}add/", {"project": org.pk, "output_gb": "50"})
    limit = OutputLimit.objects.get()
    assert (limit.project, limit.most_mb, limit.changed_by) == (org, 51_200, "operator")
    refused = client.post(f"{LIMITS}add/", {"project": team.pk, "output_gb": "51"}).content.decode()
    assert "org keeps at most 50 GB, with all below it: say that or less." in refused
    client.post(f"{LIMITS}{org.pk}/change/", {"output_gb": "1.5"})
    assert OutputLimit.objects.get().most_mb == 1536
    assert "org keeps 0 bytes of at most 1.5 GB" in page(client, LIMITS)
    assert "0 bytes of outputs kept; org keeps" in page(client, f"/admin/quotas/project/{team.pk}/change/")


def test_a_rule_for_idle_gpus_is_set_and_changed():
    client, queue = operator(), builders.queue(name="night")
    client.post(f"{IDLE}add/", {"queue": queue.pk, **TERMS, "stop_minutes": "60"})
    rule = IdleGpuRule.objects.get()
    assert (rule.queue, rule.project, rule.stop_minutes, rule.changed_by) == (queue, None, 60, "operator")
    client.post(f"{IDLE}{rule.pk}/change/", TERMS)
    assert IdleGpuRule.objects.get().stop_minutes is None
    assert "idle GPUs of queue night" in page(client, IDLE)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"warn_minutes": "0"}, "greater than or equal to 1"),
        ({"suggest_minutes": "10"}, "Must be more than the 10 minutes of warn_minutes."),
        ({"requeue_priority": "101"}, "less than or equal to 100"),
        ({"project": ""}, "name one of them"),
    ],
)
def test_a_rule_for_idle_gpus_that_makes_no_sense_is_refused_with_words(wrong, words):
    client, project = operator(), builders.project()
    answer = client.post(f"{IDLE}add/", {"project": project.pk, **TERMS} | wrong)
    assert words in answer.content.decode()
    assert not IdleGpuRule.objects.exists()


def test_the_steps_that_were_taken_are_listed_also_of_jobs_that_are_gone():
    attempt = builders.attempt()
    for of in (attempt, None):
        IdleGpuStep.objects.create(attempt=of, rung="stop", idle_gpu_seconds=3600, freed_gpu_seconds=7200)
    told = page(operator(), "/admin/jobs/idlegpustep/")
    assert attempt.job.name in told
    assert "(deleted)" in told
    assert "2.00" in told
