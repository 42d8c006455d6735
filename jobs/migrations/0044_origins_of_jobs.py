from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("jobs", "0039_token_caps"),
    ]

    operations = [
        migrations.AddField(
            model_name="job",
            name="request_id",
            field=models.CharField(blank=True, db_default="", editable=False, max_length=64),
        ),
        migrations.AddField(
            model_name="job",
            name="traceparent",
            field=models.CharField(blank=True, db_default="", editable=False, max_length=55),
        ),
    ]
