"""Accounts whose books a verification found to disagree: marked on their wallets, so that nothing charges their cards by itself."""

from collections.abc import Collection
from datetime import datetime
from typing import Final

from django.db import transaction
from django.db.models import QuerySet

from core.locks import locked
from credits.models import Wallet

_AT_ONCE: Final = 500
"""Wallets that are locked together: nobody who spends waits for long."""


def mark_doubts(*, account_ids: Collection[int], now: datetime) -> int:
    """
    These accounts disagree, as a second look has confirmed. One marked before keeps its first instant; returns how many are new.

    Under the wallets' locks; their clocks do not move, since nothing happens in their books.
    """
    return _set(Wallet.objects.filter(account_id__in=account_ids, disagrees_since=None), now)


def clear_doubts(*, low: int, high: int, but: Collection[int], before: datetime) -> int:
    """
    A verification found nothing among the accounts `low`…`high`, `but` these; returns how many marks it took away.

    `before`: when it began to look at them. Later marks stay: they know more.
    """
    doubted = Wallet.objects.filter(account_id__gte=low, account_id__lte=high, disagrees_since__lt=before)
    return _set(doubted.exclude(account_id__in=but), None)


def _set(wallets: QuerySet[Wallet], since: datetime | None) -> int:
    count = last = 0
    ids = wallets.order_by("account_id").values_list("account_id", flat=True)
    while some := list(ids.filter(account_id__gt=last)[:_AT_ONCE]):
        with transaction.atomic():
            # Asked again under the lock: another run may have said otherwise meanwhile.
            held = [wallet.pk for wallet in locked(wallets.filter(account_id__in=some))]
            count += Wallet.objects.filter(pk__in=held).update(disagrees_since=since)
        last = some[-1]
    return count
