"""Everything `manage.py up` runs: PostgreSQL and Valkey from wheels, and Trainyard's own processes under one supervisor.

Imports none of the other rooms of `local_stack`. Words: *role* (one of the processes), *supervisor*, *leftover* (a process of a stack that was itself killed).
"""
