"""Why an entry was booked: computed anew from what is stored, over HTTP, for every kind of entry."""

# ruff: noqa: E501  One lie a line: a table is read by its columns.

import random
from datetime import timedelta
from typing import Any, Final

import pytest
from django.db import connection
from django.test import Client

from accounts.models import Account
from accounts.services.api_keys import IssuedKey
from billing_platform.overview.explain import explain_entry
from core import clock
from credits.books import Source
from credits.models import Category, Grant, Kind, LedgerEntry, Policy
from credits.services.adjustments import write_off
from credits.services.clawbacks import claw_back, undo_claw_back
from credits.services.grants import freeze_grant, release_grant, void_grant
from credits.services.holds import HoldTerms, open_hold
from credits.services.policies import set_policy
from credits.services.returns import return_usage
from credits.services.reversals import reverse_entry
from credits.services.wallets import read_wallet
from tests import actors, factories
from tests.actors import Cast, Person
from tests.admin.looking import text_of
from tests.conftest import Api
from tests.factories import event, post_events
from tests.spending import adjust, price, refund, report
from usage.models import PriceMultiplier, UsageEvent
from usage.rating import FailedPolicy, Prices

pytestmark = pytest.mark.django_db

USD: Final = 10**9
ODD: Final = Prices(2_500_001, 10_000_003, 1_250_007, 3, 11, request=5, image=700, second=9, multiplier_bp=10_500)


def explained(api: Api, person: Person, entry: LedgerEntry) -> Any:
    answer = api.get(f"/v1/ledger/{entry.pk}/explain", person)
    assert answer.status_code == 200, answer.content
    return answer.json()


def entry_of(account: Account, event_id: str) -> LedgerEntry:
    return LedgerEntry.objects.get(account=account, source_type="usage_event", source_id=event_id)


def unexplained(account: Account) -> list[tuple[str, str]]:
    """Every entry of the account whose explanation does not agree with what was booked."""
    found = []
    for entry in LedgerEntry.objects.filter(account=account).order_by("seq"):
        told = explain_entry(account_id=account.pk, entry_id=entry.pk, now=clock.now())
        if not told.matches or told.recomputed_nanos != entry.amount_nanos:
            found.append((entry.kind, f"{entry.amount_nanos}: {told.recomputed_nanos}, {told.booking.moved_nanos}"))
    return found


def multiply(account: Account, bp: int) -> PriceMultiplier:
    """A multiplier of one account, in force since yesterday."""
    now = clock.now()
    made = PriceMultiplier.objects.create(
        account=account, multiplier_bp=bp, effective_at=now - timedelta(days=1), activated_at=now, created_at=now
    )
    factories.forget_memories()
    return made


def test_a_charge_is_its_quantities_times_the_prices_of_its_day_rounded_once(api: Api, alice: Person) -> None:
    version = price("odd", ODD)
    multiplier = multiply(alice.account, 9_001)
    adjust(alice.account, USD)
    report(alice.account, "call", model="odd", input_tokens=1_234, output_tokens=7, cache_read_tokens=3, requests=1, seconds=2)
    told = explained(api, alice, entry_of(alice.account, "call"))

    parts = {part["name"]: (part["reported"], part["charged"], part["amount_nanos"]) for part in told["rating"]["parts"]}
    assert parts["input_tokens"] == (1_234, 1_234, "3085.001234")
    assert parts["output_tokens"] == (7, 7, "70.000021")
    assert parts["cache_read_tokens"] == (3, 3, "3.750021")
    assert parts["requests"] == (1, 1, "5")
    assert parts["seconds"] == (2, 2, "18")
    assert parts["images"] == (0, 0, "0")
    assert told["rating"]["sum_nanos"] == "3181.751276"
    # 3181.751276 · 1.05 · 0.9001
    assert told["rating"]["unrounded_nanos"] == "3007.08903970398"
    assert (told["rating"]["cost_nanos"], told["recomputed_nanos"], told["booked_nanos"]) == ("3007", "-3007", "-3007")
    assert told["matches"] is True
    assert (told["rating"]["version"]["id"], told["rating"]["version"]["multiplier_bp"]) == (version.pk, 10_500)
    assert (told["rating"]["multiplier"]["id"], told["rating"]["multiplier"]["multiplier_bp"]) == (multiplier.pk, 9_001)
    assert told["priced_by"] == "price_book"
    (share,) = told["booking"]["taken_from"]
    grant = Grant.objects.get(account=alice.account)
    assert (share["how"], share["grant"]["id"], share["nanos"], share["left_nanos"]) == ("paid", grant.pk, "3007", "3007")
    assert (share["grant"]["category"], share["grant"]["source"]) == ("promo", {"type": "operator", "id": ""})
    assert told["booking"]["hold"] is None


@pytest.mark.parametrize(
    ("policy", "charged"),
    [
        (FailedPolicy.ALWAYS, {"input_tokens": 10, "output_tokens": 4, "requests": 1}),
        (FailedPolicy.REPORTED, {"input_tokens": 10, "output_tokens": 4}),
        (FailedPolicy.INPUT_ONLY, {"input_tokens": 10}),
    ],
)
def test_of_a_failed_call_it_says_what_was_charged(api: Api, alice: Person, policy: FailedPolicy, charged: dict[str, int]) -> None:
    whole = Prices(10**6, 10**6, 0, 0, 0, request=50, image=0, second=0, multiplier_bp=10_000)
    version = price("plain", whole)
    with_policy(version.pk, policy)
    adjust(alice.account, USD)
    report(alice.account, "call", model="plain", status="failed", input_tokens=10, output_tokens=4)
    told = explained(api, alice, entry_of(alice.account, "call"))
    assert {part["name"]: part["charged"] for part in told["rating"]["parts"] if part["charged"]} == charged
    assert {part["name"]: part["reported"] for part in told["rating"]["parts"] if part["reported"]} == {
        "input_tokens": 10,
        "output_tokens": 4,
        "requests": 1,
    }
    assert (told["rating"]["is_failed"], told["rating"]["version"]["failed_policy"]) == (True, policy)
    assert told["matches"] is True
    assert told["booked_nanos"] == str(-sum(charged.values()) - (49 if "requests" in charged else 0))


def test_an_event_priced_by_its_sender_says_so(api: Api, alice: Person) -> None:
    price()
    adjust(alice.account, USD)
    report(alice.account, "call", cost="0.000000123")
    told = explained(api, alice, entry_of(alice.account, "call"))
    assert (told["priced_by"], told["rating"], told["recomputed_nanos"], told["matches"]) == ("sender", None, "-123", True)
    assert told["event"]["cost_nanos"] == "123"


def test_a_capture_names_its_hold_and_what_was_absorbed(api: Api, alice: Person) -> None:
    price("plain", Prices(10**6, 0, 0, 0, 0, 0, 0, 0, 10_000))
    adjust(alice.account, 1_000)
    set_policy(account_id=alice.account.pk, policy=Policy.ABSORB, reason="For the tests.", actor_id=None, now=clock.now())
    view, *_ = open_hold(account_id=alice.account.pk, terms=HoldTerms(900, timedelta(minutes=5)), now=clock.now())
    report(alice.account, "call", model="plain", input_tokens=5_000, hold=view.public_id)
    told = explained(api, alice, entry_of(alice.account, "call"))
    assert (told["booking"]["hold"]["id"], told["booking"]["hold"]["amount_nanos"]) == (view.public_id, "900")
    assert {name: told["event"][f"{name}_nanos"] for name in ("cost", "charged", "absorbed")} == {
        "cost": "5000",
        "charged": "1000",
        "absorbed": "4000",
    }
    assert (told["rating"]["cost_nanos"], told["recomputed_nanos"], told["matches"]) == ("5000", "-1000", True)


def test_it_tells_who_paid_what_settled_later_what_was_refunded_and_what_was_written_off(api: Api, alice: Person) -> None:
    account = alice.account
    price("plain", Prices(10**6, 0, 0, 0, 0, 0, 0, 0, 10_000))
    first = factories.give(account, 100)
    second = factories.give(account, 200, category=Category.PAID, kind=Kind.OPENING)
    report(account, "call", model="plain", input_tokens=1_000)
    entry = entry_of(account, "call")
    shares = explained(api, alice, entry)["booking"]["taken_from"]
    assert [(share["how"], share["grant"] and share["grant"]["id"], share["nanos"], share["left_nanos"]) for share in shares] == [
        ("paid", first.pk, "100", "100"),
        ("paid", second.pk, "200", "200"),
        ("debt", None, "700", "700"),
    ]
    third = factories.give(account, 300)
    write_off_some(account, 150)
    returned = return_usage(
        account_id=account.pk, seq=entry.seq, amount_nanos=260, source=Source("tests", "", "back"), now=clock.now()
    ).entry
    told = explained(api, alice, entry)
    named = ("how", "nanos", "returned_nanos", "written_off_nanos", "left_nanos")
    assert [tuple(share[name] for name in named) for share in told["booking"]["taken_from"]] == [
        ("paid", "100", "0", "0", "100"),
        ("paid", "200", "0", "0", "200"),
        ("debt", "400", "250", "150", "0"),
        ("settled", "300", "10", "0", "290"),
    ]
    assert told["booking"]["taken_from"][3]["grant"]["id"] == third.pk
    assert told["booking"]["returned_nanos"] == "260"
    assert [(row["id"], row["amount_nanos"]) for row in told["booking"]["given_back_by"]] == [(returned.pk, "260")]
    assert (told["matches"], told["booked_nanos"]) == (True, "-1000")

    back = explained(api, alice, returned)
    assert (back["event"], back["priced_by"], back["booking"]["undoes"]["id"]) == (None, None, entry.pk)
    assert [(gift["grant"] and gift["grant"]["id"], gift["nanos"]) for gift in back["booking"]["given_to"]] == [
        (None, "250"),
        (third.pk, "10"),
    ]
    assert (back["recomputed_nanos"], back["matches"]) == ("260", True)
    assert unexplained(account) == []


def test_a_refund_into_a_grant_that_has_ended_names_its_compensation(api: Api, alice: Person) -> None:
    account = alice.account
    price("plain", Prices(10**6, 0, 0, 0, 0, 0, 0, 0, 10_000))
    now = clock.now()
    factories.give(account, 100, expires_at=now - timedelta(minutes=30), now=now - timedelta(hours=2))
    report(account, "call", model="plain", input_tokens=60, now=now - timedelta(hours=1))
    entry = entry_of(account, "call")
    back = refund(account, "call", 60, now=now).given.entry
    assert back.reverses == entry.seq
    (gift,) = explained(api, alice, back)["booking"]["given_to"]
    assert (gift["grant"]["kind"], gift["nanos"]) == ("compensation", "60")
    assert set(LedgerEntry.objects.filter(account=account).values_list("kind", flat=True)) == {"promo", "usage", "expiry", "usage_refund"}
    assert unexplained(account) == []


def test_of_a_refunded_call_it_says_how_it_had_ended(api: Api, alice: Person) -> None:
    price("plain", ODD)
    adjust(alice.account, USD)
    report(alice.account, "call", model="plain", requests=1)
    entry = entry_of(alice.account, "call")
    for nanos, status in ((2, "success"), (None, "refunded")):
        refund(alice.account, "call", nanos, now=clock.now())
        told = explained(api, alice, entry)["event"]
        assert (told["status"], told["call_status"]) == (status, "success")


def test_a_purchase_names_its_grant_and_an_expiry_what_it_took(api: Api, alice: Person) -> None:
    now = clock.now()
    grant = factories.give(alice.account, 100, expires_at=now - timedelta(minutes=30), now=now - timedelta(hours=2))
    read_wallet(account_id=alice.account.pk, now=now)
    given, expired = LedgerEntry.objects.filter(account=alice.account).order_by("seq")
    told = explained(api, alice, given)
    assert [(gift["grant"]["id"], gift["nanos"]) for gift in told["booking"]["given_to"]] == [(grant.pk, "100")]
    assert (told["entry"]["kind"], told["booking"]["taken_from"], told["matches"]) == ("promo", [], True)
    told = explained(api, alice, expired)
    assert [(share["grant"]["id"], share["nanos"]) for share in told["booking"]["taken_from"]] == [(grant.pk, "100")]
    assert (told["entry"]["kind"], told["booking"]["given_to"], told["recomputed_nanos"]) == ("expiry", [], "-100")


def test_every_kind_of_entry_is_explained_to_the_nano(alice: Person) -> None:
    account, now = alice.account, clock.now()
    price("odd", ODD)
    multiply(account, 7_777)
    why: dict[str, Any] = {"account_id": account.pk, "reason": "For the tests.", "actor_id": None, "now": now - timedelta(hours=2)}
    factories.give(account, 9_000, expires_at=now - timedelta(hours=1), now=now - timedelta(hours=3))
    paid = [factories.give(account, 40_000, category=Category.PAID, kind=Kind.PURCHASE, now=now - timedelta(hours=3)) for _ in range(3)]
    report(account, "one", "two", model="odd", now=now - timedelta(hours=2), input_tokens=2_001, seconds=7)
    part = freeze_grant(**why, grant_id=paid[1].pk, amount_nanos=1_234, part="part")
    release_grant(**why, grant_id=part.pk)
    void_grant(**why, grant_id=part.pk)
    lost: dict[str, Any] = {"account_id": account.pk, "grant_id": paid[0].pk, "now": now - timedelta(minutes=50)}
    claw_back(**lost, amount_nanos=30_000, key="refund", kind=Kind.REFUND)
    taken = claw_back(**lost, amount_nanos=9_000, key="lost", kind=Kind.DISPUTE_LOST)
    adjust(account, -50_000, now - timedelta(minutes=40))
    report(account, "three", model="odd", now=now - timedelta(minutes=30), input_tokens=40_404, status="failed")
    write_off_some(account, 20_000, now - timedelta(minutes=20))
    factories.give(account, 30_000, kind=Kind.COMPENSATION, now=now - timedelta(minutes=10))
    back: dict[str, Any] = {"account_id": account.pk, "reason": "x", "actor_id": None, "now": now}
    for entry in LedgerEntry.objects.filter(account=account, kind="usage").order_by("seq"):
        refund(account, entry.source_id, 1 + -entry.amount_nanos // 5, now=now)
        refund(account, entry.source_id, now=now)
    for entry in LedgerEntry.objects.filter(account=account, kind__in=("manual", "grant_void", "expiry")).order_by("seq"):
        reverse_entry(**back, seq=entry.seq, amount_nanos=1 + -entry.amount_nanos // 5, source_key=f"first:{entry.seq}")
        reverse_entry(**back, seq=entry.seq, amount_nanos=None, source_key=f"rest:{entry.seq}")
    assert taken.entry is not None
    undo_claw_back(account_id=account.pk, seq=taken.entry.seq, key="won", now=now)

    kinds = set(LedgerEntry.objects.filter(account=account).values_list("kind", flat=True))
    given = {"promo", "purchase", "compensation", "split"}
    assert kinds == given | {
        "usage",
        "usage_refund",
        "expiry",
        "refund",
        "dispute_lost",
        "dispute_won",
        "grant_void",
        "write_off",
        "manual",
        "reversal",
    }
    assert unexplained(account) == []
    assert factories.disagreements() == []


LIES: Final = {
    "a price that was rewritten": "UPDATE usage_priceversion SET input_nanos_per_million = input_nanos_per_million + 1000000 WHERE id = %(version)s",
    "a price that was not in force": "UPDATE usage_priceversion SET effective_at = now() + interval '1 day' WHERE id = %(version)s",
    "the price of another model": "UPDATE usage_event SET price_version_id = %(other)s WHERE account_id = %(account)s",
    "a price that is gone": "UPDATE usage_event SET price_version_id = -1 WHERE account_id = %(account)s",
    "a multiplier of another account": "UPDATE usage_pricemultiplier SET account_id = -1",
    "a multiplier that was rewritten": "UPDATE usage_pricemultiplier SET multiplier_bp = 1",
    "tokens that were not reported": "UPDATE usage_event SET input_tokens = input_tokens + 1000 WHERE account_id = %(account)s",
    "an event beyond all price": "UPDATE usage_event SET input_tokens = 2^62 WHERE account_id = %(account)s",
    "a charge that the event does not say": "UPDATE usage_event SET charged_nanos = charged_nanos - 1, absorbed_nanos = 1 WHERE account_id = %(account)s",
    "an event that is gone": "DELETE FROM usage_event WHERE account_id = %(account)s",
    "an amount that nobody bears": "UPDATE allocation SET from_nanos = from_nanos + 1 WHERE account_id = %(account)s AND role = 'pay'",
}  # fmt: skip


@pytest.mark.parametrize("lie", LIES)
def test_one_row_that_lies_does_not_match(api: Api, alice: Person, lie: str) -> None:
    version = price("plain", Prices(10**6, 0, 0, 0, 0, 0, 0, 0, 10_000))
    other = price("other", Prices(10**6, 0, 0, 0, 0, 0, 0, 0, 10_000))
    multiply(alice.account, 5_000)
    adjust(alice.account, USD)
    report(alice.account, "call", model="plain", input_tokens=4_000)
    entry = entry_of(alice.account, "call")
    assert explained(api, alice, entry)["matches"] is True
    values = {"version": version.pk, "other": other.pk, "account": alice.account.pk}
    lied(LIES[lie], {name: value for name, value in values.items() if f"%({name})s" in LIES[lie]})
    told = explained(api, alice, entry)
    assert told["matches"] is False
    assert told["booked_nanos"] == "-2000"


def test_entries_of_others_and_of_nobody_are_not_found(api: Api, cast: Cast) -> None:
    adjust(cast.alice.account, 1)
    theirs = LedgerEntry.objects.get(account=cast.alice.account).pk
    for entry_id in (theirs, 0, theirs + 10**6, 2**63 - 1, 2**64, 10**40):
        answer = api.get(f"/v1/ledger/{entry_id}/explain", cast.charlie)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert api.get(f"/v1/ledger/{theirs}/explain", cast.bob, x_account=cast.alice.account.public_id).status_code == 200
    assert api.get(f"/v1/ledger/{theirs}/explain", actors.customer_key(cast.alice, ["usage:read"])).status_code == 403
    assert api.get(f"/v1/ledger/{theirs}/explain").status_code == 401


def test_the_calls_of_one_batch_are_explained_each_by_its_own_interval(api: Api, alice: Person, gateway_key: IssuedKey) -> None:
    price("odd", ODD)
    for size in (40_000, 333_333, 1_000_001, 77):
        factories.give(alice.account, size)
    rng = random.Random(1)
    events = [event(alice.account, f"call-{number}", model="odd", input_tokens=rng.randrange(99_999)) for number in range(60)]
    assert post_events(api, gateway_key, events).json()["accepted"] == 60
    assert UsageEvent.objects.count() == 60
    assert unexplained(alice.account) == []


def lied(sql: str, values: dict[str, int]) -> None:
    """Change rows past triggers and foreign keys, as a hand in the database would."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(sql, values)
        assert cursor.rowcount > 0
        cursor.execute("SET session_replication_role = origin")


def with_policy(version_id: int, policy: FailedPolicy) -> None:
    lied(f"UPDATE usage_priceversion SET failed_policy = '{policy}' WHERE id = %(id)s", {"id": version_id})  # noqa: S608
    factories.forget_memories()


def write_off_some(account: Account, nanos: int, now: Any = None) -> None:
    write_off(
        account_id=account.pk, amount_nanos=nanos, reason="Tests.", actor_id=None, source_key=f"off:{nanos}:{now}", now=now or clock.now()
    )


def test_an_operator_reads_on_the_entrys_page_why_a_call_was_charged(cast: Cast) -> None:
    price("odd", ODD)
    adjust(cast.alice.account, USD)
    report(cast.alice.account, "call", model="odd", input_tokens=1_234, requests=3, status="failed")
    boss = Client()
    boss.force_login(cast.oscar)
    url = f"/admin/credits/ledgerentry/{entry_of(cast.alice.account, 'call').pk}/change/"
    page = text_of(boss, url)
    assert "Why this charge" in page
    assert "Input tokens 1,234 $0.002500001 / 1M 3085.001234 nanos" in page
    assert "Requests 0 of 3: the call failed $0.000000005 0 nanos" in page
    assert "Times the version's multiplier × 1.05" in page
    assert "3239.2512957 nanos Cost rounded once, half to even $0.000003239 Charged $0.000003239" in page
    assert "DISAGREES" not in page
    lied("UPDATE usage_event SET input_tokens = 1 WHERE account_id = %(account)s", {"account": cast.alice.account.pk})
    assert "DISAGREES: booked was $0.000003239" in text_of(boss, url)
    given = LedgerEntry.objects.get(account=cast.alice.account, seq=1)
    assert "Why this charge" not in text_of(boss, f"/admin/credits/ledgerentry/{given.pk}/change/")
