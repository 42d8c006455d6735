"""The operators' pages: each module registers its own; buttons and actions call the same use cases as the REST API.

May import api's shapes, jobs, quotas, workers and scheduling.
"""

from console.admin import budgets, costs, history, jobs, nodes, projects, queues, reservations, rules, usage
from console.admin.fleet import clusters, pools
from console.admin.recurring import job_schedules, job_templates
from console.admin.secrets import secrets
from console.admin.steering import moves, settings
from console.admin.workloads import workloads

__all__ = [
    "budgets",
    "clusters",
    "costs",
    "history",
    "job_schedules",
    "job_templates",
    "jobs",
    "moves",
    "nodes",
    "pools",
    "projects",
    "queues",
    "reservations",
    "rules",
    "secrets",
    "settings",
    "usage",
    "workloads",
]
