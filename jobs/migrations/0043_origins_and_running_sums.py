from django.db import migrations, models

# The functions write with the rights of who made them: an agent ends jobs and settles, and writes no sums.
ENDED = """
    CREATE FUNCTION jobs_count_ended() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    BEGIN
        IF TG_OP <> 'INSERT' AND OLD.state IN ('completed', 'failed', 'cancelled') THEN
            INSERT INTO jobs_endedjobs (project, queue, state, jobs) VALUES (OLD.project_id, OLD.queue_id, OLD.state, -1);
        END IF;
        IF TG_OP <> 'DELETE' AND NEW.state IN ('completed', 'failed', 'cancelled') THEN
            INSERT INTO jobs_endedjobs (project, queue, state, jobs) VALUES (NEW.project_id, NEW.queue_id, NEW.state, 1);
        END IF;
        RETURN NULL;
    END $$;
    CREATE TRIGGER jobs_ended_come AFTER INSERT ON jobs_job FOR EACH ROW
        WHEN (NEW.state IN ('completed', 'failed', 'cancelled')) EXECUTE FUNCTION jobs_count_ended();
    CREATE TRIGGER jobs_ended_go AFTER DELETE ON jobs_job FOR EACH ROW
        WHEN (OLD.state IN ('completed', 'failed', 'cancelled')) EXECUTE FUNCTION jobs_count_ended();
    CREATE TRIGGER jobs_ended_change AFTER UPDATE OF state, project_id, queue_id ON jobs_job FOR EACH ROW
        WHEN ((OLD.state, OLD.project_id, OLD.queue_id) IS DISTINCT FROM (NEW.state, NEW.project_id, NEW.queue_id)
              AND (OLD.state IN ('completed', 'failed', 'cancelled') OR NEW.state IN ('completed', 'failed', 'cancelled')))
        EXECUTE FUNCTION jobs_count_ended();
    INSERT INTO jobs_endedjobs (project, queue, state, jobs)
        SELECT project_id, queue_id, state, count(*) FROM jobs_job WHERE state IN ('completed', 'failed', 'cancelled') GROUP BY 1, 2, 3;
"""
NO_LONGER_ENDED = """
    DROP TRIGGER jobs_ended_come ON jobs_job;
    DROP TRIGGER jobs_ended_go ON jobs_job;
    DROP TRIGGER jobs_ended_change ON jobs_job;
    DROP FUNCTION jobs_count_ended;
"""
BOOKED = """
    CREATE FUNCTION jobs_add_day_cost() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    BEGIN
        INSERT INTO jobs_daycost (project, day, cost) VALUES (NEW.project, (NEW.at AT TIME ZONE 'UTC')::date, NEW.cost);
        RETURN NULL;
    END $$;
    CREATE TRIGGER jobs_day_cost AFTER INSERT ON quotas_ledgertransaction FOR EACH ROW
        WHEN (NEW.kind <> 'hold' AND NEW.cost <> 0) EXECUTE FUNCTION jobs_add_day_cost();
    INSERT INTO jobs_daycost (project, day, cost)
        SELECT project, (at AT TIME ZONE 'UTC')::date, sum(cost) FROM quotas_ledgertransaction WHERE kind <> 'hold' GROUP BY 1, 2;
"""
NO_LONGER_BOOKED = "DROP TRIGGER jobs_day_cost ON quotas_ledgertransaction; DROP FUNCTION jobs_add_day_cost;"


class Migration(migrations.Migration):
    dependencies = [
        ("jobs", "0042_moves_and_scheduler_settings"),
        ("quotas", "0014_months_of_jobs"),
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
        migrations.CreateModel(
            name="EndedJobs",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("project", models.BigIntegerField()),
                ("queue", models.BigIntegerField()),
                ("state", models.CharField(max_length=10)),
                ("jobs", models.BigIntegerField()),
            ],
            options={"indexes": [models.Index(fields=["project"], name="ended_jobs_of_project")]},
        ),
        migrations.CreateModel(
            name="DayCost",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("project", models.BigIntegerField()),
                ("day", models.DateField()),
                ("cost", models.DecimalField(decimal_places=4, max_digits=30)),
            ],
            options={"indexes": [models.Index(fields=["day"], name="cost_of_day")]},
        ),
        migrations.RunSQL(ENDED, NO_LONGER_ENDED),
        migrations.RunSQL(BOOKED, NO_LONGER_BOOKED),
    ]
