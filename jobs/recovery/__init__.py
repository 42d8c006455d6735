"""Repair: silent nodes, lost messages, hanging jobs, faulty nodes. Each sweep leaves things as if nothing had been lost.

May import control, submission and what is below. Words: *sweep*, *clock guard* (whether silence may be held against anybody), *stall*.
"""
