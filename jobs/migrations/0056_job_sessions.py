import django.db.models.deletion
import django.db.models.functions.datetime
import uuid
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("jobs", "0055_job_environments"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="JobSession",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                (
                    "kind",
                    models.CharField(choices=[("exec", "Exec"), ("shell", "Shell"), ("port", "Port")], max_length=5),
                ),
                ("command", models.JSONField(db_default=models.Value([], models.JSONField()), default=list)),
                ("terminal", models.CharField(blank=True, db_default="", max_length=40)),
                ("rows", models.PositiveIntegerField(db_default=24)),
                ("columns", models.PositiveIntegerField(db_default=80)),
                ("port", models.PositiveIntegerField(null=True)),
                ("token_hash", models.CharField(editable=False, max_length=64)),
                ("relay", models.CharField(blank=True, db_default="", editable=False, max_length=100)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("caller_at", models.DateTimeField(null=True)),
                ("agent_at", models.DateTimeField(null=True)),
                ("ended_at", models.DateTimeField(null=True)),
                ("exit_code", models.IntegerField(null=True)),
                ("outcome", models.CharField(blank=True, db_default="", max_length=500)),
                (
                    "placement",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="sessions", to="jobs.placement"
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
            options={
                "ordering": ["-created_at"],
                "indexes": [
                    models.Index(
                        condition=models.Q(("ended_at__isnull", True)), fields=["placement"], name="session_open"
                    ),
                    models.Index(
                        condition=models.Q(("ended_at__isnull", True)), fields=["user"], name="session_of_user_open"
                    ),
                ],
            },
        ),
    ]
