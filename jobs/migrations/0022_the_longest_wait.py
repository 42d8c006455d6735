from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("jobs", "0021_floor_start"),
    ]

    operations = [
        migrations.AddField(
            model_name="cycle",
            name="longest_wait",
            field=models.FloatField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name="cycle",
            name="longest_wait_at",
            field=models.FloatField(db_default=0, default=0),
        ),
    ]
