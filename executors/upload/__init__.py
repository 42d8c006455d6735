"""What placements say on its way to the database, a batch a node: logs, progress, series, events.

May import `executors.run`.
"""
