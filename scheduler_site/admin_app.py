"""Django's admin as an app, with our own site. Read while the apps load, so it imports models only when all are there."""

from importlib import import_module

from django.contrib.admin.apps import AdminConfig


class OperationsConfig(AdminConfig):
    default_site = "scheduler_site.admin_site.OperationsSite"

    def ready(self) -> None:
        super().ready()
        site = import_module("django.contrib.admin").site
        import_module("scheduler_site.periodic_tasks").register(site)
        import_module("scheduler_site.access_admin").register(site)
