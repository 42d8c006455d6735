"""Tables for spreadsheets."""

import csv
from collections.abc import Iterable

from django.http import HttpResponse

FORMULA = ("=", "+", "-", "@", "\t", "\r")


def csv_answer(filename: str, header: Iterable[str], rows: Iterable[Iterable[object]]) -> HttpResponse:
    """The table as a file to save. What anybody named goes through `cell` before."""
    answer = HttpResponse(content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="{filename}"'
    table = csv.writer(answer, lineterminator="\r\n")
    table.writerow(header)
    table.writerows(rows)
    return answer


def cell(text: str) -> str:
    """The text as a cell that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(FORMULA) else text
