"""
The product's settings, made quick and separate for tests. DATABASE_URL and REDIS_URL come from `make test`, or by hand.

Each xdist worker has a key prefix of its own in Redis; its database is made by pytest-django.
"""

import os

os.environ.setdefault("SECRET_KEY", "tests-only-" + "x" * 50)
os.environ.setdefault("ALLOWED_HOSTS", "testserver,127.0.0.1,localhost")
os.environ.setdefault("LOCAL_HTTP", "1")
os.environ["EMAIL_URL"] = "memorymail://"

from billing_platform.settings import *  # noqa: F403
from billing_platform.settings import CACHES, DATABASES, MIDDLEWARE, REST_FRAMEWORK

WORKER = os.environ.get("PYTEST_XDIST_WORKER", "alone")

DATABASES["default"]["CONN_MAX_AGE"] = 0
CACHES["default"]["KEY_PREFIX"] = f"tests-{WORKER}"

# Static files are collected by `make run`, whose story asks for them.
MIDDLEWARE = [name for name in MIDDLEWARE if not name.startswith("whitenoise.")]

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
MIGRATION_MODULES = {"djstripe": "tests.djstripe_schema.migrations"}

# Jobs run where they are asked for, after the commit; tests/scenarios uses a real worker.
CELERY_TASK_ALWAYS_EAGER = True
CELERY_TASK_EAGER_PROPAGATES = True

# High, so that no test meets a limit by accident; tests of limits set their own.
REST_FRAMEWORK |= {"DEFAULT_THROTTLE_RATES": dict.fromkeys(REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"], "100000/min")}

# The provider is the sandbox that a test opens (tests/payments); nothing listens here, so no other test asks anybody.
STRIPE_LIVE_MODE = False
PENDING_ORDERS_MAX = 10_000
PROVIDER_CALLS_AT_ONCE = 1_000  # Threads of one process stand for many processes here.
STRIPE_API_HOST = "http://127.0.0.1:9"
STRIPE_TEST_SECRET_KEY = "sk_test_0123456789abcdefghijklmn"
