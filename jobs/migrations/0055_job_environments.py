from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("jobs", "0052_jobs_with_secrets"),
    ]

    operations = [
        migrations.AddField(
            model_name="job",
            name="environment",
            field=models.JSONField(
                blank=True,
                db_default=models.Value({}, models.JSONField()),
                default=dict,
                help_text="In what its command runs: a kind and where it is, perhaps a version of Python. Empty: what its node has.",
            ),
        ),
        migrations.AddField(
            model_name="job",
            name="environment_labels",
            field=models.JSONField(
                blank=True, db_default=models.Value({}, models.JSONField()), default=dict, editable=False
            ),
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
                    ("setup_failed", "setup_failed"),
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
                    ("setup_failed", "setup_failed"),
                    ("dependency_failed", "dependency_failed"),
                ],
                editable=False,
                max_length=20,
            ),
        ),
    ]
