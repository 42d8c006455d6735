"""In what commands run on a machine: its Pythons, environments that are built of files and kept, container runtimes. No Django.

May import `workers.runtime` and `workers.hardware`. Words: *recipe* (what is run to build one, and its key), *sealed* (closed to whoever built it).
"""
