"""Lines of the platform's logs: text for people, or one JSON object an event; both with the ids of what they are about."""

import logging
import os
import sys
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from pythonjsonlogger.json import JsonFormatter

from telemetry import subject
from telemetry.redaction import Redaction

TEXT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"
DETAILS = ("method", "path", "query", "status", "bytes", "seconds", "remote", "user_agent")
"""What a line about a request says beside its ids."""
NO_SECRETS = Redaction()


class TextLines(logging.Formatter):
    """As ever, and at the end of the message the ids: `job=7 attempt=1 node=gpu-3`."""

    def __init__(self, fmt: str = TEXT, datefmt: str | None = None, *, redaction: Redaction = NO_SECRETS) -> None:
        super().__init__(fmt, datefmt)
        self._redaction = redaction

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  logging's own name
        ids = "".join(f" {name}={value}" for name, value in ids_of(record).items())
        return super().formatMessage(record) + ids

    def format(self, record: logging.LogRecord) -> str:
        return self._redaction.clean(super().format(record))


class JsonLines(JsonFormatter):
    """One object a line: time, level, logger, message, process, the ids, and an exception with its stack within."""

    def __init__(self, *, process: str, redaction: Redaction = NO_SECRETS) -> None:
        super().__init__(json_ensure_ascii=False)
        self._process = process
        self._redaction = redaction

    def add_fields(self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]) -> None:
        """Of what a record carries beside these nothing is told: libraries put arguments of tasks there, and requests."""
        known = record.__dict__
        log_data.update(
            time=datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            level=record.levelname,
            logger=record.name,
            message=record.getMessage(),
            process=self._process,
            pid=os.getpid(),
            thread=record.threadName,
            **ids_of(record),
            **{name: known[name] for name in DETAILS if name in known},
        )
        if "exc_info" in message_dict:
            log_data["exception"] = self._exception(record, message_dict["exc_info"])
        if "stack_info" in message_dict:
            log_data["stack"] = message_dict["stack_info"]

    def process_log_record(self, log_data: dict[str, Any]) -> dict[str, Any]:
        return {name: self._clean(value) for name, value in log_data.items()}

    @staticmethod
    def _exception(record: logging.LogRecord, stack: object) -> dict[str, object]:
        kind, error = record.exc_info[:2] if record.exc_info else (None, None)
        told = {"type": kind.__name__, "message": str(error)} if kind else {}
        return {**told, "stack": stack}

    def _clean(self, value: object) -> object:
        if isinstance(value, Mapping):
            return {name: self._clean(one) for name, one in value.items()}
        return self._redaction.clean(value) if isinstance(value, str) else value


def ids_of(record: logging.LogRecord) -> dict[str, object]:
    """What the line itself says comes before what its thread is at work on."""
    ids = {**subject.current(), **record.__dict__}
    return {name: ids[name] for name in subject.IDS if ids.get(name) not in (None, "")}


def catch_the_rest() -> None:
    """Warnings and errors that nobody catches become lines like all others, and not texts of many."""
    log = logging.getLogger("uncaught")
    logging.captureWarnings(True)

    def of_process(kind: type[BaseException], error: BaseException, trace: Any) -> None:
        if issubclass(kind, KeyboardInterrupt):
            sys.__excepthook__(kind, error, trace)
        else:
            log.critical("The process ends by an error.", exc_info=(kind, error, trace))

    def of_thread(hook: threading.ExceptHookArgs) -> None:
        if hook.exc_value is not None:
            log.error("A thread ends by an error.", exc_info=(hook.exc_type, hook.exc_value, hook.exc_traceback))

    sys.excepthook = of_process
    threading.excepthook = of_thread
