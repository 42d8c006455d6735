"""Taking jobs in, from every door: what a request may ask for, what it depends on, all of it or nothing.

May import planning, attempts and what is below. Words: *limit*, *dependency*.
"""
