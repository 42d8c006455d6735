"""What jobs have left, over REST: listed and downloaded by people, uploaded and fetched by the agents of placements.

May import http and code, and what `jobs/outputs/` knows. Words: *outputs*, *checkpoint*, *left out*, as `docs/guide/outputs.md` has them.
"""
