"""What can be typed: options that commands share, their values understood, and what the shell offers after Tab.

May import client.
"""
