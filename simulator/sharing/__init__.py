"""Whose the jobs of a trace are and what they cost: projects and prices of a simulation, and figures by both.

The rules are those of `scheduling/sharing/`; here files are read and a replay is added up. May import `scheduling`, and of the
simulator its traces, clusters and outcomes. Words: *project*, *price table*.
"""
