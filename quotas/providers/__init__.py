"""Who else keeps the quotas of projects: nobody (`local`), a Kubernetes (ResourceQuota), a Slurm (account and QOS), or a plugin.

May import clusters, scheduling and the rows of quotas; knows neither jobs nor placements. Words: *provider*, *native* (as the other system
has it), *hard* and *used* (a ResourceQuota's words for limit and use).
"""
