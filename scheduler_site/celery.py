"""The Celery application: one for the site, beat, the control worker, Flower and every node agent."""

import os
import sys
import warnings
from importlib import import_module

from celery import Celery

from scheduler_site import broker, task_logs

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "scheduler_site.settings")

# Celery warns root because of pickled messages; ours are JSON and nothing else is accepted.
warnings.filterwarnings("ignore", message="(?s)You're running the worker with superuser privileges")

broker.use()
task_logs.use()
app = Celery("trainyard")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["jobs", "executors"])

if "flower.command" in sys.modules:  # Celery's command line, which loads its plugins before it loads us
    import_module("scheduler_site.flower_view").use()
