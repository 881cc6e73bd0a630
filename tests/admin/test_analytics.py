"""Usage and revenue as operators see them: numbers by hand, who may, what a page costs, downloads."""

import csv
import io
import itertools
import json
import re
from datetime import UTC, datetime, timedelta
from typing import Final

import pytest
from django.contrib.auth.models import Group, Permission
from django.db import connection
from django.test import Client

from accounts.models import Account, User
from billing_platform.console import analytics_tables as tables
from billing_platform.console.analytics import safe_cell
from billing_platform.console.analytics_period import asked_period
from billing_platform.console.roles import load_roles
from core import clock
from credits.books import Source
from credits.models import Category, House, Kind, LedgerEntry
from credits.services.adjustments import write_off
from credits.services.house import HouseItem, book_house
from credits.services.returns import return_usage
from credits.services.revenue import fold_revenue
from credits.services.wallets import read_wallet
from tests import factories
from tests.actors import PASSWORD, make_operator
from tests.admin.house import every_row, logged_in
from tests.admin.looking import queries, text_of
from tests.spending import price, report
from usage.models import UsageEvent
from usage.rating import Prices
from usage.services.counting import count_account
from usage.services.platform_days import fold_platform_usage

PAGE: Final = "/admin/analytics/"
DOLLAR: Final = 10**9
DAY: Final = timedelta(days=1)
MONDAY: Final = datetime(2026, 3, 9, 12, tzinfo=UTC)
TUESDAY: Final = MONDAY + DAY
SPAN: Final = {"period": "range", "from": "2026-03-09", "to": "2026-03-10"}
SECOND: Final = Prices(0, 0, 0, 0, 0, 0, 0, DOLLAR, 10_000)
"""One dollar a second of use."""
TABLES: Final = ("day", "model", "account", "key", "status", "revenue", "revenue-account")
_keys = itertools.count()


@pytest.fixture
def boss(db: None) -> Client:
    return logged_in(make_operator())


@pytest.fixture
def clerk(db: None) -> Client:
    return logged_in(User.objects.create_user("clerk@example.com", PASSWORD, is_staff=True))


@pytest.fixture
def account(db: None) -> Account:
    factories.forget_memories()
    for code in ("clock", "bell"):
        price(code, SECOND, since=MONDAY - 100 * DAY)
    made = factories.make_account()
    made.name = "Acme"
    made.save(update_fields=["name"])
    return made


def use(account: Account, dollars: int, at: datetime, **said: object) -> LedgerEntry:
    factories.end_of_transaction()
    name = f"analytics-{next(_keys)}"
    report(account, name, now=at, **({"model": "clock", "input_tokens": 10, "seconds": dollars} | said))
    return LedgerEntry.objects.get(account=account, source_id=name)


def pay_in(account: Account, dollars: int, at: datetime, *, expires_at: datetime | None = None) -> None:
    factories.give(account, dollars * DOLLAR, kind=Kind.PURCHASE, category=Category.PAID, now=at, expires_at=expires_at)


def fold(now: datetime = TUESDAY + DAY) -> None:
    fold_platform_usage(now=now, has_time=clock.forever)
    fold_revenue(now=now, has_time=clock.forever)


def small_history(account: Account) -> tuple[Account, Account]:
    """Two days of three accounts: paid and promotional use, a debt settled and written off, an expiry, a return, an absorbed call."""
    debtor, saver = factories.make_account(), factories.make_account()
    pay_in(account, 100, MONDAY)
    factories.give(account, 3 * DOLLAR, now=MONDAY)
    first = use(account, 10, MONDAY)
    use(account, 4, MONDAY, model="bell", status="failed")
    source = Source("tests", "", "tests:back")
    return_usage(account_id=account.pk, seq=first.seq, amount_nanos=2 * DOLLAR, source=source, now=TUESDAY)

    use(debtor, 20, MONDAY)
    pay_in(debtor, 15, TUESDAY)
    write_off(account_id=debtor.pk, amount_nanos=DOLLAR, reason="Tests.", actor_id=None, source_key="tests:forgiven", now=TUESDAY)

    pay_in(saver, 50, MONDAY, expires_at=MONDAY + timedelta(hours=20))
    use(saver, 1, MONDAY)
    read_wallet(account_id=saver.pk, now=TUESDAY)
    use(saver, 2, TUESDAY)
    book_house(house=House.ABSORBED, items=[HouseItem(5 * DOLLAR, "tests:absorbed", MONDAY.date(), saver.pk)], now=TUESDAY)
    fold()
    return debtor, saver


def row_of(text: str, start: str, cells: int) -> list[str]:
    """The cells that follow a group's name on the page."""
    tables = text.split("Margin covers", 1)[1]
    found = re.search(rf"{re.escape(start)} ((?:\S+ (?:\([\d.]+ %\) )?){{{cells}}})", tables)
    assert found is not None, (start, text)
    return re.sub(r" \([\d.]+ %\)", "", found[1]).split()


def test_two_days_of_three_accounts_by_hand(account: Account, boss: Client) -> None:
    debtor, saver = small_history(account)
    text = text_of(boss, PAGE, **SPAN)
    for words in (
        "Events 5 1 failed (20.0 %)",
        "Tokens 50",
        "Charged $37.00",
        "Absorbed $5.00",
        "Margin – no provider cost is known",
        "Earned $25.00",
        "Promotional $3.00",
        "Owed, on balance $6.00",
        "Breakage $49.00",
        "Usage is folded up to 2026-03-11 12:00:00 UTC",
        "Revenue is folded through 2026-03-10",
    ):
        assert words in text, words
    assert row_of(text, "clock", 4) == ["4", "0", "40", "$33.00"]
    assert row_of(text, "bell", 4) == ["1", "1", "10", "$4.00"]
    for row in ("2026-03-09 $12.00 $12.00 $3.00 $20.00 $0.00", "2026-03-10 $13.00 $0.00 $0.00 $2.00 $15.00 $0.00 $2.00 $1.00 $49.00 $0.00"):
        assert row in text, row
    accounts = text_of(boss, PAGE, by="account", **SPAN)
    assert row_of(accounts, f"account {debtor.public_id[:8]}", 4) == ["1", "0", "10", "$20.00"]
    assert f"account {saver.public_id[:8]} $1.00 $1.00" in accounts
    assert row_of(text_of(boss, PAGE, by="key", **SPAN), f"no key of account {debtor.public_id[:8]}", 2) == ["1", "0"]


def test_an_accounts_page_shows_its_own(account: Account, boss: Client) -> None:
    debtor, _ = small_history(account)
    text = text_of(boss, PAGE, account=debtor.public_id, **SPAN)
    assert "Charged $20.00" in text
    assert "Earned $15.00" in text
    assert "Acme" not in text
    assert f"{PAGE}?period=30d&amp;account={debtor.public_id}" in boss.get(f"/admin/accounts/account/{debtor.pk}/change/").content.decode()
    assert boss.get(PAGE, {"account": "f" * 32}).status_code == 404


def test_the_margin_speaks_of_calls_whose_provider_cost_is_known(account: Account, boss: Client) -> None:
    use(account, 10, MONDAY)
    use(account, 30, MONDAY, model="bell")
    count_account(account_id=account.pk)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE usage_quarter SET provider_cost_nanos = 4 * 10^9, costed_nanos = 10^10 WHERE cost_nanos = 10^10")
    fold()
    text = text_of(boss, PAGE, **SPAN)
    assert "Provider cost $4.00 where it is known Margin $6.00 covers 25.0 % of what was charged" in text
    assert row_of(text, "clock", 6) == ["1", "0", "10", "$10.00", "$4.00", "$6.00"]
    assert row_of(text, "bell", 6) == ["1", "0", "10", "$30.00", "–", "–"]


def test_the_last_day_is_shown_by_the_hour(account: Account, boss: Client) -> None:
    now = clock.now()
    use(account, 3, now)
    use(account, 4, now - timedelta(hours=30))
    fold(now)
    hour = f"{now:%Y-%m-%d %H}:00"
    for of in ({}, {"account": account.public_id}):
        text = text_of(boss, PAGE, period="24h", **of)
        assert row_of(text, hour, 4) == ["1", "0", "10", "$3.00"]
        assert "Charged $3.00" in text
    assert "by whole UTC days: " in text_of(boss, PAGE, period="24h", by="account")


@pytest.mark.parametrize(
    "query", [{"period": name} for name in ("24h", "7d", "30d", "90d")] + [SPAN, {"period": "month", "month": "2026-03"}]
)
def test_an_empty_platform_has_pages_all_the_same(boss: Client, query: dict[str, str]) -> None:
    text = text_of(boss, PAGE, **query)
    assert "Nothing in this time." in text
    assert "its job has not run" in text
    for name in TABLES:
        answer = boss.get(f"{PAGE}{name}.csv", query)
        assert len(b"".join(answer.streaming_content).splitlines()) == 1  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"period": "century"}, "no such period"),
        ({"period": "month", "month": "March"}, "A month is written like"),
        ({"period": "month", "month": "0000-01"}, "A month is written like"),
        ({"period": "range", "from": "yesterday"}, "A day is written like"),
        ({"period": "range", "from": "2026-03-10", "to": "2026-03-09"}, "after the first"),
        ({"period": "range", "from": "2025-01-01", "to": "2026-03-09"}, "400 days at most"),
    ],
)
def test_a_time_that_cannot_be_had_is_said(boss: Client, query: dict[str, str], said: str) -> None:
    assert said in text_of(boss, PAGE, **query)


def test_only_who_may_sees_them(clerk: Client, client: Client, account: Account) -> None:
    for url in (PAGE, *(f"{PAGE}{name}.csv" for name in TABLES)):
        assert clerk.get(url).status_code == 403, url
        assert client.get(url)["Location"].startswith("/admin/login/"), url
    assert PAGE not in clerk.get("/admin/").content.decode()
    User.objects.get(email="clerk@example.com").user_permissions.add(Permission.objects.get(codename="view_analytics"))
    assert clerk.get(PAGE).status_code == 200
    assert PAGE in clerk.get("/admin/").content.decode()


def test_revenue_of_all_accounts_is_for_operations_and_finance(db: None) -> None:
    load_roles()
    roles = Group.objects.filter(permissions__codename="view_analytics").order_by("name").values_list("name", flat=True)
    assert list(roles) == ["billing operations", "finance"]
    assert Group.objects.filter(permissions__codename="view_usageevent").count() == 3


def test_accounts_and_keys_have_a_plot_of_what_they_were_charged(account: Account, boss: Client) -> None:
    debtor, saver = small_history(account)
    for query, groups in (
        ({"by": "account"}, "Accounts"),
        ({"by": "key"}, "API keys"),
        ({}, "Models"),
        ({"account": debtor.public_id}, "API keys"),
    ):
        assert f"{groups} that were charged most ($)" in text_of(boss, PAGE, **SPAN, **query)
    found = boss.get(PAGE, SPAN | {"by": "account"}).context
    assert found is not None
    (plot,) = found["plots"]
    data = json.loads(plot.data)
    assert data["labels"] == [str(debtor), str(account), str(saver)]
    assert data["datasets"][0]["data"] == [20.0, 14.0, 3.0]


@pytest.mark.parametrize("by", ["account", "key"])
def test_a_long_time_is_narrowed_by_account_and_by_key_and_says_so(account: Account, boss: Client, by: str) -> None:
    use(account, 7, MONDAY - 93 * DAY + DAY)
    use(account, 1, MONDAY)
    fold()
    year = {"period": "range", "from": "2025-03-10", "to": "2026-03-10"}
    text = text_of(boss, PAGE, by=by, **year)
    assert "By account and by key a report covers 93 days at most. Shown: 2025-12-08 to 2026-03-10." in text
    assert "Charged $8.00" in text_of(boss, PAGE, **year)
    assert f"{by}.csv?period=range&amp;from=2025-12-08&amp;to=2026-03-10" in boss.get(PAGE, year | {"by": by}).content.decode()
    assert "at most" not in text_of(boss, PAGE, account=account.public_id, **year)


def test_a_download_of_a_time_that_cannot_be_had_is_refused(account: Account, boss: Client) -> None:
    year = {"period": "range", "from": "2025-03-10", "to": "2026-03-10"}
    for name in ("account", "key", "revenue-account"):
        answer = boss.get(f"{PAGE}{name}.csv", year)
        assert (answer.status_code, "93 days at most" in answer.content.decode()) == (400, True)
    assert boss.get(f"{PAGE}day.csv", {"period": "century"}).status_code == 400
    for query in (year | {"account": account.public_id}, SPAN):
        assert boss.get(f"{PAGE}key.csv", query).status_code == 200
    assert boss.get(f"{PAGE}model.csv", year).status_code == 200


def test_a_download_that_is_cut_says_so_in_its_last_row(account: Account) -> None:
    small_history(account)
    period = asked_period(SPAN, now=TUESDAY)
    for name in ("account", "key", "revenue-account"):
        whole = list(tables.download(name, period, None))
        assert len(whole) == 4
        assert list(tables.download(name, period, None, limit=3)) == whole
        assert list(tables.download(name, period, None, limit=2)) == [*whole[:3], ("cut after 2 rows; narrow the period",)]


def test_a_page_asks_as_many_questions_however_much_there_is(account: Account, boss: Client) -> None:
    use(account, 1, MONDAY)
    fold()
    boss.get(PAGE, SPAN)
    with queries() as few:
        boss.get(PAGE, SPAN)
        boss.get(PAGE, SPAN | {"by": "account"})
    for _ in range(5):
        small_history_of(factories.make_account())
    fold()
    with queries() as many:
        boss.get(PAGE, SPAN)
        boss.get(PAGE, SPAN | {"by": "account"})
    assert len(many) == len(few) < 30


def small_history_of(account: Account) -> None:
    for hour in range(3):
        use(account, 1, MONDAY + timedelta(hours=hour), model=("clock", "bell")[hour % 2])


def test_a_page_reads_no_event_and_no_entry(account: Account, boss: Client) -> None:
    small_history(account)
    periods = (SPAN, {"period": "24h"})
    for query in (period | more for period in periods for more in ({}, {"by": "account"}, {"by": "key"}, {"account": account.public_id})):
        with queries() as statements:
            boss.get(PAGE, query)
        plans = [plan_of(statement) for statement in statements if statement.startswith("SELECT")]
        assert plans
        assert [plan for plan in plans if re.search(r"\b(usage_event|ledger_entry|allocation)\b", plan)] == []


def plan_of(statement: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {statement}")
        return "\n".join(line for (line,) in cursor.fetchall())


def test_more_groups_than_a_page_shows_are_summed(account: Account, boss: Client) -> None:
    for number in range(27):
        other = factories.make_account()
        pay_in(other, 100, MONDAY)
        use(other, 1 + (number == 26), MONDAY)
    fold()
    text = text_of(boss, PAGE, by="account", **SPAN)
    assert row_of(text, "All others, after the first 25", 4) == ["2", "0", "20", "$2.00"]
    assert "All others, after the first 25 $2.00 $2.00 $0.00" in text
    assert len(lines(boss, "account", **SPAN)) == 28


def test_a_download_is_exact_and_whole(account: Account, boss: Client) -> None:
    debtor, saver = small_history(account)
    by_account = lines(boss, "account", **SPAN)
    assert by_account[0] == [
        *("account", "account_name", "events", "failed", "tokens", "charged_usd"),
        *("provider_cost_usd", "margin_usd", "costed_usd"),
    ]
    assert [row[0] for row in by_account[1:]] == [debtor.public_id, account.public_id, saver.public_id]
    assert by_account[2][1:6] == ["Acme", "2", "1", "20", "14.00"]
    assert lines(boss, "day", **SPAN)[1:] == [
        ["2026-03-09", "4", "1", "40", "35.00", "0.00", "0.00", "0.00"],
        ["2026-03-10", "1", "0", "10", "2.00", "0.00", "0.00", "0.00"],
    ]
    assert lines(boss, "revenue", **SPAN)[2] == [
        "2026-03-10", "0.00", "0.00", "2.00", "15.00", "0.00", "1.00", "2.00", "0.00", "0.00", "49.00", "0.00", "13.00",
    ]  # fmt: skip
    assert [row[0] for row in lines(boss, "revenue-account", **SPAN)[1:]] == [debtor.public_id, account.public_id, saver.public_id]
    assert lines(boss, "key", **SPAN)[1][:3] == ["", "", debtor.public_id]
    assert lines(boss, "model", account=saver.public_id, **SPAN)[1][:4] == ["clock", "2", "0", "20"]
    assert boss.get(f"{PAGE}nonsense.csv").status_code == 404


def test_a_name_that_is_a_formula_is_text_in_a_download(account: Account, boss: Client) -> None:
    account.name = '=HYPERLINK("https://example.com")'
    account.save(update_fields=["name"])
    use(account, 1, MONDAY)
    fold()
    assert lines(boss, "account", **SPAN)[1][1] == '\'=HYPERLINK("https://example.com")'
    assert [safe_cell(cell) for cell in ("+1", "-cmd", "@x", "\tx", "-5.00", -5, "a=b")] == [
        "'+1",
        "'-cmd",
        "'@x",
        "'\tx",
        "-5.00",
        -5,
        "a=b",
    ]


def lines(browser: Client, name: str, **query: str) -> list[list[str]]:
    answer = browser.get(f"{PAGE}{name}.csv", query)
    assert (answer.status_code, answer["Content-Type"]) == (200, "text/csv; charset=utf-8")
    text = b"".join(answer.streaming_content).decode()  # type: ignore[attr-defined]
    return list(csv.reader(io.StringIO(text)))


def test_looking_changes_nothing(account: Account, boss: Client) -> None:
    small_history(account)
    before = every_row()
    boss.get(PAGE, SPAN)
    for name in TABLES:
        lines(boss, name, **SPAN)
    assert (every_row(), UsageEvent.objects.count()) == (before, 5)
