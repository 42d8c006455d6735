"""What attempts printed: read, followed, archived as objects, and forgotten when it is too old.

May import models and `workers`. Words: *gap* (bytes that are missing, told in the log itself), *tail*, *archive*, *retention*.
"""
