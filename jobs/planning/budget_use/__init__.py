"""What becomes of budgets in their periods: who spends of them, what runs and what waits, and the reports of that.

May import what planning may; metrics, quotes, alerts, the API and the console read the reports.
"""
