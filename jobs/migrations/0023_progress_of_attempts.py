from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("jobs", "0022_the_longest_wait"),
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
