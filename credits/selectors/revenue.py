"""Revenue as operators see it: a day, an account, what the house absorbed. Each read costs the rows it sums, which are days."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import date
from typing import Any, Final, cast

from django.db.models import F, QuerySet, Sum
from django.db.models.functions import Coalesce

from credits.models import REVENUE_NANOS, House, HouseEntry, RevenueDay, RevenueTotal

__all__ = ("Revenue", "absorbed_by_day", "all_accounts", "by_day", "top_accounts", "total")


@dataclass(frozen=True, slots=True)
class Revenue:
    """Sums of a day, an account or a period, in nanos: see `credits.models.revenue`."""

    paid: int = 0
    promo: int = 0
    owed: int = 0
    settled_paid: int = 0
    settled_promo: int = 0
    written_off: int = 0
    returned_paid: int = 0
    returned_promo: int = 0
    returned_owed: int = 0
    breakage_paid: int = 0
    breakage_promo: int = 0

    @property
    def earned(self) -> int:
        """What paid credits earned by use: at once, or by settling what was owed; less what was given back."""
        return self.paid + self.settled_paid - self.returned_paid

    @property
    def given(self) -> int:
        """What promotional credits paid for, likewise."""
        return self.promo + self.settled_promo - self.returned_promo

    def less(self, other: "Revenue") -> "Revenue":
        """What is left of these sums without those."""
        return Revenue(**{field.name: getattr(self, field.name) - getattr(other, field.name) for field in fields(Revenue)})


_SUMS: Final = {name.removesuffix("_nanos"): Coalesce(Sum(name), 0) for name in REVENUE_NANOS}


def by_day(since: date, until: date, account_id: int | None = None) -> dict[date, Revenue]:
    """Each UTC day of the period on which something happened, over all accounts or of one."""
    rows: QuerySet[RevenueTotal] | QuerySet[RevenueDay] = RevenueTotal.objects.all()
    if account_id is not None:
        rows = RevenueDay.objects.filter(account_id=account_id)
    found = rows.filter(day__gte=since, day__lte=until).order_by("day").values("day", *REVENUE_NANOS)
    return {row["day"]: Revenue(**{name.removesuffix("_nanos"): row[name] for name in REVENUE_NANOS}) for row in found}


def total(days: dict[date, Revenue]) -> Revenue:
    """The sum of days."""
    return Revenue(**{field.name: sum(getattr(day, field.name) for day in days.values()) for field in fields(Revenue)})


def top_accounts(since: date, until: date, limit: int) -> list[tuple[int, Revenue]]:
    """The accounts that earned most in the period, by id."""
    return [(row["account_id"], _revenue(row)) for row in _accounts(since, until)[:limit]]


def all_accounts(since: date, until: date, limit: int) -> Iterator[tuple[int, Revenue]]:
    """Likewise, for a download: rows come as they are read."""
    for row in _accounts(since, until)[:limit].iterator(chunk_size=1_000):
        yield row["account_id"], _revenue(row)


def absorbed_by_day(since: date, until: date, account_id: int | None = None) -> dict[date, int]:
    """What the house absorbed of usage on each UTC day, in nanos, as far as it is booked."""
    entries = HouseEntry.objects.filter(house=House.ABSORBED, occurred_on__gte=since, occurred_on__lte=until)
    if account_id is not None:
        entries = entries.filter(account_id=account_id)
    sums = entries.values("occurred_on").annotate(nanos=Sum("amount_nanos"))
    return {row["occurred_on"]: int(row["nanos"]) for row in sums}


def _accounts(since: date, until: date) -> "QuerySet[Any, dict[str, Any]]":
    rows = RevenueDay.objects.filter(day__gte=since, day__lte=until).values("account_id").annotate(**_SUMS)
    earned = F("paid") + F("settled_paid") - F("returned_paid")
    return cast("QuerySet[Any, dict[str, Any]]", rows.order_by(earned.desc(), "account_id"))


def _revenue(row: dict[str, Any]) -> Revenue:
    return Revenue(**{field.name: int(row[field.name]) for field in fields(Revenue)})
