"""The node agent: a Celery worker's bootstep that runs placements and watches the node.

May import celery_worker, session, upload and run. Words: *runner*, *monitor*.
"""
