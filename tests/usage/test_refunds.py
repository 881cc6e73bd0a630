"""Refunds of usage events: what goes back, to whom, how it is counted from then on, and what is refused."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar

import pytest
from django.db import connection, transaction
from django.db.utils import IntegrityError

from accounts.models import Account
from core.models import AuditRecord
from credits.models import Category, Grant, Kind, LedgerEntry, Policy, Wallet
from credits.services.adjustments import write_off
from credits.services.holds import HoldTerms, open_hold
from credits.services.policies import set_policy
from tests import factories
from tests.credits.grant_acts import refused
from tests.spending import OPERATOR, adjust, refund, report
from usage.models import AiModel, UsageDay, UsageEvent, UsageLifetime, UsageQuarter
from usage.rating import Prices
from usage.services.counting import count_account
from usage.services.ingest import ingest
from usage.services.prices import activate_price_version, create_draft
from usage.services.refunds import look_at_refunds

pytestmark = pytest.mark.django_db
NOON: Final = datetime(2026, 3, 10, 12, tzinfo=UTC)
MINUTE: Final = timedelta(minutes=1)
DAY: Final = timedelta(days=1)
ONE_NANO: Final = Prices(10**6, 0, 0, 0, 0, request=0, image=0, second=0, multiplier_bp=10_000)
THREE_NANOS: Final = Prices(3 * 10**6, 0, 0, 0, 0, request=0, image=0, second=0, multiplier_bp=10_000)
Done = TypeVar("Done")


@pytest.fixture
def account() -> Iterator[Account]:
    """Calls cost a nano per input token. Of `known` it is known what the provider asks: three."""
    for code, provider in (("nano", None), ("known", THREE_NANOS)):
        model = AiModel.objects.create(code=code, name=code)
        draft = create_draft(model=model, prices=ONE_NANO, effective_at=NOON - DAY, now=NOON - DAY, provider=provider)
        activate_price_version(version_id=draft.pk, actor_id=OPERATOR, reason="Tests.", now=NOON - DAY)
    factories.forget_memories()
    made = factories.make_account()
    yield made
    assert factories.disagreements() == []


def call(account: Account, event_id: str, tokens: int = 40, *, now: datetime = NOON, **said: object) -> UsageEvent:
    factories.end_of_transaction()
    report(account, event_id, now=now, **({"model": "nano", "input_tokens": tokens} | said))
    return UsageEvent.objects.get(account=account, event_id=event_id)


def agreed(done: Done) -> Done:
    assert factories.disagreements() == []
    return done


def counted(table: type[UsageDay | UsageQuarter], account: Account) -> dict[str, tuple[int, int, int, int, int]]:
    """By status: events, tokens, cost, provider cost, cost of those whose provider cost is known."""
    rows = table._default_manager.filter(account=account)
    columns = ("status", "events", "input_tokens", "cost_nanos", "provider_cost_nanos", "costed_nanos")
    return {status: tuple(counts) for status, *counts in rows.values_list(*columns)}


def lifetime(account: Account) -> tuple[int, int, int, int, int]:
    row = UsageLifetime.objects.get(account=account)
    return row.events, row.input_tokens, row.cost_nanos, row.provider_cost_nanos, row.costed_nanos


def balance(account: Account) -> int:
    return Wallet.objects.get(pk=account.pk).balance_nanos


# What goes back, and how it is counted


def test_an_event_given_back_whole_is_counted_as_refunded_and_costs_nothing(account: Account) -> None:
    adjust(account, 100, NOON)
    call(account, "one")
    call(account, "two", 5)
    done = agreed(refund(account, "one", now=NOON))
    assert (done.event.charged_nanos, done.event.refunded_nanos, done.event.counted_status) == (40, 40, "refunded")
    assert (done.event.status, done.event.cost_nanos) == ("success", 40)
    entry = done.given.entry
    assert (entry.kind, entry.book, entry.amount_nanos, entry.source_id) == ("usage_refund", "usage", 40, "one")
    assert (balance(account), done.given.compensations) == (95, [])
    for table in (UsageDay, UsageQuarter):
        assert counted(table, account) == {"success": (1, 5, 5, 0, 0), "refunded": (1, 40, 0, 0, 0)}
    assert lifetime(account) == (2, 45, 5, 0, 0)


def test_the_last_event_of_a_row_takes_the_row_with_it(account: Account) -> None:
    adjust(account, 100, NOON)
    call(account, "one")
    call(account, "two", 5)
    agreed(refund(account, "one", now=NOON))
    agreed(refund(account, "two", now=NOON))
    for table in (UsageDay, UsageQuarter):
        assert counted(table, account) == {"refunded": (2, 45, 0, 0, 0)}
    call(account, "three", 7)
    agreed(refund(account, "three", 3, now=NOON))
    assert counted(UsageDay, account) == {"refunded": (2, 45, 0, 0, 0), "success": (1, 7, 4, 0, 0)}


def test_a_part_lowers_the_cost_and_moves_no_count_until_the_rest_follows(account: Account) -> None:
    adjust(account, 100, NOON)
    call(account, "one")
    done = agreed(refund(account, "one", 15, now=NOON))
    assert (done.event.refunded_nanos, done.event.counted_status, balance(account)) == (15, "success", 75)
    assert counted(UsageDay, account) == {"success": (1, 40, 25, 0, 0)}
    done = agreed(refund(account, "one", now=NOON + MINUTE))
    assert (done.given.entry.amount_nanos, done.event.refunded_nanos, balance(account)) == (25, 40, 100)
    assert counted(UsageDay, account) == {"refunded": (1, 40, 0, 0, 0)}


def test_what_the_provider_asked_stays_and_the_cost_it_is_compared_with_falls(account: Account) -> None:
    adjust(account, 200, NOON)
    call(account, "one", model="known")
    call(account, "two", 10, model="known")
    agreed(refund(account, "one", 15, now=NOON))
    assert counted(UsageDay, account) == {"success": (2, 50, 35, 150, 35)}
    agreed(refund(account, "one", now=NOON))
    for table in (UsageDay, UsageQuarter):
        assert counted(table, account) == {"success": (1, 10, 10, 30, 10), "refunded": (1, 40, 0, 120, 0)}
    assert lifetime(account) == (2, 50, 10, 150, 10)


def test_a_failed_call_too_is_counted_as_refunded_once_it_is(account: Account) -> None:
    adjust(account, 100, NOON)
    call(account, "one", status="failed")
    agreed(refund(account, "one", now=NOON))
    assert counted(UsageDay, account) == {"refunded": (1, 40, 0, 0, 0)}


def test_a_refund_is_counted_on_the_day_of_the_call_whenever_it_is_made(account: Account) -> None:
    adjust(account, 100, NOON)
    call(account, "one")
    agreed(refund(account, "one", now=NOON + 3 * DAY))
    assert {day.day for day in UsageDay.objects.filter(account=account)} == {NOON.date()}


def test_rows_of_another_key_model_endpoint_or_account_are_left_alone(account: Account) -> None:
    other = factories.make_account()
    for who in (account, other):
        adjust(who, 500, NOON)
        call(who, "one")
    call(account, "two", endpoint="/v1/chat")
    call(account, "three", model="known")
    agreed(refund(account, "one", now=NOON))
    count_account(other.pk)
    rows = UsageDay.objects.values_list("account_id", "model__code", "endpoint", "status", "events")
    assert set(rows) == {
        (other.pk, "nano", "", "success", 1),
        (account.pk, "nano", "", "refunded", 1),
        (account.pk, "nano", "/v1/chat", "success", 1),
        (account.pk, "known", "", "success", 1),
    }


def test_it_goes_back_to_the_grants_that_paid_the_last_first(account: Account) -> None:
    first, second = factories.give(account, 30, priority=1, now=NOON), factories.give(account, 30, priority=2, now=NOON)
    call(account, "one")
    agreed(refund(account, "one", 15, now=NOON))
    left = [Grant.objects.get(pk=grant.pk).remaining_nanos for grant in (first, second)]
    assert left == [5, 30]


def test_what_an_ended_grant_paid_comes_as_a_compensation_grant(account: Account) -> None:
    ended = factories.give(account, 30, expires_at=NOON + MINUTE, now=NOON, category=Category.PAID, kind=Kind.PURCHASE)
    lasting = factories.give(account, 30, priority=1, now=NOON)
    call(account, "one")
    later = NOON + DAY
    done = agreed(refund(account, "one", key="back", now=later))
    (made,) = done.given.compensations
    assert (made.compensates_id, made.amount_nanos, made.category) == (ended.pk, 30, "paid")
    assert Grant.objects.get(pk=lasting.pk).remaining_nanos == 30
    assert refund(account, "one", key="back", now=later).given.compensations == [made]


def test_what_is_still_owed_lowers_the_debt(account: Account) -> None:
    adjust(account, 10, NOON)
    call(account, "one")
    agreed(refund(account, "one", 35, now=NOON))
    wallet = Wallet.objects.get(pk=account.pk)
    assert (wallet.debt_nanos, wallet.balance_nanos) == (0, 5)


def test_the_entry_is_found_among_many_of_one_instant_and_under_a_clock_that_was_ahead(account: Account) -> None:
    adjust(account, 10_000, NOON + MINUTE)
    factories.end_of_transaction()
    names = {"account": account.public_id, "model": "nano", "input_tokens": 3}
    for host in range(3):
        batch = [names | {"event_id": f"{host}-{number}"} for number in range(50)]
        assert ingest(json.dumps(batch).encode(), now=NOON - host * MINUTE).accepted == 50
        factories.end_of_transaction()
    for event_id in ("0-0", "1-49", "2-7"):
        done = agreed(refund(account, event_id, now=NOON))
        undone = LedgerEntry.objects.get(account=account, seq=done.given.entry.reverses or 0)
        assert (undone.source_id, done.event.refunded_nanos) == (event_id, 3)


def test_an_event_id_of_any_printable_characters_is_found(account: Account) -> None:
    adjust(account, 100, NOON)
    for event_id in ("a/b", "a/refund", "%", "';--", "~" * 128):
        call(account, event_id, 2)
        assert refund(account, event_id, now=NOON).event.event_id == event_id


def test_what_was_given_back_so_far_can_be_looked_at(account: Account) -> None:
    adjust(account, 100, NOON)
    event = call(account, "one")
    parts = [refund(account, "one", nanos, now=NOON).given.entry for nanos in (10, 5)]
    before = factories.books_now()
    so_far = look_at_refunds(event=event, now=NOON)
    assert (so_far.left_nanos, [(entry.seq, entry.amount_nanos) for entry in so_far.entries]) == (
        25,
        [(it.seq, it.amount_nanos) for it in parts],
    )
    assert factories.books_now() == before


def test_a_refund_leaves_one_audit_row(account: Account) -> None:
    adjust(account, 2_000_000_000, NOON)
    event = call(account, "one", 500_000_000)
    refund(account, "one", 200_000_000, key="back", now=NOON)
    refund(account, "one", 200_000_000, key="back", now=NOON)
    row = AuditRecord.objects.get(act="refund_usage_event")
    assert (row.actor_id, row.reason, row.account_id) == (OPERATOR, "Tests.", account.pk)
    assert (row.object_type, row.object_id, row.after["event_id"]) == ("usage_event", str(event.pk), "one")
    assert [(told["refunded_usd"], told["balance_usd"]) for told in (row.before, row.after)] == [("0.00", "1.50"), ("0.20", "1.70")]


# The same again


def test_the_same_key_again_has_the_first_answer_and_moves_nothing(account: Account) -> None:
    adjust(account, 100, NOON)
    call(account, "one")
    first = refund(account, "one", 15, key="back", now=NOON)
    before = factories.books_now()
    for nanos in (15, None):
        again = refund(account, "one", nanos, key="back", now=NOON)
        assert (again.given.entry, again.given.is_repeat, again.event.refunded_nanos) == (first.given.entry, True, 15)
    assert factories.books_now() == before


def test_a_key_that_has_given_back_something_else_is_refused(account: Account) -> None:
    adjust(account, 100, NOON)
    call(account, "one")
    call(account, "two")
    refund(account, "one", 15, key="back", now=NOON)
    for event_id, nanos in (("one", 16), ("two", 15), ("two", None)):
        with refused("source_key_reused"):
            refund(account, event_id, nanos, key="back", now=NOON)


# Refusals


@pytest.mark.parametrize("nanos", [None, 1, 0, -1])
def test_a_call_that_cost_nothing_has_nothing_to_give_back(account: Account, nanos: int | None) -> None:
    call(account, "free", 0)
    with refused("nothing_to_refund"):
        refund(account, "free", nanos, now=NOON)


@pytest.mark.parametrize("nanos", [41, 2**62, 2**80, 0, -1])
def test_no_more_is_given_back_than_was_charged(account: Account, nanos: int) -> None:
    adjust(account, 100, NOON)
    call(account, "one")
    with refused("more_than_was_taken"):
        refund(account, "one", nanos, now=NOON)
    refund(account, "one", 30, now=NOON)
    with refused("more_than_was_taken"):
        refund(account, "one", max(11, nanos), now=NOON)
    refund(account, "one", now=NOON)
    with refused("nothing_to_refund"):
        refund(account, "one", now=NOON)


def test_a_part_that_was_written_off_is_the_operators_and_is_not_given_back(account: Account) -> None:
    adjust(account, 10, NOON)
    event = call(account, "one")
    write_off(account_id=account.pk, amount_nanos=25, reason="Tests.", actor_id=OPERATOR, source_key="forgive", now=NOON)
    with refused("more_than_was_taken"):
        refund(account, "one", 16, now=NOON)
    assert look_at_refunds(event=event, now=NOON).left_nanos == 15
    done = agreed(refund(account, "one", now=NOON))
    assert (done.given.entry.amount_nanos, done.event.refunded_nanos, done.event.counted_status) == (15, 15, "success")
    with refused("nothing_to_refund"):
        refund(account, "one", now=NOON)


def test_only_what_was_charged_of_an_absorbed_call_is_given_back(account: Account) -> None:
    adjust(account, 30, NOON)
    set_policy(account_id=account.pk, policy=Policy.ABSORB, actor_id=OPERATOR, reason="Tests.", now=NOON)
    hold, *_ = open_hold(account_id=account.pk, terms=HoldTerms(30, MINUTE), now=NOON)
    event = call(account, "one", hold=hold.public_id)
    assert (event.charged_nanos, event.absorbed_nanos) == (30, 10)
    with refused("more_than_was_taken"):
        refund(account, "one", 31, now=NOON)
    done = agreed(refund(account, "one", now=NOON))
    assert (done.event.refunded_nanos, done.event.counted_status, balance(account)) == (30, "refunded", 30)


def test_a_call_that_was_absorbed_whole_has_nothing_to_give_back(account: Account) -> None:
    grant = factories.give(account, 30, now=NOON, expires_at=NOON + 30 * MINUTE)
    set_policy(account_id=account.pk, policy=Policy.ABSORB, actor_id=OPERATOR, reason="Tests.", now=NOON)
    hold, *_ = open_hold(account_id=account.pk, terms=HoldTerms(30, MINUTE), now=NOON)
    adjust(account, -grant.amount_nanos, NOON)
    event = call(account, "one", hold=hold.public_id)
    assert (event.charged_nanos, event.absorbed_nanos) == (0, 40)
    with refused("nothing_to_refund"):
        refund(account, "one", now=NOON)


@pytest.mark.parametrize("event_id", ["none", "ONE", "one ", "", "one\0", "\x7fé"])
def test_an_event_that_is_not_there_is_not_found(account: Account, event_id: str) -> None:
    adjust(account, 100, NOON)
    call(account, "one")
    with refused("not_found"):
        refund(account, event_id, now=NOON)


def test_an_event_of_another_account_is_not_found(account: Account) -> None:
    other = factories.make_account()
    adjust(account, 100, NOON)
    call(account, "one")
    with refused("not_found"):
        refund(other, "one", now=NOON)


@pytest.mark.parametrize(("nanos", "guard"), [(41, "event_refunded_at_most_what_was_charged"), (14, "UPDATE is refused")])
def test_not_even_raw_sql_says_that_more_was_given_back_than_charged_or_less_than_before(account: Account, nanos: int, guard: str) -> None:
    adjust(account, 100, NOON)
    call(account, "one")
    refund(account, "one", 15, now=NOON)
    with pytest.raises(IntegrityError, match=guard), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE usage_event SET refunded_nanos = %s", [nanos])
