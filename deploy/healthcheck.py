"""Exit 0 if the site in this container answers; used by compose.yaml.

It speaks as a proxy would: with a host that is always allowed, and as if over HTTPS, so that it is not redirected.
"""

import os
import sys
from urllib.request import Request, urlopen

PORT = os.environ.get("TRAINYARD_PORT") or 8000
HEADERS = {"Host": "localhost", "X-Forwarded-Proto": "https"}

try:
    request = Request(f"http://127.0.0.1:{PORT}/api/v1/healthz", headers=HEADERS)
    urlopen(request, timeout=4).close()  # noqa: S310  same; an answer that is an error raises
except OSError as problem:
    sys.exit(f"The site does not answer: {problem}")
