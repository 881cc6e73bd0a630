"""A gateway asks before a call: may this account spend that much? Where it names a model and tokens, the price book says how much."""

from datetime import datetime, timedelta
from typing import Annotated, Final, NoReturn

import msgspec
from msgspec import Meta

from accounts.selectors import AccountRef, KeyRef, public_id_of_key
from core.api.times import iso_z
from core.errors import InvalidInput, NotFound
from core.money import parse_usd, usd_text
from credits.services.holds import HOLD_LONGEST, HoldView, Remaining, get_hold, open_hold, void_hold
from credits.services.wallets import read_wallet
from usage.rating import rate
from usage.services.directory import ACCOUNTS, KEYS
from usage.services.events import DollarText, ModelCode, PrintableId, PublicId, Quantity
from usage.services.price_book import PRICE_BOOK

_LONGEST_SECONDS: Final = int(HOLD_LONGEST.total_seconds())


class HoldRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """
    What to keep aside: `amount` in exact dollars, or a `model` with the most its call may use. `account` and `api_key` are public ids.

    `hold_key` is the gateway's own name for it, unique per account for ever: sent again it gives the same hold. `expires_in` in seconds.
    """

    account: PublicId
    amount: DollarText | None = None
    model: ModelCode | None = None
    input_tokens: Quantity = 0
    output_tokens: Quantity = 0
    cache_read_tokens: Quantity = 0
    cache_write_tokens: Quantity = 0
    reasoning_tokens: Quantity = 0
    requests: Quantity = 1
    images: Quantity = 0
    seconds: Quantity = 0
    api_key: PublicId | None = None
    hold_key: PrintableId | None = None
    expires_in: Annotated[int, Meta(ge=1, le=_LONGEST_SECONDS)] = 600


class HoldAnswer(msgspec.Struct, frozen=True):
    """A hold as it stands. `*_nanos` are exact; `event_id` is the usage event that captured it."""

    id: str
    account: str
    api_key: str | None
    hold_key: str | None
    status: str
    amount_nanos: str
    amount_usd: str
    event_id: str | None
    opened_at: str
    expires_at: str
    closed_at: str | None


class VoidRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whose hold is to be freed."""

    account: PublicId


def hold_answer(hold: HoldView, *, account: str, api_key: str | None) -> HoldAnswer:
    """A hold as its gateway hears of it. `account`, `api_key`: public ids."""
    return HoldAnswer(
        id=hold.public_id,
        account=account,
        api_key=api_key,
        hold_key=hold.hold_key,
        status=hold.status,
        amount_nanos=str(hold.amount_nanos),
        amount_usd=usd_text(hold.amount_nanos),
        event_id=hold.event_id,
        opened_at=iso_z(hold.opened_at),
        expires_at=iso_z(hold.expires_at),
        closed_at=None if hold.closed_at is None else iso_z(hold.closed_at),
    )


def reserve(asked: HoldRequest, *, now: datetime) -> tuple[HoldView, Remaining]:
    """
    Open the hold that a gateway asks for. A call that would cost nothing keeps one nano.

    Raises InvalidInput (neither or both of amount and model; unknown_api_key), NotFound, UnknownModel, UnpricedModel, CostOutOfRange,
    StalePriceBook, and what `open_hold` raises.
    """
    account = account_named(asked.account, now=now)
    return open_hold(
        account_id=account.id,
        amount_nanos=_amount(asked, now),
        lasts=timedelta(seconds=asked.expires_in),
        api_key_id=None if asked.api_key is None else _key_named(asked.api_key, account, now).id,
        hold_key=asked.hold_key,
        now=now,
    )


def void_reservation(*, account: str, hold: str, now: datetime) -> tuple[HoldAnswer, Remaining]:
    """Free a hold of the account of this public id. Raises NotFound, HoldNotFound, HoldAlreadyCaptured."""
    voided, left = void_hold(account_id=account_named(account, now=now).id, public_id=hold, now=now)
    return _as_it_stands(voided, account), left


def read_hold(*, account_id: int, account: str, hold: str, now: datetime) -> HoldAnswer:
    """One hold of an account; what is due is booked first, so that one that has ended says so. Raises HoldNotFound."""
    read_wallet(account_id=account_id, now=now)
    return _as_it_stands(get_hold(account_id=account_id, public_id=hold), account)


def account_named(public_id: str, *, now: datetime) -> AccountRef:
    """The open account of this public id; a warm one costs no query. Raises NotFound."""
    account = ACCOUNTS.resolve({public_id}, now).get(public_id)
    if account is None or account.closed:
        raise NotFound("There is no such account.", code="account_not_found")
    return account


def _as_it_stands(hold: HoldView, account: str) -> HoldAnswer:
    key = None if hold.api_key_id is None else public_id_of_key(hold.api_key_id)
    return hold_answer(hold, account=account, api_key=key)


def _key_named(public_id: str, account: AccountRef, now: datetime) -> KeyRef:
    key = KEYS.resolve({public_id}, now).get(public_id)
    if key is None or key.account_id != account.id:
        _refuse("The account has no such API key; send the key's public id.", "unknown_api_key", "api_key")
    return key


def _amount(asked: HoldRequest, now: datetime) -> int:
    if (asked.amount is None) is (asked.model is None):
        _refuse("Say either an amount, or a model with the tokens its call may use.", "invalid_hold", "amount")
    if asked.amount is not None:
        return parse_usd(asked.amount, field="amount")
    return max(1, rate(PRICE_BOOK.current(now).in_force(asked.model or "", now).prices, asked))


def _refuse(message: str, code: str, field: str) -> NoReturn:
    raise InvalidInput(message, code=code, field=field)
