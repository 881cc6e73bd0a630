"""GET /v1/grants: every lot with its state, page by page, as of now."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from core import clock
from credits.books import Source
from credits.models import Book, Category, Grant, Kind, Wallet
from credits.services.grants import GrantTerms, issue_grant
from tests import actors, factories
from tests.actors import Person
from tests.conftest import Api
from tests.credits.grant_acts import DAY, HOUR, SECOND, freeze, paid, reverse, spend, void

PATH = "/v1/grants"
STATES = ("effective", "coming", "lapsing", "frozen", "ended")


def ids(answer: dict[str, list[dict[str, int]]]) -> list[int]:
    return [grant["id"] for grant in answer["items"]]


@pytest.fixture
def lots(alice: Person) -> dict[str, list[Grant]]:
    """Grants of every state, by what each is now; newest first."""
    account, now = alice.account, clock.now()
    then = now - DAY
    expired = factories.give(account, 1, now=then, expires_at=then + HOUR)
    used_up = factories.give(account, 2, now=then)
    spend(account, 3, then)
    voided, frozen, spent_frozen = (factories.give(account, 4, now=then + 2 * HOUR) for _ in range(3))
    lapsing = factories.give(account, 5, now=then + 2 * HOUR, expires_at=now - SECOND)
    coming = factories.give(account, 6, now=then + 2 * HOUR, effective_at=now + HOUR)
    cancelled = factories.give(account, 6, now=then + 2 * HOUR, effective_at=now + HOUR)
    effective = factories.give(account, 7, now=then + 2 * HOUR, expires_at=now + HOUR)
    terms = GrantTerms(8, Kind.PURCHASE, Book.CLEARING_STRIPE, Category.PAID, Source("tests", "", "pending"), is_pending=True)
    pending = issue_grant(account_id=account.pk, terms=terms, now=then + 2 * HOUR)
    for grant in (voided, cancelled):
        void(grant, then + 3 * HOUR)
    freeze(spent_frozen, now=then + 3 * HOUR)
    freeze(frozen, now=then + 3 * HOUR)
    return {
        "effective": [effective],
        "coming": [pending, coming],
        "lapsing": [lapsing],
        "frozen": [spent_frozen, frozen],
        "ended": [cancelled, voided, used_up, expired],
    }


@pytest.mark.django_db
def test_without_grants_the_answer_is_empty(api: Api, alice: Person) -> None:
    answer = api.get(PATH, alice)
    assert (answer.status_code, answer.json()) == (200, {"items": [], "next_cursor": "", "has_more": False})
    assert Wallet.objects.count() == 0


def test_a_grant_has_every_field(api: Api, alice: Person) -> None:
    now = clock.now().replace(microsecond=0)
    terms = GrantTerms(
        amount_nanos=20_000_000_001,
        kind=Kind.PURCHASE,
        book=Book.CLEARING_STRIPE,
        category=Category.PAID,
        source=Source("checkout", "ord_1", "one"),
        priority=7,
        expires_at=now + DAY,
        cost_basis_minor=1_999,
        cost_basis_currency="EUR",
    )
    grant = issue_grant(account_id=alice.account.pk, terms=terms, now=now)
    spend(alice.account, 1, now)
    assert api.get(PATH, alice).json()["items"] == [
        {
            "id": grant.pk,
            "kind": "purchase",
            "category": "paid",
            "source": {"type": "checkout", "id": "ord_1"},
            "state": "effective",
            "amount_nanos": "20000000001",
            "amount_usd": "20.000000001",
            "remaining_nanos": "20000000000",
            "remaining_usd": "20.00",
            "priority": 7,
            "effective_at": now.isoformat().replace("+00:00", "Z"),
            "expires_at": (now + DAY).isoformat().replace("+00:00", "Z"),
            "is_pending": False,
            "cost_basis": {"minor": 1_999, "currency": "EUR"},
            "compensates": None,
            "split_from": None,
        }
    ]


def test_a_part_and_a_compensation_name_the_grant_they_come_from(api: Api, alice: Person) -> None:
    now = clock.now()
    grant = paid(alice.account, 10, now=now - HOUR, expires_at=now - HOUR / 2)
    reverse(spend(alice.account, 4, now - HOUR), now=now)
    whole = paid(alice.account, 10, now=now)
    freeze(whole, 4, now=now)
    part, _, made, _ = api.get(PATH, alice).json()["items"]
    assert (part["split_from"], part["compensates"], part["state"]) == (whole.pk, None, "frozen")
    assert (made["split_from"], made["compensates"], made["kind"]) == (None, grant.pk, "compensation")


def test_each_state_lists_its_grants_and_all_of_them_together_list_each_once(api: Api, alice: Person, lots: dict[str, list[Grant]]) -> None:
    for state in STATES:
        answer = api.get(f"{PATH}?state={state}", alice).json()
        assert ids(answer) == [grant.pk for grant in lots[state]], state
        assert {grant["state"] for grant in answer["items"]} == {state}
    everything = ids(api.get(f"{PATH}?limit=100", alice).json())
    assert everything == ids(api.get(f"{PATH}?limit=100&state=all", alice).json())
    assert sorted(everything) == sorted(grant.pk for grants in lots.values() for grant in grants)


def test_what_is_due_is_booked_before_it_is_shown(api: Api, alice: Person) -> None:
    now = clock.now()
    grant = factories.give(alice.account, 5, now=now - HOUR, effective_at=now - SECOND)
    assert Grant.objects.get(pk=grant.pk).booked_at is None
    assert ids(api.get(f"{PATH}?state=effective", alice).json()) == [grant.pk]
    assert Grant.objects.get(pk=grant.pk).booked_at is not None


def test_a_walk_shows_each_grant_once_whatever_arrives_meanwhile(api: Api, alice: Person) -> None:
    made = [factories.give(alice.account, 1).pk for _ in range(7)]
    seen, cursor = [], ""
    while True:
        answer = api.get(f"{PATH}?limit=3&cursor={cursor}", alice).json()
        seen += ids(answer)
        factories.give(alice.account, 1)
        cursor = answer["next_cursor"]
        assert answer["has_more"] is bool(cursor)
        if not cursor:
            break
    assert seen == made[::-1]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("state=used", "invalid_choice"),
        ("limit=101", "out_of_range"),
        ("limit=0", "out_of_range"),
        ("cursor=forged", "invalid_cursor"),
    ],
)
def test_what_cannot_be_read_is_refused(api: Api, alice: Person, query: str, code: str) -> None:
    answer = api.get(f"{PATH}?{query}", alice)
    assert (answer.status_code, answer.json()["code"]) in {(400, code), (400, "invalid_input")}
    assert code in str(answer.json())


def test_a_cursor_is_of_one_account_and_one_filter(api: Api, alice: Person, charlie: Person) -> None:
    for person in (alice, charlie):
        for _ in range(2):
            factories.give(person.account, 1)
    cursor = api.get(f"{PATH}?limit=1", alice).json()["next_cursor"]
    assert api.get(f"{PATH}?limit=1&cursor={cursor}", charlie).json()["code"] == "invalid_cursor"
    assert api.get(f"{PATH}?limit=1&state=effective&cursor={cursor}", alice).json()["code"] == "invalid_cursor"


def test_an_account_sees_its_own_grants_only(api: Api, alice: Person, charlie: Person) -> None:
    factories.give(alice.account, 1)
    assert api.get(PATH, charlie).json()["items"] == []
    assert api.get(f"{PATH}?account={alice.account.public_id}", charlie).status_code == 404


def test_a_platform_key_names_the_account_and_a_key_needs_the_scope(api: Api, alice: Person) -> None:
    grant = factories.give(alice.account, 1)
    key = actors.customer_key(alice)
    assert ids(api.get(PATH, key).json()) == [grant.pk]
    assert api.get(PATH).status_code == 401


def test_who_at_the_operators_gave_it_is_not_told(api: Api, alice: Person) -> None:
    source = Source("operator", "77", "by hand")
    issue_grant(account_id=alice.account.pk, terms=GrantTerms(1, Kind.MANUAL, Book.ADJUSTMENT, Category.PROMO, source), now=clock.now())
    assert api.get(PATH, alice).json()["items"][0]["source"] == {"type": "operator", "id": ""}


def test_a_page_takes_as_many_queries_however_many_grants_it_shows(api: Api, alice: Person) -> None:
    counts = []
    for _ in range(2):
        factories.give(alice.account, 1)
        with CaptureQueriesContext(connection) as seen:
            assert api.get(f"{PATH}?limit=50", alice).status_code == 200
        counts.append(len(seen))
    assert counts[0] == counts[1]
