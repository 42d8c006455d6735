from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("jobs", "0039_token_caps"),
    ]

    operations = [
        migrations.CreateModel(
            name="JobCount",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("series", models.CharField(max_length=20)),
                ("label", models.CharField(blank=True, max_length=40)),
                ("at_most", models.FloatField()),
                ("count", models.PositiveBigIntegerField()),
                ("seconds", models.FloatField(db_default=0, default=0)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("series", "label", "at_most"), name="one_count_of_a_thing")
                ],
            },
        ),
        migrations.CreateModel(
            name="JobCountProgress",
            fields=[
                ("id", models.PositiveSmallIntegerField(default=1, primary_key=True, serialize=False)),
                ("counted_until", models.BigIntegerField(default=0)),
                ("next_until", models.BigIntegerField(null=True)),
                ("when_over", models.BigIntegerField(null=True)),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(condition=models.Q(("id", 1)), name="one_job_count_progress_row")
                ],
            },
        ),
    ]
