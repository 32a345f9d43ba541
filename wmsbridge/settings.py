"""Settings, from the environment and nowhere else. Safe by default: what must be secret has no default."""

import logging
from datetime import timedelta
from pathlib import Path
from typing import Any

import django_stubs_ext
from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured

from wmsbridge.configuration.environment import Environment
from wmsbridge.monitoring import logs

BASE_DIR = Path(__file__).resolve().parent.parent
env = Environment()
django_stubs_ext.monkeypatch()  # ModelAdmin[Shop], ModelForm[Shop]: generic for mypy, now also at run time

# --- Secrets and addresses: no defaults; environ names the missing variable (ImproperlyConfigured) ---

DEBUG = env.bool("DEBUG", default=False)
SECRET_KEY = env.str("SECRET_KEY")
# The first key encrypts, all of them decrypt: to rotate, put a new key in front and keep the old ones.
FIELD_ENCRYPTION_KEYS: list[str] = env.list("FIELD_ENCRYPTION_KEYS")
DATABASE_URL = env.str("DATABASE_URL")
REDIS_URL = env.str("REDIS_URL")


def _require_usable_secrets() -> None:
    """Stop the start on an empty or malformed secret, naming the variable."""
    if len(SECRET_KEY) < 32:
        raise ImproperlyConfigured("SECRET_KEY must have at least 32 characters")
    if not FIELD_ENCRYPTION_KEYS:
        raise ImproperlyConfigured("FIELD_ENCRYPTION_KEYS must hold a Fernet key, or several with commas")
    for position, key in enumerate(FIELD_ENCRYPTION_KEYS, start=1):
        try:
            Fernet(key)
        except ValueError as error:
            raise ImproperlyConfigured(f"FIELD_ENCRYPTION_KEYS: key {position} is no Fernet key") from error
    if not DATABASE_URL.startswith(("postgres://", "postgresql://")):
        raise ImproperlyConfigured("DATABASE_URL must be a postgres:// address; there is no other database")
    if not REDIS_URL.startswith(("redis://", "rediss://", "unix://")):
        raise ImproperlyConfigured("REDIS_URL must be a redis:// or rediss:// address")


_require_usable_secrets()

# --- Shopify and the WMSs ---

# Root of a shop; /admin/api/{version}/graphql.json and /admin/oauth/access_token hang below it.
SHOPIFY_ADMIN_URL = env.str("SHOPIFY_ADMIN_URL", default="https://{domain}")
# These hosts and networks may be called although they are private, also by http: 127.0.0.0/8,wms.internal
ALLOW_PRIVATE_TARGETS: list[str] = env.list("ALLOW_PRIVATE_TARGETS", default=[])
# Where Shopify and the WMSs reach us, for webhook subscriptions; e.g. https://bridge.example.com
PUBLIC_URL = env.str("PUBLIC_URL", default="").rstrip("/")

# --- Web ---

ALLOWED_HOSTS: list[str] = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1"] if DEBUG else [])
CSRF_TRUSTED_ORIGINS: list[str] = env.list("CSRF_TRUSTED_ORIGINS", default=[])
CSRF_FAILURE_VIEW = "wmsbridge.monitoring.probes.forged"
ROOT_URLCONF = "wmsbridge.urls"
WSGI_APPLICATION = "wmsbridge.wsgi.application"
# Webhook bodies of very large orders have some MB. The doors answer 413 to larger ones.
DATA_UPLOAD_MAX_MEMORY_SIZE = env.int("MAX_BODY_BYTES", default=5 * 1024 * 1024)

# TLS ends at the proxy, which must set (not pass on) X-Forwarded-Proto. HTTPS=0 is for this machine only.
HTTPS = env.bool("HTTPS", default=not DEBUG)
BEHIND_PROXY = env.bool("BEHIND_PROXY", default=False)
if BEHIND_PROXY:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_SSL_REDIRECT = HTTPS
SECURE_REDIRECT_EXEMPT = [
    r"^(healthz|readyz|metrics)$"
]  # monitoring on the same network asks them without TLS
SECURE_HSTS_SECONDS = env.int("HSTS_SECONDS", default=31_536_000 if HTTPS else 0)
# The owner of the domain decides about subdomains and the preload list, and not one application on it.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SESSION_COOKIE_AGE = 12 * 60 * 60
X_FRAME_OPTIONS = "DENY"

INSTALLED_APPS = [
    "unfold",  # before django.contrib.admin: it replaces the templates
    "unfold.contrib.filters",
    "unfold.contrib.import_export",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "rest_framework",
    "drf_spectacular",
    "import_export",
    "axes",
    "django_celery_beat",
    "django_structlog",
    "ops",
    "shops",
    "wms",
    "skumap",
    "inventory",
    "fulfillment",
    "wmsbridge",
    "wmsbridge.second_factor",
]

MIDDLEWARE = [
    "wmsbridge.web.headers.policies",
    "wmsbridge.web.unread.misdirected",
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "wmsbridge.web.doors.straight_to_the_doors",  # what follows is for people
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "wmsbridge.second_factor.guard.second_factor",
    "django_structlog.middlewares.RequestMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "axes.middleware.AxesMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
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

STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedStaticFilesStorage"},
}
WHITENOISE_USE_FINDERS = env.bool("STATIC_FROM_SOURCE", default=DEBUG)

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

# After five wrong passwords a name is refused from that address, before a password is hashed. An address alone is never
# refused, because a whole office may be behind it.
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
PASSWORD_HASHERS = [
    "wmsbridge.second_factor.sign_in.Argon2",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",  # for older passwords, which are hashed anew at the next log-in
]
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_DISABLE_ACCESS_LOG = True
AXES_VERBOSE = False
AXES_ENABLE_ADMIN = False  # wmsbridge.admin has its own list, in the style of the console
AXES_CLIENT_IP_CALLABLE = "wmsbridge.second_factor.sign_in.client_address"
AXES_LOCKOUT_CALLABLE = "wmsbridge.second_factor.sign_in.locked_out"

# Everybody may have a second factor. If this is set, everybody must.
REQUIRE_SECOND_FACTOR = env.bool("REQUIRE_SECOND_FACTOR", default=False)

# --- Database: it alone decides ---

_database: dict[str, Any] = env.db_url("DATABASE_URL", engine="wmsbridge.postgres")
# No statement of ours takes long. One that hangs must free its worker and its locks by itself.
_limits = {
    "statement_timeout": env.int("DB_STATEMENT_TIMEOUT_MS", default=30_000),
    "lock_timeout": 10_000,
    "idle_in_transaction_session_timeout": 60_000,
}
_database["OPTIONS"] = {
    "connect_timeout": 3,
    # Values travel beside a statement, not within it, so that the server can keep it prepared.
    "server_side_binding": True,
    # Planning takes the server as long as most of our statements themselves: it plans one again only until it has met
    # it some times on a connection. None: never prepared.
    "prepare_threshold": 2 if env.bool("DB_PREPARE_STATEMENTS", default=True) else None,
    "options": " ".join(f"-c {name}={value}" for name, value in _limits.items()),
    **_database.get("OPTIONS", {}),
}
_database["CONN_MAX_AGE"] = env.int("DB_CONN_MAX_AGE", default=600)
_database["CONN_HEALTH_CHECKS"] = True
DATABASES = {"default": _database}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Celery on Redis: wake-ups only ---

CELERY_BROKER_URL = REDIS_URL
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None  # a worker outlives any outage of Redis
CELERY_BROKER_TRANSPORT_OPTIONS = {
    # A publish to a dead broker gives up at once (kombu: 6 s), to a hanging one after some 4 s: the
    # row is committed, the sweep announces it again.
    "max_retries": 1,
    "interval_start": 0,
    "interval_step": 0.1,
    "interval_max": 0.1,
    "socket_connect_timeout": 1,
    # Bounds commands only; a worker's BRPOP waits on the event loop and reads once the socket is readable.
    "socket_timeout": 1,
    "socket_keepalive": True,
    # No copy of a message is kept in Redis until it is acknowledged, which a worker does when it takes the message. A
    # worker that is killed just then loses a wake-up, which the sweep makes up for.
    "ack_emulation": False,
    "global_keyprefix": "celery:",
}
CELERY_BROKER_POOL_LIMIT = 4
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_PUBLISH_RETRY = False
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_BEAT_SCHEDULER = "wmsbridge.schedules.scheduler:Scheduler"
# Runs wait for other systems most of the time. In threads of a few processes those that wait cost no memory, and those
# that work share warm caches and compete for no more processors than there are.
CELERY_WORKER_POOL = "wmsbridge.threads.pool:TaskPool"
# Both are enforced by wmsbridge.threads.time_limits.
CELERY_TASK_TIME_LIMIT = 57  # below the lease of 60 s: a run that is ended never overlaps its successor
CELERY_TASK_SOFT_TIME_LIMIT = (
    52  # a handler has 50 s, also in the last run of a turn (ops.workers.lane_worker)
)
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_DISABLE_PREFETCH = True  # no message waits at a busy worker while another has a free thread
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = (
    True  # it is about late acknowledgement, which is not used
)

# --- Staff, alerts, health ---

globals().update(env.email_url("EMAIL_URL", default="consolemail://"))  # EMAIL_BACKEND, EMAIL_HOST, ...
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = SERVER_EMAIL = env.str("EMAIL_FROM", default="wmsbridge@localhost")
ALERT_EMAILS: list[str] = env.list("ALERT_EMAILS", default=[])
ALERT_URLS: list[str] = env.list(
    "ALERT_URLS", default=[]
)  # apprise addresses: slack://..., msteams://..., json://...

# Staff are alerted if a metric is above its value here.
HEALTH_THRESHOLDS: dict[str, float] = {
    "order_submission_lag": env.float("HEALTH_ORDER_SUBMISSION_LAG_SECONDS", default=120.0),
    "order_submission_worst": env.float("HEALTH_ORDER_SUBMISSION_WORST_SECONDS", default=600.0),
    "unmapped_sku_rate": env.float("HEALTH_UNMAPPED_SKU_RATE_PERCENT", default=0.0),
    "wms_api_errors": env.float("HEALTH_WMS_API_ERRORS_PERCENT", default=5.0),
    "stock_sync_lag": env.float("HEALTH_STOCK_SYNC_LAG_INTERVALS", default=2.0),
    "fulfilment_callback_time": env.float("HEALTH_FULFILMENT_CALLBACK_SECONDS", default=120.0),
    "dead_letter_depth": env.float("HEALTH_DEAD_LETTER_DEPTH", default=0.0),
}

# If it is set, /metrics answers only to this bearer token and to staff. If not, keep /metrics off the public proxy.
METRICS_TOKEN = env.str("METRICS_TOKEN", default="")

# /readyz and /metrics may answer what they found this many seconds ago, so that frequent requests cost nothing.
PROBES_KEPT_SECONDS = env.float("PROBES_KEPT_SECONDS", default=2.0)

# For this long after a request without an answer, its order may still appear in the WMS.
WMS_SETTLE_SECONDS = env.int("WMS_SETTLE_SECONDS", default=120)

# Where stock is plenty, its changes are gathered for so long before Shopify is told, which spares points.
STOCK_PUSH_WINDOW_SECONDS = env.float("STOCK_PUSH_WINDOW_SECONDS", default=5.0)

# --- How long things are kept: docs/configuration.md says what each is about ---

KEEP_PERSONAL_DATA_DAYS = env.int("KEEP_PERSONAL_DATA_DAYS", default=30)
KEEP_PERSONAL_DATA_AT_MOST_DAYS = env.int("KEEP_PERSONAL_DATA_AT_MOST_DAYS", default=180)
KEEP_PAYLOADS_DAYS = env.int("KEEP_PAYLOADS_DAYS", default=7)
KEEP_JOBS_DAYS = env.int("KEEP_JOBS_DAYS", default=30)  # longer than any sender repeats an event

# --- API documentation ---

REST_FRAMEWORK = {
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAdminUser"],
}
SPECTACULAR_SETTINGS = {"TITLE": "wmsbridge", "VERSION": "1", "SERVE_INCLUDE_SCHEMA": False}
SPECTACULAR_SETTINGS |= {"SERVE_PERMISSIONS": ["rest_framework.permissions.IsAdminUser"]}

# --- Time and language ---

USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"
USE_I18N = False
FORMAT_MODULE_PATH = "wmsbridge.formats"

UNFOLD = {
    "SITE_TITLE": "wmsbridge",
    "SITE_HEADER": "wmsbridge",
    "SITE_SYMBOL": "conveyor_belt",
    "SITE_URL": None,
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": "/static/wmsbridge/favicon.svg"}],
    "SHOW_HISTORY": True,
    "STYLES": ["/static/wmsbridge/console.css"],
    "SCRIPTS": ["/static/wmsbridge/htmx.js", "/static/wmsbridge/icons.js"],
    "GLOBAL_CALLBACK": "wmsbridge.web.headers.without_inline_styles",
    "DASHBOARD_CALLBACK": "wmsbridge.admin.front_page",
    "ACCOUNT": {"navigation": "wmsbridge.console.navigation.account"},
    "SIDEBAR": {"show_search": True, "navigation": "wmsbridge.console.navigation.sidebar"},
}

# --- Logs: fields, not sentences ---

DJANGO_STRUCTLOG_IP_LOGGING_ENABLED = False  # addresses of people are personal data
DJANGO_STRUCTLOG_STATUS_START_LOG_LEVEL = logging.DEBUG  # the line at the end of a request has everything
DJANGO_STRUCTLOG_CELERY_ENABLED = True
DJANGO_STRUCTLOG_CELERY_DEFAULT_LOG_LEVEL = logging.DEBUG  # the runner logs the jobs
LOGGING = logs.configuration(
    level=env.str("LOG_LEVEL", default="INFO"),
    rendering=env.str("LOG_FORMAT", default="console" if DEBUG else "json"),
)
