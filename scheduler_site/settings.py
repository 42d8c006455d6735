"""All settings, each from the environment or `trainyard.yaml`: one file for a laptop and for production.

`manage.py up` starts PostgreSQL and Valkey and fills in what is needed for one machine. Anything else names its own
`DATABASE_URL`, `BROKER_URL` and `TRAINYARD_SECRET_KEY`; `checks.py` proves them at start.
"""

from datetime import timedelta

import environ

from executors.celery_worker.release import release
from scheduler_site import env, platform_logs, provider_settings
from scheduler_site.beat_schedule import beat_schedule
from scheduler_site.cluster_settings import *  # noqa: F403  what is said there is a setting as well
from scheduler_site.code_settings import *  # noqa: F403  what is said there is a setting as well
from scheduler_site.door_settings import *  # noqa: F403  what is said there is a setting as well
from scheduler_site.output_settings import *  # noqa: F403  the same
from scheduler_site.provider_settings import *  # noqa: F403  the same
from scheduler_site.session_settings import *  # noqa: F403  what is said there is a setting as well
from scheduler_site.wall_settings import *  # noqa: F403  the same

# --- this installation -------------------------------------------------------------------------------------------
TRAINYARD_HOME = env.HOME
TRAINYARD_ROLE = env.text("TRAINYARD_ROLE", "site")  # "node" loads only what an agent needs
TRAINYARD_PORT = env.port("TRAINYARD_PORT", 8000)
FLOWER_PORT = env.port("FLOWER_PORT", 5555)

DEBUG = env.yes_no("TRAINYARD_DEBUG", default=False)
INSECURE_SECRET_KEY = "insecure-key-for-a-build-step-or-a-test-only"  # noqa: S105  refused by checks.py
SECRET_KEY = env.secret("TRAINYARD_SECRET_KEY", INSECURE_SECRET_KEY)
ALLOWED_HOSTS = env.words("TRAINYARD_ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]")
CSRF_TRUSTED_ORIGINS = env.words("TRAINYARD_CSRF_TRUSTED_ORIGINS")

# --- scheduling --------------------------------------------------------------------------------------------------
SCHEDULING_POLICY = env.text("SCHEDULING_POLICY", "priority")
BACKFILL = env.text("TRAINYARD_BACKFILL", "easy")
RESERVE_DEPTH = env.whole("TRAINYARD_RESERVE_DEPTH", 1, at_least=1)
BOUNDED_WAIT_SECONDS = env.number("TRAINYARD_BOUNDED_WAIT_SECONDS", 144_000)
BOUNDED_WAIT_STATED = bool(env.text("TRAINYARD_BOUNDED_WAIT_SECONDS"))  # else a policy may learn one of its own
ASSUMED_LIMIT_SECONDS = env.number("TRAINYARD_ASSUMED_LIMIT_SECONDS", 86400, at_least=1)
# Memory of jobs that name none, in projects whose memory a quota limits; 0: they have to name it.
DEFAULT_MEMORY_GB_PER_CPU = env.number("TRAINYARD_DEFAULT_MEMORY_GB_PER_CPU", 2)
DEFAULT_MEMORY_GB_PER_GPU = env.number("TRAINYARD_DEFAULT_MEMORY_GB_PER_GPU", 8)
PLACEMENT = env.text("TRAINYARD_PLACEMENT", "best_fit")
AGEING_POINTS_PER_HOUR = env.number("TRAINYARD_AGEING_POINTS_PER_HOUR", 1)
HALF_LIFE_SECONDS = env.number("TRAINYARD_HALF_LIFE_SECONDS", 604800, at_least=1)
WEIGHTS = env.numbers_by_word("TRAINYARD_WEIGHTS")
PREEMPTION = env.words_or_none("TRAINYARD_PREEMPTION", "priority")
PREEMPTION_GAP = env.whole("TRAINYARD_PREEMPTION_GAP", 20, at_least=1)
PREEMPTION_MIN_RUNTIME_SECONDS = env.number("TRAINYARD_PREEMPTION_MIN_RUNTIME_SECONDS", 600)
PREEMPTION_MAX_PER_JOB = env.whole("TRAINYARD_PREEMPTION_MAX_PER_JOB", 3)
PREEMPTION_MAX_PER_HOUR = env.whole("TRAINYARD_PREEMPTION_MAX_PER_HOUR", 60)
PREEMPTION_ONLY_CHECKPOINTABLE = env.yes_no("TRAINYARD_PREEMPTION_ONLY_CHECKPOINTABLE", default=True)
FLOOR_SLACK = env.number("TRAINYARD_FLOOR_SLACK", 0.0)
FLOOR_TOLERANCE_SECONDS = env.number("TRAINYARD_FLOOR_TOLERANCE_SECONDS", 120)
REBALANCING = env.text("TRAINYARD_REBALANCING", "off")
REBALANCING_MARGIN = env.number("TRAINYARD_REBALANCING_MARGIN", 2, at_least=1)
REBALANCING_COOLDOWN_SECONDS = env.number("TRAINYARD_REBALANCING_COOLDOWN_SECONDS", 3600)
REBALANCING_MAX_PER_HOUR = env.whole("TRAINYARD_REBALANCING_MAX_PER_HOUR", 6)
# A job that moves and has stopped is kept its place at the target for so long; then it goes on wherever there is room.
MIGRATION_PLACE_SECONDS = env.number("TRAINYARD_MIGRATION_PLACE_SECONDS", 60, at_least=1)
CURRENCY, WEBHOOK_HOSTS = env.text("TRAINYARD_CURRENCY", "EUR"), env.words("TRAINYARD_WEBHOOK_HOSTS")
EMAIL_HOST, EMAIL_PORT = env.text("TRAINYARD_EMAIL_HOST"), env.port("TRAINYARD_EMAIL_PORT", 587)
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = env.text("TRAINYARD_EMAIL_USER"), env.secret("TRAINYARD_EMAIL_PASSWORD")
EMAIL_USE_TLS, EMAIL_TIMEOUT = env.yes_no("TRAINYARD_EMAIL_TLS", default=True), 10
DEFAULT_FROM_EMAIL = env.text("TRAINYARD_EMAIL_FROM", "trainyard@localhost")
HEARTBEAT_SECONDS = env.number("TRAINYARD_HEARTBEAT_SECONDS", 10, at_least=0.1)
LEASE_SECONDS = env.number("TRAINYARD_LEASE_SECONDS", 30, at_least=1)
# A node whose agent said goodbye so long ago was scaled away: lists show it only when asked for all.
HIDE_NODES_SECONDS = env.number("TRAINYARD_HIDE_NODES_SECONDS", 86_400)
# So often an agent rings at its own door; unheard for so long while the broker takes its rings, it begins anew.
HEARING_SECONDS = env.number("TRAINYARD_HEARING_SECONDS", 10, at_least=0.1)
DEAF_SECONDS = env.number("TRAINYARD_DEAF_SECONDS", 40, at_least=1)
# After a lease ended, how long its shim may still need until its processes are certainly gone.
LEASE_MARGIN_SECONDS = env.number("TRAINYARD_LEASE_MARGIN_SECONDS", 10)
CYCLE_SECONDS = env.number("TRAINYARD_CYCLE_SECONDS", 5, at_least=0.1)
RECOVERY_SECONDS = env.number("TRAINYARD_RECOVERY_SECONDS", 5, at_least=0.1)
SCALING_SECONDS = env.number("TRAINYARD_SCALING_SECONDS", 15, at_least=1)
# A placement that nobody claimed is published again after this long.
REPUBLISH_SECONDS = env.number("TRAINYARD_REPUBLISH_SECONDS", 10, at_least=0.1)
# A gang whose nodes have not all taken their part after this long gives everything back.
GANG_START_SECONDS = env.number("TRAINYARD_GANG_START_SECONDS", 60, at_least=1)
# Each gang gets one of the 500 ports from this one on, to meet at.
GANG_PORT = env.port("TRAINYARD_GANG_PORT", 29500)
NODE_ADDRESS, PROOF_FOLDER = env.text("TRAINYARD_NODE_ADDRESS"), env.text("TRAINYARD_PROOF_FOLDER")
NODE_METRICS_PORT = env.whole("TRAINYARD_NODE_METRICS_PORT", 0)
NODE_METRICS_ADDRESS = env.text("TRAINYARD_NODE_METRICS_ADDRESS", "127.0.0.1")
NODE_METRICS_JOBS = env.yes_no("TRAINYARD_NODE_METRICS_JOBS", default=False)
# Who says that a spot machine is about to be taken away, and how often an agent asks.
SPOT_NOTICE = env.text("TRAINYARD_SPOT_NOTICE")
SPOT_NOTICE_SECONDS = env.number("TRAINYARD_SPOT_NOTICE_SECONDS", 5, at_least=0.1)
# When a node goes, and so long before that its agent leaves: what runs there saves its work in that time.
NODE_UNTIL, NODE_LEAVE_SECONDS = env.text("TRAINYARD_NODE_UNTIL"), env.number("TRAINYARD_NODE_LEAVE_SECONDS", 120)
STALL_SECONDS = env.whole("TRAINYARD_STALL_SECONDS", 1800, at_least=1)
# What comes after a job's progress of 1.0 may be silent for so long.
FINISH_SECONDS = env.whole("TRAINYARD_FINISH_SECONDS", 3600, at_least=1)
# What becomes of the jobs of somebody who is made inactive: keep or cancel.
INACTIVE_OWNERS_JOBS = env.text("TRAINYARD_INACTIVE_OWNERS_JOBS", "keep")
# What a node has claimed and could have begun, and has not after so long, is given to another one.
START_SECONDS = env.number("TRAINYARD_START_SECONDS", 60, at_least=1)
# A command that fails so soon after its start may have been given a broken node, or be broken itself.
AT_ONCE_SECONDS = env.number("TRAINYARD_AT_ONCE_SECONDS", 30)
# So many jobs that fail one after another on a node, within so long, have it drained by the platform.
NODE_FAULTS = env.whole("TRAINYARD_NODE_FAULTS", 3, at_least=1)
NODE_FAULTS_SECONDS = env.number("TRAINYARD_NODE_FAULTS_SECONDS", 3600, at_least=1)
# A node that the platform drained is tried again after so long, twice as long each time that it fails again.
NODE_TRIAL_SECONDS = env.number("TRAINYARD_NODE_TRIAL_SECONDS", 600, at_least=1)
# For so long a job is not placed again where it failed, if another node could take it.
AVOID_SECONDS = env.number("TRAINYARD_AVOID_SECONDS", 600)
PLATFORM_RETRIES = env.whole("TRAINYARD_PLATFORM_RETRIES", 5)
KILL_GRACE_SECONDS = env.number("TRAINYARD_KILL_GRACE_SECONDS", 30)
PREEMPT_GRACE_SECONDS = env.number("TRAINYARD_PREEMPT_GRACE_SECONDS", 60)
DRAIN_SECONDS = env.number("TRAINYARD_DRAIN_SECONDS", 30)
# The longest grace that a job may ask for instead of these.
MAX_GRACE_SECONDS = env.whole("TRAINYARD_MAX_GRACE_SECONDS", 1800)
LOG_LIMIT_MB = env.number("TRAINYARD_LOG_LIMIT_MB", 64)
MEMORY_LIMIT = env.text("TRAINYARD_MEMORY_LIMIT", "enforce")
CONTROL_GROUPS = env.text("TRAINYARD_CONTROL_GROUPS", "auto")
OUTPUT_LIMIT_GB = env.number("TRAINYARD_OUTPUT_LIMIT_GB", 0)
# A node whose disk has less than this left takes nothing new.
DISK_RESERVE_MB = env.number("TRAINYARD_DISK_RESERVE_MB", 512)
# GPUs held for so long without work, output or report: something is wrong. 0: never.
SILENCE_SECONDS = env.number("TRAINYARD_SILENCE_SECONDS", 7200)
REMOVE_FOLDERS = env.yes_no("TRAINYARD_REMOVE_FOLDERS", default=True)
CPU_AFFINITY = env.yes_no("TRAINYARD_CPU_AFFINITY", default=True)
# Where the kernel counts what the processors use: elsewhere in a container, from which its engine hides that folder.
POWERCAP = env.text("TRAINYARD_POWERCAP", "/sys/class/powercap")
EVENT_RETENTION_DAYS = env.whole("TRAINYARD_EVENT_RETENTION_DAYS", 90, at_least=1)
# Jobs that ended so long ago are deleted, unless their project says otherwise. 0: never.
JOB_RETENTION_DAYS = env.whole("TRAINYARD_JOB_RETENTION_DAYS", 0)
LOG_RETENTION_DAYS = env.whole("TRAINYARD_LOG_RETENTION_DAYS", 30, at_least=1)
# Jobs find it as MLFLOW_TRACKING_URI, unless they bring one of their own.
MLFLOW_TRACKING_URI = env.text("TRAINYARD_MLFLOW_TRACKING_URI")
# For the control worker, which ends there what killed attempts left open; jobs do not get it.
MLFLOW_LOGIN = (env.text("MLFLOW_TRACKING_USERNAME"), env.secret("MLFLOW_TRACKING_PASSWORD"))
# Where logs lie after their attempt: in a folder that web and control worker share, or in a bucket. Agents need no keys.
LOG_STORAGE = env.text("TRAINYARD_LOG_STORAGE", "files")
LOG_STORAGE = LOG_STORAGE if TRAINYARD_ROLE != "node" else "files"
LOG_FOLDER = env.text("TRAINYARD_LOG_FOLDER", str(TRAINYARD_HOME / "logs"))
LOG_S3 = {
    "bucket_name": env.text("TRAINYARD_LOG_S3_BUCKET"),
    "location": env.text("TRAINYARD_LOG_S3_PREFIX"),
    "endpoint_url": env.text("TRAINYARD_LOG_S3_ENDPOINT") or None,
    "region_name": env.text("TRAINYARD_LOG_S3_REGION") or None,
    "access_key": env.secret("TRAINYARD_LOG_S3_ACCESS_KEY", wanted=LOG_STORAGE == "s3") or None,
    "secret_key": env.secret("TRAINYARD_LOG_S3_SECRET_KEY", wanted=LOG_STORAGE == "s3") or None,
}
CODE_FOLDER = env.text("TRAINYARD_CODE_FOLDER", str(TRAINYARD_HOME / "code"))
METRIC_RETENTION_DAYS = env.whole("TRAINYARD_METRIC_RETENTION_DAYS", 365, at_least=1)

# --- Django ------------------------------------------------------------------------------------------------------
NODE_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "quotas", "workers", "jobs", "executors"]
SITE_APPS = [
    "console",  # before the admin, some of whose templates it overrides
    "console.app.OperationsConfig",  # django.contrib.admin under our own name
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework", "knox", "django_filters", "drf_spectacular", "drf_spectacular_sidecar", "django_celery_beat", "axes",
    "api",
]  # fmt: skip
INSTALLED_APPS = ["scheduler_site", "local_stack", *NODE_APPS, *(SITE_APPS if TRAINYARD_ROLE != "node" else [])]

MIDDLEWARE = [
    "api.http.middleware.name_requests",
    "api.http.problems.refuse_in_one_shape",
    "api.http.bodies.refuse_unreadable_bodies",
    "api.http.middleware.forgive_slashes",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "csp.middleware.CSPMiddleware",
    "axes.middleware.AxesMiddleware",
]
if TRAINYARD_ROLE == "node":
    MIDDLEWARE = []  # an agent answers no requests, and has not the apps that these need
ROOT_URLCONF = "scheduler_site.urls" if TRAINYARD_ROLE != "node" else ""  # an agent answers no requests
WSGI_APPLICATION = "scheduler_site.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

DATABASE_URL = env.service_url("DATABASE_URL", "postgresql://postgres@127.0.0.1:5432/postgres", "DATABASE_PASSWORD")
AS_AGENT = TRAINYARD_ROLE == "node" and not env.given("DATABASE_URL")  # beside a local stack: as its own agents connect
DATABASE_URL = env.secret("TRAINYARD_AGENT_DATABASE_URL", DATABASE_URL, wanted=AS_AGENT)
AGENT_DATABASE_PASSWORD = env.secret("TRAINYARD_AGENT_DATABASE_PASSWORD")
DATABASES = {
    "default": {**environ.Env.db_url_config(DATABASE_URL), "CONN_MAX_AGE": 60, "CONN_HEALTH_CHECKS": True},
}
CONNECTING = {"connect_timeout": 5, "application_name": env.program_name()}
DATABASES["default"]["OPTIONS"] = CONNECTING | DATABASES["default"].get("OPTIONS", {})
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
LOGIN_URL = "admin:login"
if TRAINYARD_ROLE != "node":
    AUTHENTICATION_BACKENDS = ["api.http.signing_in.SignInLimit", "django.contrib.auth.backends.ModelBackend"]

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_I18N = False
FORMAT_MODULE_PATH = ["scheduler_site.formats"]
USE_TZ = True

STATIC_URL = "/static/"
STATIC_ROOT = TRAINYARD_HOME / "static"
WHITENOISE_USE_FINDERS = True  # the admin's files are served from the packages: nothing to collect first
WHITENOISE_AUTOREFRESH = DEBUG
FILES, S3 = "django.core.files.storage.FileSystemStorage", "jobs.storage.s3.S3Objects"
CLOSED = {"file_permissions_mode": 0o640, "directory_permissions_mode": 0o750}
STORAGES = {
    "default": {"BACKEND": FILES},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    "logs": (
        {"BACKEND": S3, "OPTIONS": LOG_S3}
        if LOG_STORAGE == "s3"
        else {"BACKEND": FILES, "OPTIONS": {"location": LOG_FOLDER, **CLOSED}}
    ),
    "code": (
        {"BACKEND": S3, "OPTIONS": CODE_S3}  # noqa: F405
        if CODE_STORAGE == "s3"  # noqa: F405
        else {"BACKEND": FILES, "OPTIONS": {"location": CODE_FOLDER, **CLOSED}}
    ),
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 32 * 1024 * 1024

SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_SSL_REDIRECT = env.yes_no("TRAINYARD_HTTPS", default=False)
SESSION_COOKIE_SECURE = SECURE_SSL_REDIRECT
CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT
SECURE_HSTS_SECONDS = 3600 * 24 * 30 if SECURE_SSL_REDIRECT else 0
# Subdomains and browsers' preload lists are the decision of whoever owns the domain.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if SECURE_SSL_REDIRECT else None

# --- REST --------------------------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "api.http.authentication.BearerTokens",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["api.http.parsing.JsonBody"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_FILTER_BACKENDS": ["api.http.paging.KnownFilters"],
    "DEFAULT_PAGINATION_CLASS": "api.http.paging.Pages",
    "DEFAULT_THROTTLE_CLASSES": ["rest_framework.throttling.UserRateThrottle"],
    # Counted by each web process for itself.
    "DEFAULT_THROTTLE_RATES": {
        "user": env.text("TRAINYARD_THROTTLE", "6000/min"),
        "sign-in": env.text("TRAINYARD_THROTTLE_SIGN_IN", "20/min"),
        "sign-in-name": env.text("TRAINYARD_THROTTLE_SIGN_IN_NAME", "10/min"),
    },
    # How many proxies in front of us write X-Forwarded-For; with none, nobody can claim another address with it.
    "NUM_PROXIES": env.whole("TRAINYARD_PROXIES", 0),
    "EXCEPTION_HANDLER": "api.http.problems.handle",
    "LIST_SERIALIZER_ERRORS_AS_DICT": True,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
# Each log that somebody follows keeps a thread of a web process: at most so many in each of them.
LOG_FOLLOWERS = env.whole("TRAINYARD_LOG_FOLLOWERS", 28, at_least=1)
LOG_FOLLOWERS_PER_USER = env.whole("TRAINYARD_LOG_FOLLOWERS_PER_USER", max(1, LOG_FOLLOWERS // 4), at_least=1)
# Whoever has it may read /metrics, as may staff with a token of their own.
METRICS_TOKEN = env.secret("TRAINYARD_METRICS_TOKEN", "")
REST_KNOX = {
    "AUTH_HEADER_PREFIX": "Bearer",
    "TOKEN_TTL": timedelta(days=env.number("TRAINYARD_TOKEN_DAYS", 90)),
    "AUTO_REFRESH": False,
}

# --- Celery: see docs/decisions for each of these ------------------------------------------------------------------
BROKER_URL = env.service_url("BROKER_URL", "redis://127.0.0.1:6379/0", "BROKER_PASSWORD")
# Celery's command line takes BROKER_URL from the environment for itself, where it may lack its password; these two go first.
CELERY_BROKER_URL = CELERY_BROKER_READ_URL = CELERY_BROKER_WRITE_URL = BROKER_URL
CELERY_RESULT_BACKEND = None
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = False
CELERY_TASK_REJECT_ON_WORKER_LOST = False
CELERY_WORKER_DISABLE_PREFETCH = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False
CELERY_WORKER_SEND_TASK_EVENTS = True
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TASK_SEND_SENT_EVENT = False  # the agent's own events tell Flower all that it shows
CELERY_TASK_TRACK_STARTED = True
# One more try revives a connection that went stale; beyond that the database is the outbox and recovery publishes again.
CELERY_TASK_PUBLISH_RETRY = True
CELERY_TASK_PUBLISH_RETRY_POLICY = {"max_retries": 1, "interval_start": 0, "interval_step": 0.1, "interval_max": 0.1}
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_BROKER_CHANNEL_ERROR_RETRY = True  # what a broker refuses is no reason for a worker to end
CELERY_WORKER_CONSUMER = "scheduler_site.broker:Consumer"
CELERY_TASK_CREATE_MISSING_QUEUES = True
CELERY_TASK_DEFAULT_QUEUE = "control"
CELERY_TASK_DEFAULT_PRIORITY = 0
CELERY_TIMEZONE = TIME_ZONE
CELERY_ENABLE_UTC = True
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "queue_order_strategy": "priority",
    "priority_steps": list(range(10)),
    "sep": ":",
    "socket_timeout": env.number("TRAINYARD_BROKER_TIMEOUT", 10, at_least=0.1),
    "socket_connect_timeout": 5,
    "socket_keepalive": True,
    "health_check_interval": 10,
    "visibility_timeout": 600,
    "unacked_restore_throttle": 1,
    "master_name": env.text("TRAINYARD_SENTINEL_MASTER", "mymaster"),  # these two for sentinel://... alone
    "sentinel_kwargs": {"password": env.secret("TRAINYARD_SENTINEL_PASSWORD") or None},
}
CELERY_BEAT_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"
# Each tick is on record at once: readiness looks at it, and no tick comes twice after a crash.
CELERY_BEAT_SYNC_EVERY = 1
CELERY_BEAT_SCHEDULE = beat_schedule(CYCLE_SECONDS, RECOVERY_SECONDS, SCALING_SECONDS, provider_settings.BEAT_SECONDS)
DJANGO_CELERY_BEAT_TZ_AWARE = True

# --- logs of the platform itself ---------------------------------------------------------------------------------
LOG_FORMAT = "json" if platform_logs.AS_JSON else "text"
LOGGING = platform_logs.configuration(env.one_of("TRAINYARD_LOG_LEVEL", "INFO", words=env.LOG_LEVELS))

# --- told of in reports ------------------------------------------------------------------------------------------
RELEASE = release()
TRACES_TO = env.text("OTEL_EXPORTER_OTLP_ENDPOINT")

CHANGED_SETTINGS = env.changed()  # plain values: Celery's own inspection sends all settings about

env.refuse_faults()
