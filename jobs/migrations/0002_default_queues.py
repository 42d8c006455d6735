"""The queues every installation starts with, and the one row that describes the last scheduling pass."""

from typing import Any

from django.db import migrations

QUEUES = (
    ("live", 100, "Somebody is waiting for the answer."),
    ("default", 50, "Ordinary training runs."),
    ("batch", 10, "Whatever is left over: sweeps, nightly runs."),
)


def add_defaults(apps: Any, schema_editor: Any) -> None:
    queue = apps.get_model("jobs", "Queue")
    for name, rank, description in QUEUES:
        queue.objects.get_or_create(name=name, defaults={"rank": rank, "description": description})
    apps.get_model("jobs", "Cycle").objects.get_or_create(id=1)


class Migration(migrations.Migration):
    dependencies = [("jobs", "0001_jobs_queues_attempts")]

    operations = [migrations.RunPython(add_defaults, migrations.RunPython.noop)]
