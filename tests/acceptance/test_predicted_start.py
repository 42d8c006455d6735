"""What the platform foretells comes true, with real agents and real commands."""

from datetime import datetime

from jobs.models import Job
from jobs.models.start_prediction import StartPrediction
from tests import builders
from tests.acceptance.platform import Platform, submitted, wait_for_state
from tests.rest import V1, client_of
from tests.waiting import wait_for


def test_jobs_start_inside_the_interval_that_was_foretold(platform: Platform):
    """One CPU, three jobs: the second and the third are foretold while they wait, and each starts when it was to."""
    platform.start("n1", cpus=1, beat=True)
    times = {"max_runtime_seconds": 30, "estimated_runtime_seconds": 6}
    [first] = submitted("sleep 6", **times)
    wait_for_state(first, "running", platform=platform)
    second, third = submitted("sleep 6", "sleep 1", **times)

    def foretold() -> bool:
        return Job.objects.filter(pk__in=[second.pk, third.pk], predicted_start_latest__isnull=False).count() == 2

    wait_for(foretold, 10, lambda: f"both to be foretold; {platform.log('control')}")
    told = client_of(builders.user(staff=True)).get(f"{V1}/jobs/{third.pk}/explain").json()
    for job in (second, third):
        wait_for_state(job, "completed", platform=platform)

    settled = StartPrediction.objects.filter(job__in=[second, third], started_at__isnull=False)
    wait_for(lambda: settled.count() == 2, 10, "both predictions to be measured")
    assert {(row.first_held, row.last_held) for row in settled} == {(True, True)}, list(settled.values())
    assert max(abs(row.first_error_seconds or 0) for row in settled) < 15
    start = told["predicted_start"]
    began = Job.objects.get(pk=third.pk).started_at
    assert began is not None
    assert datetime.fromisoformat(start["soonest"]) <= began <= datetime.fromisoformat(start["latest"])
