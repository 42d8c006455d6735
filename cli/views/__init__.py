"""What is shown: tables, pages and sentences about jobs, nodes and metrics, made of the server's answers.

May import client; asks the server nothing by itself but where a page says so.
"""
