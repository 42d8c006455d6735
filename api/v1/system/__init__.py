"""How the platform itself is: the services that it consists of, and one report for staff, over REST and for the admin.

May import http, the health checks, and what jobs and workers know. Words: *service*, *skew* (agents of another release), *drift*.
"""
