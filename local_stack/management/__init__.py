"""The local stack's commands for `manage.py`."""
