"""What the platform says of itself: lines and traces, about which job, attempt, node and request each of them is.

Below everything but the core, so that every room can say it; imports nothing of ours. Words: *subject*, *line*, *redaction*, *trace*.
"""
