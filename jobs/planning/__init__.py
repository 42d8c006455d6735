"""One scheduling cycle: rows to a snapshot, the core's plan, the plan committed and published; and what plans are made with.

May import messages, logs, state and models; not attempts. Words: *cycle*, *snapshot*, *policy settings*, *start forecast*.
"""
