"""What `manage.py apply` reads and brings about: projects, queues, prices, budgets and pools, as a file declares them.

Imports the shapes of REST (api) and the use cases behind it (jobs, quotas, workers); nobody imports this but the command.
"""
