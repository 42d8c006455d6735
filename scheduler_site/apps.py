from collections.abc import Callable
from importlib import import_module

from celery.signals import after_task_publish, task_postrun
from django.apps import AppConfig
from django.conf import settings

from scheduler_site import checks, env, plugins
from telemetry import lines
from workers.proof_marks import DONE, SENT, mark


class SiteConfig(AppConfig):
    name = "scheduler_site"
    verbose_name = "Trainyard"

    def ready(self) -> None:
        if settings.LOG_FORMAT == "json":
            lines.catch_the_rest()
        if settings.TRACES_TO:
            # By its name: the SDK is installed where somebody wants traces.
            recorder = import_module("telemetry.open_telemetry")
            recorder.begin(endpoint=settings.TRACES_TO, service=env.program_name(), version=settings.RELEASE)
        if settings.TRAINYARD_ROLE != "node":  # an agent plans nothing
            plugins.load_policies()
        checks.register()
        if settings.PROOF_FOLDER:
            mark_what_celery_does()


def mark_what_celery_does() -> Callable[[], None]:
    """From now on, in this process, for probes: agents hear their own messages, beat sends, control does. Returns how to undo it."""

    def done(**_: object) -> None:
        mark(DONE)

    def sent(**_: object) -> None:
        mark(SENT)

    task_postrun.connect(done, weak=False)
    after_task_publish.connect(sent, weak=False)

    def disconnect() -> None:
        task_postrun.disconnect(done)
        after_task_publish.disconnect(sent)

    return disconnect
