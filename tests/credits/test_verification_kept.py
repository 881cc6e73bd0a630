"""A verification leaves its result behind, marks the accounts that disagree, and runs once at a time."""

import threading
from collections.abc import Callable
from io import StringIO
from typing import Final

import pytest
from django.core.management import call_command
from django.db import OperationalError, connection, transaction

from accounts.models import Account
from billing_platform import tasks
from billing_platform.verification_keeping import AskedBy, Kept, ask_for_verification, keep_verification
from billing_platform.wiring import CHECKS
from core import clock
from core.locks import single_flight
from core.models import AuditRecord, VerificationFinding, VerificationRun
from core.verification import HOUSE
from credits.models import Wallet
from credits.selectors import disagrees_since, is_in_doubt
from credits.services.doubts import clear_doubts, mark_doubts
from credits.services.house import House, HouseItem, book_house
from tests import factories
from tests.factories import books_now
from tests.threads import at_once, failures

pytestmark = pytest.mark.django_db(transaction=True)

State = VerificationRun.State
LIE: Final = "UPDATE wallet SET balance_nanos = balance_nanos + 1 WHERE account_id = %(account)s"
TRUTH: Final = "UPDATE wallet SET balance_nanos = balance_nanos - 1 WHERE account_id = %(account)s"


def corrupt(sql: str, **values: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(sql, values)
        assert cursor.rowcount > 0
        cursor.execute("SET session_replication_role = origin")


def verify(account_id: int | None = None, say: Callable[[str], None] | None = None) -> Kept | None:
    return keep_verification(asked_by=AskedBy.COMMAND, tell_time=clock.now, account_id=account_id, say=say)


def customer() -> Account:
    account = factories.make_account()
    factories.give(account, 100)
    factories.give(account, 50)
    return account


def command(*arguments: str) -> tuple[int, str]:
    out, err = StringIO(), StringIO()
    try:
        call_command("verify_ledger", *arguments, stdout=out, stderr=err)
    except SystemExit as left:
        return int(str(left.code)), err.getvalue()
    return 0, err.getvalue()


def test_a_run_over_books_that_agree_is_kept_with_what_it_looked_at() -> None:
    customer(), customer()
    kept = verify()
    assert kept is not None
    run = VerificationRun.objects.get()
    assert (run.state, run.asked_by, run.account_id) == (State.OK, AskedBy.COMMAND, None)
    assert (run.checks, run.checks_run, run.accounts, run.entries) == (len(CHECKS), len(CHECKS), 2, 4)
    assert (run.discrepancies, run.late_wallets, run.at_check, run.range_low) == (0, 0, "", None)
    assert run.finished_at is not None
    assert run.started_at <= run.finished_at


def test_looking_changes_nothing_in_the_books() -> None:
    customer()
    before = books_now()
    verify()
    assert books_now() == before


def test_an_account_that_disagrees_is_named_marked_and_cleared_by_a_run_that_finds_nothing() -> None:
    liar, honest = customer(), customer()
    clock_before = Wallet.objects.get(pk=liar.pk).clock_at
    corrupt(LIE, account=liar.pk)
    verify()
    run = VerificationRun.objects.get()
    assert run.state == State.DISAGREES
    assert run.discrepancies == VerificationFinding.objects.filter(run=run).count() > 0
    assert set(VerificationFinding.objects.values_list("account_id", flat=True)) == {liar.pk}
    assert (is_in_doubt(liar.pk), is_in_doubt(honest.pk)) == (True, False)
    assert Wallet.objects.get(pk=liar.pk).clock_at == clock_before

    since = disagrees_since(liar.pk)
    verify()
    assert disagrees_since(liar.pk) == since
    verify(honest.pk)
    assert is_in_doubt(liar.pk)

    corrupt(TRUTH, account=liar.pk)
    assert is_in_doubt(liar.pk)
    verify()
    assert not is_in_doubt(liar.pk)


def test_a_run_over_one_account_marks_and_clears_that_one_only() -> None:
    liar, other = customer(), customer()
    corrupt(LIE, account=liar.pk)
    corrupt(LIE, account=other.pk)
    assert command("--account", str(liar.pk))[0] == 1
    assert (is_in_doubt(liar.pk), is_in_doubt(other.pk)) == (True, False)
    verify()
    corrupt(TRUTH, account=liar.pk)
    corrupt(TRUTH, account=other.pk)
    assert command("--account", str(liar.pk)) == (0, "")
    assert (is_in_doubt(liar.pk), is_in_doubt(other.pk)) == (False, True)
    run = VerificationRun.objects.order_by("-id")[0]
    assert (run.account_id, run.accounts, run.entries) == (liar.pk, 1, 2)


def test_a_mark_made_after_the_look_stays() -> None:
    account = customer()
    began = clock.now()
    mark_doubts(account_ids=[account.pk], now=clock.now())
    assert clear_doubts(low=1, high=10**9, but=(), before=began) == 0
    assert clear_doubts(low=1, high=10**9, but={account.pk}, before=clock.now()) == 0
    assert is_in_doubt(account.pk)
    assert clear_doubts(low=1, high=10**9, but=(), before=clock.now()) == 1
    assert not is_in_doubt(account.pk)


def test_marking_waits_for_whoever_holds_the_wallet() -> None:
    account = customer()
    is_held, order = threading.Event(), list[str]()

    def spend() -> None:
        with transaction.atomic():
            Wallet.objects.select_for_update().get(pk=account.pk)
            is_held.set()
            wait_for_a_waiter()
            order.append("spent")

    def mark() -> None:
        assert is_held.wait(30)
        mark_doubts(account_ids=[account.pk], now=clock.now())
        order.append("marked")

    assert failures(at_once(spend, mark)) == []
    assert order == ["spent", "marked"]


def wait_for_a_waiter() -> None:
    """Until somebody waits for a lock."""
    for _ in range(600):
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
            if cursor.fetchone()[0]:
                return
            cursor.execute("SELECT pg_sleep(0.05)")
    raise AssertionError("nobody waited")


def test_the_house_is_looked_at_with_all_and_has_no_wallet_to_mark() -> None:
    account = customer()
    book_house(house=House.TAX, items=[HouseItem(5, "tests:1", clock.now().date())], now=clock.now())
    corrupt("UPDATE house_entry SET balance_after_nanos = 6")
    assert command("--account", str(account.pk)) == (0, "")
    code, err = command()
    assert code == 1
    assert "account 0, invariant 1: house balances chain" in err


def test_of_two_at_once_the_second_says_so_and_looks_at_nothing() -> None:
    account = customer()
    is_inside, may_go_on = threading.Event(), threading.Event()

    def first() -> Kept | None:
        def say(_line: str) -> None:
            is_inside.set()
            assert may_go_on.wait(60)

        return verify(say=say)

    def second() -> list[object]:
        assert is_inside.wait(60)
        try:
            return [verify(), command()[0], tasks.verify_ledger(), command("--account", str(account.pk))[0]]
        finally:
            may_go_on.set()

    one, two = at_once(first, second)
    assert isinstance(one, Kept)
    assert two == [None, 4, None, 0]
    states = dict(VerificationRun.objects.values_list("account_id", "state"))
    assert states == {None: State.OK, account.pk: State.OK}
    assert VerificationRun.objects.count() == 2


def test_what_ends_a_run_is_kept_as_its_problem_and_the_next_one_may_run() -> None:
    customer()

    def fail(line: str) -> None:
        if "pays tile" in line:
            raise LookupError

    with pytest.raises(LookupError):
        verify(say=fail)
    run = VerificationRun.objects.get()
    assert (run.state, run.problem, run.at_check) == (State.FAILED, "LookupError", "pays tile")
    assert verify() is not None


def test_a_run_whose_connection_dies_is_buried_by_the_next() -> None:
    customer()

    def die(_line: str) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    (died,) = at_once(lambda: verify(say=die))
    assert isinstance(died, OperationalError)
    assert VerificationRun.objects.get().state == State.RUNNING
    assert verify() is not None
    assert [*VerificationRun.objects.order_by("id").values_list("state", flat=True)] == [State.FAILED, State.OK]


def test_no_transaction_is_open_while_progress_is_told() -> None:
    customer()
    verify(say=lambda _line: assert_no_transaction())


def assert_no_transaction() -> None:
    assert not connection.in_atomic_block


def test_the_lock_is_given_back() -> None:
    verify()
    with single_flight("verify_ledger all") as is_mine:
        assert is_mine


def test_an_operators_wish_is_audited_and_done_by_a_worker(caplog: pytest.LogCaptureFixture) -> None:
    account = customer()
    corrupt(LIE, account=account.pk)
    for account_id in (account.pk, None):
        ask_for_verification(account_id=account_id, actor_id=1, reason="Because of ticket 4711.", now=clock.now())
        audit = AuditRecord.objects.order_by("-id")[0]
        assert (audit.act, audit.account_id, audit.reason) == ("verify_books", account_id, "Because of ticket 4711.")
        run = VerificationRun.objects.order_by("-id")[0]
        assert (run.account_id, run.asked_by, run.state) == (account_id, AskedBy.OPERATOR, State.DISAGREES)
    assert f"ledger disagrees: account {account.pk}, invariant 1" in caplog.text


def test_the_nightly_task_says_how_many_disagree() -> None:
    account = customer()
    assert tasks.verify_ledger() == 0
    corrupt(LIE, account=account.pk)
    run_before = VerificationRun.objects.count()
    found = tasks.verify_ledger()
    assert found == VerificationRun.objects.order_by("-id")[0].discrepancies > 0
    assert VerificationRun.objects.count() == run_before + 1


class Terminal(StringIO):
    """A screen: where it stands is shown, and how fast it was."""

    def isatty(self) -> bool:
        return True


def test_a_terminal_is_shown_progress_and_pace() -> None:
    customer()
    screen = Terminal()
    call_command("verify_ledger", stdout=StringIO(), stderr=screen)
    assert "pays tile" in screen.getvalue()
    assert "1 accounts, 2 entries in" in screen.getvalue()
    assert "a second" in screen.getvalue()


def test_the_house_alone_is_account_0_and_not_all() -> None:
    with single_flight("verify_ledger all") as is_mine:
        assert is_mine
        assert at_once(lambda: verify() is None, lambda: verify(HOUSE) is None) == [True, False]
    assert VerificationRun.objects.get().account_id == HOUSE
    ask_for_verification(account_id=HOUSE, actor_id=1, reason="Tests.", now=clock.now())
    row = AuditRecord.objects.get(act="verify_books")
    assert (row.object_type, row.object_id, row.account_id) == ("account", "0", 0)
