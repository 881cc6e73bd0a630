"""Refunds of usage events over HTTP: a gateway gives back what a call charged, all of it or a part."""

import uuid
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, ClassVar, Final

from django.http import HttpRequest, HttpResponseBase
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.access import ACCOUNT_QUERY, PlatformKeyOnly, account_of
from accounts.selectors import Account, Scope
from core import clock
from core.api.exception_handler import AVAILABLE_HEADER, RESERVED_HEADER
from core.api.idempotency import IDEMPOTENCY_PARAMETERS, read_asked, replay_headers
from core.api.money_fields import InstantField, NanosTextField, UsdTextField
from core.api.views import ApiView, read_body
from core.errors import InvalidInput
from core.idempotency import Asked, once
from core.money import parse_usd
from credits.services.holds import Remaining, facts_of
from credits.services.wallets import read_wallet
from usage.api.serializers import EventSerializer
from usage.api.views import UsageEventView
from usage.services.counting import count_account
from usage.services.refunds import Refund, refund_event

REASON_MAX: Final = 500
SUFFIX: Final = "/refund"
_NO_REASON: Final = "Refunded by a gateway, which gave no reason."
_ACCOUNT: Final = OpenApiParameter(ACCOUNT_QUERY, str, OpenApiParameter.QUERY, description="Whose event, where the body does not say it.")
_LEFT: Final = [
    OpenApiParameter(name, str, OpenApiParameter.HEADER, response=[200, 409], description=words)
    for name, words in (
        (AVAILABLE_HEADER, "What the account can still spend, in exact dollars."),
        (RESERVED_HEADER, "What its open holds keep aside, in exact dollars."),
    )
]


class RefundInput(serializers.Serializer[Any]):
    """How much of an event's charge is given back, and why."""

    account = serializers.CharField(required=False, help_text="Whose event: the account's public id. Here or in the query.")
    amount = serializers.CharField(required=False, help_text="In exact dollars, above 0. Absent: all that is left of the charge.")
    reason = serializers.CharField(
        required=False, allow_blank=True, max_length=REASON_MAX, default="", help_text="Why, for the operators' audit trail."
    )


class RefundEntrySerializer(serializers.Serializer[Any]):
    """The ledger entry that gives it back."""

    id = serializers.IntegerField(source="pk")
    amount_nanos = NanosTextField()
    amount_usd = UsdTextField(source="amount_nanos")
    created_at = InstantField()


class CompensationSerializer(serializers.Serializer[Any]):
    """A grant that carries what belonged to one that has ended."""

    id = serializers.IntegerField(source="pk")
    compensates = serializers.IntegerField(source="compensates_id", help_text="The grant that has ended.")
    category = serializers.ChoiceField(choices=("paid", "promo"))
    amount_nanos = NanosTextField()
    amount_usd = UsdTextField(source="amount_nanos")
    expires_at = InstantField(allow_null=True)


class RefundSerializer(serializers.Serializer[Refund]):
    """The event as it stands after its refund, and what went back."""

    event = EventSerializer()
    refund = RefundEntrySerializer(source="given.entry")
    compensations = CompensationSerializer(
        source="given.compensations", many=True, help_text="New grants, where those that paid have ended. The rest went back into its own."
    )


class RefundView(ApiView):
    """
    POST /v1/usage/events/{event_id}/refund.

    An event id may hold slashes and even end in `/refund`. That is not ambiguous: a POST always ends in `/refund`, which is no part of
    the id, and a GET never does.
    """

    permission_classes = (PlatformKeyOnly,)
    error_statuses: ClassVar[tuple[int, ...]] = (409, 422, 503)

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Reading here is reading the event whose id ends so."""
        if request.method in {"GET", "HEAD"}:
            return UsageEventView.as_view()(request, event_id=kwargs["event_id"] + SUFFIX)
        return super().dispatch(request, *args, **kwargs)

    @extend_schema(
        operation_id="refund_usage_event",
        tags=["v1"],
        parameters=[_ACCOUNT, *IDEMPOTENCY_PARAMETERS, *_LEFT],
        request=RefundInput,
        responses=RefundSerializer,
    )
    def post(self, request: Request, event_id: str) -> Response:
        """
        Give back what an event charged, or the last part of it, to the credits that paid. By a platform key.

        Reports count less cost then, and an event that was given back whole as `refunded`. What was written off or absorbed is not given
        back. Send an `Idempotency-Key`: without one, a part that is sent twice is given back twice.
        """
        body = read_body(RefundInput, request)
        account = account_of(request, scope=Scope.USAGE_WRITE, named=body.get("account"))
        amount = _amount(body.get("amount"))
        asked, now = read_asked(request, account=account.public_id), clock.now()
        count_account(account.pk)  # Before the transaction of the act, which counts the rest under the wallet's lock.

        def act() -> Mapping[str, object]:
            done = refund_event(
                account_id=account.pk,
                event_id=event_id,
                amount_nanos=amount,
                source_key=_source_key(asked),
                reason=body["reason"] or _NO_REASON,
                actor_id=None,
                now=now,
            )
            return {"body": RefundSerializer(done).data, "is_repeat": done.given.is_repeat}

        found, is_replayed = once(asked, now=now, act=act)
        return self.success(found["body"], headers=_left(account) | replay_headers(is_replayed=is_replayed or found["is_repeat"]))


def _amount(text: str | None) -> int | None:
    if text is None:
        return None
    nanos = parse_usd(text, field="amount")
    if nanos <= 0:
        raise InvalidInput("Give back more than 0.", code="invalid_amount", field="amount")
    return nanos


def _source_key(asked: Asked | None) -> str:
    """The request's own name stands for its refund for ever, longer than its answer is kept."""
    return f"refund:{uuid.uuid4().hex if asked is None else sha256(f'{asked.scope} {asked.key}'.encode()).hexdigest()}"


def _left(account: Account) -> dict[str, str]:
    """Told as of this moment, also with an answer that was kept."""
    wallet = read_wallet(account_id=account.pk, now=clock.now())
    facts = facts_of(Remaining(wallet.available_nanos, wallet.reserved_nanos))
    return {AVAILABLE_HEADER: facts["available"], RESERVED_HEADER: facts["held"]}
