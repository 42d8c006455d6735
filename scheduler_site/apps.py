from django.apps import AppConfig


class SiteConfig(AppConfig):
    name = "scheduler_site"
    verbose_name = "Trainyard"
