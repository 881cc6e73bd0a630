"""A gateway asks before a call: may this account spend that much? Where it names a model and tokens, the price book says how much."""

from datetime import datetime, timedelta
from typing import Annotated, Final, NoReturn

import msgspec
from msgspec import Meta

from accounts.selectors import AccountRef, KeyRef
from core.errors import InvalidInput, NotFound
from core.money import parse_usd
from credits.services.holds import HOLD_LONGEST, HoldTerms, Opened, open_hold
from usage.rating import rate
from usage.services.directory import ACCOUNTS, KEYS
from usage.services.events import DollarText, Measured, ModelCode, PrintableId, PublicId
from usage.services.price_book import PRICE_BOOK

_LONGEST_SECONDS: Final = int(HOLD_LONGEST.total_seconds())


class HoldRequest(Measured, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    What to keep aside: `amount` in exact dollars, or a `model` with the most its call may use. `account` and `api_key` are public ids.

    `hold_key` is the gateway's own name for it, unique per account for ever: sent again it gives the same hold. `expires_in` in seconds.
    """

    account: PublicId
    amount: DollarText | None = None
    model: ModelCode | None = None
    api_key: PublicId | None = None
    hold_key: PrintableId | None = None
    expires_in: Annotated[int, Meta(ge=1, le=_LONGEST_SECONDS)] = 600


class VoidRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whose hold is to be freed."""

    account: PublicId


def reserve(asked: HoldRequest, *, now: datetime) -> Opened:
    """
    Open the hold that a gateway asks for. A call that would cost nothing keeps one nano.

    Raises InvalidInput (neither or both of amount and model; unknown_api_key), NotFound, UnknownModel, UnpricedModel, CostOutOfRange,
    StalePriceBook, and what `open_hold` raises.
    """
    account = account_named(asked.account, now=now)
    terms = HoldTerms(
        amount_nanos=_amount(asked, account, now),
        lasts=timedelta(seconds=asked.expires_in),
        api_key_id=None if asked.api_key is None else _key_named(asked.api_key, account, now).id,
        hold_key=asked.hold_key,
        is_estimate=asked.amount is None,
    )
    return open_hold(account_id=account.id, terms=terms, now=now)


def account_named(public_id: str, *, now: datetime) -> AccountRef:
    """
    The account of this public id; a warm one costs no query. A closed one too: it opens no hold, but what was under way is settled.

    Raises NotFound `account_not_found`.
    """
    account = ACCOUNTS.resolve({public_id}, now).get(public_id)
    if account is None:
        raise NotFound("There is no such account.", code="account_not_found")
    return account


def _key_named(public_id: str, account: AccountRef, now: datetime) -> KeyRef:
    key = KEYS.resolve({public_id}, now).get(public_id)
    if key is None or key.account_id != account.id:
        _refuse("The account has no such API key; send the key's public id.", "unknown_api_key", "api_key")
    return key


def _amount(asked: HoldRequest, account: AccountRef, now: datetime) -> int:
    if (asked.amount is None) is (asked.model is None):
        _refuse("Say either an amount, or a model with the tokens its call may use.", "invalid_hold", "amount")
    if asked.amount is not None:
        return parse_usd(asked.amount, field="amount")
    book = PRICE_BOOK.current(now)
    priced = book.in_force(asked.model or "", now)
    return max(1, rate(priced.prices, asked, multiplier_bp=book.multiplier(account, priced.model_id, now).bp))


def _refuse(message: str, code: str, field: str) -> NoReturn:
    raise InvalidInput(message, code=code, field=field)
