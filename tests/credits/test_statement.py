"""The statement over HTTP: a period to the nano, what stands around it, and that it is text for spreadsheets only."""

import csv
import re
import runpy
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from accounts.models import Account
from core import clock
from core.api.times import iso_z
from credits.api.history import VERIFIER
from credits.models import Book, Kind, LedgerEntry
from credits.statements import COLUMNS, Period, write_statement
from tests import actors, factories
from tests.actors import Cast, Person
from tests.conftest import Api
from tests.credits.paper import Desk, busy_history, cells_of, fetch, rows_of
from tests.spending import adjust, report

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Desk:
    return Desk(tmp_path, capsys)


def test_every_entry_is_a_line_with_its_amounts_to_the_nano(api: Api, alice: Person) -> None:
    busy_history(alice.account)
    rows = rows_of(fetch(api, alice))
    entries = list(LedgerEntry.objects.filter(account=alice.account).order_by("seq"))
    lines = cells_of(rows)
    assert tuple(rows[0]) == COLUMNS
    assert [(line["id"], line["seq"], line["kind"]) for line in lines] == [(str(e.pk), str(e.seq), e.kind) for e in entries]
    assert [int(line["amount_nanos"]) for line in lines] == [entry.amount_nanos for entry in entries]
    assert [int(line["balance_after_nanos"]) for line in lines] == [entry.balance_after_nanos for entry in entries]
    assert [int(line["spent_after_nanos"]) for line in lines] == [entry.spent_after_nanos for entry in entries]
    assert (lines[-1]["amount_usd"], lines[-1]["amount_nanos"]) == ("-0.001234567", "-1234567")
    assert lines[-1]["created_at"] == entries[-1].created_at.isoformat(timespec="microseconds").replace("+00:00", "Z")
    assert lines[1]["source"] == "usage_event:call-0"


def test_the_control_totals_add_up(api: Api, alice: Person) -> None:
    busy_history(alice.account)
    rows = rows_of(fetch(api, alice))
    (opening,), (closing,), totals = (cells_of(rows, record) for record in ("opening", "closing", "total"))
    assert [row[0] for row in rows[1:]] == ["opening", *["entry"] * 11, "closing", *["total"] * 4]
    assert {line["kind"]: (line["count"], line["amount_nanos"]) for line in totals} == {
        "manual": ("2", "28765433"),
        "promo": ("1", "5000000"),
        "usage": ("8", "-20000000"),
        "all": ("11", "13765433"),
    }
    assert int(opening["balance_after_nanos"]) + int(totals[-1]["amount_nanos"]) == int(closing["balance_after_nanos"])
    assert (opening["seq"], closing["seq"], closing["count"]) == ("0", "11", "11")


def test_an_account_without_entries_has_a_statement(api: Api, alice: Person, desk: Desk) -> None:
    before = factories.books_now()
    text = fetch(api, alice)
    assert [row[0] for row in rows_of(text)] == ["record", "opening", "closing", "total"]
    assert desk.check(text)[0] == 0
    assert factories.books_now() == before


def test_a_period_begins_with_what_was_before_it(api: Api, alice: Person, desk: Desk) -> None:
    now = clock.now()
    for days, amount in ((9, 1_000), (8, 200), (3, 30), (2, 4)):
        adjust(alice.account, amount, now - timedelta(days=days))
    query = f"?from={iso_z(now - timedelta(days=8, hours=1))}&to={iso_z(now - timedelta(days=2, hours=1))}"
    rows = rows_of(fetch(api, alice, query))
    assert [line["amount_nanos"] for line in cells_of(rows)] == ["200", "30"]
    assert [cells_of(rows, record)[0]["balance_after_nanos"] for record in ("opening", "closing")] == ["1000", "1230"]
    assert desk.check(rows)[0] == 0


def test_a_period_without_entries_keeps_the_balance(api: Api, alice: Person, desk: Desk) -> None:
    now = clock.now()
    adjust(alice.account, 1_000, now - timedelta(days=9))
    adjust(alice.account, 1_000, now)
    rows = rows_of(fetch(api, alice, f"?from={iso_z(now - timedelta(days=5))}&to={iso_z(now - timedelta(days=4))}"))
    assert [row[0] for row in rows[1:]] == ["opening", "closing", "total"]
    assert [cells_of(rows, record)[0]["balance_after_nanos"] for record in ("opening", "closing")] == ["1000", "1000"]
    assert desk.check(rows)[0] == 0


def test_days_are_those_of_the_accounts_zone(api: Api, cast: Cast) -> None:
    Account.objects.filter(pk=cast.alice.account.pk).update(zone="Pacific/Auckland")
    begin = clock.now().replace(year=2026, month=1, day=9, hour=10, minute=59, second=59, microsecond=999_999)
    adjust(cast.alice.account, 1, begin)
    adjust(cast.alice.account, 2, begin + timedelta(microseconds=1))
    adjust(cast.alice.account, 4, begin + timedelta(days=1))
    adjust(cast.alice.account, 8, begin + timedelta(days=1, microseconds=1))
    lines = cells_of(rows_of(fetch(api, cast.alice, "?from=2026-01-10&to=2026-01-10")))
    assert [line["amount_nanos"] for line in lines] == ["2", "4"]


def test_what_is_due_is_booked_before_it_is_stated(api: Api, alice: Person) -> None:
    now = clock.now()
    factories.give(alice.account, 7, expires_at=now - timedelta(hours=1), now=now - timedelta(days=1))
    assert [line["kind"] for line in cells_of(rows_of(fetch(api, alice)))] == ["promo", "expiry"]


def test_what_is_booked_while_it_is_read_is_not_in_it_and_pieces_do_not_grow(alice: Person) -> None:
    busy_history(alice.account, calls=4_500)
    pieces = write_statement(Period(alice.account.pk, alice.account.public_id, None, None), entries_max=10_000)
    read = [next(pieces), next(pieces)]
    adjust(alice.account, 999)
    read += pieces
    assert [piece.count("\r\n") for piece in read] == [2, 2_000, 2_000, 503, 5]
    assert "999" not in [line["amount_nanos"] for line in cells_of(rows_of("".join(read)))]


def test_a_period_of_too_many_entries_is_refused_and_its_parts_are_not(api: Api, alice: Person, settings: Settings, desk: Desk) -> None:
    now = clock.now()
    for days in range(9, 4, -1):
        adjust(alice.account, days, now - timedelta(days=days))
    settings.STATEMENT_ENTRIES_MAX = 3
    before = factories.books_now()
    refused = api.get("/v1/statement", alice)
    assert (refused.status_code, refused.json()["code"]) == (400, "statement_too_long")
    assert factories.books_now() == before
    edge = iso_z(now - timedelta(days=6))
    assert f"`to={edge}`" in refused.json()["detail"]
    parts = [rows_of(fetch(api, alice, query)) for query in (f"?to={edge}", f"?from={edge}")]
    assert [[line["amount_nanos"] for line in cells_of(rows)] for rows in parts] == [["9", "8", "7"], ["6", "5"]]
    assert [desk.check(rows)[0] for rows in parts] == [0, 0]
    settings.STATEMENT_ENTRIES_MAX = 5
    assert len(cells_of(rows_of(fetch(api, alice)))) == 5


NASTY = ['=HYPERLINK("http://x")', "+1", "-1", "@SUM(A1)", '"', "a,b", "\\u0041", "{}", "'"]


def test_no_cell_of_a_statement_begins_a_formula_but_an_amount(api: Api, alice: Person, desk: Desk) -> None:
    busy_history(alice.account)
    report(alice.account, *NASTY)
    text = fetch(api, alice)
    for line in cells_of(rows_of(text)):
        assert not [name for name, cell in line.items() if cell[:1] in set("=+@\t\r")]
        assert not [name for name, cell in line.items() if cell[:1] == "-" and not name.endswith(("_usd", "_nanos"))]
    assert [line["source"] for line in cells_of(rows_of(text))][-len(NASTY) :] == [f"usage_event:{name}" for name in NASTY]
    assert desk.check(text)[0] == 0


def test_it_is_sent_as_a_file(api: Api, alice: Person) -> None:
    answer = api.get("/v1/statement?from=2026-01-01&to=2026-01-31", alice)
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    name = f"statement-{alice.account.public_id[:8]}-20260101T000000Z-20260201T000000Z.csv"
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{name}"'
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("query", "code"),
    [("?from=x", "invalid_datetime"), ("?from=2026-02-02&to=2026-01-31", "invalid_range"), ("?to=2026-13-01", "invalid_datetime")],
)
def test_a_period_that_is_none_is_refused(api: Api, alice: Person, query: str, code: str) -> None:
    before = factories.books_now()
    answer = api.get(f"/v1/statement{query}", alice)
    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert factories.books_now() == before


def test_members_and_keys_read_it_and_strangers_do_not(api: Api, cast: Cast) -> None:
    busy_history(cast.alice.account)
    named = f"?account={cast.alice.account.public_id}"
    for by in (cast.bob, actors.customer_key(cast.alice, ["billing:read"]), actors.platform_key(["billing:read"])):
        assert api.get(f"/v1/statement{named}", by).status_code == 200
    assert api.get(f"/v1/statement{named}", cast.charlie).status_code == 404
    assert api.get("/v1/statement", actors.customer_key(cast.alice, ["usage:read"])).status_code == 403
    assert api.get("/v1/statement").status_code == 401


def test_a_reader_that_is_strict_reads_it(api: Api, alice: Person) -> None:
    busy_history(alice.account)
    read: Any = csv.reader(StringIO(fetch(api, alice), newline=""), strict=True)
    assert {len(row) for row in read} == {len(COLUMNS)}


def test_the_verifier_knows_every_kind_and_book_of_the_ledger() -> None:
    shapes = runpy.run_path(str(VERIFIER))["ENTRY"]
    assert [kind for kind in Kind.values if not re.fullmatch(shapes["kind"], kind)] == []
    assert [book for book in Book.values if not re.fullmatch(shapes["book"], book)] == []
