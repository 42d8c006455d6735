import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("jobs", "0036_why_jobs_are_where_they_are"),
    ]

    operations = [
        migrations.CreateModel(
            name="ForgottenJob",
            fields=[
                ("job", models.BigIntegerField(primary_key=True, serialize=False)),
                ("ended_at", models.DateTimeField()),
                (
                    "deleted_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), db_index=True),
                ),
            ],
        ),
    ]
