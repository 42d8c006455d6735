from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    """Beside those who write logs: the table may be large."""

    atomic = False

    dependencies = [("jobs", "0012_stored_logs")]

    operations = [
        AddIndexConcurrently(
            model_name="logchunk",
            index=models.Index(condition=models.Q(("number", 0)), fields=["attempt", "rank"], name="log_with_rows"),
        ),
    ]
