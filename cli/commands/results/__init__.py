"""Commands about what jobs have left.

May import the other rooms of `cli` but no command outside this one; what fetches files is loaded by its name. Words: *output*, as `docs/guide/outputs.md` has it.
"""
