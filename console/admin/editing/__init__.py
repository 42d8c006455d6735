"""Jobs differently, as forms: what a waiting one asks for is changed, any one is submitted again with changes.

May import the cells of the other pages, the shapes of changes that REST has, and jobs.
"""
