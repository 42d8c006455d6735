"""What projects may have and what they have had: quotas in the tree, room kept inside them, deserved shares, decayed usage.

May import placement, nodes and the language. Words: *quota*, *holder* (who uses a quota that others wait for), *deserved share*,
*fair tree* (Slurm).
"""
