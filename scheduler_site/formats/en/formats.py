"""Dates as logs write them, with their zone: they sort, and nobody takes the month for the day, or UTC for noon at home."""

DATE_FORMAT = "Y-m-d"
TIME_FORMAT = "H:i:s"
DATETIME_FORMAT = "Y-m-d H:i:s\N{NO-BREAK SPACE}T"
