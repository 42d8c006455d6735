from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("workers", "0005_node_trials"),
    ]

    operations = [
        migrations.AddField(
            model_name="node",
            name="removed_at",
            field=models.DateTimeField(editable=False, null=True),
        ),
    ]
