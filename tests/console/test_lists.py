"""No list of the admin asks the database more often when it shows more rows."""

from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from jobs.models import Job, Preemption
from quotas.costs import ledger
from quotas.costs.ledger import HeldPlacement
from quotas.models import Price
from scheduling.sharing.prices import Holding
from tests import builders
from tests.admin_pages import operator, queries

pytestmark = pytest.mark.django_db
LISTS = (
    "/admin/jobs/job/", "/admin/jobs/queue/", "/admin/jobs/attempt/", "/admin/jobs/placement/",
    "/admin/jobs/preemption/", "/admin/jobs/jobevent/", "/admin/workers/node/", "/admin/quotas/project/", "/admin/",
    "/admin/quotas/price/", "/admin/quotas/ledgertransaction/",
)  # fmt: skip


def grow(rows: int) -> None:
    """So many more jobs that wait, run and are over, each with its own project, owner, queue, node and history."""
    for _ in range(rows):
        user = builders.user()
        project = builders.project(members=[user], quota={"gpus": 4}, parent=builders.project())
        owned: dict[str, Any] = {"project": project, "owner": user, "queue": builders.queue(max_running=3)}
        builders.job(reasons=[{"sentence": "Full."}], **owned)
        builders.running_job(gpu_indices=[0, 1], progress=0.5, **owned)
        over = builders.job(state="failed", node=builders.node(), **owned)
        ended = builders.attempt(job=over, ended_at=timezone.now(), end_reason="exit_code")
        builders.placement(attempt=ended, gpu_indices=[0], state="closed")
        builders.event(job=over, to_state="failed")
        name = f"type{ended.pk}"
        price = Price.objects.create(
            target="node_type", name=name, per_hour=1, currency="EUR", valid_from=timezone.now()
        )
        held = HeldPlacement(ended.pk, over.pk, name, 1, project.pk, project.slug, name, price.valid_from, Holding())
        ledger.hold([(held, Decimal(1))])
        Preemption.objects.create(attempt=ended, for_job=over, strategy="priority", lost_seconds=60)


def test_the_number_of_queries_does_not_grow_with_the_rows():
    client = operator()
    grow(5)
    few = {address: queries(client, address) for address in LISTS}
    grow(20)
    assert {address: queries(client, address) for address in LISTS} == few


def test_a_node_page_takes_the_same_queries_whatever_runs_there():
    client = operator()
    quiet, busy = builders.node(gpus=1), builders.node(gpus=20, cpus=64)
    builders.running_job(node=quiet, gpu_indices=[0])
    for index in range(20):
        builders.running_job(node=busy, gpu_indices=[index])
    assert queries(client, f"/admin/workers/node/{quiet.pk}/change/") == queries(
        client, f"/admin/workers/node/{busy.pk}/change/"
    )


def test_the_history_is_only_read():
    client = operator()
    job = builders.running_job()
    attempt = job.attempts.get()
    rows = {"attempt": attempt, "placement": attempt.placements.get(), "jobevent": builders.event(job=job)}
    for name, row in rows.items():
        address = f"/admin/jobs/{name}/"
        assert client.get(f"{address}{row.pk}/change/").status_code == 200
        refused = [client.post(f"{address}{row.pk}/{verb}/").status_code for verb in ("change", "delete")]
        assert [client.get(f"{address}add/").status_code, *refused] == [403, 403, 403]
    assert Job.objects.count() == 1


@pytest.mark.parametrize("name", ["attempt", "placement", "jobevent"])
def test_the_history_of_a_job_is_found_by_its_number(name):
    client = operator()
    wanted, other = builders.running_job(), builders.running_job()
    for job in (wanted, other):
        builders.event(job=job)
    found = client.get(f"/admin/jobs/{name}/", {"q": wanted.pk}).context["cl"].result_list
    assert {getattr(row, "job_id", None) or row.attempt.job_id for row in found} == {wanted.pk}


def test_events_are_found_by_who_caused_them():
    client = operator()
    builders.event(actor="ana")
    builders.event(actor="anna")
    found = client.get("/admin/jobs/jobevent/", {"q": "ana"}).context["cl"].result_list
    assert [event.actor for event in found] == ["ana"]
