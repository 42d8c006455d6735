"""Clusters that run jobs by their own means: shown to everybody, declared lost by staff.

May import `api/http/`. Words: *cluster*, *bridge*, *reached*, *lost*.
"""
