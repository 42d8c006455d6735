"""Following logs: quickly, without loss, and at the same cost for one follower as for a hundred."""

import threading

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from jobs.logs import archive, tail
from jobs.logs.follow import follow
from jobs.models.logs import FollowedLog
from tests import builders
from tests.waiting import wait_for


class Still(tail.TailHub):
    """A hub without a thread: it looks when the test wants it to."""

    def _run(self):
        return


@pytest.fixture
def hub(db, monkeypatch):
    still = Still()
    monkeypatch.setattr("jobs.logs.follow.hub", still)
    monkeypatch.setattr("jobs.logs.follow.SILENCE_SECONDS", 0.01)
    return still


@pytest.fixture
def attempt(db):
    return builders.attempt(job=builders.job(state="running"), started_at=timezone.now())


def write(attempt, *texts):
    for text in texts:
        builders.log(attempt=attempt, data=text)


def end(attempt):
    type(attempt).objects.filter(pk=attempt.pk).update(ended_at=timezone.now(), end_reason="completed")


def started(attempt, offset=0):
    """A follower who has read what there was."""
    coming = follow(attempt.job, None, offset, seconds=60)
    while (piece := next(coming)) is not None:
        assert piece.text
    return coming


def test_what_is_written_meanwhile_comes_and_the_end_with_it(hub, attempt):
    write(attempt, "one\n")
    coming = started(attempt)
    write(attempt, "two\n")
    hub.refresh()
    assert next(coming).text == "two\n"
    write(attempt, "tail\n")
    end(attempt)
    hub.refresh()
    piece = next(coming)
    assert (piece.text, piece.complete, piece.next_offset) == ("tail\n", True, 13)
    assert list(coming) == []


def test_a_character_in_two_chunks_comes_once(hub, attempt):
    coming = started(attempt)
    write(attempt, "a€".encode()[:-1])
    hub.refresh()
    assert next(coming).text == "a"
    write(attempt, "€b".encode()[2:])
    hub.refresh()
    assert next(coming).text == "€b"


@pytest.mark.parametrize("whole", [True, False], ids=["", "and an unfinished character"])
def test_a_log_that_was_stored_between_two_looks_is_read_to_its_end(hub, attempt, whole, settings, tmp_path):
    settings.STORAGES = settings.STORAGES | {"logs": {"BACKEND": settings.FILES, "OPTIONS": {"location": tmp_path}}}
    coming = started(attempt)
    write(attempt, "one\n", "tail" if whole else b"tail\xe2")
    end(attempt)
    assert archive.archive() == 1
    hub.refresh()
    piece = next(coming)
    assert (piece.text, piece.complete) == ("one\ntail" + ("" if whole else "\ufffd"), True)


def test_who_waits_makes_no_query_and_who_is_woken_none_either(hub, attempt):
    write(attempt, "history\n" * 1000)
    followers = [started(attempt) for _ in range(20)]
    with CaptureQueriesContext(connection) as silence:
        assert [next(one) for one in followers] == [None] * 20
    write(attempt, "news\n")
    hub.refresh()
    with CaptureQueriesContext(connection) as news:
        assert [next(one).text for one in followers] == ["news\n"] * 20
    assert (len(silence), len(news)) == (0, 0)


def test_a_look_is_one_statement_for_any_number_of_logs(hub, django_assert_num_queries):
    attempts = [builders.attempt(job=builders.job(state="running")) for _ in range(5)]
    coming = [started(one) for one in attempts]
    hub.refresh()
    for one in attempts:
        write(one, *["news\n"] * 3)
    with django_assert_num_queries(1):
        hub.refresh()
    assert [next(one).text for one in coming] == ["news\n" * 3] * 5


def test_a_flood_reaches_the_follower_whole(hub, attempt):
    coming = started(attempt)
    texts = [f"{number:07}\n" * 20_000 for number in range(12)]
    write(attempt, *texts)
    hub.refresh()
    end(attempt)
    hub.refresh()
    hub.refresh()
    assert "".join(piece.text for piece in coming if piece) == "".join(texts)


def test_agents_are_told_who_is_followed_until_the_attempt_is_over(hub, attempt):
    coming = started(attempt)
    hub.refresh()
    assert FollowedLog.objects.get().until > timezone.now()
    coming.close()


def test_a_log_that_nobody_follows_any_more_is_not_looked_at(hub, attempt, django_assert_num_queries):
    started(attempt).close()
    with django_assert_num_queries(0):
        hub.refresh()


def test_a_job_that_waits_is_followed_from_its_first_attempt_on(hub, db):
    job = builders.job()
    coming = follow(job, None, 0, seconds=60)
    assert next(coming) is None
    write(builders.attempt(job=job), "hello\n")
    hub.refresh()
    while (piece := next(coming)) is None:
        pass
    assert piece.text == "hello\n"


def test_a_job_that_is_cancelled_while_it_waits_ends_the_stream(hub, db):
    job = builders.job()
    coming = follow(job, None, 0, seconds=60)
    assert next(coming) is None
    type(job).objects.filter(pk=job.pk).update(state="cancelled", finished_at=timezone.now())
    hub.refresh()
    assert [piece.complete for piece in coming if piece] == [True]


def test_an_attempt_that_is_deleted_ends_the_stream(hub, attempt):
    coming = started(attempt)
    attempt.job.delete()
    hub.refresh()
    assert [piece.complete for piece in coming if piece] == [True]


def test_following_gives_up_after_a_while(hub, attempt):
    assert list(follow(attempt.job, None, 0, seconds=0)) == []


@pytest.mark.django_db(transaction=True)
def test_a_hundred_threads_follow_one_log_over_one_connection():
    attempt = builders.attempt(job=builders.job(state="running"), started_at=timezone.now())
    write(attempt, "one\n")
    read: list[list[str]] = [[] for _ in range(100)]

    def watch(number):
        try:
            read[number] += [piece.text for piece in follow(attempt.job, None, 0, seconds=60) if piece]
        finally:
            connection.close()

    threads = [threading.Thread(target=watch, args=(number,)) for number in range(100)]
    for thread in threads:
        thread.start()
    wait_for(lambda: all(read_so_far(attempt) for _ in [0]) and connections() <= 3, 30, "everybody to wait")
    write(attempt, "two\n")
    end(attempt)
    for thread in threads:
        thread.join(30)
    assert ["".join(one) for one in read] == ["one\ntwo\n"] * 100
    wait_for(lambda: tail.hub._thread is None, 10, "the hub to rest")


def read_so_far(attempt):
    feed = tail.hub._feeds.get((attempt.pk, 0))
    return feed is not None and feed.followers == 100


def connections():
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
        return cursor.fetchone()[0]


def test_a_stream_ends_for_who_is_made_inactive_also_while_lines_keep_coming(hub, attempt, monkeypatch):
    monkeypatch.setattr("jobs.logs.followers.LOOK_SECONDS", 0)
    reader = builders.member(project=attempt.job.project)
    coming = follow(attempt.job, None, 0, seconds=60, user_id=reader.pk)
    write(attempt, "one\n")
    assert next(coming).text == "one\n"

    type(reader).objects.update(is_active=False)
    write(attempt, "two\n")
    hub.refresh()
    assert list(coming) == []
