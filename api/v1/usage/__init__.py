"""What was used and how it was shared, as JSON and as tables for spreadsheets; and how long jobs are kept, as reports outlive them.

May import http, shapes, and what jobs and quotas know. Words: *group*, *period*, as `docs/usage.md` has them.
"""
