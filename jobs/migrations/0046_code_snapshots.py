import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("jobs", "0045_counted_preemptions"),
        ("quotas", "0015_gpu_time_ahead"),
    ]

    operations = [
        migrations.CreateModel(
            name="CodePack",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=200)),
                ("size", models.PositiveBigIntegerField()),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "project",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to="quotas.project"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="CodeBlob",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("sha256", models.CharField(max_length=64)),
                ("size", models.PositiveBigIntegerField()),
                ("offset", models.PositiveBigIntegerField()),
                (
                    "used_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(),
                        help_text="When an upload last asked for it.",
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="quotas.project",
                    ),
                ),
                (
                    "pack",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="blobs", to="jobs.codepack"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="CodeSnapshot",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("digest", models.CharField(help_text="Of its files and of where git stood.", max_length=64)),
                ("manifest", models.BinaryField()),
                ("files", models.PositiveIntegerField()),
                ("size", models.PositiveBigIntegerField()),
                (
                    "blobs",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.BigIntegerField(), default=list, size=None
                    ),
                ),
                ("commit", models.CharField(blank=True, max_length=64)),
                ("branch", models.CharField(blank=True, max_length=255)),
                ("dirty", models.BooleanField(null=True)),
                ("diff", models.TextField(blank=True)),
                ("created_by", models.CharField(blank=True, max_length=150)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "used_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(),
                        help_text="When it was last uploaded, or found to be there.",
                    ),
                ),
                ("complete_at", models.DateTimeField(null=True)),
                (
                    "project",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="quotas.project",
                    ),
                ),
            ],
        ),
        migrations.AddConstraint(
            model_name="codeblob",
            constraint=models.UniqueConstraint(fields=("project", "sha256"), name="code_blob_of_project_once"),
        ),
        migrations.AddIndex(
            model_name="codesnapshot",
            index=models.Index(fields=["used_at"], name="code_snapshot_age"),
        ),
        migrations.AddConstraint(
            model_name="codesnapshot",
            constraint=models.UniqueConstraint(fields=("project", "digest"), name="code_snapshot_of_project_once"),
        ),
    ]
