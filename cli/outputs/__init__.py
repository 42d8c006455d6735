"""What jobs have left, on its way to this machine: asked for, and written below one folder and nowhere else.

May import client and the words of `cli`; loaded for `trainyard outputs` alone. Words: *output*, *checkpoint*, as `docs/guide/outputs.md` has them.
"""
