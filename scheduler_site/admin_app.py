"""Django's admin as an app, with our own site. Read while the apps load, so it imports no model."""

from django.contrib.admin.apps import AdminConfig


class OperationsConfig(AdminConfig):
    default_site = "scheduler_site.admin_site.OperationsSite"
