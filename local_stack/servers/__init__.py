"""Everything `manage.py up` runs: PostgreSQL and Valkey from wheels, and Trainyard's own processes under one supervisor."""
