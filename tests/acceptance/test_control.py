"""Pausing, suspending and resuming real commands, also over a restart of their agent."""

import psutil

from jobs.control import actions
from tests.acceptance.platform import Platform, output, submitted, wait_for_state
from tests.waiting import wait_for

SAVES = (
    'trap "echo 7 > $TRAINYARD_CHECKPOINT_DIR/step; exit 143" TERM;'
    "test -e $TRAINYARD_CHECKPOINT_DIR/step && echo resumed && exit 0; while :; do sleep 0.1; done"
)


def test_jobs_are_paused_with_their_checkpoint_and_suspended_over_a_restart_of_the_agent(platform: Platform):
    platform.environment["TRAINYARD_LEASE_SECONDS"] = "30"  # on a busy machine an agent takes seconds to start
    platform.start("n1", cpus=2)
    saving, standing = submitted(SAVES, "setsid --wait sh -c 'while ! test -e go; do sleep 0.1; done; echo went on'")
    for job in (saving, standing):
        wait_for_state(job, "running", platform=platform)

    actions.pause(job_id=saving.pk, actor="ann")
    paused = wait_for_state(saving, "paused", platform=platform)
    assert [(one.end_reason, one.exit_code) for one in paused.attempts.all()] == [("paused", 143)]
    assert paused.node is None

    actions.suspend(job_id=standing.pk, actor="ann")
    wait_for(lambda: stands_still(platform), 20, "the suspension")
    platform.kill("n1")
    platform.start_node("n1")
    assert stands_still(platform), "the restarted agent must leave it as it is"
    (platform.home / "jobs" / str(standing.pk) / "outputs" / "1" / "go").touch()

    actions.resume(job_id=saving.pk, actor="ann")
    resumed = wait_for_state(saving, "completed", platform=platform)
    assert ("resumed" in output(resumed), resumed.retries_used, resumed.attempt) == (True, 0, 2)
    assert stands_still(platform)

    actions.resume(job_id=standing.pk, actor="ann")
    went_on = wait_for_state(standing, "completed", platform=platform)
    assert (output(went_on), went_on.attempt) == ("went on\n", 1)


def stands_still(platform: Platform) -> bool:
    """Whether all processes of jobs are stopped, in whatever session; those that wait in the kernel for such a one too."""
    shims = {shim.pid for shim in platform.shims()}
    found = {status_of(process) for process in platform.jobs() if process.pid not in shims} - {None}
    still = {psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE, psutil.STATUS_DISK_SLEEP}
    return psutil.STATUS_STOPPED in found and found <= still


def status_of(process: psutil.Process) -> str | None:
    """None if it ended after it was listed, as the short sleeps of a loop do."""
    try:
        return process.status()
    except psutil.NoSuchProcess:
        return None
