"""Worked examples of a floor: whose turn it is, who gives way, who is left alone, and what cannot be kept."""

from dataclasses import replace

from scheduling.planning.floor import shadow as shadow_module
from scheduling.planning.floor.follow import follow
from scheduling.planning.one_pass import plan_pass
from scheduling.planning.plan import make_plan
from scheduling.resources import Request
from scheduling.rules import Preemption, Rules
from scheduling.snapshot import EndedJob, ProjectView, QueueView, Shadow, ShadowJob, WorkloadView
from tests.scheduling.builders import cpu_node, limited, running, share, snapshot, waiting

NOW = 10_000.0
QUEUES = (QueueView("default", 10, policy="floor"),)
RULES = Rules(preemption=Preemption(restart_cost_seconds=0.0))


def job(number, cpus, *, limit=3_600, saves=True, **more):
    more.setdefault("submitted_at", NOW - 1_000 + number)
    return waiting(number, request=Request(cpus=cpus), max_runtime_seconds=limit, checkpointable=saves, **more)


def runs(number, cpus, *, node="cpu-1", since=NOW - 600, saves=True, **more):
    one = running(number, share(node, cpus=cpus))
    return replace(one, started_at=since, request=Request(cpus=cpus), checkpointable=saves, **more)


def world(*jobs, running=(), nodes=None, shadow=None, ended=()):
    made = snapshot(*jobs, running=tuple(running), nodes=nodes or (cpu_node(),), queues=QUEUES)
    return replace(made, rules=RULES, shadow=shadow, ended=tuple(ended))


def placed(plan):
    return {one.job_id: [each.node for each in one.shares] for one in plan.placements}


def stopped(plan):
    return {one.job_id: one.for_job for one in plan.preemptions}


def shadow_with(early, *, held, nodes=None):
    """A shadow after a plan in which `held` took what it needs and `early` started before its turn beside it."""
    first = make_plan(world(*early, running=held, nodes=nodes), NOW)
    assert placed(first).keys() == {one.id for one in early}
    return first.shadow


def test_all_that_runs_when_the_floor_begins_runs_in_the_shadow_with_the_work_that_it_has_done():
    plan = make_plan(world(running=[runs(1, 16)]), NOW)

    assert plan.shadow.jobs[1].started_at == NOW - 600


def test_in_the_shadow_no_more_of_a_workload_run_at_once_than_may():
    """Else the second would fall behind its shadow, and others be stopped in vain to make room for it."""
    seen = world(job(2, 1, workload="sweep"), running=[runs(1, 1, workload="sweep")])

    plan = make_plan(replace(seen, workloads=(WorkloadView("sweep", "sweep", 1),)), NOW)

    assert plan.shadow.jobs.keys() == {1}


def test_who_saves_his_work_starts_before_his_turn_however_long_he_runs():
    """The wide job 2 would be delayed by the long job 3: EASY would not start it."""
    plan = make_plan(world(job(2, 16), job(3, 4, limit=90_000), running=[runs(1, 8, expected_end=NOW + 60)]), NOW)

    assert placed(plan) == {3: ["cpu-1"]}
    assert plan.shadow.jobs[3].started_at is None


def test_who_cannot_be_stopped_again_starts_in_his_turn_only():
    line = (job(2, 16), job(3, 4, limit=90_000, saves=False), job(4, 4, limit=90_000, preemptible=False))
    worn = job(5, 4, limit=90_000, preemptions=3)

    assert placed(make_plan(world(*line, worn, running=[runs(1, 8, expected_end=NOW + 60)]), NOW)) == {}


def ahead_of_its_shadow(number, cpus, *, node="cpu-1", **more):
    """What its shadow says of one that was stopped as often as may be, and has saved 900 seconds, of which 100 have passed there."""
    worn = job(number, cpus, preemptions=3, saved_seconds=900.0, **more)
    return worn, ShadowJob(worn, started_at=NOW - 100, shares=(share(node, cpus=cpus),))


def test_who_cannot_be_stopped_again_goes_on_where_its_shadow_runs_though_it_is_ahead():
    worn, one = ahead_of_its_shadow(5, 8)

    plan = make_plan(world(worn, shadow=Shadow(NOW, {5: one})), NOW)

    assert placed(plan) == {5: ["cpu-1"]}


def test_nobody_gives_way_to_who_is_ahead_and_the_wait_ends_with_its_head_start():
    worn, one = ahead_of_its_shadow(5, 8)
    early = runs(3, 12, expected_end=NOW + 3_600)

    plan = make_plan(world(worn, running=[early], shadow=Shadow(NOW, {5: one})), NOW)

    assert placed(plan) == stopped(plan) == {}
    assert plan.next_at == NOW + 800


def test_who_went_on_ahead_of_its_shadow_is_not_stopped_again():
    _, one = ahead_of_its_shadow(5, 8)
    worn = replace(runs(5, 8, saved_seconds=900.0, preemptions=3), checkpoint_at=NOW)

    seen = world(running=[worn], shadow=Shadow(NOW, {5: one}))
    followed = follow(replace(seen, rules=replace(RULES, preemption=Preemption(("priority",)))), NOW)

    assert followed.turns.protected == {5}


def behind_the_clock(*jobs, there=None):
    """The shadow is played 500 seconds behind the clock, and these have come since."""
    rules = replace(RULES, floor_slack=0.5)
    return replace(world(*jobs, shadow=Shadow(NOW - 500, there or {}, longest_wait=1_000.0)), rules=rules)


def test_within_the_slack_nobody_waits_for_one_that_no_node_could_hold():
    line = (job(2, 64, submitted_at=NOW - 200), job(3, 16, submitted_at=NOW - 100, saves=False))

    assert placed(make_plan(behind_the_clock(*line), NOW)) == {3: ["cpu-1"]}


def test_within_the_slack_nobody_waits_for_one_that_its_quota_never_lets_in():
    line = (job(2, 16, submitted_at=NOW - 200), job(3, 16, submitted_at=NOW - 100, saves=False, project="other"))
    seen = replace(behind_the_clock(*line), projects=(limited(cpus=8), ProjectView("other")))

    assert placed(make_plan(seen, NOW)) == {3: ["cpu-1"]}


def test_within_the_slack_nobody_waits_for_one_that_has_ended_here_and_will_have_there():
    ended = job(1, 16, submitted_at=NOW - 700)
    there = {1: ShadowJob(ended, NOW - 600, (share("cpu-1", cpus=16),), work_seconds=590.0)}
    line = job(3, 16, submitted_at=NOW - 100, saves=False)

    assert placed(make_plan(behind_the_clock(line, there=there), NOW)) == {3: ["cpu-1"]}


def test_within_the_slack_one_that_cannot_be_stopped_waits_for_its_turn_behind_another_that_could_start():
    line = (job(2, 16, submitted_at=NOW - 200, saves=False), job(3, 16, submitted_at=NOW - 100, saves=False))

    assert placed(make_plan(behind_the_clock(*line), NOW)) == {}


def test_whose_turn_came_first_has_its_place_first_also_after_its_shadow_has_waited_for_those_that_left():
    first, second = job(14, 1, saves=False), job(13, 3, saves=False)
    there = {
        14: ShadowJob(first, started_at=NOW, shares=(share("cpu-1", cpus=1),), late_seconds=5.0),
        13: ShadowJob(second, started_at=NOW, shares=(share("cpu-1", cpus=3),)),
    }

    plan = make_plan(
        world(first, second, running=[runs(16, 1)], nodes=(cpu_node(cpus=4),), shadow=Shadow(NOW, there)), NOW
    )

    assert placed(plan) == {14: ["cpu-1"]}
    assert stopped(plan) == {16: 13}


def test_an_early_job_gives_way_when_the_shadow_starts_another_in_its_room():
    held, early, wide = runs(1, 8, expected_end=NOW + 60), job(3, 4, limit=90_000), job(2, 16)
    first = make_plan(world(wide, early, running=[held]), NOW)
    ended = [EndedJob(first.shadow.jobs[1].job, 660.0)]

    plan = make_plan(world(wide, running=[runs(3, 4, since=NOW)], shadow=first.shadow, ended=ended), NOW + 60)

    assert stopped(plan) == {3: 2}
    assert plan.shadow.jobs[2].started_at == NOW + 60
    assert placed(plan) == {}


def test_the_room_that_is_being_made_is_for_the_one_whose_turn_it_is():
    """While job 3 leaves, job 4 would fit beside it: but then job 2 would not."""
    leaving = runs(3, 4, since=NOW, leaving=True, leaving_for=2)
    first = make_plan(world(job(2, 16)), NOW)

    plan = make_plan(world(job(2, 16), job(4, 8), running=[leaving], shadow=first.shadow), NOW)

    assert placed(plan) == {}
    assert stopped(plan) == {}


def test_nobody_is_so_short_that_he_starts_beside_the_one_whose_turn_it_is_to_be_stopped_at_once():
    """By its limit job 4 would be over when job 3 is expected to be gone: but that may be at the same instant."""
    held, early, wide = runs(1, 8, expected_end=NOW + 60), job(3, 4, limit=90_000), job(2, 16)
    first = make_plan(world(wide, early, running=[held]), NOW)
    ended = [EndedJob(first.shadow.jobs[1].job, 660.0)]

    plan = make_plan(
        world(wide, job(4, 8, limit=1), running=[runs(3, 4, since=NOW)], shadow=first.shadow, ended=ended), NOW + 60
    )

    assert stopped(plan) == {3: 2}
    assert placed(plan) == {}


def test_nobody_starts_in_what_is_free_beside_the_one_whose_turn_it_is_only_when_others_are_at_their_limits():
    """Job 5 is expected to end when job 3 is expected to be gone: job 2 need not wait for that, and job 4 would be in its way."""
    held = [runs(1, 8, expected_end=NOW + 60), runs(5, 4, expected_end=NOW + 61)]
    early, wide = job(3, 4, limit=90_000), job(2, 12)
    first = make_plan(world(wide, early, running=held), NOW)
    ended = [EndedJob(first.shadow.jobs[1].job, 660.0)]
    present = [held[1], runs(3, 4, since=NOW)]

    plan = make_plan(world(wide, job(4, 4), running=present, shadow=first.shadow, ended=ended), NOW + 60)

    assert stopped(plan) == {3: 2}
    assert placed(plan) == {}


def test_of_those_that_may_give_way_the_one_that_loses_least_does():
    early = [job(3, 8, limit=90_000), job(4, 8, limit=90_000)]
    shadow = shadow_with(early, held=[])
    saved = runs(3, 8, since=NOW, checkpoint_at=NOW + 590)
    unsaved = runs(4, 8, since=NOW)
    jobs = {number: replace(one, started_at=None, shares=(), run=None) for number, one in shadow.jobs.items()}

    plan = make_plan(
        world(job(2, 8), running=[saved, unsaved], shadow=replace(shadow, jobs=jobs, seen=None)), NOW + 600
    )

    assert stopped(plan) == {3: 2}


def test_nobody_who_is_due_is_stopped_for_an_urgent_job():
    due = runs(1, 16, since=NOW - 5_000)
    urgent = replace(job(2, 16), priority=100)
    shadow = make_plan(world(running=[due]), NOW).shadow
    strict = replace(RULES, preemption=Preemption(strategies=("priority",), only_checkpointable=False))

    plan = make_plan(replace(world(urgent, running=[due], shadow=shadow), rules=strict), NOW)

    assert stopped(plan) == {}


def test_a_job_that_ended_early_stands_in_the_shadow_until_its_work_is_done_there():
    early = job(3, 4, limit=90_000)
    held = runs(1, 16, since=NOW - 100, expected_end=NOW + 7_000)
    first = make_plan(world(early, running=[held]), NOW)

    plan = make_plan(world(running=[held], shadow=first.shadow, ended=[EndedJob(early, 30.0)]), NOW + 40)
    later = make_plan(world(shadow=plan.shadow, ended=[EndedJob(first.shadow.jobs[1].job, 200.0)]), NOW + 100)
    over = make_plan(world(shadow=later.shadow), NOW + 130)

    assert plan.shadow.jobs[3].work_seconds == 30.0
    assert later.shadow.jobs[3].started_at == NOW + 100
    assert over.shadow.jobs == {}


def test_what_somebody_ended_is_gone_from_the_shadow_at_once():
    held = runs(1, 16)
    first = make_plan(world(running=[held]), NOW)

    plan = make_plan(world(shadow=first.shadow, ended=[EndedJob(first.shadow.jobs[1].job, 600.0, given_up=True)]), NOW)

    assert plan.shadow.jobs == {}


def test_a_job_whose_node_is_lost_stands_in_the_shadows_line_again_and_is_counted():
    held = runs(1, 16)
    first = make_plan(world(running=[held]), NOW)
    lost = replace(cpu_node(), state="down")

    plan = make_plan(world(job(1, 16), nodes=(lost, cpu_node("cpu-2", cpus=8)), shadow=first.shadow), NOW + 5)

    assert plan.broken == ((1, "node", ("cpu-1",)),)
    assert plan.shadow.broken == {"node": 1}
    assert 1 not in plan.shadow.jobs


def test_a_job_that_is_behind_has_its_shadow_wait_for_it_and_counts_as_late_beyond_what_is_tolerated():
    due = job(2, 16)
    first = make_plan(world(due), NOW)
    in_the_way = runs(9, 4, since=NOW, leaving=True)

    later = make_plan(world(due, running=[in_the_way], shadow=first.shadow), NOW + 60)
    too_late = make_plan(world(due, running=[in_the_way], shadow=later.shadow), NOW + 200)

    assert later.shadow.jobs[2].started_at == NOW + 60
    assert later.broken == ()
    assert too_late.broken == ((2, "late", ()),)
    assert too_late.shadow.broken == {"late": 1}


def test_machines_of_one_kind_are_exchanged_so_that_an_early_job_is_where_its_shadow_is():
    """The shadow packs job 3 onto cpu-1 when job 1 has ended; here it runs on cpu-2 already."""
    nodes = (cpu_node("cpu-1"), cpu_node("cpu-2"))
    held = [runs(1, 16, expected_end=NOW + 60), runs(2, 16, node="cpu-2", expected_end=NOW + 50)]
    first = make_plan(world(job(3, 16, limit=900), running=held, nodes=nodes), NOW)
    ended = [EndedJob(first.shadow.jobs[2].job, 610.0)]
    second = make_plan(
        world(job(3, 16, limit=900), running=held[:1], nodes=nodes, shadow=first.shadow, ended=ended), NOW + 10
    )

    assert placed(second) == {3: ["cpu-2"]}
    assert stopped(second) == {}


def test_a_thousand_arrivals_in_a_second_are_taken_together_in_the_shadow(monkeypatch):
    held = runs(1, 16)
    first = make_plan(world(running=[held]), NOW)
    line = [job(number, 1, submitted_at=NOW + number / 1_001) for number in range(2, 1_002)]
    played = []

    def counted(seen, moment):
        played.append(moment)
        return plan_pass(seen, moment)

    monkeypatch.setattr(shadow_module, "plan_pass", counted)

    plan = make_plan(world(*line, running=[held], shadow=first.shadow), NOW + 1)

    assert 1 <= len(played) <= RULES.floor_moments + 1
    assert plan.shadow.clock == NOW + 1
    assert len(plan.line) == 1_000


def test_however_many_ends_are_known_the_shadow_plays_none_that_is_still_to_come():
    """Those that ran early have ended here; there they end one after another, and job 50 has its turn with the first."""
    there = {
        number: ShadowJob(job(number, 1), NOW, (share("cpu-1", cpus=1),), 100.0 * number) for number in range(1, 17)
    }
    more = {
        number: ShadowJob(job(number, 1), NOW, (share("cpu-2", cpus=1),), 100.0 * number) for number in range(17, 33)
    }
    nodes = (cpu_node("cpu-1"), cpu_node("cpu-2"))
    shadow = Shadow(NOW, {**there, **more})
    plan = make_plan(world(job(50, 1, saves=False), nodes=nodes, shadow=shadow), NOW + 150)

    assert plan.shadow.clock == NOW + 150
    assert set(plan.shadow.jobs) == {*range(2, 33), 50}
    assert placed(plan) == {50: ["cpu-1"]}
