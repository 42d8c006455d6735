"""Commands about pools of machines: what each is to have, and staff's word on it.

May import the other rooms of `cli` but no command outside this one. Words: *pool*, *actuator*, as `docs/autoscaling.md` has
them.
"""
