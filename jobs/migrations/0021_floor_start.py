from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("jobs", "0019_an_end_by_the_process_limit"),
    ]

    operations = [
        migrations.AddField(
            model_name="job",
            name="floor_start",
            field=models.DateTimeField(editable=False, null=True),
        ),
    ]
