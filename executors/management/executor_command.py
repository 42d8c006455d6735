"""What the commands of executors have in common: each is a Celery worker in the foreground, under the name that it speaks for."""

import sys
from collections.abc import Iterable
from functools import partial
from typing import Any

from celery import current_app
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.core.validators import RegexValidator
from django.db import connection

from executors.celery_worker import bootstep
from executors.celery_worker.queue_probe import QueueProbe
from executors.celery_worker.speaker import Speaker, become
from executors.celery_worker.worker_arguments import worker_arguments
from jobs.messages import publishing
from scheduling.errors import TrainyardError
from telemetry.origin import life
from telemetry.subject import process_is

APPLICATION_NAME_LENGTH = 63  # PostgreSQL's


class ExecutorCommand(BaseCommand):
    """`run` prepares, and ends with `serve`; what is wrong with what was typed, or refused, is said without a trace."""

    def handle(self, **options: Any) -> None:
        try:
            self.run(options)
        except (TrainyardError, ValueError) as error:
            raise CommandError(str(error)) from None

    def run(self, options: dict[str, Any]) -> None:
        raise NotImplementedError

    def serve(
        self, speaker: Speaker, runner: Any, queue_probe: QueueProbe, *, title: str, name: str, threads: int
    ) -> None:
        """Until SIGTERM: `speaker` takes what is sent to `name`, and `runner` begins and ends with the worker."""
        application = f"trainyard {title} {name}"[:APPLICATION_NAME_LENGTH]
        connection.settings_dict["OPTIONS"]["application_name"] = application
        become(speaker)
        process_is(node=name)
        service = bootstep.install(current_app, runner, queue_probe)
        current_app.worker_main(worker_arguments(name, threads=threads))
        if service.failed:  # Celery's own exit code does not come through here
            sys.exit(1)

    def say(self, sentence: str) -> None:
        if settings.LOG_FORMAT == "json":
            life.info(sentence)
            return
        self.stdout.write(sentence)
        self.stdout.flush()


def probe_of(name: str) -> QueueProbe:
    """Whether what is sent to `name` arrives in this process."""
    return QueueProbe(
        send=partial(publishing.send_probe, name),
        every=settings.HEARING_SECONDS,
        unresponsive_after=settings.DEAF_SECONDS,
    )


def checked_name(name: str, validator: RegexValidator, *, option: str = "") -> str:
    """The name; raises CommandError for one that can be nobody's."""
    try:
        validator(name)
    except ValidationError as error:
        raise CommandError(f"{option}{name!r}: {error.message}") from None
    return name


def key_values(option: str, pairs: Iterable[str]) -> dict[str, str]:
    """`KEY=VALUE` words as a dict; raises ValueError naming the word that is not one."""
    found = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not (key and equals):
            raise ValueError(f"{option} {pair!r} must be KEY=VALUE.")
        found[key] = value
    return found
