"""Jobs that are submitted at certain times: written, looked at, and submitted when they are due.

May import submission and control. Words: *schedule*, *moment* (when a job of it is due), *missed* (nobody was there then), *overlap*.
"""
