import django.core.validators
import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("jobs", "0037_forgotten_jobs"),
        ("quotas", "0010_borrowing_and_lending"),
    ]

    operations = [
        migrations.AddField(
            model_name="placement",
            name="charged_until",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="usagehour",
            name="freed_gpu_seconds",
            field=models.DecimalField(db_default=0, decimal_places=6, default=0, max_digits=30),
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
                    ("dependency_failed", "dependency_failed"),
                ],
                editable=False,
                max_length=20,
            ),
        ),
        migrations.CreateModel(
            name="IdleGpuRule",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "warn_minutes",
                    models.PositiveIntegerField(
                        blank=True,
                        help_text="So long no GPU of a job has worked: its history says so; empty: never.",
                        null=True,
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(525600),
                        ],
                    ),
                ),
                (
                    "suggest_minutes",
                    models.PositiveIntegerField(
                        blank=True,
                        help_text="Its history says what can be done; empty: never.",
                        null=True,
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(525600),
                        ],
                    ),
                ),
                (
                    "requeue_minutes",
                    models.PositiveIntegerField(
                        blank=True,
                        help_text="It saves its work and goes back in line, if it is checkpointable; empty: never.",
                        null=True,
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(525600),
                        ],
                    ),
                ),
                (
                    "stop_minutes",
                    models.PositiveIntegerField(
                        blank=True,
                        help_text="It is ended; empty: never.",
                        null=True,
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(525600),
                        ],
                    ),
                ),
                (
                    "requeue_priority",
                    models.PositiveSmallIntegerField(
                        default=10,
                        help_text="The priority with which it goes back in line, unless its own is lower.",
                        validators=[django.core.validators.MaxValueValidator(100)],
                    ),
                ),
                (
                    "max_requeues",
                    models.PositiveSmallIntegerField(
                        default=1,
                        help_text="So often a job is requeued for this; after that what is left is to stop it.",
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(100),
                        ],
                    ),
                ),
                (
                    "start_minutes",
                    models.PositiveIntegerField(
                        default=10,
                        help_text="The first minutes of an attempt, which do not count.",
                        validators=[django.core.validators.MaxValueValidator(525600)],
                    ),
                ),
                ("changed_by", models.CharField(blank=True, editable=False, max_length=150)),
                (
                    "changed_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False),
                ),
                (
                    "project",
                    models.OneToOneField(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="quotas.project",
                    ),
                ),
                (
                    "queue",
                    models.OneToOneField(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="jobs.queue",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("project__isnull", True), ("queue__isnull", False)),
                            models.Q(("project__isnull", False), ("queue__isnull", True)),
                            _connector="OR",
                        ),
                        name="idle_gpu_rule_of_one",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("max_requeues__gte", 1),
                            ("requeue_priority__lte", 100),
                            models.Q(("warn_minutes__isnull", True), ("warn_minutes__gte", 1), _connector="OR"),
                            models.Q(
                                ("stop_minutes__isnull", True),
                                ("stop_minutes__gt", models.F("warn_minutes")),
                                _connector="OR",
                            ),
                            models.Q(
                                ("requeue_minutes__isnull", True),
                                ("requeue_minutes__gt", models.F("warn_minutes")),
                                _connector="OR",
                            ),
                        ),
                        name="idle_gpu_rule_warns_first",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="IdleGpuStep",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "rung",
                    models.CharField(
                        choices=[("warn", "warn"), ("suggest", "suggest"), ("requeue", "requeue"), ("stop", "stop")],
                        max_length=10,
                    ),
                ),
                ("at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "idle_gpu_seconds",
                    models.FloatField(help_text="For how long its GPUs had idled by then, all together."),
                ),
                (
                    "freed_gpu_seconds",
                    models.FloatField(
                        default=0,
                        help_text="For how long it would have held them still, by its predicted end or its limit: an estimate.",
                    ),
                ),
                ("mail_at", models.DateTimeField(null=True)),
                ("mail_tries", models.PositiveSmallIntegerField(default=0)),
                (
                    "attempt",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="idle_steps",
                        to="jobs.attempt",
                    ),
                ),
            ],
            options={
                "ordering": ["id"],
                "indexes": [
                    models.Index(
                        condition=models.Q(("mail_at__isnull", False)), fields=["mail_at"], name="idle_gpu_mail"
                    )
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("rung__in", ["warn", "suggest", "requeue", "stop"])),
                        name="idle_gpu_rung_known",
                    )
                ],
            },
        ),
    ]
