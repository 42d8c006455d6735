from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("quotas", "0010_borrowing_and_lending"),
    ]

    operations = [
        migrations.AddField(
            model_name="quota",
            name="user_gpus",
            field=models.PositiveIntegerField(blank=True, help_text="Of one user; empty: no limit.", null=True),
        ),
        *(
            migrations.AddField(model_name="quota", name=f"user_{name}", field=field(blank=True, null=True))
            for name, field in (
                ("cpus", models.PositiveIntegerField),
                ("memory_mb", models.PositiveBigIntegerField),
                ("running_jobs", models.PositiveIntegerField),
                ("waiting_jobs", models.PositiveIntegerField),
            )
        ),
    ]
