from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models
from django.db.models import F, Q

# With the rights of its owner: who books, an agent perhaps, has none on the sums. So its path names no schema of the caller's.
KEPT = """
    CREATE FUNCTION quotas_job_month() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    BEGIN
        INSERT INTO quotas_jobmonth AS known (month, job, project, user_name, batch, settled, refunded, placements)
            SELECT date_trunc('month', at AT TIME ZONE 'UTC')::date AS month, job, max(project), max(user_name), max(batch),
                coalesce(sum(cost) FILTER (WHERE kind = 'settle'), 0), coalesce(-sum(cost) FILTER (WHERE kind = 'refund'), 0),
                count(*) FILTER (WHERE kind = 'settle')
            FROM booked WHERE kind <> 'hold' GROUP BY 1, 2 ORDER BY 1, 2
            ON CONFLICT (month, job) DO UPDATE SET settled = known.settled + excluded.settled,
                refunded = known.refunded + excluded.refunded, placements = known.placements + excluded.placements;
        RETURN NULL;
    END $$;
    CREATE TRIGGER quotas_job_month AFTER INSERT ON quotas_ledgertransaction
        REFERENCING NEW TABLE AS booked FOR EACH STATEMENT EXECUTE FUNCTION quotas_job_month();
"""
NO_LONGER_KEPT = """
    DROP TRIGGER quotas_job_month ON quotas_ledgertransaction;
    DROP FUNCTION quotas_job_month();
"""
# How few days and months there are: else each row is taken for a group of its own, and one process adds all of them up.
COUNTED = """
    CREATE STATISTICS quotas_ledger_days ON (date_trunc('day', at AT TIME ZONE 'UTC')) FROM quotas_ledgertransaction;
    CREATE STATISTICS quotas_ledger_months ON (date_trunc('month', at AT TIME ZONE 'UTC')) FROM quotas_ledgertransaction;
"""
NO_LONGER_COUNTED = """
    DROP STATISTICS quotas_ledger_days;
    DROP STATISTICS quotas_ledger_months;
"""


class Migration(migrations.Migration):
    atomic = False  # the ledger is large, and goes on being written

    dependencies = [
        ("quotas", "0012_nodes_of_one_job_and_gpu_models"),
    ]

    operations = [
        migrations.CreateModel(
            name="JobMonth",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("month", models.DateField(help_text="Its first day.")),
                ("job", models.BigIntegerField()),
                ("project", models.BigIntegerField()),
                ("user_name", models.CharField(blank=True, max_length=150)),
                ("batch", models.CharField(blank=True, max_length=32)),
                ("settled", models.DecimalField(max_digits=30, decimal_places=6)),
                ("refunded", models.DecimalField(max_digits=30, decimal_places=6)),
                (
                    "paid",
                    models.GeneratedField(
                        expression=F("settled") - F("refunded"),
                        output_field=models.DecimalField(max_digits=30, decimal_places=6),
                        db_persist=True,
                    ),
                ),
                ("placements", models.IntegerField(help_text="How many of them were settled.")),
            ],
            options={
                "ordering": ["id"],
                "constraints": [models.UniqueConstraint(fields=("month", "job"), name="job_once_a_month")],
                "indexes": [
                    models.Index(
                        fields=["month", "-paid", "job"],
                        include=("project", "user_name", "settled", "refunded", "placements"),
                        name="job_months_by_cost",
                    )
                ],
            },
        ),
        # What was booked before stays in the ledger alone: reports of such months are read from there.
        migrations.RunSQL(KEPT, NO_LONGER_KEPT),
        AddIndexConcurrently(
            "ledgertransaction",
            models.Index(
                fields=["at"],
                include=("project", "user_name", "kind", "cost", "batch", "node"),
                name="ledger_sums",
                condition=~Q(kind="hold"),
            ),
        ),
        migrations.RunSQL(COUNTED, NO_LONGER_COUNTED),
        RemoveIndexConcurrently("ledgertransaction", "ledger_report"),
    ]
