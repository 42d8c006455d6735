"""What jobs have left, on their pages: listed, with links to what is kept.

May import the cells beside it, and what the pages may.
"""
