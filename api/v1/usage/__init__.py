"""What was used, and how it was shared: reports over REST, as JSON and as tables for spreadsheets.

May import http, shapes, and what jobs and quotas know. Words: *group*, *period*, as `docs/usage.md` has them.
"""
