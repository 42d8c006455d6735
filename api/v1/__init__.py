"""The addresses under /api/v1/ with the shapes of what goes in and out, and those for health and Prometheus.

May import `api.http` and everything below `api`. Words: *shape* (a serializer), *filter*, *seat* (a place for following a log).
"""
