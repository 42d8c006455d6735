from collections.abc import Callable

from celery.signals import after_task_publish, task_postrun
from django.apps import AppConfig
from django.conf import settings

from scheduler_site import checks, plugins
from workers.proof_marks import DONE, SENT, mark


class SiteConfig(AppConfig):
    name = "scheduler_site"
    verbose_name = "Trainyard"

    def ready(self) -> None:
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
