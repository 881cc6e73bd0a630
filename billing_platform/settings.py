"""
Every setting comes from the environment; .env.example lists and explains them.

Nothing here has a default that is unsafe in production: DEBUG is off, SECRET_KEY and DATABASE_URL are required.
"""

from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import environ
from celery.schedules import crontab
from corsheaders.defaults import default_headers

from billing_platform.console.unfold import UNFOLD  # noqa: F401 - a setting

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()

DEBUG = env.bool("DEBUG", default=False)
SECRET_KEY = env.str("SECRET_KEY")
ALLOWED_HOSTS: list[str] = env.list("ALLOWED_HOSTS", default=[])
CSRF_TRUSTED_ORIGINS: list[str] = env.list("CSRF_TRUSTED_ORIGINS", default=[])
PUBLIC_URL = env.str("PUBLIC_URL", default="http://127.0.0.1:8000")

# Money
CREDIT_NANOS = env.int("CREDIT_NANOS", default=1_000_000)
# What $1.00 of credit costs, in minor units of each currency that is taken: USD=100,EUR=92.5
PURCHASE_CURRENCIES: dict[str, str] = env.dict("PURCHASE_CURRENCIES", default={"USD": "100"})
PURCHASE_MIN_USD = env.str("PURCHASE_MIN_USD", default="5.00")
PURCHASE_MAX_USD = env.str("PURCHASE_MAX_USD", default="10000.00")
PLATFORM_FEE_BP = env.int("PLATFORM_FEE_BP", default=0)
ORDER_LIFETIME_MINUTES = env.int("ORDER_LIFETIME_MINUTES", default=23 * 60)  # Stripe: half an hour to a day.
PENDING_ORDERS_MAX = env.int("PENDING_ORDERS_MAX", default=50)  # Of one account.
# Hosts (with a port only where it is not the usual one) to which a person may be sent after a checkout.
CHECKOUT_REDIRECT_HOSTS = [host.lower() for host in env.list("CHECKOUT_REDIRECT_HOSTS", default=[urlsplit(PUBLIC_URL).netloc])]

STATEMENT_ENTRIES_MAX = 1_000_000  # In one answer; a longer period is asked for in parts.

INSTALLED_APPS = [
    "billing_platform.console.apps.ConsoleConfig",
    "unfold.apps.BasicAppConfig",  # The default one would put its own site in place of ours.
    "unfold.contrib.filters",
    "billing_platform.console.apps.ConsoleAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "corsheaders",
    "rest_framework",
    "rest_framework_simplejwt",
    "rest_framework_simplejwt.token_blacklist",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "djstripe",
    "core",
    "accounts",
    "credits",
    "usage",
    "payments",
    "billing_platform",
]

MIDDLEWARE = [
    "core.middleware.RequestIdMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "corsheaders.middleware.CorsMiddleware",
    "core.middleware.BodyLimitMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "billing_platform.urls"
WSGI_APPLICATION = "billing_platform.wsgi.application"
APPEND_SLASH = False  # A redirect would turn a POST into a GET.

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

# PostgreSQL. A kept connection is as fast as a pool under gunicorn's threads, and simpler.
DATABASES: dict[str, dict[str, Any]] = {"default": env.db_url("DATABASE_URL")}
DATABASES["default"] |= {
    "ENGINE": "core.postgresql",
    "CONN_MAX_AGE": env.int("CONN_MAX_AGE", default=60),
    "CONN_HEALTH_CHECKS": True,
    "OPTIONS": {"connect_timeout": 5, "options": "-c jit=off -c timezone=UTC -c lock_timeout=30s", "prepare_threshold": None},
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Redis: broker, cache (throttles)
REDIS_URL = env.str("REDIS_URL")
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": "billing",
    }
}

CELERY_BROKER_URL = REDIS_URL
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_TIME_LIMIT = 1800
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# Whoever asks for a job does not wait for a broker that is away (kombu's own is six seconds); core.jobs logs what was not sent.
CELERY_BROKER_TRANSPORT_OPTIONS = {"max_retries": 1, "interval_start": 0, "interval_step": 0.2, "interval_max": 0.2}
CELERY_TIMEZONE = "UTC"
_HOUR = 3600
# By task: when, and after how many seconds one that no worker took is forgotten, so that a night without a worker leaves no heap.
_TIMETABLE: dict[str, tuple[timedelta | crontab, int]] = {
    "credits.tasks.book_due_changes": (timedelta(minutes=1), 60),
    "credits.tasks.seal_entries": (timedelta(minutes=5), 300),
    "payments.tasks.sweep_events": (timedelta(seconds=30), 30),
    "payments.tasks.mirror_events": (timedelta(seconds=30), 30),
    "payments.tasks.reconcile_attempts": (timedelta(minutes=1), 60),
    "payments.tasks.read_provider_feed": (timedelta(minutes=5), 300),
    "usage.tasks.sweep_shadow_runs": (timedelta(minutes=1), 60),
    "usage.tasks.count_events": (timedelta(seconds=10), 10),
    "usage.tasks.book_absorbed_days": (crontab(hour="0", minute="40"), 12 * _HOUR),
    "credits.tasks.book_written_off": (crontab(hour="0", minute="50"), 12 * _HOUR),
    "credits.tasks.fold_revenue": (crontab(minute="5"), _HOUR),
    "usage.tasks.fold_platform_usage": (crontab(minute="*/15"), 900),
    "payments.tasks.reread_provider_feed": (crontab(hour="2", minute="45"), 12 * _HOUR),
    "billing_platform.tasks.verify_ledger": (crontab(hour="3", minute="15"), 12 * _HOUR),
    "accounts.tasks.forget_expired_tokens": (crontab(hour="4", minute="5"), 12 * _HOUR),
    "credits.tasks.forget_limit_buckets": (crontab(hour="4", minute="15"), 12 * _HOUR),
    "payments.tasks.forget_payloads": (crontab(hour="4", minute="25"), 12 * _HOUR),
    "billing_platform.tasks.forget_idempotent_requests": (crontab(minute="35"), _HOUR),
}
CELERY_BEAT_SCHEDULE = {
    task: {"task": task, "schedule": schedule, "options": {"expires": expires}} for task, (schedule, expires) in _TIMETABLE.items()
}

# People and tokens
AUTH_USER_MODEL = "accounts.User"
LOGIN_REDIRECT_URL = "/admin/"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
PASSWORD_RESET_TIMEOUT = 60 * 60 * 24
SIMPLE_JWT = {
    "ACCESS_TOKEN_LIFETIME": timedelta(minutes=env.int("ACCESS_TOKEN_MINUTES", default=15)),
    "REFRESH_TOKEN_LIFETIME": timedelta(days=env.int("REFRESH_TOKEN_DAYS", default=14)),
    "ROTATE_REFRESH_TOKENS": True,
    "BLACKLIST_AFTER_ROTATION": True,
    "UPDATE_LAST_LOGIN": True,
    "CHECK_REVOKE_TOKEN": True,
}

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["accounts.api.authentication.BearerAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["core.api.parsing.StrictJSONParser"],
    "EXCEPTION_HANDLER": "core.api.exception_handler.handle_exception",
    "DEFAULT_SCHEMA_CLASS": "core.api.schema.DialectSchema",
    "DEFAULT_THROTTLE_CLASSES": ["accounts.api.throttling.TokenThrottle"],
    "DEFAULT_THROTTLE_RATES": {
        # Per e-mail address; `_address`: per network address, which an office shares.
        "login": env.str("THROTTLE_LOGIN", default="10/min"),
        "login_address": env.str("THROTTLE_LOGIN_ADDRESS", default="60/min"),
        "register": env.str("THROTTLE_REGISTER", default="20/hour"),
        "register_address": env.str("THROTTLE_REGISTER", default="20/hour"),
        "invite": env.str("THROTTLE_INVITE", default="50/hour"),
        "reset": env.str("THROTTLE_RESET", default="5/hour"),
        "reset_address": env.str("THROTTLE_RESET_ADDRESS", default="20/hour"),
        # Per token. The platform's own gateways are not limited unless a rate is set.
        "read": env.str("THROTTLE_READ", default="1200/min"),
        "write": env.str("THROTTLE_WRITE", default="600/min"),
        "statement": env.str("THROTTLE_STATEMENT", default="10/min"),  # Per token, platform keys too: each reads a history.
        "checkout": env.str("THROTTLE_CHECKOUT", default="30/min"),  # Per account: each asks the payment provider.
        "platform": env.str("THROTTLE_PLATFORM", default=""),
    },
    "NUM_PROXIES": env.int("NUM_PROXIES", default=0),
    "UNAUTHENTICATED_USER": None,
}
CORS_ALLOWED_ORIGINS: list[str] = env.list("CORS_ALLOWED_ORIGINS", default=[])
CORS_ALLOW_HEADERS = (*default_headers, "idempotency-key", "x-account", "x-request-id")
CORS_EXPOSE_HEADERS = ("Idempotent-Replayed", "Retry-After", "X-Request-Id")
BODY_LIMIT_BYTES = 16 * 1024 * 1024  # A full batch with full metadata fits.
DATA_UPLOAD_MAX_MEMORY_SIZE = BODY_LIMIT_BYTES

SPECTACULAR_SETTINGS: dict[str, Any] = {
    "TITLE": "Billing platform",
    "DESCRIPTION": "Prepaid credits, exact to the nano-dollar, in four published dialects and a /v1 of its own.",
    "VERSION": "0.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "OAS_VERSION": "3.1.0",
    "POSTPROCESSING_HOOKS": ["drf_spectacular.hooks.postprocess_schema_enums", "billing_platform.openapi.with_hot_path"],
    "PREPROCESSING_HOOKS": ["billing_platform.openapi.each_once"],
    "ENUM_NAME_OVERRIDES": {
        "ScopeEnum": "accounts.models.api_key.Scope",
        "CustomerScopeEnum": "accounts.api.serializers.CUSTOMER_SCOPE_CHOICES",
        "OrderStatusEnum": "payments.api.serializers.ORDER_STATUSES",
        "EventStatusEnum": "usage.api.serializers.EVENT_STATUSES",
    },
    "PATH_CONVERTER_OVERRIDES": {"public_id": {"type": "string", "pattern": "^[0-9a-f]{32}$"}},
}

# Mail
vars().update(env.email_url("EMAIL_URL", default="consolemail://"))
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="billing@localhost")
# Pages of the deployment's front end that take a mailed token, with `{token}` in their address; without one the mail shows the token.
MAIL_PAGES = {
    "verify_email": env.str("VERIFY_EMAIL_PAGE", default=""),
    "password_reset": env.str("PASSWORD_RESET_PAGE", default=""),
    "invite": env.str("INVITE_PAGE", default=""),
}

# Providers: how long they are waited for, how many calls a process makes at once, when another worker takes over, how long raw
# events are kept.
PROVIDER_TIMEOUT_SECONDS = env.int("PROVIDER_TIMEOUT_SECONDS", default=10)
PROVIDER_CALLS_AT_ONCE = env.int("PROVIDER_CALLS_AT_ONCE", default=3)
PROVIDER_LEASE_SECONDS = env.int("PROVIDER_LEASE_SECONDS", default=90)
PROVIDER_PAYLOAD_DAYS = env.int("PROVIDER_PAYLOAD_DAYS", default=90)

# Stripe's objects are mirrored by dj-stripe; the customer belongs to a billing account.
STRIPE_LIVE_MODE = env.bool("STRIPE_LIVE_MODE", default=False)
STRIPE_TEST_SECRET_KEY = env.str("STRIPE_TEST_SECRET_KEY", default="")
STRIPE_LIVE_SECRET_KEY = env.str("STRIPE_LIVE_SECRET_KEY", default="")
STRIPE_API_VERSION = "2026-08-26.dahlia"
if "STRIPE_API_HOST" in env:  # A stand-in for Stripe. dj-stripe takes the mere presence of the setting for one.
    STRIPE_API_HOST = env.str("STRIPE_API_HOST", default="")
# The newest first; while a secret is being changed, the one before it after a comma. The web process does not start without.
STRIPE_WEBHOOK_SECRETS: list[str] = env.list("STRIPE_WEBHOOK_SECRETS", default=[])
DJSTRIPE_FOREIGN_KEY_TO_FIELD = "id"
DJSTRIPE_SUBSCRIBER_MODEL = "accounts.Account"
DJSTRIPE_SUBSCRIBER_MODEL_MIGRATION_DEPENDENCY = "0001_initial"

# Time, words, files
TIME_ZONE = "UTC"
USE_TZ = True
LANGUAGE_CODE = "en-us"
USE_I18N = False
FORMAT_MODULE_PATH = "billing_platform.console.formats"  # Times are shown with their zone.
STATIC_URL = "static/"
STATIC_ROOT = env.str("STATIC_ROOT", default=str(BASE_DIR / "staticfiles"))

# Safe by default: a deployment speaks TLS unless the environment says it is a machine of one's own.
LOCAL_HTTP = env.bool("LOCAL_HTTP", default=False)
SECURE_SSL_REDIRECT = not LOCAL_HTTP
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^metrics$"]
SECURE_HSTS_SECONDS = 0 if LOCAL_HTTP else 31_536_000
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
SECURE_HSTS_PRELOAD = True
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if env.bool("BEHIND_TLS_PROXY", default=False) else None
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = not LOCAL_HTTP
X_FRAME_OPTIONS = "DENY"

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"request_id": {"()": "core.middleware.RequestIdFilter"}},
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s [%(request_id)s] %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "filters": ["request_id"], "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": env.str("LOG_LEVEL", default="INFO")},
    "loggers": {"stripe": {"level": "WARNING"}, "django.server": {"handlers": ["stderr"], "propagate": False}},
}
