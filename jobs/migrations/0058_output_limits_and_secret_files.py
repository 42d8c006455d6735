import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

ADD_UP = """
    UPDATE jobs_keptoutputs AS kept SET size = there.size
    FROM (SELECT outputs_id, sum(size) AS size FROM jobs_keptfile WHERE state = 'kept' GROUP BY outputs_id) AS there
    WHERE there.outputs_id = kept.placement_id
"""


class Migration(migrations.Migration):
    dependencies = [
        ("jobs", "0057_begin_and_revision"),
        ("quotas", "0017_secrets"),
    ]

    operations = [
        migrations.CreateModel(
            name="OutputLimit",
            fields=[
                (
                    "project",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="+",
                        serialize=False,
                        to="quotas.project",
                    ),
                ),
                (
                    "most_mb",
                    models.PositiveBigIntegerField(
                        help_text="The oldest that nobody keeps are forgotten for newer ones."
                    ),
                ),
                ("changed_by", models.CharField(blank=True, editable=False, max_length=150)),
                (
                    "changed_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False),
                ),
            ],
        ),
        migrations.AddField(
            model_name="keptoutputs",
            name="size",
            field=models.PositiveBigIntegerField(
                db_default=0, default=0, help_text="Of its files that are kept, in bytes."
            ),
        ),
        migrations.AddField(
            model_name="job",
            name="secret_files",
            field=models.JSONField(blank=True, db_default=models.Value({}, models.JSONField()), default=dict),
        ),
        migrations.RunSQL(ADD_UP, migrations.RunSQL.noop),
    ]
