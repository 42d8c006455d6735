from django.apps import AppConfig
from django.db.models.signals import post_migrate


class JobsConfig(AppConfig):
    name = "jobs"
    verbose_name = "Jobs"

    def ready(self) -> None:
        from jobs.models.initial_data import add_defaults  # noqa: PLC0415  models can be imported only once the apps are ready

        post_migrate.connect(add_defaults, sender=self)
