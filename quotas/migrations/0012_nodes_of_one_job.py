import django.core.validators
from django.db import migrations, models
from django.db.models import Q


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
        migrations.AddConstraint(
            model_name="quota",
            constraint=models.CheckConstraint(
                condition=Q(max_nodes__isnull=True) | Q(max_nodes__gte=1), name="quota_of_a_node"
            ),
        ),
    ]
