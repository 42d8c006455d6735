"""What failed attempts mean: another attempt or none, and which node is to blame.

Imports lifecycle and reasons only.
"""
