"""What attempts reported over time: series and the curves made of them.

May import models.
"""
