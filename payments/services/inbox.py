"""
The inbox of provider events: store, claim, read the object again, apply, mark done.

Stored before anything is done, so nothing is lost. Worked on by whoever holds the lease, so nothing is done twice at once. The object is
read with no transaction open; what it says is applied in one transaction with the mark, so a worker killed anywhere leaves either all
of it or a lease that dies. Source: docs/adr/0015.
"""

import logging
import secrets
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Final

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, QuerySet

from core.audit import record_act
from core.errors import BillingError, NotFound
from core.jobs import enqueue
from core.locks import lock_one
from payments.contract import PaymentSnapshot, PaymentState, ReportedEvent
from payments.errors import EventBusy
from payments.gateways.registry import gateway_of
from payments.gateways.texts import storable
from payments.models import Order, Outcome, PaymentAttempt, PaymentReview, Provider, ProviderEvent, ReviewReason
from payments.services.ordering import lease_time
from payments.services.settlement import apply_snapshot, is_our_mode
from payments.transitions import EventStatus

logger = logging.getLogger(__name__)

TRIES_MAX: Final = 22
"""Over about three days, as long as providers repeat their webhooks."""
_BACKOFF: Final = timedelta(seconds=10)
_BACKOFF_MAX: Final = timedelta(hours=6)
_SWEPT_AFTER: Final = timedelta(seconds=20)
"""A fresh event is the business of the job that its arrival asked for; the sweeper takes what that job did not."""
STUCK_AFTER: Final = timedelta(minutes=15)
_SWEEP_MAX: Final = 500
SWEEP_SECONDS: Final = 30
"""How often it runs. What it asked for is forgotten by then, so that a worker that was away does not find it many times."""


def receive(event: ReportedEvent, *, provider: Provider, source: str, now: datetime) -> bool:
    """Store an event, unless it is known, and ask for its processing. Whether it was new."""
    row, is_new = ProviderEvent.objects.get_or_create(
        provider=provider,
        event_id=event.event_id,
        defaults={
            "type": event.type,
            "object_id": event.object_id,
            "api_version": event.api_version,
            "livemode": event.livemode,
            "payload": _storable(event.payload),
            "source": source,
            "created_at": event.created_at,
            "received_at": now,
            "next_try_at": now,
        },
    )
    if is_new:
        if event.api_version != settings.STRIPE_API_VERSION:
            logger.warning("Event %s has API version %s, not ours.", event.event_id, event.api_version)
        enqueue("payments.tasks.process_event", event_pk=row.pk)
    return is_new


def process_event(*, event_pk: int, now: datetime) -> Outcome | None:
    """
    Claim an event, read its object at the provider, apply it. None where somebody else has it, or it waits for its next try.

    Raises nothing that is foreseen: a failure is kept on the row, which is tried again later, less and less often.
    """
    lease = _claim(event_pk, now)
    if lease is None:
        return None
    event = ProviderEvent.objects.get(pk=event_pk)
    try:
        said = _read_subject(event)
        return _finish(event, lease, said, now)
    except Exception as error:  # noqa: BLE001  Whatever it is, the row keeps it and is tried again; the log has the trace.
        _put_back(event, lease, error, now)
        return None


def sweep_events(*, now: datetime) -> int:
    """Ask for processing of what was left behind: jobs that were lost, leases that died, tries that are due. Returns how many."""
    left = list(_due(now).filter(_is_left(now)).order_by("next_try_at").values_list("pk", flat=True)[:_SWEEP_MAX])
    for event_pk in left:
        enqueue("payments.tasks.process_event", expires_seconds=SWEEP_SECONDS, event_pk=event_pk)
    stuck = count_stuck_events(now=now)
    if stuck:
        logger.error("%s provider events wait for more than %s minutes.", stuck, STUCK_AFTER.seconds // 60)
    return len(left)


def count_stuck_events(*, now: datetime) -> int:
    """Events given up, and those that wait for a quarter of an hour."""
    waiting = Q(status__in=[EventStatus.WAITING, EventStatus.CLAIMED], received_at__lte=now - STUCK_AFTER)
    return ProviderEvent.objects.filter(waiting | Q(status=EventStatus.FAILED)).count()


def reprocess_event(
    *, event_pk: int, actor_id: int | None, reason: str, now: datetime, expected: tuple[str, int] | None = None
) -> ProviderEvent:
    """
    Have an event processed again, by an operator. Applying it again changes nothing that it changed before.

    `expected`: the status and tries that the operator saw; twice at once is once. Raises NotFound, EventBusy.
    """
    with transaction.atomic():
        event = lock_one(ProviderEvent.objects.filter(pk=event_pk))
        if event is None:
            raise NotFound("There is no such event.")
        if event.status == EventStatus.CLAIMED and event.lease_until is not None and event.lease_until > now:
            raise EventBusy("A worker has this event in hand; wait a minute.")
        if expected is not None and expected != (event.status, event.tries):
            raise EventBusy("Somebody was faster: this event has moved on since you opened it.")
        before = {"status": event.status, "tries": event.tries, "last_error": event.last_error}
        event.status, event.lease, event.lease_until, event.tries, event.next_try_at = EventStatus.WAITING, "", None, 0, now
        event.save(update_fields=["status", "lease", "lease_until", "tries", "next_try_at"])
        record_act(
            actor_id=actor_id,
            act="reprocess_provider_event",
            object_type="provider_event",
            object_id=str(event.pk),
            account_id=event.order.account_id if event.order else None,
            reason=reason,
            before=before,
            after={"status": event.status, "tries": 0},
            now=now,
        )
        enqueue("payments.tasks.process_event", event_pk=event.pk)
    return event


def forget_payloads(*, now: datetime) -> int:
    """Empty the payloads of events that are done or given up, and old (PROVIDER_PAYLOAD_DAYS); the rows stay. Returns how many."""
    long_ago = now - timedelta(days=settings.PROVIDER_PAYLOAD_DAYS)
    over = [EventStatus.DONE, EventStatus.FAILED]
    old = ProviderEvent.objects.filter(payload__isnull=False, status__in=over, received_at__lte=long_ago)
    return old.update(payload=None)


def _storable(value: object) -> object:
    """
    What is kept of an event: all but `client_secret`s, by which a browser may act on a payment. Characters that PostgreSQL cannot store
    (NUL, half a surrogate pair) come from what people typed, and must not keep the event out.
    """
    if isinstance(value, Mapping):
        return {storable(str(name)): _storable(inner) for name, inner in value.items() if name != "client_secret"}
    if isinstance(value, str):
        return storable(value)
    return [_storable(inner) for inner in value] if isinstance(value, list) else value


def _due(now: datetime) -> QuerySet[ProviderEvent]:
    # A claim moves `next_try_at` to its end, so one column, and one index, tells of both.
    return ProviderEvent.objects.filter(status__in=[EventStatus.WAITING, EventStatus.CLAIMED], next_try_at__lte=now)


def _is_left(now: datetime) -> Q:
    return Q(status=EventStatus.CLAIMED) | Q(tries__gt=0) | Q(received_at__lte=now - _SWEPT_AFTER)


def _claim(event_pk: int, now: datetime) -> str | None:
    lease, until = secrets.token_hex(16), now + lease_time()
    # One that ends its workers, so that nobody is left to count: given up all the same.
    if _due(now).filter(pk=event_pk, tries__gte=TRIES_MAX).update(status=EventStatus.FAILED, lease="", lease_until=None):
        logger.error("Event row %s is given up: no worker has finished it.", event_pk)
        return None
    claimed = (
        _due(now)
        .filter(pk=event_pk)
        .update(status=EventStatus.CLAIMED, lease=lease, lease_until=until, next_try_at=until, tries=F("tries") + 1)
    )
    return lease if claimed else None


def _read_subject(event: ProviderEvent) -> PaymentSnapshot | None:
    """What the event is about, as the provider says it is now. An event of the other mode is not asked about: our key could not."""
    if not is_our_mode(event.livemode):
        return None
    return gateway_of(event.provider).fetch_subject(event.type, event.object_id)


def _finish(event: ProviderEvent, lease: str, said: PaymentSnapshot | None, now: datetime) -> Outcome | None:
    with transaction.atomic():
        mine = lock_one(ProviderEvent.objects.filter(pk=event.pk, lease=lease, status=EventStatus.CLAIMED))
        if mine is None:
            return None
        mine.outcome = _apply(mine, said, now)
        mine.status, mine.lease, mine.lease_until, mine.last_error, mine.done_at = EventStatus.DONE, "", None, "", now
        mine.save(update_fields=["status", "outcome", "order", "attempt", "lease", "lease_until", "last_error", "done_at"])
    return Outcome(mine.outcome)


def _apply(event: ProviderEvent, said: PaymentSnapshot | None, now: datetime) -> Outcome:
    if not is_our_mode(event.livemode):
        return _refuse_mode(event, now)
    if said is None:
        return Outcome.NOTHING
    attempt = _attempt_of(event, said)
    if attempt is None:
        return _foreign(event, said, now)
    event.attempt, event.order_id = attempt, attempt.order_id
    return apply_snapshot(attempt_id=attempt.pk, said=said, now=now)


def _attempt_of(event: ProviderEvent, said: PaymentSnapshot) -> PaymentAttempt | None:
    """By the key that we had written on the payment, else by its ids: then it lacks our mark, and judging will say so."""
    attempts = PaymentAttempt.objects.filter(provider=event.provider)
    by_key = attempts.filter(idempotency_key=said.attempt_key).first() if said.attempt_key else None
    by_ids = Q(session_id=said.session_id) if said.session_id else Q(payment_id=said.payment_id)
    return by_key or attempts.filter(by_ids).first()


def _foreign(event: ProviderEvent, said: PaymentSnapshot, now: datetime) -> Outcome:
    """
    About no attempt that we know. Money with our mark on it is looked at: in live mode nobody else makes such marks, so we have lost
    an attempt (a database restored from before it). Deployments under test may share a key, and so see each other's.
    """
    is_marked = said.state is PaymentState.PAID and bool(said.attempt_key)
    if not (is_marked and (event.livemode or Order.objects.filter(public_id=said.order_id).exists())):
        return Outcome.FOREIGN
    _ask_a_person(event, ReviewReason.UNKNOWN_ATTEMPT, {"payment": said.payment_id, "said": asdict(said)}, now)
    return Outcome.REVIEW


def _refuse_mode(event: ProviderEvent, now: datetime) -> Outcome:
    found = {"event_id": event.event_id, "type": event.type, "livemode": event.livemode}
    _ask_a_person(event, ReviewReason.WRONG_LIVEMODE, found, now)
    return Outcome.REVIEW


def _ask_a_person(event: ProviderEvent, reason: ReviewReason, found: Mapping[str, object], now: datetime) -> None:
    """Once per event, and once per payment, however many events tell of it."""
    payment = str(found.get("payment", ""))
    if payment and PaymentReview.objects.filter(reason=reason, attempt=None, payment_ref=payment).exists():
        return
    row = {"found": dict(found), "payment_ref": payment, "opened_at": now}
    _, is_new = PaymentReview.objects.get_or_create(event=event, reason=reason, defaults=row)
    if is_new:
        logger.error("Payment review opened for event %s: %s", event.event_id, reason.label)


def _put_back(event: ProviderEvent, lease: str, error: Exception, now: datetime) -> None:
    tries = event.tries
    is_over = tries >= TRIES_MAX
    status = EventStatus.FAILED if is_over else EventStatus.WAITING
    wait = min(_BACKOFF * 2 ** min(tries, 20), _BACKOFF_MAX)
    # Of an error nobody foresaw the row, which operators read, keeps only the name; the log, which engineers read, has the trace.
    said = f"{error.stable_code}: {error.message}" if isinstance(error, BillingError) else type(error).__name__
    ProviderEvent.objects.filter(pk=event.pk, lease=lease).update(
        status=status, lease="", lease_until=None, next_try_at=now + wait, last_error=said[:300]
    )
    logger.log(logging.ERROR if is_over else logging.WARNING, "Event %s failed at try %s.", event.event_id, tries, exc_info=error)
