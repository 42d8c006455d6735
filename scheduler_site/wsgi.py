"""The door for a WSGI server."""

import os

from django.core.wsgi import get_wsgi_application

from api.http.chunked_bodies import with_known_length

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "scheduler_site.settings")

application = with_known_length(get_wsgi_application())
