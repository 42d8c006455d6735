"""Who spends of budgets: what runs in their projects, and what waits there, all that is alike as one row.

No more is needed of ten thousand waiting jobs for a forecast, and no picture of the whole platform.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from jobs.models.queries import named_rows
from jobs.models.standings import DEAD, STANDING
from jobs.planning import job_rows, moves, policy_settings, snapshot
from jobs.planning.budgets import prices_for
from jobs.planning.executors import AGENTS_ALONE, Requests
from quotas.budgets.rows import Budget
from quotas.models import Project
from scheduling.nodes.gang_places import places_of
from scheduling.run_times import expected_within
from scheduling.sharing.budget_use import AlikeWaiting
from scheduling.sharing.budgets import Unit
from scheduling.snapshot import BudgetView, MoveRoom, ProjectView, Snapshot, chain_of

# What is held waits for people, and who needs what will never be starts nothing. Who was to start by now starts at once.
WAITING = f"""
    SELECT project_id, queue_id, executor,
           cpus, memory_mb, gpus, gpu_memory_mb, gpu_model, nodes, (node_labels || environment_labels)::text,
           max_runtime_seconds, expected, start, number
    FROM (
        SELECT project_id, queue_id, executor, cpus, memory_mb, gpus, gpu_memory_mb, gpu_model, nodes, node_labels, environment_labels,
               max_runtime_seconds,
               coalesce(nullif(CASE WHEN predicted_by <> 'project' THEN predicted_runtime_seconds END, 0), estimated_runtime_seconds) AS expected,
               CASE WHEN predicted_start > %(now)s THEN predicted_start END AS start, count(*) AS number
        FROM jobs_job AS job
        WHERE state = 'pending' AND held_at IS NULL AND project_id = ANY(%(projects)s) AND NOT EXISTS (
            SELECT FROM jobs_jobdependency AS link JOIN jobs_job AS needed ON needed.id = link.needs_id
            WHERE link.job_id = job.id AND ({STANDING}) = '{DEAD}'
        )
        GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14
    ) AS alike
"""  # noqa: S608  made of constants


def read(budgets: Iterable[Budget], views: Sequence[BudgetView], now: float) -> tuple[Snapshot, list[AlikeWaiting]]:
    """What `uses_of` asks of the world for these budgets: as little of it as they need. `views`: the same budgets."""
    slugs, projects = _tree()
    tops = {budget.project.slug for budget in budgets}
    tree = {one.slug: one for one in projects}
    ids = [pk for pk, slug in slugs.items() if not tops.isdisjoint(one.slug for one in chain_of(slug, tree))]
    with_money = any(one.unit == Unit.MONEY for one in views)
    running = job_rows.running(ids)
    world = Snapshot(
        running=running,
        nodes=snapshot.nodes(usable=True) if with_money else (),  # GPU-hours are the same wherever they are
        projects=projects,
        taken_at=now,
        rules=policy_settings.rules(),
        prices=prices_for(views, running, now),
    )
    return world, _in_one_place(_waiting(ids, slugs, world, with_money=with_money), world)


def _tree() -> tuple[dict[int, str], tuple[ProjectView, ...]]:
    rows = list(Project.objects.order_by().values_list("pk", "slug", "parent__slug"))
    return {pk: slug for pk, slug, _ in rows}, tuple(ProjectView(slug, above) for _, slug, above in rows)


def _waiting(ids: list[int], slugs: dict[int, str], world: Snapshot, *, with_money: bool) -> list[AlikeWaiting]:
    now, assumed = world.taken_at, world.rules.assumed_limit_seconds
    executors = job_rows.read_names().executors if with_money else AGENTS_ALONE
    request_of = Requests().of
    return [
        AlikeWaiting(
            slugs[project],
            request_of((*asked, executors.of(executor, queue))),
            start.timestamp() if start else now,
            expected_within(float(limit or assumed), expected),
            number,
        )
        for project, queue, executor, *asked, limit, expected, start, number in named_rows(
            WAITING, now=datetime.fromtimestamp(now, UTC), projects=ids
        )
    ]


def _in_one_place(waiting: list[AlikeWaiting], world: Snapshot) -> list[AlikeWaiting]:
    """As the planner has it: a gang is paid for where it would run. Only then all that holds anything is looked at."""
    gangs = {one.request for one in waiting if one.request.nodes > 1}
    if not (gangs and any(node.cluster for node in world.nodes)):
        return waiting
    rooms, running = moves.rooms(), job_rows.running()
    kept = tuple(MoveRoom(job.id, rooms[job.id]) for job in running if job.id in rooms)
    places = places_of(gangs, replace(world, running=running, kept=kept))
    return [
        one._replace(request=replace(one.request, executor=places[one.request])) if one.request in places else one
        for one in waiting
    ]
