"""The audit row of an operator's act on credits: what the wallet said before and after."""

from dataclasses import dataclass

from core.audit import record_act
from core.money import usd_text
from credits.books import Books, Lot


@dataclass(frozen=True, slots=True)
class Act:
    """Who does what to which object, and why. An act without a reason is the platform's own and leaves no audit row."""

    name: str
    object_type: str
    object_id: str
    actor_id: int | None
    reason: str


def wallet_now(books: Books, lot: Lot | None = None) -> dict[str, object]:
    """What an audit row tells of the books, and of the grant that is acted on."""
    shown: dict[str, object] = {"balance_usd": usd_text(books.balance), "debt_usd": usd_text(books.debt)}
    if lot is not None:
        shown |= {"remaining_usd": usd_text(lot.remaining), "is_frozen": lot.is_frozen, "is_void": lot.voided_at is not None}
    return shown


def record(act: Act, books: Books, *, before: dict[str, object], after: dict[str, object]) -> None:
    """Keep the act in its own transaction."""
    if not act.reason:
        return
    record_act(
        actor_id=act.actor_id,
        act=act.name,
        object_type=act.object_type,
        object_id=act.object_id,
        account_id=books.account_id,
        reason=act.reason,
        before=before,
        after=after,
        now=books.clock_at,
    )
