from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("jobs", "0020_the_shadow_of_a_floor"),
    ]

    operations = [
        migrations.AddField(
            model_name="job",
            name="floor_start",
            field=models.DateTimeField(editable=False, null=True),
        ),
    ]
