"""What jobs have left, on its way to this machine: asked for, and written below one folder and nowhere else.

May import http and the words of `trainyard`. Words: *output*, *checkpoint*, as `docs/guide/outputs.md` has them.
"""
