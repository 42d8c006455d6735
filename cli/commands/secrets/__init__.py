"""Commands about secrets, which jobs name and find in their environment.

May import the other rooms of `cli` but no command outside this one. Words: *secret*, as `docs/guide/secrets.md` has it.
"""
