"""Code that jobs bring along, over REST: snapshots made and uploaded by people, and fetched by the agents of their placements.

May import http, and what `jobs/code/` knows. Words: *snapshot*, *blob*, *manifest*, as `docs/laptop-to-fleet.md` has them.
"""
