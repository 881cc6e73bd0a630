"""The balance at any instant: what was booked then, to the microsecond, and never different later."""

from datetime import datetime, timedelta

import pytest

from core import clock
from core.api.times import iso_z
from credits.models import LedgerEntry
from tests import actors, factories
from tests.actors import Cast, Person
from tests.conftest import Api
from tests.credits.paper import busy_history
from tests.spending import adjust

pytestmark = pytest.mark.django_db

TICK = timedelta(microseconds=1)


def balance(api: Api, person: Person, at: datetime) -> tuple[str, str]:
    answer = api.get(f"/v1/balance?at={iso_z(at)}", person)
    assert answer.status_code == 200, answer.content
    return answer.json()["balance_nanos"], answer.json()["spent_nanos"]


def test_each_entry_counts_from_its_own_microsecond_on(api: Api, alice: Person) -> None:
    begin = clock.now() - timedelta(days=9)
    for number, amount in enumerate((100, -30, 7)):
        adjust(alice.account, amount, begin + timedelta(days=number))
    assert balance(api, alice, begin - TICK) == ("0", "0")
    assert balance(api, alice, begin) == ("100", "0")
    assert balance(api, alice, begin + timedelta(days=1) - TICK) == ("100", "0")
    assert balance(api, alice, begin + timedelta(days=1)) == ("70", "30")
    assert balance(api, alice, begin + timedelta(days=5)) == ("77", "30")


def test_entries_of_one_instant_count_together(api: Api, alice: Person) -> None:
    at = clock.now() - timedelta(hours=1)
    for amount in (1, 2, 4):
        adjust(alice.account, amount, at)
    assert balance(api, alice, at) == ("7", "0")
    assert balance(api, alice, at - TICK) == ("0", "0")


def test_every_instant_of_a_history_is_what_its_entries_say(api: Api, alice: Person) -> None:
    busy_history(alice.account)
    entries = list(LedgerEntry.objects.filter(account=alice.account).order_by("seq"))
    for at in {entry.created_at for entry in entries}:
        last = [entry for entry in entries if entry.created_at <= at][-1]
        assert balance(api, alice, at) == (str(last.balance_after_nanos), str(last.spent_after_nanos))


def test_now_has_everything(api: Api, alice: Person) -> None:
    factories.give(alice.account, 5_000_000_000)
    body = api.get("/v1/balance", alice).json()
    assert body.pop("at")
    assert body == {
        "balance_nanos": "5000000000",
        "balance_usd": "5.00",
        "spent_nanos": "0",
        "spent_usd": "0.00",
        "available_nanos": "5000000000",
        "reserved_nanos": "0",
        "frozen_nanos": "0",
        "lapsing_nanos": "0",
        "debt_nanos": "0",
    }


def test_the_past_knows_the_balance_only(api: Api, alice: Person) -> None:
    at = clock.now() - timedelta(days=1)
    assert api.get(f"/v1/balance?at={iso_z(at)}", alice).json() == {
        "at": iso_z(at),
        "balance_nanos": "0",
        "balance_usd": "0.00",
        "spent_nanos": "0",
        "spent_usd": "0.00",
        "available_nanos": None,
        "reserved_nanos": None,
        "frozen_nanos": None,
        "lapsing_nanos": None,
        "debt_nanos": None,
    }


def test_what_was_due_by_then_is_booked_first(api: Api, alice: Person) -> None:
    now = clock.now()
    factories.give(alice.account, 7, expires_at=now - timedelta(hours=2), now=now - timedelta(days=1))
    assert balance(api, alice, now - timedelta(hours=3)) == ("7", "0")
    assert LedgerEntry.objects.filter(account=alice.account).count() == 1
    assert balance(api, alice, now - timedelta(hours=1)) == ("0", "7")
    assert balance(api, alice, now - timedelta(hours=3)) == ("7", "0")
    assert factories.disagreements() == []


def test_the_future_is_refused(api: Api, alice: Person) -> None:
    adjust(alice.account, 5)
    before = factories.books_now()
    for at in (iso_z(clock.now() + timedelta(minutes=1)), "9999-12-31T23:59:59.999999Z"):
        answer = api.get(f"/v1/balance?at={at}", alice)
        assert (answer.status_code, answer.json()["code"]) == (400, "in_the_future")
    assert api.get("/v1/balance?at=yesterday", alice).json()["code"] == "invalid_datetime"
    assert factories.books_now() == before


def test_the_oldest_instant_is_an_empty_account(api: Api, alice: Person) -> None:
    adjust(alice.account, 5)
    assert api.get("/v1/balance?at=0001-01-01T00:00:00Z", alice).json()["balance_nanos"] == "0"


def test_members_and_keys_read_it_and_strangers_do_not(api: Api, cast: Cast) -> None:
    adjust(cast.alice.account, 5)
    named = f"/v1/balance?account={cast.alice.account.public_id}"
    for by in (cast.bob, actors.customer_key(cast.alice, ["billing:read"]), actors.platform_key(["billing:read"])):
        assert api.get(named, by).json()["balance_nanos"] == "5"
    assert api.get(named, cast.charlie).status_code == 404
    assert api.get("/v1/balance", actors.customer_key(cast.alice, ["usage:read"])).status_code == 403
    assert api.get("/v1/balance").status_code == 401
