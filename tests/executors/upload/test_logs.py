"""What running jobs print, on its way to the database: complete, in order, and bounded, whatever happens on the way."""

from datetime import timedelta

import pytest
from django.db import DatabaseError, connection
from django.utils import timezone

from executors.run.placement_run import PlacementRun
from executors.upload import logs
from jobs.attempts.claims import PlacementSpec
from jobs.models import Attempt, Placement
from jobs.models.logs import LogChunk
from jobs.recovery import sweep
from tests import builders
from workers.runtime.process import CommandResult
from workers.runtime.shim.clock import boottime
from workers.runtime.shim.log import Log

pytestmark = pytest.mark.django_db
MB = 2**20


def run_of(job, folder):
    """The job as its agent sees it."""
    attempt = job.attempts.get()
    folder.mkdir(exist_ok=True)
    claimed = PlacementSpec(
        placement_id=attempt.placements.get().pk, token=str(attempt.token), job_id=job.pk, job_name=job.name,
        attempt_id=attempt.pk, attempt=attempt.number, project=job.project.slug, command=("true",), working_dir="",
        env={}, cpus=1, memory_mb=0, gpu_indices=(), max_runtime_seconds=None,
    )  # fmt: skip
    return PlacementRun(claimed, folder, lease_deadline=boottime() + 60)


@pytest.fixture
def run(tmp_path):
    return run_of(builders.running_job(), tmp_path / "run")


@pytest.fixture
def shim(run):
    """What keeps the run's log."""
    return Log(str(run.folder), 64 * MB)


def chunks(run):
    return list(LogChunk.objects.filter(attempt=run.claimed.attempt_id))


def text(run):
    return b"".join(bytes(chunk.data) for chunk in chunks(run))


def without_gaps(run):
    offset = 0
    for number, chunk in enumerate(chunks(run)):
        assert (chunk.number, chunk.offset) == (number, offset)
        offset += len(chunk.data)
    return True


def ship_to_the_end(run):
    turns = 1
    while run not in logs.ship_tails([run]):
        turns += 1
    return turns


def test_output_is_stored_in_numbered_chunks(run, shim):
    shim.add(b"one\n")
    logs.ship_logs([run])
    shim.add(b"two\n")
    logs.ship_logs([run])
    assert [(chunk.number, chunk.offset, bytes(chunk.data)) for chunk in chunks(run)] == [
        (0, 0, b"one\n"),
        (1, 4, b"two\n"),
    ]


def test_what_is_missing_has_a_line_and_is_on_record(run, shim):
    shim.add(b"half a line")
    logs.ship_logs([run])
    run.log.end(12356, "disk_full")
    logs.ship_tails([run])
    assert text(run) == b"half a line\n[trainyard: 12,345 bytes of output are missing here: the node's disk was full]\n"
    assert [(chunk.gap, chunk.missing) for chunk in chunks(run)] == [("", None), ("disk_full", 12345)]
    assert without_gaps(run)


def test_a_failure_of_the_database_loses_no_chunk_and_doubles_none(run, shim, monkeypatch):
    shim.add(b"one\n")
    logs.ship_logs([run])
    shim.add(b"two\n")

    def fail(chunks):
        list(chunks)
        raise DatabaseError("gone")

    with monkeypatch.context() as broken:
        broken.setattr(LogChunk.objects, "bulk_create", fail)
        with pytest.raises(DatabaseError):
            logs.ship_logs([run])
    shim.add(b"three\n")
    logs.ship_logs([run])
    assert (text(run), without_gaps(run)) == (b"one\ntwo\nthree\n", True)


def test_a_commit_that_nobody_heard_of_doubles_nothing(run, shim):
    shim.add(b"one\n")
    logs.ship_logs([run])
    run.log.unsure = True
    shim.add(b"two\n")
    logs.ship_logs([run])
    assert (text(run), without_gaps(run)) == (b"one\ntwo\n", True)


def test_the_next_agent_goes_on_after_bytes_and_gaps_alike(run, shim, tmp_path):
    shim.add(b"one")
    shim.lost, shim.position = "disk_full", shim.position + 7
    shim.add(b"two\n")
    logs.ship_logs([run])
    successor = PlacementRun(run.claimed, run.folder, lease_deadline=0)
    successor.log.resume()
    shim.add(b"three\n")
    logs.ship_logs([successor])
    gap = b"\n[trainyard: 7 bytes of output are missing here: the node's disk was full]\n"
    assert (text(run), without_gaps(run)) == (b"one" + gap + b"two\nthree\n", True)


def test_a_flood_is_sent_in_turns_with_room_for_leases_between_them(run, shim):
    shim.add(b"x" * (3 * MB))
    run.log.end(shim.position)
    assert ship_to_the_end(run) >= 3
    assert (text(run), without_gaps(run)) == (b"x" * (3 * MB), True)


def test_many_floods_share_a_turn_and_nobody_is_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr(logs, "TURN_BYTES", 512 * 1024)
    runs = [run_of(builders.running_job(), tmp_path / str(number)) for number in range(4)]
    for each in runs:
        Log(str(each.folder), 64 * MB).add(b"x" * MB)
    for _ in range(2):
        before = LogChunk.objects.count()
        logs.ship_logs(runs)
        assert LogChunk.objects.count() - before == 2
    assert all(chunks(each) for each in runs)


def test_a_flood_beyond_the_limit_is_told_at_once_and_ends_with_its_end(run):
    shim = Log(str(run.folder), 8000)
    shim.add(b"a" * 6000 + b"b" * 1000)
    logs.ship_logs([run])
    assert b"[trainyard: most of the log limit of" in text(run)
    shim.add(b"c" * 5000 + b"the end\n")
    run.log.end(shim.position)
    ship_to_the_end(run)
    assert [chunk.gap for chunk in chunks(run) if chunk.gap] == ["held_back", "limit"]
    assert text(run).endswith(b"c" * 1000 + b"the end\n")
    kept = sum(len(chunk.data) for chunk in chunks(run) if not chunk.gap)
    assert kept + sum(chunk.missing or 0 for chunk in chunks(run)) == 12008


def test_a_killed_shim_leaves_a_line_in_the_log(run, shim):
    shim.add(b"one\n")
    run.outcome(CommandResult("shim_lost", None, "", None, None))
    ship_to_the_end(run)
    assert text(run).endswith(b"[trainyard: output may be missing here: the process that wrote them down was killed]\n")


@pytest.mark.parametrize("how", ["closed", "token", "attempt"])
def test_what_a_stale_run_says_is_dropped_and_it_need_not_say_it_again(run, shim, how):
    if how == "closed":
        Placement.objects.update(state="closed", closed_at=timezone.now())
    elif how == "token":
        Attempt.objects.update(token="00000000-0000-0000-0000-000000000000")
    else:
        Attempt.objects.update(ended_at=timezone.now())
    shim.add(b"x" * (2 * MB))
    run.log.end(shim.position)
    assert logs.ship_tails([run]) == {run}
    assert chunks(run) == []


def test_a_node_that_fell_silent_leaves_a_line_in_the_log(run, shim, settings):
    settings.LEASE_SECONDS, settings.LEASE_MARGIN_SECONDS = 0.01, 0.01  # a database that has been up for long
    shim.add(b"one\ntw")
    logs.ship_logs([run])
    Placement.objects.update(lease_expires_at=timezone.now() - timedelta(hours=1))
    assert sweep.recover().lost == 1
    assert text(run).endswith(
        b"tw\n[trainyard: output may be missing here: the node fell silent before it had sent them]\n"
    )
    assert without_gaps(run)


def test_a_follower_is_noticed_with_what_is_sent(run, shim):
    shim.add(b"one\n")
    logs.ship_logs([run])
    assert run.log.followed is False
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO jobs_followedlog VALUES (%s, now() + interval '1 minute')", [run.claimed.attempt_id]
        )
    shim.add(b"two\n")
    logs.ship_logs([run])
    assert run.log.followed is True


def test_a_turn_takes_as_many_statements_for_many_runs_as_for_one(tmp_path, django_assert_num_queries):
    runs = [run_of(builders.running_job(), tmp_path / str(number)) for number in range(5)]
    for each in runs:
        Log(str(each.folder), MB).add(b"x")
    with django_assert_num_queries(4):  # a savepoint, the lock, the chunks, the savepoint's release
        logs.ship_logs(runs)
    with django_assert_num_queries(0):
        logs.ship_logs(runs)
