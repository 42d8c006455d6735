"""Everything `manage.py up` runs on one machine: PostgreSQL and Valkey from wheels, and Trainyard's own processes."""
