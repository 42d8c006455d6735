"""The agent's commands for `manage.py`."""
