from django.db import migrations

# TRUNCATE is not refused: nobody but the tables' owner may, and tests empty their database by it.
APPEND_ONLY = """
    CREATE FUNCTION quotas_ledger_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'The ledger is append-only: % of % is refused.', TG_OP, TG_TABLE_NAME
            USING ERRCODE = 'restrict_violation', HINT = 'Write another transaction that makes up for it.';
    END $$;
    CREATE TRIGGER quotas_ledger_append_only BEFORE UPDATE OR DELETE ON quotas_ledgertransaction
        FOR EACH STATEMENT EXECUTE FUNCTION quotas_ledger_append_only();
    CREATE TRIGGER quotas_ledger_append_only BEFORE UPDATE OR DELETE ON quotas_ledgerentry
        FOR EACH STATEMENT EXECUTE FUNCTION quotas_ledger_append_only();
"""
NO_LONGER_APPEND_ONLY = """
    DROP TRIGGER quotas_ledger_append_only ON quotas_ledgerentry;
    DROP TRIGGER quotas_ledger_append_only ON quotas_ledgertransaction;
    DROP FUNCTION quotas_ledger_append_only();
"""
# Judged when the writing transaction commits: its lines come one after another.
BALANCED = """
    CREATE FUNCTION quotas_ledger_balanced() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        which bigint;
        rest numeric;
        paid numeric;
        stated numeric;
    BEGIN
        IF TG_TABLE_NAME = 'quotas_ledgertransaction' THEN which := NEW.id; ELSE which := NEW.transaction_id; END IF;
        SELECT coalesce(sum(amount), 0), coalesce(sum(amount) FILTER (WHERE account IN ('revenue', 'refund')), 0)
            INTO rest, paid FROM quotas_ledgerentry WHERE transaction_id = which;
        SELECT cost INTO stated FROM quotas_ledgertransaction WHERE id = which;
        IF rest <> 0 THEN
            RAISE EXCEPTION 'Ledger transaction % does not balance: its lines are % together.', which, rest
                USING ERRCODE = 'check_violation';
        END IF;
        IF paid <> stated THEN
            RAISE EXCEPTION 'Ledger transaction % says that it costs %, its lines say %.', which, stated, paid
                USING ERRCODE = 'check_violation';
        END IF;
        RETURN NULL;
    END $$;
    CREATE CONSTRAINT TRIGGER quotas_ledger_balanced AFTER INSERT ON quotas_ledgertransaction
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION quotas_ledger_balanced();
    CREATE CONSTRAINT TRIGGER quotas_ledger_balanced AFTER INSERT ON quotas_ledgerentry
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION quotas_ledger_balanced();
"""
NO_LONGER_BALANCED = """
    DROP TRIGGER quotas_ledger_balanced ON quotas_ledgerentry;
    DROP TRIGGER quotas_ledger_balanced ON quotas_ledgertransaction;
    DROP FUNCTION quotas_ledger_balanced();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("quotas", "0003_prices_and_ledger"),
    ]

    operations = [
        migrations.RunSQL(APPEND_ONLY, NO_LONGER_APPEND_ONLY),
        migrations.RunSQL(BALANCED, NO_LONGER_BALANCED),
    ]
