"""What Prometheus is told, all from the database: any web process gives the same answer, and none has to remember.

Each scrape is a fixed number of statements over indexed rows: what is, what ended in the last day, and counters. A module
a subject; `exposition` names them in their order. It may import the rest of `jobs.reports`, and what that may.
"""
