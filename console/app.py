"""Django's admin as an app, with our own site. Read while the apps load, so it imports models only when all are there."""

from importlib import import_module

from django.contrib.admin.apps import AdminConfig


class OperationsConfig(AdminConfig):
    default_site = "console.site.OperationsSite"

    def ready(self) -> None:
        super().ready()
        site = import_module("django.contrib.admin").site
        import_module("console.periodic_tasks").register(site)
        import_module("console.access_pages").register(site)
