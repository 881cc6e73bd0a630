"""The newest calls: a keyset walk over the primary key, stable while rows arrive."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from core import clock
from core.errors import NotFound
from tests import actors
from tests.actors import Person
from tests.conftest import Api
from tests.spending import GPT_4O, price, report
from tests.threads import at_once, failures
from usage.selectors import (
    Position,
    UsageEvent,
    find_lifetime,
    get_event,
    list_prices,
    list_recent_events,
    model_codes_of_events,
)
from usage.services.counting import count_account
from usage.services.rebuilding import check_rollups

RECENT = "/api-account/user/usage/recent"
START = datetime(2026, 3, 10, 12, tzinfo=UTC)


@pytest.fixture
def caller(alice: Person) -> Person:
    """Alice, with a priced model to call."""
    price(since=START - timedelta(days=1))
    return alice


def walk(account_id: int, limit: int, after_each_page: Callable[[], None] = lambda: None) -> list[str]:
    seen: list[str] = []
    page = list_recent_events(account_id=account_id, before=None, limit=limit)
    while True:
        seen += [event.event_id for event in page.items]
        if page.next is None:
            return seen
        after_each_page()
        page = list_recent_events(account_id=account_id, before=page.next, limit=limit)


def test_the_newest_come_first_and_a_batch_keeps_its_order(caller: Person) -> None:
    report(caller.account, "a", "b", "c", now=START)
    report(caller.account, "d", now=START + timedelta(seconds=1))
    assert walk(caller.account.pk, 100) == ["d", "c", "b", "a"]


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 10, 11])
def test_every_page_size_shows_every_event_once(caller: Person, limit: int) -> None:
    report(caller.account, *(f"tie-{number}" for number in range(5)), now=START)
    report(caller.account, *(f"new-{number}" for number in range(5)), now=START + timedelta(microseconds=1))
    seen = walk(caller.account.pk, limit)
    assert len(seen) == len(set(seen)) == 10


def test_a_walk_while_calls_arrive_shows_what_was_there_exactly_once(caller: Person) -> None:
    there = [f"old-{number}" for number in range(20)]
    for number in range(0, 20, 5):
        report(caller.account, *there[number : number + 5], now=START + timedelta(seconds=number))
    arrivals = iter(range(1_000))

    def arrive() -> None:
        number = next(arrivals)
        report(caller.account, f"new-{number}", f"newer-{number}", now=START + timedelta(minutes=1, seconds=number))

    seen = walk(caller.account.pk, 3, arrive)
    assert sorted(seen) == sorted(there)


@pytest.mark.django_db(transaction=True)
def test_a_walk_while_ten_thousand_calls_arrive_shows_what_was_there_exactly_once(api: Api) -> None:
    price(since=clock.now() - timedelta(days=1))
    caller = actors.make_person("walker")
    there = [f"old-{number}" for number in range(400)]
    for first in range(0, len(there), 100):
        report(caller.account, *there[first : first + 100])
    arrived = threading.Barrier(5)
    seen_meanwhile: list[int] = []

    def arrive(thread: int) -> None:
        arrived.wait(timeout=30)
        for batch in range(25):
            report(caller.account, *(f"new-{thread}-{batch}-{number}" for number in range(100)))

    def look() -> list[str]:
        page = api.get(f"{RECENT}?limit=7", caller).json()
        arrived.wait(timeout=30)
        seen = [item["id"] for item in page["items"]]
        while page["has_more"]:
            page = api.get(f"{RECENT}?limit=7&cursor={page['next_cursor']}", caller).json()
            seen += [item["id"] for item in page["items"]]
            seen_meanwhile.append(UsageEvent.objects.filter(account=caller.account).count())
        return seen

    (seen, *rest) = at_once(look, *(partial(arrive, thread) for thread in range(4)))
    assert failures([seen, *rest]) == []
    assert seen == there[300:][::-1] + there[200:300][::-1] + there[100:200][::-1] + there[:100][::-1]
    assert len(set(seen_meanwhile)) > 5
    assert UsageEvent.objects.filter(account=caller.account).count() == 10_400
    assert check_rollups(now=clock.now()).accounts == []


def test_the_last_page_says_so_also_when_it_is_full(caller: Person) -> None:
    report(caller.account, "a", "b", "c", "d", now=START)
    first = list_recent_events(account_id=caller.account.pk, before=None, limit=2)
    assert first.next == Position(START, first.items[-1].id)
    assert list_recent_events(account_id=caller.account.pk, before=first.next, limit=2).next is None
    assert list_recent_events(account_id=caller.account.pk, before=None, limit=4).next is None


def test_a_page_is_one_query_that_reads_the_primary_key_backwards(caller: Person) -> None:
    report(caller.account, *(f"call-{number}" for number in range(50)), now=START)
    with CaptureQueriesContext(connection) as queries:
        page = list_recent_events(account_id=caller.account.pk, before=Position(START, 2**62), limit=10)
        assert {(event.model.code, event.api_key) for event in page.items} == {("gpt-4o", None)}
    (query,) = queries
    with connection.cursor() as cursor:
        # A table this small is read whole, were that allowed.
        cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; SET LOCAL enable_sort = off")
        cursor.execute(f"EXPLAIN {query['sql']}")
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert "Index Scan Backward using usage_event_pkey" in plan
    assert "ROW(created_at, id) < ROW(" in plan.split("Index Cond:")[1].splitlines()[0]
    assert "Sort" not in plan


def test_one_account_never_shows_anothers_calls(caller: Person, charlie: Person) -> None:
    report(caller.account, "mine", now=START)
    report(charlie.account, "theirs", "mine", now=START)
    assert walk(caller.account.pk, 10) == ["mine"]
    assert model_codes_of_events(account_id=caller.account.pk, event_ids=["mine", "theirs"]) == {"mine": "gpt-4o"}
    with pytest.raises(NotFound):
        get_event(account_id=caller.account.pk, event_id="theirs")


def test_an_event_is_found_by_the_index_that_makes_it_unique(caller: Person) -> None:
    report(caller.account, *(f"call-{number}" for number in range(2_000)), now=START)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE usage_event")
    with CaptureQueriesContext(connection) as queries:
        get_event(account_id=caller.account.pk, event_id="call-7")
        model_codes_of_events(account_id=caller.account.pk, event_ids=["call-7", "call-8"])
    for query in queries:
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN {query['sql']}")
            plan = "\n".join(line for (line,) in cursor.fetchall())
        condition = plan.split("event_once_per_id")[1].splitlines()[1]
        assert "event_id" in condition


def test_lifetime_counts_are_those_of_the_events(caller: Person) -> None:
    assert find_lifetime(caller.account.pk) is None
    report(caller.account, "a", "b", now=START)
    count_account(caller.account.pk)
    counts = find_lifetime(caller.account.pk)
    assert counts is not None
    assert (counts.events, counts.input_tokens, counts.cost_nanos) == (2, 2_000, 5_000_000)


@pytest.mark.usefixtures("db")
def test_the_price_in_force_is_the_newest_that_took_effect() -> None:
    old = price("m", since=START)
    assert list_prices(at=START - timedelta(microseconds=1), limit=9).items == []
    new = price("m", GPT_4O)
    assert new.effective_at > old.effective_at
    assert list_prices(at=START, limit=9).items == [old]
    assert list_prices(at=new.effective_at - timedelta(microseconds=1), limit=9).items == [old]
    assert list_prices(at=new.effective_at, limit=9).items == [new]
