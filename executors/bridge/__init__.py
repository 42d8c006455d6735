"""The bridge of a cluster: one process that claims what is placed on the cluster's nodes, has the engine start it, and reports.

May import celery_worker, session, upload, run and engine; no engine by its name. Words: *bridge*, *workload* (an attempt as the cluster
runs it), *to adopt* (go on with what an earlier bridge began), *out of reach*, *spool*.
"""
