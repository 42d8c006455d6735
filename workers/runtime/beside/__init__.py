"""A process beside a command that runs: in its environment, its folder, its walls and its control group, for as long as somebody is connected.

`main.py` is a program of its own, with nothing but the standard library and what the shim knows; `launch.py` starts it. May import
what `workers/runtime` may. It lives exactly as long as somebody holds its control pipe: an agent that is killed takes it along.
"""
