"""The site's server. Anything here can be overridden on gunicorn's command line."""

import os
from typing import Any

from django.core.management import execute_from_command_line

from scheduler_site import env

bind = f"0.0.0.0:{env.port('TRAINYARD_PORT', 8000)}"
workers = env.whole("TRAINYARD_WEB_WORKERS", env.WEB_WORKERS, at_least=1)
# Slow callers wait in its event loop: a thread gets a request when all of it is there.
worker_class = "scheduler_site.patient_worker.PatientWorker"
# A log that is followed keeps its thread for as long, asleep and without a database connection: there are many, and a
# quarter is left for everybody else.
threads = env.whole("TRAINYARD_WEB_THREADS", env.WEB_THREADS, at_least=1)
if not env.stated("TRAINYARD_LOG_FOLLOWERS"):
    os.environ["TRAINYARD_LOG_FOLLOWERS"] = str(max(1, threads * 3 // 4))
worker_connections = 2000
limit_request_line = 8190
timeout = 60
graceful_timeout = 20
keepalive = 5
worker_tmp_dir = "/dev/shm"  # noqa: S108  a heartbeat on a slow disk looks like a worker that hangs
control_socket_disable = True  # nobody administers gunicorn by a socket here
accesslog = "-"
logger_class = "scheduler_site.web_logs.WebLogs"
preload_app = True


def on_starting(_server: Any) -> None:
    """Refuse to serve with settings that the system checks refuse."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "scheduler_site.settings")
    execute_from_command_line(["manage.py", "check"])
