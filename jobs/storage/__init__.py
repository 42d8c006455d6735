"""Objects in a storage of Django's, a folder or a bucket: what logs and code have in common there.

May import nothing else of `jobs`. Words: *object*, *range* (a part of an object that is read without the rest).
"""
