"""The commands of executors for `manage.py`, and what they have in common."""
