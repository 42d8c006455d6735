"""What a provider says, on record: a plugin's here, made of what the test says."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from jobs.messages import publishing
from jobs.planning.snapshot import take_snapshot
from jobs.recovery import quota_sync
from jobs.reports.metrics.exposition import exposition
from quotas.models import NativeQuotaRow
from quotas.providers import chosen
from quotas.providers.base import CountsByItself, ProviderError, Standing, wanted
from quotas.providers.syncing import sync
from scheduler_site.beat_schedule import beat_schedule
from scheduling.native_quotas import NativeAmounts
from tests import builders
from tests.rest import V1, client_of
from workers.models import Cluster

pytestmark = pytest.mark.django_db


class Stated(CountsByItself):
    """A provider from another package."""

    kind = "kubernetes"

    def __init__(self):
        self.said = {}
        self.fault = ""

    def sync(self, project_id=None):
        if self.fault:
            raise ProviderError(self.fault)
        return {slug: one for slug, one in self.said.items() if project_id in (None, slug)}


@pytest.fixture
def plugin(settings, monkeypatch):
    made = Stated()
    settings.QUOTA_PROVIDER = "stated"
    found = type("Found", (), {"name": "stated", "load": staticmethod(lambda: lambda: made)})
    monkeypatch.setattr(chosen, "entry_points", lambda **_: [found])
    return made


def others(slug="team"):
    return next(one.native.others for one in take_snapshot().projects if one.slug == slug)


def test_with_local_nobody_is_asked_and_no_statement_is_more(django_assert_num_queries, settings):
    builders.project(slug="team")
    assert settings.QUOTA_PROVIDER == "local"
    with django_assert_num_queries(0):
        assert sync() == ""
    assert [one.native for one in take_snapshot().projects] == [None]
    assert client_of(builders.user(staff=True)).get(f"{V1}/queues/quota/team").json()["native"] is None


def test_a_plugin_is_found_by_its_entry_point_and_read_for_all_at_once(plugin):
    for slug in ("team", "other"):
        builders.project(slug=slug)
        plugin.said[slug] = Standing(f"The budget of {slug}", NativeAmounts(gpus=4), NativeAmounts(gpus=1))
    assert sync() == ""
    assert NativeQuotaRow.objects.filter(synced_at__isnull=False, provider="stated").count() == 2
    assert others() == NativeAmounts(gpus=1)


def test_ours_count_only_on_the_providers_clusters_and_others_are_never_below_none(plugin):
    team = builders.project(slug="team")
    plugin.said["team"] = Standing(
        "The budget", NativeAmounts(gpus=8, running_jobs=5), NativeAmounts(gpus=3, running_jobs=2)
    )
    sync()
    builders.running_job(project=team, node=builders.node(name="here", gpus=4), gpu_indices=[0, 1])
    assert others() == NativeAmounts(gpus=3, running_jobs=2)
    there = Cluster.objects.create(name="ml", kind="kubernetes")
    builders.running_job(project=team, node=builders.node(name="ml-a", gpus=4, cluster=there), gpu_indices=[0, 1])
    assert others() == NativeAmounts(gpus=1, running_jobs=1)
    builders.running_job(project=team, node=builders.node(name="ml-b", gpus=4, cluster=there), gpu_indices=[0, 1, 2])
    assert others() == NativeAmounts(gpus=0, running_jobs=0)


def test_a_provider_that_is_away_holds_back_after_a_while_and_says_since_when(plugin, settings):
    team = builders.project(slug="team")
    plugin.said["team"] = Standing("The budget")
    sync()
    plugin.fault = "It is being moved."
    assert sync() == "It is being moved."
    job = builders.job(project=team)
    assert take_snapshot().waiting[0].stopped == ""  # a moment ago it was known

    NativeQuotaRow.objects.update(
        synced_at=timezone.now() - timedelta(seconds=settings.QUOTA_PROVIDER_AWAY_SECONDS + 1)
    )
    [waiting] = take_snapshot().waiting
    assert (waiting.id, str(waiting.stopped_by)) == (job.pk, "quota_provider_away")
    assert waiting.stopped.startswith("What stated allows project team was last read at 20")
    assert waiting.stopped.endswith("UTC: It is being moved.")

    plugin.fault = ""
    sync()
    assert take_snapshot().waiting[0].stopped == ""


def test_what_is_written_there_is_the_most_that_a_project_may_hold():
    """A native limit at the project's own would forbid what it may borrow."""
    top = builders.project(slug="top", quota={"gpus": 8, "borrowing_gpus": 4})
    builders.project(slug="team", parent=top, quota={"gpus": 4, "borrowing_gpus": 2, "cpus": 6, "running_jobs": 3})
    builders.project(slug="seen", parent=top, quota={"gpus": 4, "enforced": False})
    builders.project(slug="free", parent=top)
    assert wanted() == {
        "top": NativeAmounts(gpus=8),
        "team": NativeAmounts(gpus=6, cpus=6, running_jobs=3),
        "seen": NativeAmounts(),
        "free": NativeAmounts(),
    }
    assert list(wanted("team")) == ["team"]


def test_what_another_provider_said_before_counts_no_more(plugin):
    team = builders.project(slug="team")
    NativeQuotaRow.objects.create(project=team, provider="k8s", synced_at=timezone.now(), hard={"gpus": 1})
    builders.job(project=team)
    assert take_snapshot().waiting[0].stopped == "What stated allows project team has not been read yet."


def test_an_answer_that_is_older_than_what_is_on_record_is_dropped(plugin):
    team = builders.project(slug="team")
    NativeQuotaRow.objects.create(
        project=team, provider="stated", synced_at=timezone.now() + timedelta(seconds=60), hard={"gpus": 1}
    )
    plugin.said["team"] = Standing("The budget", NativeAmounts(gpus=4))
    sync()
    assert NativeQuotaRow.objects.get().hard == {"gpus": 1}


def test_a_quota_that_is_set_asks_for_the_provider_to_be_told(plugin, monkeypatch, django_capture_on_commit_callbacks):
    builders.project(slug="team")
    sent: list[Any] = []
    monkeypatch.setattr(publishing, "_publish", sent.extend)
    with django_capture_on_commit_callbacks(execute=True):
        client_of(builders.user(staff=True)).patch(f"{V1}/queues/quota/team", {"limits": {"gpus": 2}})
    assert [(one["name"], one.get("args")) for one in sent] == [
        ("trainyard.run_cycle", None),
        ("trainyard.sync_quotas", ["team"]),
    ]


def test_metrics_say_whether_it_answers_and_what_others_use(plugin):
    builders.project(slug="team")
    plugin.said["team"] = Standing("The budget", NativeAmounts(gpus=8), NativeAmounts(gpus=3))
    sync()
    text = exposition().decode()
    assert 'trainyard_quota_provider_up{provider="stated"} 1.0' in text
    assert 'trainyard_quota_provider_drift{project="team",resource="gpus"} 3.0' in text


@pytest.mark.django_db(transaction=True)
def test_a_provider_that_hangs_holds_up_one_thread_alone(plugin):
    builders.project(slug="team")
    asked, answers = threading.Event(), threading.Event()

    def hang(_=None):
        asked.set()
        assert answers.wait(20)
        return {}

    plugin.sync = hang

    def ask():
        quota_sync.sync()
        connection.close()

    first = threading.Thread(target=ask)
    first.start()
    assert asked.wait(20)
    assert quota_sync.sync() is False
    answers.set()
    first.join(20)
    assert quota_sync.sync() is True


def test_beat_asks_where_there_is_somebody_to_ask():
    def tasks(schedule):
        return {one["task"]: one["schedule"] for one in schedule.values()}

    assert "trainyard.sync_quotas" not in tasks(beat_schedule(5, 5, 15))
    assert tasks(beat_schedule(5, 5, 15, 2))["trainyard.sync_quotas"] == 2
