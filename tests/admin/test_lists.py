"""Lists over tables that grow: narrowed by account, bounded without one, never counted; what they cost in queries."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client

from accounts.models import Account
from billing_platform.console.account_cards import LATEST
from core import clock
from core.console import pages
from credits.services.holds import HoldTerms, open_hold
from tests.actors import make_person
from tests.admin.house import House
from tests.admin.looking import queries, shown
from tests.spending import adjust, report
from usage.admin import events
from usage.services.counting import count_account

HOT = {
    "/admin/credits/ledgerentry/": "ledger_entry",
    "/admin/credits/allocation/": "allocation",
    "/admin/credits/hold/": "hold",
    "/admin/usage/usageevent/": "usage_event",
    "/admin/usage/usageday/": "usage_day",
    "/admin/usage/usagequarter/": "usage_quarter",
}
LISTS = (
    *HOT,
    "/admin/accounts/account/",
    "/admin/accounts/apikey/",
    "/admin/accounts/invite/",
    "/admin/accounts/membership/",
    "/admin/accounts/user/",
    "/admin/core/auditrecord/",
    "/admin/credits/grant/",
    "/admin/credits/limitnotice/",
    "/admin/credits/seal/",
    "/admin/credits/spendinglimit/",
    "/admin/credits/wallet/",
    "/admin/usage/usagelifetime/",
)

QUERIES_MAX = {"/admin/usage/usageevent/": 12}
"""Session, user, the page, and what a filter or the newest id asks; events probe how far back to go."""


@pytest.fixture
def other(house: House) -> Account:
    """Another customer, whose rows are the newest."""
    account = make_person("dora").account
    adjust(account, 1_000_000_000)
    report(account, "call-1", "dora-2")
    count_account(account.pk)
    open_hold(account_id=account.pk, terms=HoldTerms(1_000, timedelta(hours=1)), now=clock.now())
    return account


@pytest.mark.parametrize("url", HOT)
def test_a_list_of_one_account_shows_its_rows_only(boss: Client, other: Account, url: str) -> None:
    cl = boss.get(url, {"account__id__exact": str(other.pk)}).context["cl"]
    assert {row.account_id for row in cl.result_list} == {other.pk}


@pytest.mark.parametrize("url", HOT)
def test_a_hot_table_is_never_counted(house: House, boss: Client, url: str) -> None:
    for query in ({}, {"account__id__exact": str(house.account.pk)}, {"q": house.account.public_id}):
        with queries() as statements:
            assert boss.get(url, query).status_code == 200
        assert [sql for sql in statements if "COUNT(" in sql.upper() and HOT[url] in sql] == []


@pytest.mark.parametrize("url", HOT)
def test_a_list_over_all_accounts_reads_the_newest_ids_only(boss: Client, url: str) -> None:
    with queries() as statements:
        boss.get(url)
    (page,) = [sql for sql in statements if f'ORDER BY "{HOT[url]}"."id" DESC' in sql]
    assert f'"{HOT[url]}"."id" > ' in page
    assert "LIMIT" in page


def test_entries_of_one_account_are_read_by_their_key(house: House, boss: Client) -> None:
    with queries() as statements:
        boss.get("/admin/credits/ledgerentry/", {"account__id__exact": str(house.account.pk)})
    (page,) = [sql for sql in statements if 'ORDER BY "ledger_entry"."seq" DESC' in sql]
    assert '"ledger_entry"."id" >' not in page


def test_the_newest_entries_come_first(house: House, boss: Client, other: Account) -> None:
    assert shown(boss, "/admin/credits/ledgerentry/")[:3] == [f"entry {other.pk}/{seq}" for seq in (3, 2, 1)]
    one = shown(boss, "/admin/credits/ledgerentry/", account__id__exact=str(house.account.pk))
    assert one == [f"entry {house.account.pk}/{seq}" for seq in (4, 3, 2, 1)]


def test_older_rows_of_all_accounts_are_left_to_a_search(house: House, boss: Client) -> None:
    url = "/admin/credits/ledgerentry/"
    skip_ids("ledger_entry_id_seq", pages.NEWEST_ROWS - 2)
    assert shown(boss, url) == [f"entry {house.account.pk}/{seq}" for seq in (4, 3)]
    skip_ids("ledger_entry_id_seq", 2)
    assert shown(boss, url) == []
    assert len(shown(boss, url, q=house.account.public_id)) == 4


def test_events_go_back_as_many_batches_as_it_takes(house: House, boss: Client) -> None:
    url = "/admin/usage/usageevent/"
    skip_ids("usage_event_block", events.BLOCKS_BACK[-1] - 2)
    assert len(shown(boss, url)) == 3
    skip_ids("usage_event_block", 2)
    assert shown(boss, url) == []
    assert len(shown(boss, url, q=house.account.public_id)) == 3


def skip_ids(sequence: str, count: int) -> None:
    """As if so many rows, or batches, had come since."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT setval(%s, nextval(%s) - 1 + %s)", [sequence, sequence, count])


def test_an_event_is_found_within_its_account_only(house: House, boss: Client, other: Account) -> None:
    url = "/admin/usage/usageevent/"
    assert shown(boss, url, q="call-1") == []
    assert shown(boss, url, q=f"{other.public_id} call-1") == [f"event {other.pk}/call-1"]
    assert shown(boss, url, q="call-1", account__id__exact=str(house.account.pk)) == [f"event {house.account.pk}/call-1"]
    assert shown(boss, url, q="dora@example.com dora-2") == [f"event {other.pk}/dora-2"]
    assert shown(boss, url, q=f"{other.public_id} unheard-of") == []


def test_an_account_is_found_by_id_address_and_name(boss: Client, other: Account) -> None:
    url = "/admin/accounts/account/"
    for text in (other.public_id, other.public_id.upper(), "DORA@example.com", "dora's", other.public_id[:10]):
        assert shown(boss, url, q=text) == [str(other)], text
    assert shown(boss, url, q="nobody@example.com") == []


def test_filters_speak_the_operators_words(house: House, boss: Client, other: Account) -> None:
    adjust(other, -5_000_000_000)
    assert shown(boss, "/admin/credits/wallet/", state="in_debt") == [f"wallet of account {other.pk}"]
    assert shown(boss, "/admin/credits/wallet/", state="overdue") == []
    assert shown(boss, "/admin/accounts/account/", state="in_debt") == [str(other)]
    assert len(shown(boss, "/admin/credits/grant/", state="effective")) == 1
    assert len(shown(boss, "/admin/credits/grant/", state="ended")) == 1
    assert shown(boss, "/admin/usage/priceversion/", state="draft") == [str(house.draft)]
    assert len(shown(boss, "/admin/credits/ledgerentry/", kind__exact="manual")) == 3


def test_a_range_of_utc_days_includes_both_ends(house: House, boss: Client) -> None:
    url, today = "/admin/usage/usageevent/", f"{house.account.created_at:%Y-%m-%d}"
    assert len(shown(boss, url, created_at_from=today)) == 3
    assert shown(boss, url, created_at_to="2020-01-01") == []


def test_days_of_one_account_are_found_by_seq(house: House, boss: Client) -> None:
    url, today = "/admin/credits/ledgerentry/", f"{house.account.created_at:%Y-%m-%d}"
    one = {"account__id__exact": str(house.account.pk)}
    with queries() as statements:
        assert len(shown(boss, url, created_at_from=today, created_at_to="2999-12-31", **one)) == 4
    (page,) = [sql for sql in statements if 'ORDER BY "ledger_entry"."seq" DESC' in sql]
    assert ('"ledger_entry"."seq" >= 1' in page, '"ledger_entry"."created_at" >=' in page) == (True, False)
    assert shown(boss, url, created_at_to="2020-01-01", **one) == []
    assert shown(boss, url, created_at_from="2999-01-01", **one) == []


@pytest.mark.parametrize("url", LISTS)
def test_a_list_costs_the_same_queries_whatever_its_length(boss: Client, url: str) -> None:
    boss.get(url)
    with queries() as few:
        boss.get(url)
    for name in ("dora", "erin"):
        account = make_person(name).account
        adjust(account, 1_000_000_000)
        report(account, f"{name}-1", f"{name}-2")
    with queries() as many:
        boss.get(url)
    assert len(many) == len(few)
    assert len(few) <= QUERIES_MAX.get(url, 6), few


def test_the_accounts_page_costs_a_fixed_number_of_queries(house: House, boss: Client) -> None:
    url = f"/admin/accounts/account/{house.account.pk}/change/"
    boss.get(url)
    with queries() as few:
        boss.get(url)
    report(house.account, *(f"more-{n}" for n in range(LATEST)))
    with queries() as many:
        boss.get(url)
    assert len(many) == len(few) <= 23, few


def test_the_dashboard_costs_a_fixed_number_of_queries(boss: Client) -> None:
    boss.get("/admin/")
    with queries() as few:
        boss.get("/admin/")
    for name in ("dora", "erin"):
        adjust(make_person(name).account, -1_000_000_000)
    with queries() as many:
        boss.get("/admin/")
    assert len(many) == len(few) <= 27, few
