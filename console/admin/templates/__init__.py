"""Templates of jobs: what each makes, its versions, and a form that submits a job of it.

May import the cells of the other pages, the shapes of jobs that REST has, and jobs.
"""
