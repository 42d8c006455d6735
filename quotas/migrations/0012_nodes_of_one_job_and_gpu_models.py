import django.core.validators
from django.db import migrations, models
from django.db.models import Q, Value
from django.db.models.lookups import Exact

import quotas.gpu_model_limits


class Migration(migrations.Migration):
    dependencies = [
        ("quotas", "0011_limits_of_users"),
    ]

    operations = [
        migrations.AddField(
            model_name="quota",
            name="max_nodes",
            field=models.PositiveIntegerField(
                blank=True,
                help_text="Of one job, as it is submitted.",
                null=True,
                validators=[django.core.validators.MinValueValidator(1)],
            ),
        ),
        migrations.AddField(
            model_name="quota",
            name="gpu_models",
            field=models.JSONField(
                blank=True,
                db_default=Value({}, models.JSONField()),
                default=dict,
                help_text='GPUs by model, such as {"h100": 4}.',
                validators=[quotas.gpu_model_limits.refuse_faulty],
            ),
        ),
        migrations.AddConstraint(
            model_name="quota",
            constraint=models.CheckConstraint(
                condition=Exact(
                    models.Func("gpu_models", function="jsonb_typeof", output_field=models.TextField()),
                    Value("object"),
                ),
                name="gpu_models_are_an_object",
            ),
        ),
        migrations.AddConstraint(
            model_name="quota",
            constraint=models.CheckConstraint(
                condition=Q(max_nodes__isnull=True) | Q(max_nodes__gte=1), name="quota_of_a_node"
            ),
        ),
    ]
