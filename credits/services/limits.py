"""
Spending limits: how much an account, or one of its keys, may spend in a window of time.

What counts and what blocks is decided in SQL (credits/sql/limits.sql), under the wallet's lock, where holds and batches count too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeAlias

from django.db import connection, transaction

from accounts.models import ApiKey
from core.audit import record_act
from core.errors import NotFound
from core.money import AMOUNT_MAX_NANOS, usd_text
from credits.books import Books
from credits.errors import AmountOutOfRange
from credits.models import Duration, Hold, HoldStatus, LedgerEntry, LimitBucket, SpendingLimit, Strategy, Wallet
from credits.services.posting import lock_wallets, open_one, write_books
from credits.services.wallets import read_wallet

__all__ = ("Duration", "LimitTerms", "LimitView", "Strategy")

_FORGET_SIZE: Final = 200

_Param: TypeAlias = int | str | datetime | None


@dataclass(frozen=True, slots=True)
class LimitTerms:
    """At most `amount_nanos` (0: nothing at all) in a window. `api_key_id`: the key it is for; None is the whole account."""

    amount_nanos: int
    duration: Duration
    strategy: Strategy
    api_key_id: int | None = None


@dataclass(frozen=True, slots=True)
class LimitView:
    """
    A limit at one moment. Amounts in nanos; `remaining_nanos` is never below 0.

    `counts_since`: what was spent from then on counts. `resets_at`: when that next falls by itself: a fixed window's end; of a
    sliding one, when the oldest spending leaves it, None where nothing was spent.
    """

    id: int
    api_key_id: int | None
    amount_nanos: int
    duration: Duration
    strategy: Strategy
    zone: str
    used_nanos: int
    counts_since: datetime
    resets_at: datetime | None

    @property
    def remaining_nanos(self) -> int:
        """What may still be spent."""
        return max(0, self.amount_nanos - self.used_nanos)


@dataclass(frozen=True, slots=True)
class _Act:
    actor_id: int | None
    reason: str
    now: datetime


def set_limit(*, account_id: int, terms: LimitTerms, actor_id: int | None, reason: str, now: datetime) -> LimitView:
    """
    Make or change the limit of an account or of one of its keys. What was spent already counts, so it may block at once.

    Leaves an audit row; the same terms again change nothing and leave none. `actor_id` None: a key, or the command line.

    Raises AmountOutOfRange, NotFound (no such account, or the key is not the account's).
    """
    if not 0 <= terms.amount_nanos <= AMOUNT_MAX_NANOS:
        raise AmountOutOfRange("A limit is 0 or more, and within what a wallet can count.", field="amount")
    with transaction.atomic():
        books = open_one(account_id, now=now)
        _check_key(account_id, terms.api_key_id)
        _refresh(books)
        known = _find(account_id, terms.api_key_id)
        before = None if known is None else _terms_of(known)
        if before != terms:
            _write(books, known, terms)
            _record(books, "set_limit", _Act(actor_id, reason, now), before=before, after=terms)
        write_books([books])
        if before != terms:
            # Holds that have ended are counted no more only now.
            _ask(_NOTE, {"account": account_id, "key": terms.api_key_id, "at": books.clock_at})
        (view,) = _views(books.clock_at, account_id, of=_ONE, api_key_id=terms.api_key_id)
        return view


def remove_limit(*, account_id: int, api_key_id: int | None, actor_id: int | None, reason: str, now: datetime) -> bool:
    """Take a limit away; whether there was one. Leaves an audit row. Raises NotFound where there is no such account."""
    with transaction.atomic():
        books = open_one(account_id, now=now)
        known = _find(account_id, api_key_id)
        if known is not None:
            LimitBucket.objects.filter(account_id=account_id, limit_id=known.pk).delete()
            _record(books, "remove_limit", _Act(actor_id, reason, now), before=_terms_of(known), after=None)
            known.delete()
            Wallet.objects.filter(pk=account_id).update(has_limits=SpendingLimit.objects.filter(account_id=account_id).exists())
        write_books([books])
    return known is not None


def read_limit(*, account_id: int, api_key_id: int | None, now: datetime) -> LimitView | None:
    """The limit of the account, or of one of its keys, as of `now`; None where there is none. A due wallet is booked first."""
    return next(iter(_views(_up_to_date(account_id, now), account_id, of=_ONE, api_key_id=api_key_id)), None)


def list_limits(*, account_id: int, now: datetime) -> list[LimitView]:
    """Every limit of an account as of `now`, the account's own first, then its keys'. A due wallet is booked first."""
    return _views(_up_to_date(account_id, now), account_id)


def lower_by_refund(*, entry: LedgerEntry, kept_nanos: int, amount_nanos: int, at: datetime) -> None:
    """
    A refund of usage, just booked, lowers the buckets that its charge was counted in: what exceeded its hold first.

    `amount_nanos` is what was given back, `kept_nanos` what of the charge was not given back before it, `at` the wallet's clock. Call it
    under the wallet's lock, where the account has limits. Source: docs/glossary.md, Limit.
    """
    hold = _hold_of(entry)
    held = 0 if hold is None else hold.amount_nanos
    from_hold = min(kept_nanos, held) - min(kept_nanos - amount_nanos, held)
    _count(entry, entry.created_at, from_hold - amount_nanos, at)
    if hold is not None:
        _count(entry, hold.opened_at, -from_hold, at)


def forget_old_buckets(*, now: datetime) -> int:
    """
    Delete buckets that ended two days before the oldest that counts at their wallet's clock, or earlier; returns how many.

    By the wallet's clock, since its next act and the nightly recount count from there, however long it has been idle; two days more
    let a wallet that a host with a fast clock has touched be read by others. Some accounts a transaction, under their wallets' locks.
    """
    forgotten = last = 0
    while accounts := _accounts_with_old_buckets(now, after=last):
        with transaction.atomic(), connection.cursor() as cursor:
            lock_wallets(accounts, now=now)
            cursor.execute(_FORGET, {"accounts": accounts, "at": now})
            forgotten += cursor.rowcount
        last = accounts[-1]
    return forgotten


def _check_key(account_id: int, api_key_id: int | None) -> None:
    if api_key_id is not None and not ApiKey.objects.filter(pk=api_key_id, account_id=account_id).exists():
        raise NotFound("There is no such key in this account.")


def _find(account_id: int, api_key_id: int | None) -> SpendingLimit | None:
    return SpendingLimit.objects.filter(account_id=account_id, api_key_id=api_key_id).first()


def _terms_of(limit: SpendingLimit) -> LimitTerms:
    return LimitTerms(limit.amount_nanos, Duration(limit.duration), Strategy(limit.strategy), limit.api_key_id)


def _write(books: Books, known: SpendingLimit | None, terms: LimitTerms) -> None:
    limit = known or SpendingLimit(account_id=books.account_id, api_key_id=terms.api_key_id, created_at=books.clock_at)
    is_counted_anew = known is None or (limit.duration, limit.strategy) != (terms.duration, terms.strategy)
    limit.amount_nanos, limit.duration, limit.strategy = terms.amount_nanos, terms.duration, terms.strategy
    limit.changed_at = books.clock_at
    if known is None:
        limit.zone = _ask("SELECT limit_zone_in_force(%s, %s)", [books.account_id, books.clock_at])
        Wallet.objects.filter(pk=books.account_id).update(has_limits=True)
    limit.save()
    if is_counted_anew:
        _ask("SELECT limit_fill(%s, %s)", [limit.pk, books.clock_at])


def _refresh(books: Books) -> None:
    _ask("SELECT limit_refresh(%s, %s)", [books.account_id, books.clock_at])


def _up_to_date(account_id: int, now: datetime) -> datetime:
    """Book what is due and take over the zone in force; returns the moment to look at."""
    at = max(now, read_wallet(account_id=account_id, now=now).updated_at)
    return _take_over_zone(account_id, now) if _ask(_OUTDATED, {"account": account_id, "at": at}) else at


def _take_over_zone(account_id: int, now: datetime) -> datetime:
    with transaction.atomic():
        books = open_one(account_id, now=now)
        _refresh(books)
        write_books([books])
    return books.clock_at


def _hold_of(entry: LedgerEntry) -> Hold | None:
    """The hold that a usage entry's event captured."""
    return Hold.objects.filter(account_id=entry.account_id, event_id=entry.source_id, status=HoldStatus.CAPTURED).first()


def _count(entry: LedgerEntry, counted_at: datetime, nanos: int, at: datetime) -> None:
    _ask("SELECT limit_count(%s, %s, %s, %s, %s)", [entry.account_id, entry.api_key_id, counted_at, nanos, at])


def _accounts_with_old_buckets(now: datetime, *, after: int) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(_WITH_OLD_BUCKETS, {"at": now, "after": after, "most": _FORGET_SIZE})
        return [account_id for (account_id,) in cursor.fetchall()]


def _views(at: datetime, account_id: int, *, of: str = "", api_key_id: int | None = None) -> list[LimitView]:
    with connection.cursor() as cursor:
        cursor.execute(_VIEWS.format(of=of), {"account": account_id, "at": at, "key": api_key_id})
        return [
            LimitView(row[0], row[1], row[2], Duration(row[3]), Strategy(row[4]), row[5], int(row[6]), row[7], row[8])
            for row in cursor.fetchall()
        ]


def _ask(sql: str, params: Sequence[_Param] | Mapping[str, _Param]) -> Any:  # noqa: ANN401  Whatever the one value is.
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        (value,) = cursor.fetchone() or (None,)
    return value


def _record(books: Books, act: str, who: _Act, *, before: LimitTerms | None, after: LimitTerms | None) -> None:
    api_key_id = next((terms.api_key_id for terms in (after, before) if terms is not None), None)
    record_act(
        actor_id=who.actor_id,
        act=act,
        object_type="spending_limit",
        object_id=_object_id(books.account_id, api_key_id),
        account_id=books.account_id,
        reason=who.reason,
        before=_told(before),
        after=_told(after),
        now=who.now,
    )


def _object_id(account_id: int, api_key_id: int | None) -> str:
    """A limit is known by what it limits: it may be removed and made again."""
    return str(account_id) if api_key_id is None else f"{account_id}/{api_key_id}"


def _told(terms: LimitTerms | None) -> Mapping[str, object]:
    if terms is None:
        return {}
    return {"amount_usd": usd_text(terms.amount_nanos), "duration": terms.duration.value, "strategy": terms.strategy.value}


_OUTDATED: Final = """
SELECT EXISTS (SELECT FROM spending_limit l WHERE l.account_id = %(account)s AND l.zone <> limit_zone_in_force(%(account)s, %(at)s))
"""

_VIEWS: Final = """
SELECT l.id, l.api_key_id, l.amount_nanos, l.duration, l.strategy, l.zone, limit_used(l, %(at)s),
    limit_counts_since(l.strategy, l.duration, l.zone, %(at)s), limit_falls_at(l, %(at)s)
FROM spending_limit l WHERE l.account_id = %(account)s {of} ORDER BY l.api_key_id NULLS FIRST
"""
_ONE: Final = "AND l.api_key_id IS NOT DISTINCT FROM %(key)s"

_NOTE: Final = f"""
SELECT limit_note_now(l.id, %(at)s) FROM spending_limit l WHERE l.account_id = %(account)s {_ONE}
"""  # noqa: S608  Made of the constant above.

# Where the oldest bucket begins that is kept: every one before it has ended two days before the oldest one that counts.
_KEPT_SINCE: Final = """
limit_bucket_start(
    l.strategy, l.duration, l.zone, limit_counts_since(l.strategy, l.duration, l.zone, least(w.clock_at, %(at)s)) - interval '48 hours'
)
"""

_WITH_OLD_BUCKETS: Final = f"""
SELECT DISTINCT l.account_id FROM spending_limit l JOIN wallet w USING (account_id)
WHERE l.account_id > %(after)s AND EXISTS (
    SELECT FROM limit_bucket b WHERE b.account_id = l.account_id AND b.limit_id = l.id
        AND b.starts_at < {_KEPT_SINCE}
)
ORDER BY l.account_id LIMIT %(most)s
"""  # noqa: S608  Made of the constant above.

_FORGET: Final = f"""
DELETE FROM limit_bucket b USING spending_limit l JOIN wallet w USING (account_id)
WHERE l.account_id = ANY(%(accounts)s) AND b.account_id = l.account_id AND b.limit_id = l.id
    AND b.starts_at < {_KEPT_SINCE}
"""  # noqa: S608  Made of the constant above.
