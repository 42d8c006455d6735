from django.apps import AppConfig

from scheduler_site import checks


class SiteConfig(AppConfig):
    name = "scheduler_site"
    verbose_name = "Trainyard"

    def ready(self) -> None:
        checks.register()
