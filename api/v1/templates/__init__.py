"""Templates of jobs over REST: written in versions, looked at, submitted from, quoted.

May import http, the shapes of jobs and quotes, and what jobs and quotas know. Words: *template*, *parameter*, as
`docs/guide/templates.md` has them.
"""
