"""Lists of holds, limits, notices and seals; and what the dashboard and the account's page say of them."""

from datetime import timedelta
from typing import Final

import pytest
from django.db import connection
from django.test import Client

from accounts.models import Account
from core import clock
from core.console.pages import NEWEST_ROWS
from credits.models import Hold, LimitNotice, Seal
from credits.services.holds import HoldTerms, open_hold, void_hold
from credits.services.limits import Duration, LimitTerms, Strategy, set_limit
from credits.services.sealing import seal_ledger
from tests.actors import make_person
from tests.admin.house import DOLLAR, House
from tests.admin.looking import queries, shown, text_of
from tests.spending import adjust

HOLDS: Final = "/admin/credits/hold/"
MANY_HOLDS: Final = """
INSERT INTO hold (account_id, public_id, amount_nanos, status, event_id, opened_at, expires_at, closed_at)
SELECT %s, md5(i::text), 1, 'captured', 'old-' || i, %s, %s::timestamptz + interval '1 hour', %s FROM generate_series(1, %s) AS i
"""


@pytest.fixture
def other(house: House) -> Account:
    """Another customer, with a hold that was voided."""
    account = make_person("dora").account
    adjust(account, DOLLAR)
    keep(account, voided=True)
    return account


def keep(account: Account, *, voided: bool = False) -> Hold:
    now = clock.now()
    view, *_ = open_hold(account_id=account.pk, terms=HoldTerms(1_000, timedelta(minutes=5), hold_key=f"key-{now.timestamp()}"), now=now)
    if voided:
        void_hold(account_id=account.pk, public_id=view.public_id, now=now)
    return Hold.objects.get(account=account, public_id=view.public_id)


def make_busy(account: Account) -> None:
    """As if so many calls had been made before."""
    now = clock.now()
    with connection.cursor() as cursor:
        cursor.execute(MANY_HOLDS, [account.pk, now, now, now, NEWEST_ROWS + 1])


def test_holds_are_found_by_account_id_key_and_event(house: House, boss: Client, other: Account) -> None:
    held, voided = str(house.hold), Hold.objects.get(account=other)
    assert shown(boss, HOLDS) == [str(voided), held]
    assert shown(boss, HOLDS, q=other.public_id) == [str(voided)]
    assert shown(boss, HOLDS, q="dora@example.com") == [str(voided)]
    assert shown(boss, HOLDS, q=f"{other.public_id} {voided.public_id}") == [str(voided)]
    assert shown(boss, HOLDS, q=f"{other.public_id} {voided.hold_key}") == [str(voided)]
    assert shown(boss, HOLDS, q=f"{other.public_id} {house.hold.public_id}") == []
    assert shown(boss, HOLDS, q=house.hold.public_id) == [held]
    assert shown(boss, HOLDS, q="0" * 32) == []
    make_busy(other)
    assert shown(boss, HOLDS, q=f"{other.public_id} old-7") == [str(Hold.objects.get(event_id="old-7"))]
    assert shown(boss, HOLDS, q="old-10000") == [str(Hold.objects.get(event_id="old-10000"))]


def test_holds_are_told_apart_by_state(house: House, boss: Client, other: Account) -> None:
    assert shown(boss, HOLDS, state="open") == [str(house.hold)]
    assert shown(boss, HOLDS, state="ended") == [str(Hold.objects.get(account=other))]
    assert shown(boss, HOLDS, state="due") == []
    assert "Only the newest of all accounts" in text_of(boss, HOLDS)
    assert "Only the newest of all accounts" not in text_of(boss, HOLDS, state="open")
    assert "voided" in text_of(boss, HOLDS, state="ended")


def test_every_open_hold_is_shown_however_many_came_since(house: House, boss: Client, other: Account) -> None:
    old = keep(other)
    make_busy(other)
    assert shown(boss, HOLDS, state="open") == [str(old), str(house.hold)]
    assert shown(boss, HOLDS, state="open", account__id__exact=str(other.pk)) == [str(old)]
    assert shown(boss, HOLDS, state="open", q=other.public_id) == [str(old)]
    assert str(old) not in shown(boss, HOLDS)


def test_a_busy_account_shows_its_newest_holds_and_a_small_one_all(house: House, boss: Client, other: Account) -> None:
    oldest = Hold.objects.get(account=other)
    make_busy(other)
    newest = keep(other)
    url = {"account__id__exact": str(other.pk)}
    with queries() as statements:
        assert shown(boss, HOLDS, **url)[0] == str(newest)
    pages = [sql for sql in statements if 'FROM "hold"' in sql]
    assert [sql for sql in pages if "COUNT(" in sql.upper()] == []
    assert '"hold"."id" > ' in pages[-1]
    with queries() as statements:
        assert shown(boss, HOLDS, account__id__exact=str(house.account.pk)) == [str(house.hold)]
    assert [sql for sql in statements if '"hold"."id" > ' in sql] == []
    assert shown(boss, HOLDS, q=f"{other.public_id} {oldest.public_id}") == [str(oldest)]


def test_limits_show_their_use_and_whose_they_are(house: House, boss: Client) -> None:
    text = text_of(boss, "/admin/credits/spendinglimit/")
    assert "the whole account $2.00 2,000 credits daily, fixed $1.75 1,750 credits 87 %" in text
    assert len(shown(boss, "/admin/credits/spendinglimit/", state="account")) == 1
    assert shown(boss, "/admin/credits/spendinglimit/", state="key") == []
    assert shown(boss, "/admin/credits/spendinglimit/", state="reached") == []


def test_a_limit_that_was_reached_is_on_the_dashboard_and_in_its_list(house: House, boss: Client) -> None:
    assert "No limit refuses anybody." in text_of(boss, "/admin/")
    open_hold(account_id=house.account.pk, terms=HoldTerms(DOLLAR // 4, timedelta(hours=1)), now=clock.now())
    assert "Limits reached now" in text_of(boss, "/admin/")
    assert "the whole account Alice's" in text_of(boss, "/admin/")
    assert len(shown(boss, "/admin/credits/spendinglimit/", state="reached")) == 1
    percents = LimitNotice.objects.filter(account=house.account).order_by("pk").values_list("percent", flat=True)
    assert list(percents) == [50, 75, 100]
    assert len(shown(boss, "/admin/credits/limitnotice/", threshold="100")) == 1


def test_a_limit_lowered_below_what_was_spent_is_on_the_dashboard(house: House, boss: Client) -> None:
    terms = LimitTerms(DOLLAR, Duration.DAILY, Strategy.FIXED)
    set_limit(account_id=house.account.pk, terms=terms, actor_id=None, reason="For the tests.", now=clock.now())
    assert "No limit refuses anybody." not in text_of(boss, "/admin/")


def test_the_dashboard_counts_open_holds_and_shows_the_oldest(house: House, boss: Client, other: Account) -> None:
    for _ in range(7):
        keep(other)
    text = text_of(boss, "/admin/")
    assert "Open holds: 8, keeping $1.000007 aside; the oldest" in text
    assert house.hold.public_id[:8] in text
    with queries() as statements:
        boss.get("/admin/")
    assert [sql for sql in statements if "FROM hold" in sql and "LIMIT" not in sql] == []


def test_the_accounts_page_shows_its_open_holds_and_limits(house: House, boss: Client, other: Account) -> None:
    text = text_of(boss, f"/admin/accounts/account/{house.account.pk}/change/")
    assert "Reserved $1.00 1,000 credits" in text
    assert f"{house.hold.public_id[:20]}" in text
    assert "the whole account daily, fixed $2.00 2,000 credits $1.75 1,750 credits 87 %" in text
    text = text_of(boss, f"/admin/accounts/account/{other.pk}/change/")
    assert "Nothing is kept aside." in text
    assert "It may spend what it has." in text


def test_a_seal_shows_its_digests_and_checkpoints(boss: Client, other: Account) -> None:
    seal_ledger(now=clock.now())
    seals = list(Seal.objects.order_by("-number"))
    assert shown(boss, "/admin/credits/seal/") == [str(seal) for seal in seals]
    assert shown(boss, "/admin/credits/seal/", q="1") == ["seal 1"]
    assert shown(boss, "/admin/credits/seal/", q="one") == []
    text = text_of(boss, f"/admin/credits/seal/{seals[0].number}/change/")
    assert bytes(seals[0].digest).hex() in text
    assert bytes(seals[1].digest).hex() in text
    assert "Dora's" in text
    assert "up to entry 1" in text
