"""The operators' pages: the admin under the platform's own name. Buttons and actions call the same functions as the REST API.

May import api's shapes, jobs, quotas, workers and scheduling.
"""
