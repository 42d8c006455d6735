"""Gunicorn's lines, those of its access log too: like all others of the platform, each request's with its id."""

import logging
from typing import Any

from gunicorn.glogging import Logger

from scheduler_site import settings  # noqa: F401  gunicorn makes its logs before it loads the site: by then all secrets are known
from scheduler_site.platform_logs import AS_JSON, formatter
from telemetry.lines import TEXT


class WebLogs(Logger):
    def _set_handler(self, log: logging.Logger, output: str | None, fmt: logging.Formatter, stream: Any = None) -> None:
        own = fmt._fmt or TEXT  # noqa: SLF001  it has no other way of saying so
        super()._set_handler(log, output, formatter(own, fmt.datefmt), stream)

    def access(self, resp: Any, req: Any, environ: dict[str, Any], request_time: Any) -> None:
        if not self.access_log_enabled:
            return
        atoms = self.atoms_wrapper_class(self.atoms(resp, req, environ, request_time))
        request = environ.get("TRAINYARD_REQUEST_ID", "")
        details = {
            "request_id": request,
            "method": environ["REQUEST_METHOD"],
            "path": environ.get("RAW_URI", "").partition("?")[0],
            "query": environ.get("QUERY_STRING", ""),
            "status": int(str(resp.status).split()[0]),
            "bytes": resp.sent,
            "seconds": round(request_time.total_seconds(), 4),
            "remote": environ.get("REMOTE_ADDR", ""),
            "user_agent": environ.get("HTTP_USER_AGENT", ""),
        }
        words = "%(m)s %(U)s %(s)s" if AS_JSON else self.cfg.access_log_format
        self.access_log.info(words, atoms, extra=details)
