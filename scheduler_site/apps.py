from django.apps import AppConfig
from django.conf import settings

from scheduler_site import checks, plugins
from telemetry import lines


class SiteConfig(AppConfig):
    name = "scheduler_site"
    verbose_name = "Trainyard"

    def ready(self) -> None:
        if settings.LOG_FORMAT == "json":
            lines.catch_the_rest()
        if settings.TRAINYARD_ROLE != "node":  # an agent plans nothing
            plugins.load_policies()
        checks.register()
