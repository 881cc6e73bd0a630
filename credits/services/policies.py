"""Who bears what a capture costs beyond its hold: said per account, by an operator."""

from datetime import datetime

from django.db import transaction

from core.audit import record_act
from credits.models import Policy, Wallet
from credits.services.posting import open_one

__all__ = ("Policy", "set_policy", "wallet_policy")


def set_policy(*, account_id: int, policy: Policy, reason: str, actor_id: int | None, now: datetime) -> None:
    """
    From now on the customer bears it, into debt, or the operator absorbs it. Holds that are open go by it too: it acts at capture.

    Leaves an audit row; the policy that is in force already changes nothing and leaves none. Raises NotFound (no such account).
    """
    with transaction.atomic():
        books = open_one(account_id, now=now)
        before = Wallet.objects.get(pk=account_id).policy
        if before == policy:
            return
        Wallet.objects.filter(pk=account_id).update(policy=policy)
        record_act(
            actor_id=actor_id,
            act="set_policy",
            object_type="wallet",
            object_id=str(account_id),
            account_id=account_id,
            reason=reason,
            before={"policy": before},
            after={"policy": policy.value},
            now=books.clock_at,
        )


def wallet_policy(account_id: int) -> Policy:
    """What is in force; `debt` for an account that never had credits."""
    found = Wallet.objects.filter(pk=account_id).values_list("policy", flat=True).first()
    return Policy.DEBT if found is None else Policy(found)
