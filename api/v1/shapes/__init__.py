"""The shapes of what goes in and out under /api/v1/: jobs, bulk requests, dependencies, projects, quotas in flat fields.

May import `api.http` and everything below `api`. Types only: what a value may mean is for `jobs.submission` and its like to judge.
"""
