"""Settings of the site's doors: signing in, what pages may load, what the API says of itself. `settings.py` takes all of them."""

from datetime import timedelta

from scheduler_site import env

# Of the site's server: deploy/gunicorn.conf.py.
WEB_WORKERS = env.whole("TRAINYARD_WEB_WORKERS", env.WEB_WORKERS, at_least=1)
WEB_THREADS = env.whole("TRAINYARD_WEB_THREADS", env.WEB_THREADS, at_least=1)

# Failed sign-ins, counted in the database: so many with a name from an address, and both together wait.
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_FAILURE_LIMIT = env.whole("TRAINYARD_SIGN_IN_FAILURES", 15, at_least=1)
AXES_COOLOFF_TIME = timedelta(seconds=env.number("TRAINYARD_SIGN_IN_LOCK_SECONDS", 900, at_least=1))
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_RESET_ON_SUCCESS = True
AXES_DISABLE_ACCESS_LOG = True
AXES_VERBOSE = False
AXES_CLIENT_IP_CALLABLE = "api.http.signing_in.address_of"
AXES_LOCKOUT_CALLABLE = "api.http.signing_in.locked_out"

# Pages take scripts, styles and pictures from this site alone, none written into a page, and are shown in no frame.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "object-src": ["'none'"],
        "base-uri": ["'none'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
    }
}

SPECTACULAR_SETTINGS = {
    "TITLE": "Trainyard",
    "DESCRIPTION": "Schedules ML training jobs over CPU and GPU machines.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_NAME_OVERRIDES": {
        "JobState": "scheduling.lifecycle.JobState",
        "PlacementState": "scheduling.lifecycle.PlacementState",
        "EndReason": "scheduling.lifecycle.EndReason",
        "QueueState": "jobs.models.Queue.State",
        "NodeState": "workers.models.Node.State",
        "DrainMode": "workers.models.Node.DrainMode",
    },
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "api.http.openapi.add_problems",
        "api.http.openapi.add_words",
    ],
}
