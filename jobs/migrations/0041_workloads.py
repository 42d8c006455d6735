import django.core.validators
import django.db.models.deletion
import django.db.models.functions.datetime
import scheduling.workloads
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("jobs", "0040_counts_of_jobs"),
        ("quotas", "0015_gpu_time_ahead"),
        ("workers", "0013_pool_consolidation"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Workload",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "name",
                    models.CharField(
                        max_length=63,
                        validators=[
                            django.core.validators.RegexValidator(
                                "\\A[A-Za-z][A-Za-z0-9._-]{0,62}\\Z",
                                "Begin with a letter; letters, digits, dots, dashes and underscores may follow, 63 in all.",
                            )
                        ],
                    ),
                ),
                ("description", models.CharField(blank=True, max_length=200)),
                (
                    "wanted",
                    models.CharField(
                        choices=[("held", "held"), ("open", "open"), ("paused", "paused"), ("cancelled", "cancelled")],
                        default=scheduling.workloads.Wanted["OPEN"],
                        editable=False,
                        max_length=10,
                    ),
                ),
                (
                    "max_running",
                    models.PositiveIntegerField(
                        blank=True,
                        help_text="Of its jobs at once; empty: no limit.",
                        null=True,
                        validators=[django.core.validators.MinValueValidator(1)],
                    ),
                ),
                (
                    "stop_on_failure",
                    models.BooleanField(default=False, help_text="The first job that fails cancels the others."),
                ),
                ("stopped_by", models.BigIntegerField(editable=False, null=True)),
                (
                    "watched_since",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False),
                ),
                ("version", models.PositiveIntegerField(default=0, editable=False)),
                ("settled", models.BooleanField(default=True, editable=False)),
                ("changed_by", models.CharField(blank=True, editable=False, max_length=150)),
                (
                    "changed_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False),
                ),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False),
                ),
                ("started_at", models.DateTimeField(editable=False, null=True)),
                (
                    "owner",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="workloads",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="workloads", to="quotas.project"
                    ),
                ),
            ],
            options={
                "ordering": ["-id"],
            },
        ),
        migrations.AddField(
            model_name="job",
            name="workload",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                editable=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="jobs",
                to="jobs.workload",
            ),
        ),
        migrations.AddIndex(
            model_name="job",
            index=models.Index(
                condition=models.Q(("workload__isnull", False)),
                fields=["workload", "state", "-id"],
                name="job_of_workload",
            ),
        ),
        migrations.AddIndex(
            model_name="workload",
            index=models.Index(condition=models.Q(("settled", False)), fields=["id"], name="workload_unsettled"),
        ),
        migrations.AddConstraint(
            model_name="workload",
            constraint=models.UniqueConstraint(fields=("project", "name"), name="workload_name_once_in_a_project"),
        ),
        migrations.AddConstraint(
            model_name="workload",
            constraint=models.CheckConstraint(
                condition=models.Q(("wanted__in", ["held", "open", "paused", "cancelled"])),
                name="workload_wanted_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="workload",
            constraint=models.CheckConstraint(
                condition=models.Q(("max_running__isnull", True), ("max_running__gte", 1), _connector="OR"),
                name="workload_runs_one_at_least",
            ),
        ),
    ]
