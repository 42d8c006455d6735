"""Who shares the machines: projects as a tree, their members and roles, and what each project may hold.

May import scheduling; knows neither jobs nor nodes. Words: *project*, *member*, *role* (viewer, member, admin), *quota*.
"""
