from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("quotas", "0008_budget_alerts"),
    ]

    operations = [
        migrations.AddField(
            model_name="quota",
            name=f"{of}_{resource}",
            field=field(blank=True, null=True),
        )
        for of in ("borrowing", "lending")
        for resource, field in (
            ("gpus", models.PositiveIntegerField),
            ("cpus", models.PositiveIntegerField),
            ("memory_mb", models.PositiveBigIntegerField),
        )
    ]
