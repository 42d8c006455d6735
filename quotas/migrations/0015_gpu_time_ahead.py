from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("quotas", "0014_months_of_jobs"),
    ]

    operations = [
        migrations.AddField(
            model_name="quota",
            name="gpu_seconds_ahead",
            field=models.PositiveBigIntegerField(
                blank=True,
                help_text="What running jobs may still use up to their limits: GPUs times seconds.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="quota",
            name="user_gpu_seconds_ahead",
            field=models.PositiveBigIntegerField(blank=True, null=True),
        ),
    ]
