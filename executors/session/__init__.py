"""The agent's one connection to the control plane: what it asks and reports, and how it takes up what the agent before it left.

May import upload and run. Words: *sync* (the thread that speaks), *request*, *reattach*.
"""
