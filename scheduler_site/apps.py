from importlib import import_module

from django.apps import AppConfig
from django.conf import settings

from scheduler_site import checks, env, plugins
from telemetry import lines


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
