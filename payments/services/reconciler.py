"""
Healing what was lost: attempts that nobody told us about are asked after, and the provider's own list of events is read.

Neither trusts the other, nor the webhooks: whatever comes late or twice is applied once by `payments.services.settlement`.
"""

import logging
from datetime import datetime, timedelta
from typing import Final

from django.db import DataError, IntegrityError, transaction

from core.clock import HasTime, forever
from core.errors import BillingError
from core.locks import lock_one
from payments.contract import PaymentSnapshot, ReportedEvent
from payments.errors import PageGone, ProviderFailed, ProviderRefused, ProviderUnavailable
from payments.gateways.registry import gateway_of, is_connected
from payments.models import Order, Outcome, PaymentAttempt, Provider, ProviderFeed
from payments.services.checkout import learn_session
from payments.services.inbox import receive
from payments.services.settlement import apply_snapshot, close_if_over, page_is_gone
from payments.transitions import LIVE_ATTEMPTS, OrderStatus

logger = logging.getLogger(__name__)

FIRST_CHECK: Final = timedelta(minutes=2)
_LAST_CHECK: Final = timedelta(hours=6)
_AFTER_THE_END: Final = timedelta(minutes=1)
_BATCH: Final = 100
_UNANSWERED_MAX: Final = 3

FEED_OVERLAP: Final = timedelta(minutes=10)
"""How far back each reading starts before the last one's end: a provider's list may lag."""
FEED_REREAD: Final = timedelta(days=3)
FEED_SLICE: Final = timedelta(hours=6)
FEED_KEPT: Final = timedelta(days=30)
"""How long Stripe keeps its events."""


def reconcile_attempts(*, now: datetime, has_time: HasTime = forever) -> int:
    """
    Ask the provider after attempts that are due to be asked after, and close orders that are over. Returns how many attempts.

    Ends when its time is over: the next run goes on. Gives up for this time where the provider does not answer: the others would only
    wait for the same.
    """
    due = PaymentAttempt.objects.filter(status__in=LIVE_ATTEMPTS, check_at__lte=now).order_by("check_at")
    asked = unanswered = 0
    for attempt_id in due.values_list("pk", flat=True)[:_BATCH]:
        if not has_time():
            break
        try:
            reconcile_attempt(attempt_id=attempt_id, now=now)
            asked += 1
        except ProviderUnavailable as error:
            unanswered += 1
            logger.warning("Attempt %s cannot be checked: %s", attempt_id, error.message)
            if unanswered == _UNANSWERED_MAX:
                break
        except Exception:  # One answer that nobody foresaw must not keep the others from being asked after.
            logger.exception("Attempt %s could not be checked.", attempt_id)
    close_orders(now=now)
    return asked


def reconcile_attempt(*, attempt_id: int, now: datetime) -> Outcome | None:
    """
    Ask how one attempt stands, and apply the answer. None where it was not due, or the answer was no answer.

    It is asked again later, less and less often until its order's end; soon, if the provider is away. Raises ProviderUnavailable.
    """
    attempt = _claim_check(attempt_id, now)
    if attempt is None:
        return None
    try:
        said = _ask_after(attempt, now)
    except PageGone:
        # Before its end it may be that a wrong key is in use; after it nobody pays there whatever the reason.
        said = page_is_gone(attempt) if attempt.order.expires_at <= now else None
    except (ProviderFailed, ProviderRefused) as error:
        logger.warning("Attempt %s could not be checked: %s", attempt_id, error.message)
        return None
    except ProviderUnavailable:
        live = PaymentAttempt.objects.filter(pk=attempt_id, status__in=LIVE_ATTEMPTS)
        live.update(check_at=now + FIRST_CHECK, checks=attempt.checks)
        raise
    return None if said is None else apply_snapshot(attempt_id=attempt_id, said=said, now=now)


def retire_attempt(*, attempt_id: int, now: datetime) -> None:
    """
    Close the page of an attempt whose order waits for no money any more, so that nobody pays twice. If somebody has, it is reviewed.

    Raises the gateway's errors; the attempt is asked after later all the same.
    """
    attempt = PaymentAttempt.objects.select_related("order").get(pk=attempt_id)
    if attempt.status in LIVE_ATTEMPTS and attempt.session_id and attempt.order.status != OrderStatus.PENDING:
        said = gateway_of(attempt.provider).expire_checkout(attempt.session_id)
        apply_snapshot(attempt_id=attempt_id, said=said, now=now)


def close_orders(*, now: datetime) -> int:
    """Expire orders past their end that nothing can pay any more. Returns how many."""
    over = Order.objects.filter(status=OrderStatus.PENDING, expires_at__lte=now).exclude(attempts__status__in=LIVE_ATTEMPTS)
    return sum(_close(pk, now) for pk in over.order_by("expires_at").values_list("pk", flat=True)[: _BATCH * 10])


def read_feeds(*, now: datetime, back: timedelta = FEED_OVERLAP, has_time: HasTime = forever) -> int:
    """`read_feed` of every provider that is connected; one that does not answer is logged and read next time."""
    found = 0
    for provider in (each for each in Provider if is_connected(each)):
        try:
            found += read_feed(provider=provider, now=now, back=back, has_time=has_time)
        except BillingError as error:
            logger.warning("The list of events of %s could not be read: %s", provider.label, error.message)
    return found


def read_feed(*, provider: Provider, now: datetime, back: timedelta = FEED_OVERLAP, has_time: HasTime = forever) -> int:
    """
    Put into the inbox what the provider says happened and we were not told. Returns how many events were new.

    Begins `back` before the end of the last reading. Reads in slices, and remembers each as it is done: stopped half-way it goes on
    there. An event that cannot be stored is logged and holds up nothing. Raises the gateway's errors.
    """
    feed, _ = ProviderFeed.objects.get_or_create(provider=provider, defaults={"read_until": now})
    # A host whose clock was ahead may have written a time to come: no reading begins there.
    since = max(min(feed.read_until, now) - back, now - FEED_KEPT)
    found = 0
    while since < now and has_time():
        until = min(since + FEED_SLICE, now)
        events = gateway_of(provider).list_events(since=since, until=until)
        found += sum(_take(event, provider, now) for event in events)
        ProviderFeed.objects.filter(provider=provider).exclude(read_until__gte=until, read_until__lte=now).update(read_until=until)
        since = until
    return found


def _take(event: ReportedEvent, provider: Provider, now: datetime) -> bool:
    try:
        return receive(event, provider=provider, source="list", now=now)
    except (DataError, IntegrityError, TypeError, ValueError):
        logger.exception("Event %s of the provider's list could not be stored.", event.event_id)
        return False


def _ask_after(attempt: PaymentAttempt, now: datetime) -> PaymentSnapshot | None:
    """
    How an attempt stands at the provider; None where it turns out never to have been opened.

    The page of an order that waits for no money any more is closed on this occasion.
    """
    if not attempt.session_id:
        attempt = learn_session(attempt, now=now)
    if not attempt.session_id:
        return None
    gateway = gateway_of(attempt.provider)
    is_waiting = attempt.order.status == OrderStatus.PENDING
    return gateway.fetch_checkout(attempt.session_id) if is_waiting else gateway.expire_checkout(attempt.session_id)


def _claim_check(attempt_id: int, now: datetime) -> PaymentAttempt | None:
    """Whoever moves the time of the next check asks; the others leave it."""
    attempt = PaymentAttempt.objects.select_related("order").get(pk=attempt_id)
    due = PaymentAttempt.objects.filter(pk=attempt_id, status__in=LIVE_ATTEMPTS, check_at=attempt.check_at, check_at__lte=now)
    return attempt if due.update(check_at=_next_check(attempt, now), checks=attempt.checks + 1) else None


def _next_check(attempt: PaymentAttempt, now: datetime) -> datetime:
    later: datetime = now + min(FIRST_CHECK * 2 ** min(attempt.checks, 20), _LAST_CHECK)
    end: datetime = attempt.order.expires_at + _AFTER_THE_END
    return later if end <= now else min(later, end)


def _close(order_id: int, now: datetime) -> bool:
    with transaction.atomic():
        order = lock_one(Order.objects.filter(pk=order_id))
        return order is not None and close_if_over(order, now=now)
