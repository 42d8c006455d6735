"""What a project uses of its quotas and budgets, drawn as bars and told in words, for its page and for the list.

May import the cells beside it, and what the pages may.
"""
