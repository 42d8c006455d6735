"""Jobs that are submitted again and again: templates, with a form that submits a job of one, and schedules.

May import the cells of the other pages, the shapes of jobs that REST has, and jobs.
"""
