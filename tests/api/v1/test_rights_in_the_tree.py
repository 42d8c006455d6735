"""Who belongs to a project acts on it and on all that lies below it as his role says; never on what is above or beside.

Every operation that REST has stands in a table here. One that comes later has to be put into one of them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, NamedTuple

import pytest
from django.db import transaction
from django.utils import timezone
from drf_spectacular.generators import SchemaGenerator

from jobs.models import JobMove, Preemption
from jobs.models.planning import Reservation
from quotas.models import Budget, Project
from tests import builders
from tests.rest import V1, client_of

pytestmark = pytest.mark.django_db
ROLES = ("viewer", "member", "admin")
SEEN, UNSEEN = ("own", "below"), ("above", "beside")
NOT_HIS = 403


class Rule(NamedTuple):
    """What viewer, member and admin of `own` are answered about it, and about what lies below it."""

    own: tuple[bool, bool, bool]
    below: tuple[bool, bool, bool]


ALL, MEMBERS, ADMINS, NOBODY = (True,) * 3, (False, True, True), (False, False, True), (False,) * 3
READ = Rule(ALL, ALL)
SUBMIT = CONTROL = Rule(MEMBERS, MEMBERS)
MANAGE = Rule(ADMINS, ADMINS)
GRANT = Rule(NOBODY, ADMINS)
"""What somebody above a project decides: its quota, its weight, its hard budgets, its end."""

JOB = {"command": ["true"]}
SOFT = {"amount": "5", "unit": "gpu_hours", "period": "day"}
ABOUT_A_PROJECT: tuple[Any, ...] = (
    ("GET", "projects/{slug}", None, READ, 200),
    ("PATCH", "projects/{slug}", {"name": "Other", "archived": True}, MANAGE, 200),
    ("PATCH", "projects/{slug}", {"weight": 3}, GRANT, 200),
    ("PATCH", "projects/{slug}", {"parent": None}, Rule(NOBODY, NOBODY), 200),
    ("DELETE", "projects/{slug}", None, GRANT, 409),  # there are jobs in it
    ("GET", "projects/{slug}/members", None, READ, 200),
    ("POST", "projects/{slug}/members", {"user": "new"}, MANAGE, 201),
    ("GET", "projects/{slug}/members/known", None, READ, 200),
    ("PATCH", "projects/{slug}/members/known", {"role": "admin"}, MANAGE, 200),
    ("DELETE", "projects/{slug}/members/known", None, MANAGE, 204),
    ("GET", "projects/{slug}/usage", None, READ, 200),
    ("GET", "projects/{slug}/budgets", None, READ, 200),
    ("POST", "projects/{slug}/budgets", SOFT, MANAGE, 201),
    ("POST", "projects/{slug}/budgets", SOFT | {"hard": True}, GRANT, 201),
    ("GET", "projects/{slug}/retention", None, READ, 200),
    ("PATCH", "projects/{slug}/retention", {"job_days": 5}, MANAGE, 200),
    ("DELETE", "projects/{slug}/retention", None, MANAGE, 200),
    ("GET", "projects/{slug}/idle-gpus", None, READ, 200),
    ("PATCH", "projects/{slug}/idle-gpus", {"warn_minutes": 30}, MANAGE, 200),
    ("DELETE", "projects/{slug}/idle-gpus", None, MANAGE, 200),
    ("GET", "projects/{slug}/secrets", None, CONTROL, 200),
    ("GET", "queues/quota/{slug}", None, READ, 200),
    ("PATCH", "queues/quota/{slug}", {"limits": {"gpus": 1}}, GRANT, 200),
    ("POST", "queues/quota/{slug}/sync", {}, READ, 200),
    ("GET", "budgets/{soft}", None, READ, 200),
    ("PATCH", "budgets/{soft}", {"amount": "6"}, MANAGE, 200),
    ("PATCH", "budgets/{soft}", {"hard": True}, GRANT, 200),
    ("DELETE", "budgets/{soft}", None, MANAGE, 204),
    ("PATCH", "budgets/{hard}", {"amount": "6"}, GRANT, 200),
    ("PATCH", "budgets/{hard}", {"hard": False}, GRANT, 200),
    ("DELETE", "budgets/{hard}", None, GRANT, 204),
    ("GET", "costs?project={slug}", None, READ, 200),
    ("GET", "costs/export?project={slug}", None, READ, 200),
    ("GET", "usage?project={slug}", None, READ, 200),
    ("GET", "usage/export?project={slug}", None, READ, 200),
    ("GET", "usage/fairness?project={slug}", None, READ, 200),
)
ABOUT_A_JOB: tuple[Any, ...] = (
    ("GET", "jobs/{waiting}", None, READ, 200),
    ("PATCH", "jobs/{waiting}", {"name": "other"}, CONTROL, 200),
    ("POST", "jobs/{waiting}/cancel", {}, CONTROL, 200),
    ("POST", "jobs/{running}/cancel", {}, CONTROL, 200),
    ("POST", "jobs/{failed}/requeue", {}, CONTROL, 200),
    ("POST", "jobs/{waiting}/pause", {}, CONTROL, 200),
    ("POST", "jobs/{paused}/resume", {}, CONTROL, 200),
    ("POST", "jobs/{waiting}/hold", {}, CONTROL, 200),
    ("POST", "jobs/{held}/release", {}, CONTROL, 200),
    ("GET", "jobs/{running}/logs", None, READ, 200),
    ("GET", "jobs/{running}/metrics", None, READ, 200),
    ("GET", "jobs/{running}/events", None, READ, 200),
    ("GET", "jobs/{running}/attempts", None, READ, 200),
    ("GET", "jobs/{running}/efficiency", None, READ, 200),
    ("GET", "jobs/{running}/outputs", None, READ, 200),
    ("PATCH", "jobs/{running}/outputs", {"keep": True}, CONTROL, 200),
    ("POST", "jobs/{running}/clone", {}, SUBMIT, 201),
    ("GET", "jobs/{running}/sessions", None, READ, 200),
    ("POST", "jobs/{running}/sessions", {"kind": "shell"}, MANAGE, 201),
    ("GET", "jobs/{waiting}/explain", None, READ, 200),
    ("GET", "jobs/{waiting}/preemption-candidates", None, READ, 200),
    ("GET", "jobs/{moving}/migrations", None, READ, 200),
    ("GET", "jobs/{running}/migrations/plan", None, READ, 200),
    ("POST", "jobs/{running}/migrations", {"dry_run": True}, CONTROL, 200),
    ("POST", "jobs/{running}/migrations", {"force": True}, CONTROL, 201),
    ("GET", "jobs/{moving}/migrations/{move}", None, READ, 200),
    ("DELETE", "jobs/{moving}/migrations/{move}", None, CONTROL, 200),
    ("POST", "jobs/{moving}/migrations/{move}/rollback", {}, CONTROL, 409),  # it is not done
)
ABOUT_A_WORKLOAD: tuple[Any, ...] = (
    ("GET", "workloads/{workload}", None, READ, 200),
    ("GET", "workloads/{workload}/statistics", None, READ, 200),
    ("PATCH", "workloads/{workload}", {"max_running": 2}, MANAGE, 200),
    ("DELETE", "workloads/{workload}", None, MANAGE, 409),  # a job of it waits
    ("POST", "workloads/{workload}/start", {}, MANAGE, 200),
    ("POST", "workloads/{workload}/pause", {}, MANAGE, 200),
    ("POST", "workloads/{workload}/resume", {}, MANAGE, 200),
    ("POST", "workloads/{workload}/cancel", {}, MANAGE, 200),
    ("POST", "workloads/{workload}/retry-failed", {}, MANAGE, 200),
)
"""Of somebody else: what its owner may is in tests/api/v1/test_workloads.py."""
NAMING_A_PROJECT = (
    ("POST", "jobs", lambda slug: JOB | {"project": slug}, SUBMIT, 201),
    ("POST", "jobs/batch", lambda slug: {"jobs": [JOB | {"project": slug}] * 2}, SUBMIT, 201),
    ("POST", "jobs/quote", lambda slug: JOB | {"project": slug}, SUBMIT, 200),
    ("POST", "projects", lambda slug: {"slug": "more", "parent": slug}, MANAGE, 201),
    ("POST", "workloads", lambda slug: {"name": "new", "project": slug}, SUBMIT, 201),
)
"""In the body: what is not there for the caller is a fault of the field."""
OF_MANY_JOBS: tuple[Any, ...] = (
    ("POST", "jobs/cancel", "waiting", {}),
    ("POST", "jobs/requeue", "failed", {}),
    ("POST", "jobs/pause", "waiting", {}),
    ("POST", "jobs/resume", "paused", {}),
    ("POST", "jobs/hold", "waiting", {}),
    ("POST", "jobs/release", "held", {}),
    ("PATCH", "jobs", "waiting", {"priority": 40}),
)
LISTS = {
    "jobs": lambda row: row["project"],
    "projects": lambda row: row["slug"],
    "budgets": lambda row: row["project"],
    "migrations": lambda row: row["project"],
    "scheduler/preemptions": lambda row: row["project"],
    "workloads": lambda row: row["project"],
}
BY_STAFF_ALONE = (
    ("POST", "jobs/scheduler/trigger", lambda slug: {"project_id": slug}),
    ("PATCH", "scheduler/settings", lambda _: {"backfill": "none"}),
    ("POST", "reservations", lambda slug: {"project": slug}),
    ("POST", "queues", lambda slug: {"name": "own", "allowed_projects": [slug]}),
    ("PATCH", "queues/default", lambda slug: {"allowed_projects": [slug]}),
)
ELSEWHERE = {
    "GET reservations": "test_reservations_are_seen_by_those_who_may_use_them",
    "GET reservations/{}": "test_reservations_are_seen_by_those_who_may_use_them",
    "DELETE reservations/{}": "test_reservations_are_seen_by_those_who_may_use_them",
    "GET dashboard": "test_the_dashboard_counts_what_one_sees",
    "GET system": "tests/api/v1/test_system.py",
    "GET jobs/scheduler/info": "of the whole platform, without names",
    **dict.fromkeys(("GET scheduler/settings", "GET scheduler/settings/history"), "of the whole platform"),
    "GET scheduler/preemptions/statistics": "tests/api/v1/test_preemptions.py",
    "GET queues": "of the whole platform",
    "GET queues/{}": "of the whole platform",
    "GET queues/{}/idle-gpus": "of the whole platform",
    "PATCH queues/{}/idle-gpus": "tests/api/v1/test_idle_gpus.py",
    "DELETE queues/{}/idle-gpus": "tests/api/v1/test_idle_gpus.py",
    **dict.fromkeys(("GET pools", "GET pools/{}"), "of the whole platform"),
    **dict.fromkeys(("POST pools", "PATCH pools/{}", "DELETE pools/{}"), "tests/api/v1/test_pools.py"),
    **dict.fromkeys(("GET nodes", "GET nodes/{}", "PATCH nodes/{}", "DELETE nodes/{}"), "tests/api/v1/test_nodes.py"),
    **dict.fromkeys(("POST nodes/{}/drain", "POST nodes/{}/undrain"), "tests/api/v1/test_nodes.py"),
    **dict.fromkeys(("GET prices", "POST prices"), "tests/api/v1/test_costs.py"),
    **dict.fromkeys(("GET prices/{}", "PATCH prices/{}", "DELETE prices/{}"), "tests/api/v1/test_costs.py"),
    **dict.fromkeys(("POST auth/tokens", "DELETE auth/tokens/current"), "tests/api/v1/test_tokens.py"),
    **dict.fromkeys(("GET auth/tokens/own", "POST auth/tokens/own", "DELETE auth/tokens/own/{}"), "of the caller"),
    **dict.fromkeys(("GET templates", "POST templates"), "tests/api/v1/test_templates.py"),
    **dict.fromkeys(("GET templates/{}", "DELETE templates/{}"), "tests/api/v1/test_templates.py"),
    **dict.fromkeys(("POST templates/{}/jobs", "POST templates/{}/quote"), "tests/api/v1/test_templates.py"),
    **dict.fromkeys(("GET schedules", "POST schedules", "POST schedules/{}/run"), "tests/api/v1/test_schedules.py"),
    **dict.fromkeys(
        ("GET schedules/{}", "PATCH schedules/{}", "DELETE schedules/{}"), "tests/api/v1/test_schedules.py"
    ),
    **dict.fromkeys(("POST snapshots", "GET snapshots/{}", "GET snapshots/limits"), "tests/api/v1/test_snapshots.py"),
    **dict.fromkeys(("PUT snapshots/{}/blobs", "POST snapshots/{}/complete"), "tests/api/v1/test_snapshots.py"),
    **dict.fromkeys(("GET placements/{}/code", "POST placements/{}/code"), "tests/api/v1/test_snapshots.py"),
    **dict.fromkeys(("GET jobs/{}/outputs/{}", "GET placements/{}/beginning"), "tests/api/v1/test_outputs.py"),
    **dict.fromkeys(("POST placements/{}/beginning", "GET placements/{}/outputs"), "tests/api/v1/test_outputs.py"),
    **dict.fromkeys(("POST placements/{}/outputs", "PUT placements/{}/outputs/blobs"), "tests/api/v1/test_outputs.py"),
    "POST placements/{}/outputs/complete": "tests/api/v1/test_outputs.py",
    **dict.fromkeys(
        ("GET me/secrets", "GET me/secrets/{}", "PUT me/secrets/{}", "DELETE me/secrets/{}"), "of the caller"
    ),
    **dict.fromkeys(
        (f"{verb} projects/{{}}/secrets/{{}}" for verb in ("GET", "PUT", "DELETE")), "tests/api/v1/test_secrets.py"
    ),
    "POST placements/{}/secrets": "tests/api/v1/test_secrets.py",
    "POST workloads/{}/clone": "tests/api/v1/test_clone.py",
    **dict.fromkeys(("GET clusters", "GET clusters/{}", "PATCH clusters/{}"), "tests/api/v1/test_clusters.py"),
    "POST clusters/{}/declare-lost": "tests/api/v1/test_clusters.py",
    **dict.fromkeys(
        ("DELETE sessions/{}", "GET sessions/{}/caller", "GET sessions/{}/agent"), "tests/api/v1/test_sessions.py"
    ),
    "GET whoami": "of the caller",
    **dict.fromkeys(("GET healthz", "GET readyz", "GET schema", "GET docs"), "of the site"),
}
"""Operations that have to do with no project or job, or whose test is another one."""


class Yard(NamedTuple):
    slugs: dict[str, str]
    numbers: dict[str, dict[str, int]]

    def path(self, route: str, position: str) -> str:
        return f"{V1}/{route.format(slug=self.slugs[position], **self.numbers[position])}"


@pytest.fixture
def yard(settings):
    """A tree in which each project has jobs in many states, a member of its own, and two budgets."""
    settings.LEASE_SECONDS = 3_600  # however long a table takes, its nodes are heard of
    above = builders.project(slug="above")
    own = builders.project(slug="own", parent=above)
    projects = {
        "above": above,
        "own": own,
        "below": builders.project(slug="below", parent=builders.project(slug="between", parent=own)),
        "beside": builders.project(slug="beside", parent=above),
    }
    builders.node(cpus=64, gpus=2)
    builders.user(username="new")
    known = builders.user(username="known")
    for project in projects.values():
        builders.member(project=project, user=known)
    return Yard(
        {name: project.slug for name, project in projects.items()},
        {name: _things(project) for name, project in projects.items()},
    )


def _things(project: Project) -> dict[str, int]:
    budgets = {
        name: Budget.objects.create(project=project, unit="gpu_hours", amount=5, period="day", hard=name == "hard").pk
        for name in ("soft", "hard")
    }
    jobs = {
        "waiting": builders.job(project=project),
        "running": builders.running_job(project=project),
        "failed": builders.job(project=project, state="failed", end_reason="exit_code"),
        "paused": builders.job(project=project, state="paused"),
        "held": builders.job(project=project, held_at=timezone.now(), held_by="ops"),
    }
    jobs["moving"] = moving = builders.running_job(project=project, checkpointable=True)
    move = JobMove.objects.create(job=moving, attempt=moving.attempts.get(), origin="asked")
    Preemption.objects.create(attempt=moving.attempts.get(), strategy="priority", lost_seconds=1)
    workload = builders.workload(project=project)
    builders.job(project=project, workload=workload)
    return budgets | {name: job.pk for name, job in jobs.items()} | {"move": move.pk, "workload": workload.pk}


@pytest.fixture
def callers(yard):
    return {role: client_of(builders.member(project=Project.objects.get(slug="own"), role=role)) for role in ROLES}


@contextmanager
def undone() -> Iterator[None]:
    """Whatever is done in it has not happened after it."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def asked(client, method, path, body):
    with undone():
        return client.generic(method, path) if body is None else getattr(client, method.lower())(path, body)


def named(rows):
    return pytest.mark.parametrize("row", rows, ids=lambda row: f"{row[0]} {row[1]} {_words(row[2])}".strip())


def _words(body):
    return " ".join(body) if isinstance(body, dict) else ""


@named(ABOUT_A_PROJECT + ABOUT_A_JOB + ABOUT_A_WORKLOAD)
def test_a_role_holds_for_the_project_and_all_below_it_and_nothing_else_is_there(yard, callers, row):
    method, route, body, rule, done = row
    for position in SEEN + UNSEEN:
        for role, allowed in zip(ROLES, rule.below if position == "below" else rule.own, strict=True):
            expected = 404 if position in UNSEEN else done if allowed else NOT_HIS
            answer = asked(callers[role], method, yard.path(route, position), body)
            assert answer.status_code == expected, (position, role, answer.content)


@named(NAMING_A_PROJECT)
def test_who_names_a_project_in_the_body_may_name_his_own_and_those_below(yard, callers, row):
    method, route, body, rule, done = row
    for position in SEEN + UNSEEN:
        for role, allowed in zip(ROLES, rule.below if position == "below" else rule.own, strict=True):
            expected = 400 if position in UNSEEN else done if allowed else NOT_HIS
            answer = asked(callers[role], method, f"{V1}/{route}", body(yard.slugs[position]))
            assert answer.status_code == expected, (position, role, answer.content)


@named(OF_MANY_JOBS)
def test_of_many_jobs_those_change_that_one_may_change(yard, callers, row):
    method, route, state, more = row
    ids = {position: yard.numbers[position][state] for position in SEEN + UNSEEN}
    for role in ROLES:
        changed = [] if role == "viewer" else sorted(ids[position] for position in SEEN)
        answer = asked(callers[role], method, f"{V1}/{route}", {"ids": list(ids.values()), **more}).json()
        assert sorted(answer["jobs"]) == changed
        assert {one["job"] for one in answer["refusals"]} == set(ids.values()) - set(changed)
        everything = asked(callers[role], method, f"{V1}/{route}", {"all": True, **more}).json()
        assert not {ids[position] for position in UNSEEN} & set(everything["jobs"])


@pytest.mark.parametrize("route", LISTS)
def test_lists_hold_what_is_in_the_project_and_below_it(callers, route):
    for role in ROLES:
        rows = callers[role].get(f"{V1}/{route}").json()["results"]
        assert {LISTS[route](row) for row in rows} - {"between"} == {"own", "below"}


@named(BY_STAFF_ALONE)
def test_what_staff_alone_may_do_no_admin_of_a_project_may(yard, callers, row):
    method, route, body = row
    for slug in yard.slugs.values():
        for role in ROLES:
            assert asked(callers[role], method, f"{V1}/{route}", body(slug)).status_code == NOT_HIS


def test_reservations_are_seen_by_those_who_may_use_them(callers):
    now = timezone.now()
    for project in Project.objects.exclude(slug="between"):
        Reservation.objects.create(name=project.slug, project=project, start=now, end=now + timedelta(hours=1))
    for role in ROLES:
        rows = callers[role].get(f"{V1}/reservations").json()["results"]
        assert {row["name"] for row in rows} == {"own", "below", "above"}  # those below share in what is kept above
        assert callers[role].get(f"{V1}/reservations/beside").status_code == 404
        assert callers[role].delete(f"{V1}/reservations/own").status_code == NOT_HIS


def test_the_dashboard_counts_what_one_sees(callers):
    for role in ROLES:
        assert callers[role].get(f"{V1}/dashboard").json()["jobs"]["running"] == 4


def test_strangers_are_turned_away_everywhere(yard):
    for method, route, body, *_ in ABOUT_A_PROJECT + ABOUT_A_JOB + ABOUT_A_WORKLOAD:
        assert asked(client_of(), method, yard.path(route, "own"), body).status_code == 401


def test_staff_are_admins_of_everything(yard):
    staff = client_of(builders.user(staff=True))
    for method, route, body, _, done in ABOUT_A_PROJECT + ABOUT_A_JOB + ABOUT_A_WORKLOAD:
        for position in SEEN + UNSEEN:
            expected = done if body != {"parent": None} else 200
            answer = asked(staff, method, yard.path(route, position), body)
            assert answer.status_code == expected, (method, route, position, answer.content)


def test_every_operation_stands_in_a_table():
    paths = SchemaGenerator().get_schema(request=None, public=True)["paths"]
    there = {f"{method.upper()} {_shape(path)}" for path, methods in paths.items() for method in methods}
    listed = {f"GET {route}" for route in LISTS} | set(ELSEWHERE)
    for method, route, *_ in (
        ABOUT_A_PROJECT + ABOUT_A_JOB + ABOUT_A_WORKLOAD + NAMING_A_PROJECT + OF_MANY_JOBS + BY_STAFF_ALONE
    ):
        listed.add(f"{method} {_shape(route)}")

    assert sorted(there - listed) == []
    assert sorted(listed - there - {"GET schema", "GET docs"}) == []


WORDS = frozenset({"known", "default"})


def _shape(path: str) -> str:
    """The address without its own values: `projects/{}/members/{}`."""
    parts = path.removeprefix(f"{V1}/").partition("?")[0].strip("/").split("/")
    return "/".join("{}" if part.startswith("{") or part in WORDS else part for part in parts)
