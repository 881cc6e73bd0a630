"""Lists of entries: pages, totals and spans of time, compared with reading everything."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from core.errors import InvalidInput
from credits.models import EntryType, Kind, LedgerEntry
from credits.models.entry import ALWAYS_NEGATIVE, ALWAYS_POSITIVE
from credits.selectors import FILTERED_MAX, EntryPage, first_seq_at, list_entries
from credits.services.posting import make_wallets
from tests.actors import Person
from tests.spending import adjust

START = datetime(2026, 1, 1, tzinfo=UTC)
EVERY_KIND = [(kind, sign) for kind in Kind for sign in (1, -1)]

# Rows as the posting door writes them, without the acts: thousands of them in a second. What else an entry needs
# (grants, allocations) is not read by a list.
INSERT = """
INSERT INTO ledger_entry (account_id, seq, kind, book, amount_nanos, balance_after_nanos, spent_after_nanos,
    source_type, source_id, description, reference, reverses, occurred_at, created_at)
SELECT %(account)s, seq, kind, 'adjustment', amount, 0, 0, 'tests', '', '', '',
    CASE WHEN kind IN ('usage_refund', 'reversal', 'dispute_won') THEN 1 END, at, at
FROM unnest(%(seqs)s::bigint[], %(kinds)s::text[], %(amounts)s::bigint[], %(instants)s::timestamptz[])
    AS row (seq, kind, amount, at)
"""


def write_entries(account_id: int, rows: list[tuple[str, int]], *, every: timedelta = timedelta(seconds=1)) -> None:
    """Entries of these kinds and amounts, three at each instant."""
    numbers = range(1, len(rows) + 1)
    arguments: dict[str, Any] = {
        "account": account_id,
        "seqs": list(numbers),
        "kinds": [kind for kind, _ in rows],
        "amounts": [amount for _, amount in rows],
        "instants": [START + (number // 3) * every for number in numbers],
    }
    with connection.cursor() as cursor:
        cursor.execute(INSERT, arguments)
        cursor.execute("UPDATE wallet SET next_seq = %s WHERE account_id = %s", [len(rows) + 1, account_id])


def page_of(account_id: int, **asked: Any) -> EntryPage:
    usual: dict[str, Any] = {"kinds": None, "entry_type": None, "since": None, "until": None, "limit": 10, "offset": 0}
    return list_entries(account_id=account_id, **usual | asked)


def seqs_of(page: EntryPage) -> list[int]:
    return [entry.seq for entry in page.items]


@pytest.fixture
def account_id(alice: Person) -> int:
    """An account with a wallet and no entries."""
    make_wallets([alice.account.pk], now=START)
    return alice.account.pk


def allowed() -> list[tuple[str, int]]:
    """One row of every kind in each sign it can have."""
    return [
        (kind, sign * (number + 1))
        for number, (kind, sign) in enumerate(EVERY_KIND)
        if not (kind in ALWAYS_POSITIVE and sign < 0) and not (kind in ALWAYS_NEGATIVE and sign > 0)
    ]


def test_an_account_without_entries_or_without_a_wallet_has_an_empty_page(account_id: int) -> None:
    for each in (account_id, account_id + 1_000_000):
        assert page_of(each) == EntryPage([], 0, total_is_capped=False)
        assert page_of(each, since=START, until=START) == EntryPage([], 0, total_is_capped=False)
        assert page_of(each, entry_type=EntryType.DEBIT) == EntryPage([], 0, total_is_capped=False)


def test_pages_are_arithmetic_over_seq(account_id: int) -> None:
    write_entries(account_id, [("usage", -1)] * 25)
    assert seqs_of(page_of(account_id)) == list(range(25, 15, -1))
    assert seqs_of(page_of(account_id, offset=20)) == [5, 4, 3, 2, 1]
    assert [page_of(account_id, offset=offset).total for offset in (0, 24, 25, 10**18)] == [25] * 4
    assert seqs_of(page_of(account_id, offset=25)) == []


def test_an_unfiltered_page_is_two_reads_without_count_or_offset(account_id: int) -> None:
    write_entries(account_id, [("usage", -1)] * 25)
    with CaptureQueriesContext(connection) as queries:
        page_of(account_id, offset=20)
    said = " ".join(query["sql"].upper() for query in queries)
    assert len(queries) == 2
    assert "COUNT(" not in said
    assert "OFFSET" not in said


def test_an_instant_becomes_the_first_seq_booked_at_or_after_it(account_id: int) -> None:
    write_entries(account_id, [("usage", -1)] * 50)
    booked = list(LedgerEntry.objects.filter(account_id=account_id).order_by("seq").values_list("seq", "created_at"))
    for offset in range(-1_000_000, 19_000_000, 250_000):
        at = START + timedelta(microseconds=offset)
        expected = next((seq for seq, created_at in booked if created_at >= at), 51)
        assert first_seq_at(account_id=account_id, at=at, next_seq=51) == expected


def test_spans_of_time_hold_what_was_booked_in_them(account_id: int) -> None:
    write_entries(account_id, [("usage", -1)] * 40)
    booked = list(LedgerEntry.objects.filter(account_id=account_id).order_by("-seq"))
    for begin in range(0, 15, 2):
        for end in range(begin, 16, 3):
            since, until = START + timedelta(seconds=begin), START + timedelta(seconds=end)
            expected = [entry.seq for entry in booked if since <= entry.created_at < until]
            page = page_of(account_id, since=since, until=until, limit=100)
            assert (seqs_of(page), page.total, page.total_is_capped) == (expected, len(expected), False)
            assert seqs_of(page_of(account_id, since=since, until=until, limit=2, offset=3)) == expected[3:5]


@pytest.mark.parametrize("entry_type", [None, *EntryType])
@pytest.mark.parametrize("kinds", [None, ["usage"], ["manual", "reversal"], ["usage", "purchase", "manual"], []])
def test_filters_agree_with_reading_everything(account_id: int, entry_type: EntryType | None, kinds: list[str] | None) -> None:
    write_entries(account_id, allowed() * 3)
    everything = LedgerEntry.objects.filter(account_id=account_id).order_by("-seq")
    until = START + timedelta(seconds=20)
    for bound in (None, until):
        expected = [
            entry.seq
            for entry in everything
            if (entry_type is None or entry.type is entry_type)
            and (kinds is None or entry.kind in kinds)
            and (bound is None or entry.created_at < bound)
        ]
        page = page_of(account_id, entry_type=entry_type, kinds=kinds, until=bound, limit=100)
        assert (seqs_of(page), page.total) == (expected[:100], len(expected))
        assert seqs_of(page_of(account_id, entry_type=entry_type, kinds=kinds, until=bound, limit=4, offset=5)) == expected[5:9]


@pytest.mark.parametrize("kind", ["usage", "expiry"])
def test_a_filtered_total_stops_at_ten_thousand_and_its_last_page_is_whole(account_id: int, kind: str) -> None:
    write_entries(account_id, [("manual", 1), *[(kind, -1)] * (FILTERED_MAX + 60)])
    page = page_of(account_id, kinds=[kind], limit=50, offset=FILTERED_MAX)
    assert (page.total, page.total_is_capped) == (FILTERED_MAX, True)
    assert seqs_of(page) == list(range(61, 11, -1))
    within = page_of(account_id, kinds=["manual"])
    assert (seqs_of(within), within.total, within.total_is_capped) == ([1], 1, False)


def test_exactly_ten_thousand_are_not_capped(account_id: int) -> None:
    write_entries(account_id, [("usage", -1)] * FILTERED_MAX)
    page = page_of(account_id, entry_type=EntryType.DEBIT)
    assert (page.total, page.total_is_capped) == (FILTERED_MAX, False)


def test_only_filters_by_kind_or_type_end_an_offset(account_id: int) -> None:
    write_entries(account_id, [("usage", -1)] * (FILTERED_MAX + 5))
    assert seqs_of(page_of(account_id, offset=FILTERED_MAX + 1)) == [4, 3, 2, 1]
    assert seqs_of(page_of(account_id, since=START, offset=FILTERED_MAX + 1)) == [4, 3, 2, 1]
    for asked in ({"entry_type": EntryType.DEBIT}, {"kinds": ["usage"]}):
        with pytest.raises(InvalidInput) as refused:
            page_of(account_id, offset=FILTERED_MAX + 1, **asked)
        assert (refused.value.stable_code, refused.value.errors[0].field) == ("out_of_range", "offset")


def test_a_list_shows_one_account_only(alice: Person, charlie: Person) -> None:
    mine, theirs = adjust(alice.account, 5), adjust(charlie.account, 7)
    assert page_of(alice.account.pk).items == [mine]
    assert page_of(charlie.account.pk, entry_type=EntryType.ADJUSTMENT).items == [theirs]
