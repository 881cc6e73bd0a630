"""The account API's ledger and the billing service's transactions: fields, words, pages, spans of time, refusals."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries

from core import clock
from credits.books import Source
from credits.models import Book, Category, Kind, LedgerEntry
from credits.services.grants import GrantTerms, issue_grant
from tests import actors
from tests.actors import Cast, Person
from tests.conftest import Api
from tests.spending import adjust, price, report

LEDGER = "/auth/account/ledger"
TRANSACTIONS = "/credits/transactions"
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)


@pytest.fixture
def spent(alice: Person) -> Person:
    """Alice, given $20 and charged for one call of 1,000 input tokens: $0.0025."""
    price(since=NOON - timedelta(days=30))
    adjust(alice.account, 20_000_000_000, NOON)
    report(alice.account, "call-1", now=NOON + timedelta(minutes=1))
    return alice


def test_an_entry_has_every_field_of_the_account_api(api: Api, spent: Person) -> None:
    answer = api.get(LEDGER, spent).json()
    usage, given = LedgerEntry.objects.filter(account=spent.account).order_by("-seq")
    assert answer == {
        "items": [
            {
                "id": usage.pk,
                "user_id": spent.user.pk,
                "type": "debit",
                "amount": -0.0025,
                "amount_str": "-0.0025",
                "balance_after": 19.9975,
                "balance_after_str": "19.9975",
                "description": "AI usage (gpt-4o)",
                "reference": "call-1",
                "metadata": {},
                "created_at": "2026-03-10T12:01:00Z",
            },
            {
                "id": given.pk,
                "user_id": spent.user.pk,
                "type": "adjustment",
                "amount": 20.0,
                "amount_str": "20.00",
                "balance_after": 20.0,
                "balance_after_str": "20.00",
                "description": "Manual adjustment",
                "reference": "",
                "metadata": {},
                "created_at": "2026-03-10T12:00:00Z",
            },
        ],
        "total": 2,
        "total_is_capped": False,
        "limit": 50,
        "offset": 0,
    }


def test_a_transaction_has_every_field_of_the_billing_service(api: Api, spent: Person) -> None:
    usage, given = LedgerEntry.objects.filter(account=spent.account).order_by("-seq")
    assert api.get(TRANSACTIONS, spent).json() == {
        "success": True,
        "data": [
            {
                "id": str(usage.pk),
                "type": "ai_usage",
                "amount": -2.5,
                "amount_str": "-2.5",
                "description": "AI usage (gpt-4o)",
                "created_at": "2026-03-10T12:01:00Z",
            },
            {
                "id": str(given.pk),
                "type": "adjustment",
                "amount": 20_000,
                "amount_str": "20000",
                "description": "Manual adjustment",
                "created_at": "2026-03-10T12:00:00Z",
            },
        ],
    }


def test_without_entries_the_lists_are_empty_and_never_404(api: Api, alice: Person) -> None:
    assert api.get(LEDGER, alice).json() == {
        "items": [],
        "total": 0,
        "total_is_capped": False,
        "limit": 50,
        "offset": 0,
    }
    assert api.get(TRANSACTIONS, alice).json() == {"success": True, "data": []}


def test_offset_pages_cover_the_ledger_once(api: Api, alice: Person) -> None:
    for amount in range(1, 8):
        adjust(alice.account, amount)
    seen: list[str] = []
    for offset in (0, 3, 6, 9):
        page = api.get(f"{LEDGER}?limit=3&offset={offset}", alice).json()
        assert (page["total"], page["limit"], page["offset"]) == (7, 3, offset)
        assert [item["amount_str"] for item in page["items"]] == [
            f"0.00000000{amount}" for amount in range(7 - offset, max(0, 4 - offset), -1)
        ]
        seen += [item["amount_str"] for item in page["items"]]
    assert len(set(seen)) == len(seen) == 7


def test_an_offset_beyond_the_end_is_an_empty_page_that_keeps_the_total(api: Api, spent: Person) -> None:
    for offset in ("2", "10001", "999999999999999999"):
        page = api.get(f"{LEDGER}?offset={offset}", spent).json()
        assert (page["items"], page["total"], page["offset"]) == ([], 2, int(offset))
        assert api.get(f"{TRANSACTIONS}?offset={offset}", spent).json()["data"] == []


@pytest.mark.parametrize("path", [LEDGER, TRANSACTIONS])
@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=101",
        "limit=abc",
        "limit=-1",
        "limit=1.5",
        "limit=9" * 9,
        "offset=-1",
        "offset=x",
        "offset=%00",
        "offset=99999999999999999999",
        "limit=%D9%A3",
    ],
)
def test_a_page_that_is_none_is_a_400_that_names_the_parameter(api: Api, alice: Person, path: str, query: str) -> None:
    answer = api.get(f"{path}?{query}", alice)
    assert answer.status_code == 400
    body: Any = answer.json()
    errors = body["errors"] if path == LEDGER else body["error"]["details"]["errors"]
    assert [error["field"] for error in errors] == [query.split("=", maxsplit=1)[0]]


def test_the_largest_page_is_a_hundred(api: Api, alice: Person) -> None:
    assert api.get(f"{LEDGER}?limit=100", alice).json()["limit"] == 100
    assert api.get(f"{TRANSACTIONS}?limit=100", alice).status_code == 200


@pytest.mark.parametrize(
    ("word", "descriptions"), [("credit", []), ("debit", ["AI usage (gpt-4o)"]), ("adjustment", ["Manual adjustment"])]
)
def test_the_ledger_is_filtered_by_type(api: Api, spent: Person, word: str, descriptions: list[str]) -> None:
    page = api.get(f"{LEDGER}?type={word}", spent).json()
    assert [item["description"] for item in page["items"]] == descriptions
    assert (page["total"], page["total_is_capped"]) == (len(descriptions), False)
    assert {item["type"] for item in page["items"]} <= {word}


@pytest.mark.parametrize("query", ["type=usage", "type=CREDIT", "type=credit,debit", "type=%00"])
def test_a_type_that_is_none_is_a_400(api: Api, alice: Person, query: str) -> None:
    answer = api.get(f"{LEDGER}?{query}", alice)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_choice")
    assert answer.json()["errors"][0]["field"] == "type"


def test_a_filtered_list_ends_at_offset_ten_thousand(api: Api, spent: Person) -> None:
    assert api.get(f"{LEDGER}?type=debit&offset=10000", spent).json()["items"] == []
    answer = api.get(f"{LEDGER}?type=debit&offset=10001", spent)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "offset")
    assert "filters" in answer.json()["detail"]


def test_from_is_inclusive_and_to_is_exclusive(api: Api, spent: Person) -> None:
    def shown(query: str) -> list[str]:
        return [item["type"] for item in api.get(f"{LEDGER}?{query}", spent).json()["items"]]

    assert shown("from=2026-03-10T12:00:00Z") == ["debit", "adjustment"]
    assert shown("from=2026-03-10T12:00:00.000001Z") == ["debit"]
    assert shown("to=2026-03-10T12:01:00Z") == ["adjustment"]
    assert shown("to=2026-03-10T12:01:00.000001Z") == ["debit", "adjustment"]
    assert shown("from=2026-03-10T12:00:30Z&to=2026-03-10T12:00:31Z") == []
    assert shown("from=2026-03-10T13:01:00%2B01:00") == ["debit"]
    assert shown("from=&to=&type=") == ["debit", "adjustment"]
    assert shown("from=2026-03-10T12:00:30Z&type=adjustment") == []


def test_a_bare_date_is_a_whole_day_of_the_accounts_zone(api: Api, spent: Person) -> None:
    spent.account.zone = "Pacific/Auckland"
    spent.account.save(update_fields=["zone"])
    # Noon UTC on the 10th is 01:00 on the 11th in Auckland.
    totals = {
        query: api.get(f"{LEDGER}?{query}", spent).json()["total"]
        for query in (
            "from=2026-03-11&to=2026-03-11",
            "to=2026-03-10",
            "from=2026-03-12",
            "from=0001-01-01&to=9999-12-31",
        )
    }
    assert list(totals.values()) == [2, 0, 0, 2]


@pytest.mark.parametrize(
    "query",
    [
        "from=yesterday",
        "to=2026-02-31",
        "from=1772366400",
        "from=2026-03-10T25:00Z",
        "to=%00",
        "from=2026-03-10T12:00:00+01:00",
    ],
)
def test_an_instant_that_is_none_is_a_400_that_names_it(api: Api, alice: Person, query: str) -> None:
    answer = api.get(f"{LEDGER}?{query}", alice)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == query.split("=", maxsplit=1)[0]


def test_from_after_to_is_a_400(api: Api, alice: Person) -> None:
    answer = api.get(f"{LEDGER}?from=2026-03-11&to=2026-03-10T00:00:00Z", alice)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_range")


def test_a_page_costs_a_few_queries_whatever_its_length(
    api: Api, spent: Person, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    report(spent.account, *(f"more-{number}" for number in range(99)))
    for path in (LEDGER, TRANSACTIONS):
        with django_assert_max_num_queries(8):
            rows: Any = api.get(f"{path}?limit=100", spent).json()
        assert len(rows.get("items", rows.get("data"))) == 100


@pytest.mark.parametrize("path", [LEDGER, f"{LEDGER}?type=debit", TRANSACTIONS])
def test_credits_that_ended_are_booked_before_they_are_listed(api: Api, alice: Person, path: str) -> None:
    then = clock.now() - timedelta(hours=2)
    terms = GrantTerms(
        amount_nanos=5_000_000_000,
        kind=Kind.PLAN_GRANT,
        book=Book.CLEARING_STRIPE,
        category=Category.PAID,
        source=Source("invoice", "in_1", "invoice:in_1"),
        expires_at=then + timedelta(hours=1),
    )
    issue_grant(account_id=alice.account.pk, terms=terms, now=then)
    body: Any = api.get(path, alice).json()
    rows = body.get("items", body.get("data"))
    assert (rows[0]["description"], rows[0]["amount_str"]) == (
        "Expired credits",
        "-5000" if path == TRANSACTIONS else "-5.00",
    )
    assert rows[0]["type"] == ("expiry" if path == TRANSACTIONS else "debit")


def test_a_stranger_a_wrong_scope_and_nobody_read_no_ledger(api: Api, cast: Cast) -> None:
    adjust(cast.alice.account, 5)
    for path in (LEDGER, TRANSACTIONS):
        assert api.get(path).status_code == 401
        assert api.get(path, actors.customer_key(cast.alice, ["usage:read"])).status_code == 403
        assert api.get(path, cast.charlie, x_account=cast.alice.account.public_id).status_code == 404
        assert api.get(path, actors.platform_key(["billing:read"])).status_code == 400


def test_a_member_a_key_and_the_platform_read_the_same_entries(api: Api, cast: Cast) -> None:
    entry = adjust(cast.alice.account, 5)
    named = cast.alice.account.public_id
    readers = {
        cast.alice.user.pk: [
            api.get(LEDGER, cast.alice),
            api.get(LEDGER, actors.customer_key(cast.alice)),
            api.get(f"{LEDGER}?account={named}", actors.platform_key()),
        ],
        cast.bob.user.pk: [api.get(LEDGER, cast.bob, x_account=named)],
    }
    for user_id, answers in readers.items():
        for answer in answers:
            (item,) = answer.json()["items"]
            assert (item["id"], item["user_id"]) == (entry.pk, user_id)
