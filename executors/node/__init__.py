"""The node agent: a Celery worker's bootstep that runs placements, watches the node and leaves in order.

May import session, upload and run. Words: *runner*, *monitor*, *queue probe* (whether messages reach this node), *shutdown*.
"""
