"""
The same request twice: one act, the first answer again.

`begin` runs in the act's own transaction, so nothing is left "in progress" by a crash. An act that calls a provider commits what it
is about to do, its key and a lease first; while the lease lives the same key is refused, afterwards a retry takes the lease and
resumes. Only successes are kept: a refusal moved nothing and is decided anew. Source: docs/adr/0017.
"""

import hashlib
import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import transaction

from core.errors import Conflict, IdempotencyKeyReused
from core.locks import try_claim
from core.models import IdempotentRequest

KEPT: Final = timedelta(hours=24)
KEY_MAX: Final = 255


class RequestInProgress(Conflict):
    """The same request runs at this moment; `retry_after` seconds are in the facts."""

    code = "request_in_progress"


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that names itself: whose and which act (`scope`), the client's `key`, and a digest of what was asked."""

    scope: str
    key: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Begun:
    """
    How a request stands. `answer`: it was done before, this is its first answer. Else the caller works, holding `lease`.

    `subject` names what an earlier try has made already, empty at the first try.
    """

    id: int
    lease: str
    subject: str
    answer: dict[str, Any] | None


def fingerprint_of(content: Mapping[str, object]) -> str:
    """A digest of a request's content, the same for every order of its fields."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":"), default=str).encode()).hexdigest()


def once(asked: Asked | None, *, now: datetime, act: Callable[[], Mapping[str, object]]) -> tuple[dict[str, Any], bool]:
    """
    Do an act that is one transaction, or find that it was done: its answer, and whether that is the first one given again.

    `act` runs in the transaction that keeps its answer, so both are there or neither is, however the process ends; it must commit
    nothing by itself and ask no provider. Its answer is plain JSON. A request without a name is simply done.
    Raises IdempotencyKeyReused (the key came with other content), RequestInProgress (it runs now), and what `act` raises.
    """
    with transaction.atomic():
        if asked is None:
            return dict(act()), False
        # The lease is seen by nobody: before the commit the claim keeps others out, after it there is an answer.
        begun = begin(asked, now=now, lease_for=timedelta())
        if begun.answer is not None:
            return begun.answer, True
        answer = dict(act())
        finish(begun, answer)
        return answer, False


def begin(asked: Asked, *, now: datetime, lease_for: timedelta) -> Begun:
    """
    Take the request, or find that it was done. Needs the transaction in which the act writes what it makes.

    Raises IdempotencyKeyReused (the key came with other content), RequestInProgress (it runs now, here or elsewhere).
    """
    if not try_claim(f"{asked.scope}\n{asked.key}"):
        raise _in_progress(1)
    # A statement of its own, so that it sees what the one who had the claim before has committed.
    known = IdempotentRequest.objects.filter(scope=asked.scope, key=asked.key).first()
    if known is not None and known.created_at <= now - KEPT:
        known.delete()
        known = None
    return _first(asked, now, lease_for) if known is None else _again(known, asked, now, lease_for)


def find_answer(asked: Asked, *, now: datetime) -> dict[str, Any] | None:
    """The first answer to this very request, if it was done; so that a repeat is not judged by rules that changed since."""
    done = IdempotentRequest.objects.filter(scope=asked.scope, key=asked.key, fingerprint=asked.fingerprint, created_at__gt=now - KEPT)
    return done.values_list("answer", flat=True).first()


def name_subject(begun: Begun, subject: str) -> None:
    """Keep what the act has made, for a retry to resume. Call it in the transaction that makes it."""
    IdempotentRequest.objects.filter(pk=begun.id, lease=begun.lease).update(subject=subject)


def finish(begun: Begun, answer: Mapping[str, object]) -> None:
    """Keep the answer of a success, unless somebody else took the lease meanwhile: theirs is as good."""
    IdempotentRequest.objects.filter(pk=begun.id, lease=begun.lease).update(answer=dict(answer), lease="", lease_until=None)


def release(begun: Begun) -> None:
    """Give the lease back after a failure that may pass: the same key resumes at once."""
    IdempotentRequest.objects.filter(pk=begun.id, lease=begun.lease).update(lease="", lease_until=None)


def forget(begun: Begun) -> None:
    """The act was refused for good and moved nothing: the same key may be sent again with anything."""
    IdempotentRequest.objects.filter(pk=begun.id, lease=begun.lease).delete()


def forget_old(*, now: datetime) -> int:
    """Delete what is older than a day; returns how many."""
    count, _ = IdempotentRequest.objects.filter(created_at__lte=now - KEPT).delete()
    return count


def _first(asked: Asked, now: datetime, lease_for: timedelta) -> Begun:
    lease = secrets.token_hex(16)
    row = IdempotentRequest.objects.create(
        scope=asked.scope, key=asked.key, fingerprint=asked.fingerprint, lease=lease, lease_until=now + lease_for, created_at=now
    )
    return Begun(row.pk, lease, "", None)


def _again(known: IdempotentRequest, asked: Asked, now: datetime, lease_for: timedelta) -> Begun:
    if known.fingerprint != asked.fingerprint:
        raise IdempotencyKeyReused("This Idempotency-Key came with another body before; use a new key for a new request.")
    if known.answer is not None:
        return Begun(known.pk, "", known.subject, known.answer)
    if known.lease_until is not None and known.lease_until > now:
        raise _in_progress(max(1, int((known.lease_until - now).total_seconds())))
    lease = secrets.token_hex(16)
    free = IdempotentRequest.objects.filter(pk=known.pk, lease=known.lease, answer__isnull=True)
    if not free.update(lease=lease, lease_until=now + lease_for):
        raise _in_progress(1)
    return Begun(known.pk, lease, known.subject, None)


def _in_progress(seconds: int) -> RequestInProgress:
    return RequestInProgress("The same request is still running; send it again in a while.", retry_after=seconds)
