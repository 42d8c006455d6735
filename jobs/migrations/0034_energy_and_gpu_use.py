from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("jobs", "0033_audit_results"),
    ]

    operations = [
        migrations.AddField(
            model_name="attempt",
            name="gpu_idle_seconds",
            field=models.FloatField(null=True),
        ),
        migrations.AddField(
            model_name="attempt",
            name="gpu_peak_memory_mb",
            field=models.PositiveBigIntegerField(null=True),
        ),
        migrations.AddField(
            model_name="attempt",
            name="gpu_joules",
            field=models.FloatField(null=True),
        ),
        migrations.AddField(
            model_name="attempt",
            name="cpu_joules",
            field=models.FloatField(null=True),
        ),
        migrations.AddField(
            model_name="attempt",
            name="energy_partial",
            field=models.BooleanField(null=True),
        ),
        migrations.AddField(
            model_name="placement",
            name="gpus_active_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="placement",
            name="gpus_measured_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="usagehour",
            name="idle_held_gpu_seconds",
            field=models.DecimalField(db_default=0, decimal_places=6, default=0, max_digits=30),
        ),
        migrations.AddField(
            model_name="usagehour",
            name="gpu_joules",
            field=models.DecimalField(db_default=0, decimal_places=6, default=0, max_digits=30),
        ),
        migrations.AddField(
            model_name="usagehour",
            name="cpu_joules",
            field=models.DecimalField(db_default=0, decimal_places=6, default=0, max_digits=30),
        ),
    ]
