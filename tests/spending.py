"""Credits given, models priced and calls reported in tests, through the services that do it in production."""

import itertools
from datetime import datetime, timedelta
from typing import Final

import msgspec

from accounts.models import Account
from core import clock
from credits.models import LedgerEntry
from credits.services.adjustments import adjust_balance
from usage.models import AiModel, PriceVersion
from usage.rating import Prices
from usage.services.ingest import ingest
from usage.services.price_book import PRICE_BOOK
from usage.services.prices import activate_price_version, create_draft
from usage.services.refunds import Refund, refund_event

OPERATOR: Final = 1
GPT_4O: Final = Prices(2_500_000_000, 10_000_000_000, 1_250_000_000, 0, 10_000_000_000, 0, 0, 0, 10_000)
"""Per million tokens: $2.50 input, $10.00 output and reasoning, $1.25 cache reads."""

_keys = itertools.count()


def adjust(account: Account, amount_nanos: int, now: datetime | None = None) -> LedgerEntry:
    """An operator's adjustment."""
    return adjust_balance(
        account_id=account.pk,
        amount_nanos=amount_nanos,
        reason="Tests.",
        actor_id=OPERATOR,
        source_key=f"tests:{next(_keys)}",
        now=now or clock.now(),
    )


def price(code: str = "gpt-4o", prices: Prices = GPT_4O, *, since: datetime | None = None, is_listed: bool = True) -> PriceVersion:
    """A model with a price in force, by default for a day."""
    now = clock.now()
    model, _ = AiModel.objects.get_or_create(code=code, defaults={"name": code.upper(), "provider": "openai", "is_listed": is_listed})
    draft = create_draft(model=model, prices=prices, effective_at=since or now - timedelta(days=1), now=now)
    version = activate_price_version(version_id=draft.pk, actor_id=OPERATOR, reason="Tests.", now=now)
    PRICE_BOOK.forget()
    return version


def report(account: Account, *event_ids: str, now: datetime | None = None, **said: object) -> None:
    """Calls as a gateway reports them: 1,000 input tokens to gpt-4o each, unless said otherwise."""
    usual: dict[str, object] = {"account": account.public_id, "model": "gpt-4o", "input_tokens": 1_000}
    events = [usual | said | {"event_id": event_id} for event_id in event_ids]
    answer = ingest(msgspec.json.encode(events), now=now or clock.now())
    assert (answer.accepted, answer.rejected) == (len(events), [])


def refund(account: Account, event_id: str, nanos: int | None = None, *, key: str | None = None, now: datetime | None = None) -> Refund:
    """What an event charged is given back, all that is left of it unless said otherwise."""
    return refund_event(
        account_id=account.pk,
        event_id=event_id,
        amount_nanos=nanos,
        source_key=key or f"tests-refund:{next(_keys)}",
        reason="Tests.",
        actor_id=OPERATOR,
        now=now or clock.now(),
    )
