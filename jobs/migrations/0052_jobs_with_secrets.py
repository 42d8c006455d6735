import django.contrib.postgres.fields
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("jobs", "0050_kept_outputs"),
        ("quotas", "0017_secrets"),
        ("workers", "0014_clusters"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="job",
            name="secrets",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.CharField(max_length=128), blank=True, db_default=[], default=list, size=None
            ),
        ),
        migrations.AddField(
            model_name="logchunk",
            name="printed",
            field=models.PositiveBigIntegerField(null=True),
        ),
        migrations.AlterField(
            model_name="attempt",
            name="end_reason",
            field=models.CharField(
                blank=True,
                choices=[
                    ("completed", "completed"),
                    ("exit_code", "exit_code"),
                    ("timeout", "timeout"),
                    ("out_of_memory", "out_of_memory"),
                    ("node_lost", "node_lost"),
                    ("cancelled", "cancelled"),
                    ("preempted", "preempted"),
                    ("paused", "paused"),
                    ("stalled", "stalled"),
                    ("idle", "idle"),
                    ("start_failed", "start_failed"),
                    ("lost_lease", "lost_lease"),
                    ("gang_ended", "gang_ended"),
                    ("output_limit", "output_limit"),
                    ("process_limit", "process_limit"),
                    ("disk_full", "disk_full"),
                    ("gpu_error", "gpu_error"),
                    ("platform_error", "platform_error"),
                    ("code_unavailable", "code_unavailable"),
                    ("secrets_unavailable", "secrets_unavailable"),
                    ("files_unavailable", "files_unavailable"),
                    ("dependency_failed", "dependency_failed"),
                ],
                max_length=20,
            ),
        ),
        migrations.AlterField(
            model_name="job",
            name="end_reason",
            field=models.CharField(
                blank=True,
                choices=[
                    ("completed", "completed"),
                    ("exit_code", "exit_code"),
                    ("timeout", "timeout"),
                    ("out_of_memory", "out_of_memory"),
                    ("node_lost", "node_lost"),
                    ("cancelled", "cancelled"),
                    ("preempted", "preempted"),
                    ("paused", "paused"),
                    ("stalled", "stalled"),
                    ("idle", "idle"),
                    ("start_failed", "start_failed"),
                    ("lost_lease", "lost_lease"),
                    ("gang_ended", "gang_ended"),
                    ("output_limit", "output_limit"),
                    ("process_limit", "process_limit"),
                    ("disk_full", "disk_full"),
                    ("gpu_error", "gpu_error"),
                    ("platform_error", "platform_error"),
                    ("code_unavailable", "code_unavailable"),
                    ("secrets_unavailable", "secrets_unavailable"),
                    ("files_unavailable", "files_unavailable"),
                    ("dependency_failed", "dependency_failed"),
                ],
                editable=False,
                max_length=20,
            ),
        ),
        migrations.AddIndex(
            model_name="job",
            index=models.Index(
                condition=models.Q(("state", "pending"), models.Q(("secrets", []), _negated=True)),
                fields=["id"],
                name="job_with_secrets",
            ),
        ),
    ]
