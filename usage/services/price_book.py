"""The price book in memory: read every 15 seconds, refused when older than 45."""

from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, NoReturn, Protocol

from django.db import DatabaseError
from django.db.models import Q

from usage.errors import StalePriceBook, UnknownModel, UnpricedModel
from usage.models import AiModel, PriceMultiplier, PriceVersion, covers
from usage.rating import BASIS_POINTS, FailedPolicy, Prices

REFRESH_AFTER: Final = timedelta(seconds=15)
REFUSE_AFTER: Final = timedelta(seconds=45)
KEPT: Final = timedelta(days=91)
"""How long what has ended may still price something: an event that comes 90 days late, and a day more."""


@dataclass(frozen=True, slots=True)
class Priced:
    """One active version: its ids, its prices, what of failed calls it charges, and what the provider asks, where that is known."""

    model_id: int
    version_id: int
    prices: Prices
    failed_policy: FailedPolicy
    provider: Prices | None


@dataclass(frozen=True, slots=True)
class Multiplier:
    """What somebody pays of the prices from one instant to another, in basis points; `id` None is nobody's: the prices as they stand."""

    id: int | None
    bp: int
    effective_at: datetime
    ends_at: datetime | None


class Customer(Protocol):
    """Who is charged: an Account, or what the hot path knows of one."""

    @property
    def id(self) -> int: ...
    @property
    def price_tier(self) -> str: ...


Scope = tuple[int | str, int]
"""Whose (an account's id, or a tier) and of which model (0: of all)."""

AS_THEY_STAND: Final = Multiplier(None, BASIS_POINTS, datetime.min.replace(tzinfo=UTC), None)


@dataclass(frozen=True, slots=True)
class PriceBook:
    """
    By model code every active version that can still price an event, each model's in order of `effective_at`. A value: never changed, only
    replaced.
    """

    read_at: datetime
    versions: dict[str, tuple[tuple[datetime, ...], tuple[Priced, ...]]]
    models: dict[str, int]
    multipliers: dict[Scope, tuple[Multiplier, ...]]

    def multiplier(self, account: Customer, model_id: int, at: datetime) -> Multiplier:
        """What this account pays of this model's prices: the most specific multiplier in force at `at`, or the prices as they stand."""
        if not self.multipliers:
            return AS_THEY_STAND
        scopes: tuple[Scope, ...] = ((account.id, model_id), (account.id, 0), (account.price_tier, model_id), (account.price_tier, 0))
        found = (each for scope in scopes for each in self.multipliers.get(scope, ()) if covers(each, at))
        return next(found, AS_THEY_STAND)

    def model_id(self, code: str) -> int:
        """The id of a model, priced or not. Raises UnknownModel."""
        return self.models.get(code) or self._unknown(code)

    def in_force(self, code: str, at: datetime) -> Priced:
        """
        The version in force at an instant: the latest that took effect by then.

        Raises UnknownModel, UnpricedModel.
        """
        starts, versions = self.versions.get(code) or self._unknown(code)
        number = bisect_right(starts, at)
        if number == 0:
            raise UnpricedModel(f"The model {code[:64]!r} has no price at that time; an operator must activate one.", field="model")
        return versions[number - 1]

    def _unknown(self, code: str) -> NoReturn:
        raise UnknownModel(f"There is no model {code[:64]!r} in the price book; see GET /v1/models.", field="model")


class PriceBookCache:
    """Holds the newest book that could be read. Shared by the threads of a process; a reader sees one whole book or the next."""

    def __init__(self) -> None:
        """Empty: the first reader fills it."""
        self._book: PriceBook | None = None

    def current(self, now: datetime) -> PriceBook:
        """
        The book, re-read when older than 15 seconds.

        Raises StalePriceBook when it could not be read for 45 seconds.
        """
        book = self._book
        if book is not None and abs(now - book.read_at) < REFRESH_AFTER:
            return book
        try:
            self._book = read_price_book(now=now)
        except DatabaseError as error:
            if book is None or abs(now - book.read_at) > REFUSE_AFTER:
                raise StalePriceBook("The price book could not be read; nothing was booked. Send the batch again.") from error
        return self._book or read_price_book(now=now)

    def forget(self) -> None:
        """Read anew at the next use."""
        self._book = None


def read_price_book(*, now: datetime) -> PriceBook:
    """What of the price book can still price an event, in three queries: it does not grow with what has ended long ago."""
    useful = _still_prices(now)
    active = list(PriceVersion.objects.filter(useful).select_related("provider_cost").order_by("model_id", "effective_at"))
    codes = dict(AiModel.objects.values_list("pk", "code"))
    dated: dict[str, list[tuple[datetime, Priced]]] = defaultdict(list)
    for version in active:
        dated[codes[version.model_id]].append((version.effective_at, _priced(version)))
    versions = {code: (tuple(at for at, _ in dated[code]), tuple(priced for _, priced in dated[code])) for code in codes.values()}
    return PriceBook(now, versions, {code: model_id for model_id, code in codes.items()}, _read_multipliers(useful))


def _priced(version: PriceVersion) -> Priced:
    provider = getattr(version, "provider_cost", None)
    return Priced(
        version.model_id, version.pk, version.rates, FailedPolicy(version.failed_policy), None if provider is None else provider.prices()
    )


def _still_prices(now: datetime) -> Q:
    return Q(activated_at__isnull=False) & (Q(ends_at=None) | Q(ends_at__gt=now - KEPT))


def _read_multipliers(useful: Q) -> dict[Scope, tuple[Multiplier, ...]]:
    found: dict[Scope, list[Multiplier]] = defaultdict(list)
    for row in PriceMultiplier.objects.filter(useful).order_by("effective_at"):
        scope: Scope = (row.tier if row.account_id is None else row.account_id, row.model_id or 0)
        found[scope].append(Multiplier(row.pk, row.multiplier_bp, row.effective_at, row.ends_at))
    return {scope: tuple(multipliers) for scope, multipliers in found.items()}


PRICE_BOOK: Final = PriceBookCache()
