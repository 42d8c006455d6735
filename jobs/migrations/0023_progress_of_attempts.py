from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("jobs", "0021_floor_start"),
    ]

    operations = [
        migrations.AddField(
            model_name="attempt",
            name="progress",
            field=models.FloatField(null=True),
        ),
        migrations.AddField(
            model_name="attempt",
            name="resumed",
            field=models.BooleanField(null=True),
        ),
    ]
