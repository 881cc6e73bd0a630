"""The price book in memory: read every 15 seconds, refused when older than 45."""

from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db import DatabaseError

from usage.errors import StalePriceBook, UnknownModel, UnpricedModel
from usage.models import AiModel, PriceVersion
from usage.rating import Prices

REFRESH_AFTER: Final = timedelta(seconds=15)
REFUSE_AFTER: Final = timedelta(seconds=45)


@dataclass(frozen=True, slots=True)
class Priced:
    """One active version: its ids and prices."""

    model_id: int
    version_id: int
    prices: Prices


@dataclass(frozen=True, slots=True)
class PriceBook:
    """Every active version by model code, each model's in order of `effective_at`. A value: never changed, only replaced."""

    read_at: datetime
    versions: dict[str, tuple[tuple[datetime, ...], tuple[Priced, ...]]]
    models: dict[str, int]

    def model_id(self, code: str) -> int:
        """The id of a model, priced or not. Raises UnknownModel."""
        found = self.models.get(code)
        if found is None:
            raise UnknownModel(f"There is no model {code[:64]!r} in the price book; see GET /v1/models.", field="model")
        return found

    def in_force(self, code: str, at: datetime) -> Priced:
        """
        The version in force at an instant: the latest that took effect by then.

        Raises UnknownModel, UnpricedModel.
        """
        self.model_id(code)
        found = self.versions[code]
        number = bisect_right(found[0], at)
        if number == 0:
            raise UnpricedModel(f"The model {code[:64]!r} has no price at that time; an operator must activate one.", field="model")
        return found[1][number - 1]


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
    """The whole active price book, in two queries."""
    active = list(PriceVersion.objects.filter(activated_at__isnull=False).order_by("model_id", "effective_at"))
    codes = dict(AiModel.objects.values_list("pk", "code"))
    dated: dict[str, list[tuple[datetime, Priced]]] = defaultdict(list)
    for version in active:
        dated[codes[version.model_id]].append((version.effective_at, Priced(version.model_id, version.pk, version.rates)))
    versions = {code: (tuple(at for at, _ in dated[code]), tuple(priced for _, priced in dated[code])) for code in codes.values()}
    return PriceBook(now, versions, {code: model_id for model_id, code in codes.items()})


PRICE_BOOK: Final = PriceBookCache()
