import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("quotas", "0015_gpu_time_ahead"),
    ]

    operations = [
        migrations.CreateModel(
            name="NativeQuotaRow",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("provider", models.CharField(help_text="Who said it.", max_length=63)),
                (
                    "holder",
                    models.CharField(
                        blank=True, db_default="", help_text="The quota's name there, in words.", max_length=300
                    ),
                ),
                ("hard", models.JSONField(db_default=models.Value({}, models.JSONField()), default=dict)),
                (
                    "used",
                    models.JSONField(
                        db_default=models.Value({}, models.JSONField()), default=dict, help_text="By whomever."
                    ),
                ),
                ("synced_at", models.DateTimeField(help_text="As of when; null: it has never been read.", null=True)),
                (
                    "fault",
                    models.CharField(
                        blank=True, db_default="", help_text="Why it was not read since then.", max_length=500
                    ),
                ),
                (
                    "project",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE, related_name="native_quota", to="quotas.project"
                    ),
                ),
            ],
        ),
    ]
