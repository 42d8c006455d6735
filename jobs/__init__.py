"""The control plane: jobs from submission to their end, as rows and the functions that may change them.

May import quotas, workers and scheduling; knows no HTTP and runs no command. Inside, each room may import those below it:
tasks | management > reports | recovery > submission | control > planning | attempts > logs | messages | metric_history > state > models.
Planner and attempts do not know each other: they meet in rows.
"""
