"""Jobs that exist, differently: edited while they wait, or submitted again.

May import the rooms of `cli`, and no command outside of this one.
"""
