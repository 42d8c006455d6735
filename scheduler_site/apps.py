from django.apps import AppConfig
from django.conf import settings

from scheduler_site import checks, plugins


class SiteConfig(AppConfig):
    name = "scheduler_site"
    verbose_name = "Trainyard"

    def ready(self) -> None:
        if settings.TRAINYARD_ROLE != "node":  # an agent plans nothing
            plugins.load_policies()
        checks.register()
