"""Sessions beside running jobs: who may have one, how its two halves find each other, what goes on record of it.

May import rows, state and messages. The bytes go through `api/v1/sessions/` and `executors/beside/`; nothing here sees any.
Words: a *session* is one command, terminal or forwarded port beside one placement; its *caller* is the user's end, the *agent* the
node's; the *relay* is the web process that the caller came to.
"""
