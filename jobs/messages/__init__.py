"""Messages that go out: which queue, which priority, after the commit. Each is a doorbell that may be lost or doubled.

May import state and models. Words: *routing*, *publishing*, *remote control* (Celery's), *task event* (what Flower sees).
"""
