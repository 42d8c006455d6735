from django.apps import AppConfig
from django.db.models.signals import post_migrate


class WorkersConfig(AppConfig):
    name = "workers"
    verbose_name = "Nodes"

    def ready(self) -> None:
        from workers import protocol  # noqa: PLC0415  models are there only now

        post_migrate.connect(protocol.publish, sender=self)
