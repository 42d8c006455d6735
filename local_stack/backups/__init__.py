"""The whole platform as one folder, and back: the database, the stored logs, and what must hold of both.

May import `local_stack.servers`. Words: *manifest* (what a backup says of itself), *fingerprint* (rows and checksum of
each table), *fence* (what keeps agents of after the backup from speaking into the restored past), *drill*.
"""
