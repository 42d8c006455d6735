"""Tables for spreadsheets."""

import csv
import io
from collections.abc import Iterable, Iterator
from itertools import chain, islice

from django.http import StreamingHttpResponse

FORMULA = ("=", "+", "-", "@", "\t", "\r")
ROWS_A_PIECE = 1_000


def csv_answer(filename: str, header: Iterable[str], rows: Iterable[Iterable[object]]) -> StreamingHttpResponse:
    """The table as a file to save, of any length: no more of it is in memory than is on its way.

    What anybody named goes through `cell` before.
    """
    pieces = _pieces(chain([header], rows))
    first = next(pieces)  # what can go wrong does so before the answer has begun
    answer = StreamingHttpResponse(chain([first], pieces), content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="{filename}"'
    return answer


def _pieces(rows: Iterator[Iterable[object]]) -> Iterator[str]:
    while some := list(islice(rows, ROWS_A_PIECE)):
        text = io.StringIO()
        csv.writer(text, lineterminator="\r\n").writerows(some)
        yield text.getvalue()


def cell(text: str) -> str:
    """The text as a cell that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(FORMULA) else text
