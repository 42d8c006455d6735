from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # the table is large where there is anything to find in it

    dependencies = [
        ("jobs", "0026_limits_of_queues"),
        ("workers", "0006_node_removed_at"),
    ]

    operations = [
        AddIndexConcurrently(
            "placement",
            models.Index(
                condition=models.Q(("gpu_indices", []), _negated=True),
                fields=["closed_at"],
                name="placement_gpu_hours",
            ),
        ),
    ]
