"""A broker or a database that is away is told of once a minute, in one line."""

import logging
import traceback
import warnings

import pytest
import redis
from celery.beat import SchedulingError
from kombu import Connection

from scheduler_site.broker import Consumer
from scheduler_site.celery import app
from scheduler_site.env import program_name
from scheduler_site.outage_logs import EVERY_SECONDS, OutageFilter

AWAY = redis.ConnectionError("Connection refused")


class Log:
    """A logger whose handler has the filter, on a clock that the test sets."""

    def __init__(self, name: str = "celery.beat") -> None:
        self.now = 0.0
        self.lines: list[str] = []
        handler = logging.Handler()
        handler.addFilter(OutageFilter(clock=lambda: self.now))
        handler.emit = lambda record: self.lines.extend(logging.Formatter().format(record).splitlines())  # type: ignore[method-assign]
        self.logger = logging.Logger(name)  # noqa: LOG001  one that nobody else knows
        self.logger.addHandler(handler)

    def fail(self, error: Exception = AWAY) -> None:
        """As beat does with each tick that could not be sent."""
        self.logger.error("Message Error: %s\n%s", error, traceback.format_stack(), exc_info=error)


def test_beats_failed_ticks_are_one_line_a_minute_with_their_number():
    log = Log()
    for _ in range(1000):
        log.fail()
    log.now += EVERY_SECONDS
    log.fail()

    assert log.lines == [
        "Message Error: Connection refused",
        "Message Error: Connection refused (999 more like it were left out)",
    ]


def test_an_outage_is_known_behind_the_error_that_beat_makes_of_it():
    log, error = Log(), SchedulingError("Couldn't apply scheduled task")
    error.__context__ = AWAY
    log.fail(error)
    assert log.lines == ["Message Error: Couldn't apply scheduled task"]


def test_what_is_no_outage_keeps_its_traceback():
    log = Log()
    log.fail(ValueError("a fault of ours"))
    assert "ValueError: a fault of ours" in log.lines


def test_other_troubles_and_other_loggers_are_not_held_back():
    log, ours = Log(), Log("executors.session.sync")
    log.fail()
    log.logger.warning("something else")
    ours.logger.warning("twice")
    ours.logger.warning("twice")

    assert log.lines == ["Message Error: Connection refused", "something else"]
    assert ours.lines == ["twice", "twice"]


def test_a_lost_broker_brings_no_advice_of_celerys_own():
    lost = Consumer.__new__(Consumer)
    lost.app, lost.connection, lost._pause = app, Connection("memory://"), 0.0
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        lost.on_connection_error_after_connected(AWAY)
    assert (vars(lost)["connection"], [str(one.message) for one in told]) == (None, [])


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("python -m gunicorn scheduler_site.wsgi", "trainyard web"),
        ("python -m celery -A scheduler_site beat", "trainyard beat"),
        ("/venv/bin/celery -A scheduler_site worker -Q control", "trainyard control"),
        ("python manage.py node --name n1", "trainyard node"),
        ("python manage.py migrate", "trainyard migrate"),
    ],
)
def test_connections_of_the_database_carry_the_name_of_their_process(command: str, name: str):
    assert program_name(command.split()) == name
