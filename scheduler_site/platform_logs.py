"""How the platform's own lines look and where they go, for Django, Celery and gunicorn alike."""

import logging
from typing import Any

from scheduler_site import env
from telemetry.lines import TEXT, JsonLines, TextLines
from telemetry.redaction import Redaction

FORMATS = frozenset({"TEXT", "JSON"})
AS_JSON = env.one_of("TRAINYARD_LOG_FORMAT", "TEXT", words=FORMATS) == "JSON"
QUIET = ("celery.worker.strategy", "celery.app.trace", "celery.beat", "django_celery_beat", "httpx", "axes")


def configuration(level: str) -> dict[str, Any]:
    """For `logging.config.dictConfig`. It holds no secret: the formatter asks for those when it is made."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": "scheduler_site.platform_logs.formatter"}},
        "filters": {"outages": {"()": "scheduler_site.outage_logs.OutageFilter"}},
        "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["outages"]}},
        "root": {"handlers": ["console"], "level": level},
        # Celery makes its workers as quiet as its command line says: what happens to jobs is told all the same.
        "loggers": {"trainyard": {"level": level}, **{name: {"level": "WARNING"} for name in QUIET}},
    }


def formatter(text: str = TEXT, datefmt: str | None = None) -> logging.Formatter:
    """By the setting: JSON, or text that looks like this."""
    redaction = Redaction(env.secret_values)
    if AS_JSON:
        return JsonLines(process=env.program_name().removeprefix("trainyard "), redaction=redaction)
    return TextLines(text, datefmt, redaction=redaction)
