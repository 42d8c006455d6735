"""A whole workload paused, resumed and cancelled while its commands really run, and one that stops at its first failure."""

from jobs.control import workloads
from jobs.models import Workload
from jobs.submission.job_spec import JobSpec
from jobs.submission.submit import submit
from jobs.submission.workloads import WorkloadTerms
from scheduling.workloads import Verb
from tests import builders
from tests.acceptance.platform import Platform, output, wait_for_state
from tests.waiting import wait_for

SAVES = (
    'trap "echo 7 > $TRAINYARD_CHECKPOINT_DIR/step; exit 143" TERM;'
    "test -e $TRAINYARD_CHECKPOINT_DIR/step && echo resumed && exit 0; while :; do sleep 0.1; done"
)


def test_a_workload_is_paused_with_its_checkpoints_goes_on_is_cancelled_and_stops_at_a_failure(platform: Platform):
    platform.environment["TRAINYARD_LEASE_SECONDS"] = "30"  # on a busy machine an agent takes seconds to start
    platform.start("n1", cpus=4)
    sweep, (first, second) = batch(SAVES, "echo second", terms=WorkloadTerms("sweep", max_running=1))
    wait_for_state(first, "running", platform=platform)
    second.refresh_from_db()
    assert second.state == "pending"

    workloads.ask(sweep, Verb.PAUSE, "ann")
    wait_for_state(first, "paused", platform=platform)
    wait_for(lambda: told(second) == ["workload", "workload_limit"] or told(second) == ["workload"], 20, "its reason")

    workloads.ask(sweep, Verb.RESUME, "ann")
    assert "resumed" in output(wait_for_state(first, "completed", platform=platform))
    wait_for_state(second, "completed", platform=platform)

    endless, (runs,) = batch(SAVES, terms=WorkloadTerms("endless"))
    wait_for_state(runs, "running", platform=platform)
    workloads.ask(endless, Verb.CANCEL, "ann")
    wait_for_state(runs, "cancelled", platform=platform)

    platform.start_beat()  # it is the sweep that finds the failure
    stops, (fails, others) = batch("exit 3", SAVES, terms=WorkloadTerms("stops", stop_on_failure=True))
    wait_for_state(fails, "failed", platform=platform)
    assert wait_for_state(others, "cancelled", platform=platform).root_cause == fails.pk
    assert Workload.objects.get(pk=stops.pk).stopped_by == fails.pk


def batch(*scripts, terms):
    project = builders.project()
    owner = builders.member(project=project)
    specs = [
        JobSpec(f"job{number}", project.slug, ("sh", "-c", script), workload=terms.name, checkpointable=True)
        for number, script in enumerate(scripts)
    ]
    jobs = [one.job for one in submit(specs=specs, owner=owner, terms=terms)]
    return Workload.objects.get(name=terms.name), jobs


def told(job):
    job.refresh_from_db()
    return [reason["code"] for reason in job.reasons]
