"""The one place where Stripe's client is made: key, host, version, time-outs, and how many calls a process makes at once."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, Final
from urllib.parse import urlsplit

import stripe
from django.conf import settings

from payments.errors import CustomerGone, PageGone, ProviderFailed, ProviderRefused, ProviderUnavailable

CONNECT_SECONDS: Final = 4
_RETRIES: Final = 1
_BETWEEN_TRIES_SECONDS: Final = 2

logger = logging.getLogger(__name__)


def longest_dial_seconds() -> int:
    """How long opening a checkout can take at worst: customer and session, each with its repeats."""
    one_call: int = CONNECT_SECONDS + settings.PROVIDER_TIMEOUT_SECONDS + _BETWEEN_TRIES_SECONDS
    return 2 * (1 + _RETRIES) * one_call


def secret_key() -> str:
    """The key of the mode this deployment is in; empty where it has none."""
    key: str = settings.STRIPE_LIVE_SECRET_KEY if settings.STRIPE_LIVE_MODE else settings.STRIPE_TEST_SECRET_KEY
    return key


def what_is_wrong() -> str:
    """Why no call may be made with these settings; empty if it may. A live key goes to Stripe and to nobody else."""
    mode = "live" if settings.STRIPE_LIVE_MODE else "test"
    if secret_key() and not secret_key().startswith((f"sk_{mode}_", f"rk_{mode}_")):
        return f"the key is not a secret key of {mode} mode."
    place = urlsplit(host())
    if settings.STRIPE_LIVE_MODE and host():
        return "STRIPE_API_HOST is for tests, and STRIPE_LIVE_MODE is on."
    if host() and place.scheme != "https" and place.hostname not in {"127.0.0.1", "localhost", "::1"}:
        return "STRIPE_API_HOST must be https, or this machine."
    return ""


def host() -> str:
    """Another host in Stripe's place; empty for Stripe itself."""
    found: str = getattr(settings, "STRIPE_API_HOST", "")
    return found


def client() -> stripe.StripeClient:
    """Stripe as this deployment is set up. Raises ProviderUnavailable where it has no key."""
    key = secret_key()
    if not key:
        raise ProviderUnavailable("Payments are not set up here: the operator has not given a key of Stripe.")
    if wrong := what_is_wrong():
        raise ProviderUnavailable(f"Payments are not set up rightly here: {wrong}")
    return _client(key, host(), settings.STRIPE_API_VERSION, settings.PROVIDER_TIMEOUT_SECONDS)


@contextmanager
def calling() -> Iterator[stripe.StripeClient]:
    """
    A call, or several. What Stripe's client raises leaves as our own errors; none of them carries a key or a card.

    A process makes only so many calls at once, so that a slow provider never takes all threads of a web process: requests that
    need no provider go on.
    """
    found = client()
    gate = _gate(settings.PROVIDER_CALLS_AT_ONCE)
    if not gate.acquire(blocking=False):  # Who waits here keeps a thread from those who need no provider.
        raise ProviderUnavailable("The payment provider is slow at the moment; nothing was charged, try again.", retry_after=10)
    try:
        yield found
    except (stripe.APIConnectionError, stripe.RateLimitError) as error:
        raise ProviderUnavailable("The payment provider does not answer; nothing was charged, try again.", retry_after=10) from error
    except (stripe.AuthenticationError, stripe.PermissionError) as error:
        # A key that is being changed, or was taken back: the question was fine, and is asked again with a right one.
        logger.error("Stripe refuses our key (%s).", _said(error))  # noqa: TRY400 - the trace says nothing more
        raise ProviderUnavailable("Payments are not set up rightly at the moment; nothing was charged.", retry_after=60) from error
    except stripe.InvalidRequestError as error:
        raise _refused(error) from error
    except stripe.CardError as error:
        raise ProviderRefused(f"The payment provider refused the request ({_said(error)}).") from error
    except stripe.StripeError as error:
        raise _failed(error) from error
    finally:
        gate.release()


def _refused(error: stripe.InvalidRequestError) -> ProviderRefused:
    kind: type[ProviderRefused] = ProviderRefused
    if error.code == "resource_missing":
        kind = {"customer": CustomerGone, "session": PageGone}.get(error.param or "", ProviderRefused)
    return kind(f"The payment provider refused the request ({_said(error)}).")


def _failed(error: stripe.StripeError) -> ProviderUnavailable | ProviderFailed:
    if error.http_status == 409:  # noqa: PLR2004 - the same question is being answered
        return ProviderUnavailable("The payment provider is still at it; try again.", retry_after=5)
    return ProviderFailed("The payment provider met an error of its own; nothing was charged, try again.", retry_after=5)


def _said(error: stripe.StripeError) -> str:
    """What is safe to repeat of an error: its code, the parameter, the request's id. Messages may quote what was sent."""
    parts = (error.code or type(error).__name__, getattr(error, "param", None), error.request_id)
    return ", ".join(str(part) for part in parts if part)


@cache
def _client(key: str, api: str, version: str, seconds: int) -> stripe.StripeClient:
    http = stripe.RequestsClient(timeout=(CONNECT_SECONDS, seconds))
    base: dict[str, Any] = {"api": api} if api else {}
    return stripe.StripeClient(
        key,
        stripe_version=version,
        base_addresses=base,  # type: ignore[arg-type]  # a TypedDict that is not exported
        http_client=http,
        max_network_retries=_RETRIES,
    )


@cache
def _gate(calls: int) -> threading.BoundedSemaphore:
    return threading.BoundedSemaphore(calls)
