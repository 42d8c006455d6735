import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("jobs", "0046_code_snapshots"),
    ]

    operations = [
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
                    ("dependency_failed", "dependency_failed"),
                ],
                editable=False,
                max_length=20,
            ),
        ),
        migrations.AddField(
            model_name="job",
            name="snapshot",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                editable=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="jobs",
                to="jobs.codesnapshot",
            ),
        ),
        migrations.AddIndex(
            model_name="job",
            index=models.Index(
                condition=models.Q(("snapshot__isnull", False)), fields=["snapshot"], name="job_with_code"
            ),
        ),
    ]
