"""Request bodies."""

import json
from typing import IO, Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser

from api.http.chunked_bodies import too_large


class JsonBody(JSONParser):
    """JSON in UTF-8, within DATA_UPLOAD_MAX_MEMORY_SIZE; whatever is wrong with it is the caller's fault, never ours."""

    def parse(self, stream: IO[Any], media_type: str | None = None, parser_context: Any = None) -> Any:
        limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        body = stream.read(limit + 1)
        if len(body) > limit:
            raise RequestDataTooBig(too_large())
        try:
            return json.loads(body, parse_constant=_refuse_constant)
        except RecursionError:
            raise ParseError("The body is no JSON that we take: it is nested too deeply.") from None
        except ValueError as error:
            raise ParseError(f"The body is not valid JSON: {error}.") from None


def _refuse_constant(word: str) -> None:
    raise ValueError(f"{word} is not a number")
