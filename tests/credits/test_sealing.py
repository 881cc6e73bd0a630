"""Seals: one chain over what was booked, whoever seals at once or dies half-way; and what verification sees when the tables lie."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from hashlib import sha256
from typing import Final

import pytest
from django.db import DatabaseError, connection, transaction
from django.test.utils import CaptureQueriesContext

from accounts.models import Account
from core import clock
from core.locks import try_claim
from credits import chains
from credits.books import chain
from credits.models import Checkpoint, LedgerEntry, Seal
from credits.services.sealing import seal_ledger
from credits.tasks import seal_entries
from tests import factories
from tests.credits.paper import busy_history, digest, seal
from tests.spending import adjust, report
from tests.threads import at_once, failures, successes

TRIGGERS: Final = ("ledger_entry", "ledger_seal", "ledger_checkpoint")


def invariant_14() -> list[tuple[int, str]]:
    """What verification says of seals, of every account and of none."""
    from billing_platform.wiring import CHECKS  # noqa: PLC0415  The checks as they are wired.

    return [found for check in CHECKS if check.invariant == 14 for found in check.find(-1, 2**62)]


@contextmanager
def by_hand() -> Iterator[None]:
    """The tables without their triggers, as the tables' owner may have them."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        for table in TRIGGERS:
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        yield
        for table in TRIGGERS:
            cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")


def lie(sql: str, **values: int | str) -> None:
    with by_hand(), connection.cursor() as cursor:
        cursor.execute(sql, values)
        assert cursor.rowcount > 0


@pytest.fixture
def account(db: None) -> Account:
    account = factories.make_account()
    busy_history(account)
    return account


def cells(entry: LedgerEntry) -> dict[str, str]:
    """An entry's cells as docs/proof.md says them."""
    return {
        "id": str(entry.pk),
        "seq": str(entry.seq),
        "kind": entry.kind,
        "book": entry.book,
        "amount_nanos": str(entry.amount_nanos),
        "balance_after_nanos": str(entry.balance_after_nanos),
        "spent_after_nanos": str(entry.spent_after_nanos),
        "reverses": "" if entry.reverses is None else str(entry.reverses),
        "occurred_at": entry.occurred_at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "created_at": entry.created_at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "source": f"{entry.source_type}:{entry.source_id}",
    }


def test_a_checkpoint_is_the_chain_of_every_entry_before_it(account: Account) -> None:
    seal()
    link = sha256(f"account:{account.public_id}".encode()).digest()
    for entry in LedgerEntry.objects.filter(account=account).order_by("seq"):
        link = sha256(link + digest(cells(entry))).digest()
    point = Checkpoint.objects.get(account=account)
    assert (point.seq, bytes(point.link)) == (11, link)


def test_the_database_writes_text_as_python_does(account: Account) -> None:
    odd = ["é", "日本", '"\\/', "\x01\x1f\x7f", "\b\f\n\r\t", "\u2028", "😀", "</script>", "'"]
    for name in odd:
        lie("UPDATE ledger_entry SET source_id = %(name)s WHERE account_id = %(account)s AND seq = 3", name=name, account=account.pk)
        (found,) = chains.read_digests([chains.Stretch(account.pk, 2, 3)])
        assert found == digest(cells(LedgerEntry.objects.get(account=account, seq=3))), name


def test_checkpoints_are_at_most_a_thousand_entries_apart(account: Account) -> None:
    report(account, *[f"more-{number}" for number in range(2_500)])
    seal()
    assert list(Checkpoint.objects.order_by("seq").values_list("seq", flat=True)) == [1_000, 2_000, 2_511]
    assert (Seal.objects.get().checkpoints, Seal.objects.get().entries) == (3, 2_511)
    assert invariant_14() == []


def test_a_seal_covers_what_is_new_and_nothing_twice(account: Account) -> None:
    other = factories.make_account()
    assert seal_ledger(now=clock.now()) == 1
    assert seal_ledger(now=clock.now()) == 0
    adjust(other, 5)
    adjust(account, 5)
    adjust(account, 6)
    assert seal_ledger(now=clock.now()) == 1
    first, second = Seal.objects.order_by("number")
    assert (first.number, first.entries, bytes(first.previous)) == (1, 11, bytes(32))
    assert (second.number, second.entries, bytes(second.previous)) == (2, 3, bytes(first.digest))
    assert set(Checkpoint.objects.filter(seal=second).values_list("account_id", "seq")) == {(account.pk, 13), (other.pk, 1)}
    assert invariant_14() == []


def test_sealing_moves_no_money(account: Account) -> None:
    before = factories.books_now()
    seal()
    after = factories.books_now()
    assert {table for table in before if before[table] != after[table]} == {"ledger_seal", "ledger_checkpoint"}


def test_a_long_backlog_is_sealed_piece_by_piece_and_nobody_waits_for_ever(account: Account) -> None:
    others = [factories.make_account() for _ in range(3)]
    for other in others:
        adjust(other, 1)
    report(account, *[f"more-{number}" for number in range(2_500)])
    rounds = iter([True, True, False])
    assert seal_ledger(now=clock.now(), has_time=lambda: next(rounds), entries_max=1_000) == 2
    assert Checkpoint.objects.filter(account__in=others).count() == 3
    assert seal_ledger(now=clock.now(), entries_max=1_000) == 1
    assert Checkpoint.objects.filter(account=account).order_by("-seq").values_list("seq", flat=True).first() == 2_511
    assert sum(Seal.objects.values_list("entries", flat=True)) == LedgerEntry.objects.count()
    assert invariant_14() == []


def test_what_one_seal_covers_is_looked_for_once(account: Account) -> None:
    adjust(factories.make_account(), 1)
    with CaptureQueriesContext(connection) as asked:
        seal()
    walks = [query for query in asked.captured_queries if "FROM wallet w" in query["sql"]]
    assert len(walks) == 2


def test_seals_never_go_back_in_time(account: Account) -> None:
    now = clock.now()
    seal_ledger(now=now)
    adjust(account, 1)
    seal_ledger(now=now - timedelta(hours=1))
    assert set(Seal.objects.values_list("sealed_at", flat=True)) == {now}


def test_an_account_with_a_gap_is_left_out_and_said(account: Account, caplog: pytest.LogCaptureFixture) -> None:
    other = factories.make_account()
    adjust(other, 5)
    lie("DELETE FROM ledger_entry WHERE account_id = %(account)s AND seq = 4", account=account.pk)
    with caplog.at_level(logging.ERROR):
        seal()
    assert list(Checkpoint.objects.values_list("account_id", flat=True)) == [other.pk]
    assert f"account {account.pk} cannot be sealed" in caplog.text


def test_an_account_with_a_gap_and_a_long_tail_stops_nobody_elses_seals(account: Account, caplog: pytest.LogCaptureFixture) -> None:
    others = [factories.make_account() for _ in range(3)]
    for other in others:
        adjust(other, 5)
        adjust(other, 6)
    lie("DELETE FROM ledger_entry WHERE account_id = %(account)s AND seq = 4", account=account.pk)
    with caplog.at_level(logging.ERROR):
        seal_ledger(now=clock.now(), entries_max=4)
    assert set(Checkpoint.objects.values_list("account_id", "seq")) == {(other.pk, 2) for other in others}
    assert caplog.text.count(f"account {account.pk} cannot be sealed") == 1
    for other in others:
        adjust(other, 7)
    seal_ledger(now=clock.now(), entries_max=1)
    assert Checkpoint.objects.filter(seq=3, account__in=others).count() == 3
    assert {who for invariant, who, _ in factories.disagreements() if invariant == 1} == {account.pk}
    assert invariant_14() == []


def test_an_account_is_sealed_up_to_its_gap(account: Account) -> None:
    report(account, *[f"more-{number}" for number in range(1_500)])
    lie("DELETE FROM ledger_entry WHERE account_id = %(account)s AND seq = 1200", account=account.pk)
    seal()
    assert list(Checkpoint.objects.values_list("account_id", "seq")) == [(account.pk, 1_000)]
    seal()
    assert Seal.objects.count() == 1


def test_the_digest_of_a_seal_is_logged(account: Account, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="credits.services.sealing"):
        seal()
    assert bytes(Seal.objects.get().digest).hex() in caplog.text


def test_the_job_seals(account: Account) -> None:
    assert seal_entries() == 1
    assert Seal.objects.count() == 1


@pytest.mark.parametrize("table", ["ledger_seal", "ledger_checkpoint"])
@pytest.mark.parametrize("act", ["UPDATE {} SET {}", "DELETE FROM {}"])
def test_seals_are_never_rewritten(account: Account, table: str, act: str) -> None:
    seal()
    change = {"ledger_seal": "entries = 9", "ledger_checkpoint": "seq = 9"}[table]
    before = factories.books_now()
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(act.format(table, change))
    assert factories.books_now() == before


@pytest.mark.django_db(transaction=True)
def test_sealers_at_once_make_one_chain() -> None:
    account = factories.make_account()
    busy_history(account)
    for turn in range(5):
        adjust(account, turn + 1)
        outcomes = at_once(*[lambda: seal_ledger(now=clock.now())] * 6)
        assert failures(outcomes) == []
        assert sum(successes(outcomes)) == 1
    seals = list(Seal.objects.order_by("number"))
    assert [one.number for one in seals] == [1, 2, 3, 4, 5]
    assert sum(one.entries for one in seals) == LedgerEntry.objects.count()
    assert invariant_14() == []


@pytest.mark.django_db(transaction=True)
def test_a_sealer_beside_spending_seals_what_is_committed_and_waits_for_nobody() -> None:
    account = factories.make_account()
    adjust(account, 5)

    def spend() -> int:
        for _ in range(20):
            adjust(account, 1)
        return 0

    outcomes = at_once(spend, *[lambda: sum(seal_ledger(now=clock.now()) for _ in range(20))] * 2)
    assert failures(outcomes) == []
    seal()
    assert sum(Seal.objects.values_list("entries", flat=True)) == 21
    assert invariant_14() == []


@pytest.mark.django_db(transaction=True)
def test_a_sealer_that_waits_for_a_locked_wallet_would_never_end() -> None:
    account = factories.make_account()
    adjust(account, 5)
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM wallet FOR UPDATE")
        assert at_once(lambda: seal_ledger(now=clock.now())) == [1]


@pytest.mark.django_db(transaction=True)
def test_a_sealer_killed_half_way_leaves_nothing_and_the_next_one_seals() -> None:
    account = factories.make_account()
    busy_history(account)

    def killed() -> int:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            (pid,) = cursor.fetchone()
            # Raised after the seal's own row is written, before its checkpoints are: the server ends the session there.
            cursor.execute(
                "CREATE FUNCTION pg_temp.kill() RETURNS trigger LANGUAGE plpgsql AS "
                "'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(5); RETURN NULL; END'"
            )
            cursor.execute("CREATE TRIGGER kill_half_way AFTER INSERT ON ledger_checkpoint EXECUTE FUNCTION pg_temp.kill()")
        assert pid
        return seal_ledger(now=clock.now())

    (error,) = failures(at_once(killed))
    assert "terminat" in str(error)
    with connection.cursor() as cursor:
        cursor.execute("DROP TRIGGER IF EXISTS kill_half_way ON ledger_checkpoint")
    assert (Seal.objects.count(), Checkpoint.objects.count()) == (0, 0)
    assert seal_ledger(now=clock.now()) == 1
    assert invariant_14() == []


@pytest.mark.django_db(transaction=True)
def test_who_comes_second_does_nothing() -> None:
    account = factories.make_account()
    adjust(account, 5)
    with transaction.atomic():
        assert try_claim("credits.seal_ledger")
        assert at_once(lambda: seal_ledger(now=clock.now())) == [0]
    assert seal_ledger(now=clock.now()) == 1


LIES: Final[dict[str, tuple[str, str]]] = {
    "an id": ("what seal", "UPDATE ledger_entry SET id = id + 1000000 WHERE seq = 3"),
    "a kind": ("what seal", "UPDATE ledger_entry SET kind = 'refund' WHERE seq = 3"),
    "a book": ("what seal", "UPDATE ledger_entry SET book = 'promo' WHERE seq = 3"),
    "an amount": ("what seal", "UPDATE ledger_entry SET amount_nanos = amount_nanos - 1 WHERE seq = 3"),
    "a balance": ("what seal", "UPDATE ledger_entry SET balance_after_nanos = balance_after_nanos - 1 WHERE seq = 3"),
    "a sum": ("what seal", "UPDATE ledger_entry SET spent_after_nanos = spent_after_nanos + 1 WHERE seq = 3"),
    "a source": ("what seal", "UPDATE ledger_entry SET source_id = 'another' WHERE seq = 3"),
    "a source's type": ("what seal", "UPDATE ledger_entry SET source_type = 'another' WHERE seq = 3"),
    "what happened when": ("what seal", "UPDATE ledger_entry SET occurred_at = occurred_at - interval '1 microsecond' WHERE seq = 3"),
    "what was booked when": ("what seal", "UPDATE ledger_entry SET created_at = created_at + interval '1 microsecond' WHERE seq = 3"),
    "a missing entry": ("is missing", "DELETE FROM ledger_entry WHERE seq = 11"),
    "two entries in each other's place": (
        "what seal",
        "UPDATE ledger_entry e SET source_id = o.source_id FROM ledger_entry o WHERE o.seq = 11 - e.seq AND e.seq IN (5, 6)",
    ),
    "a link": ("what seal", "UPDATE ledger_checkpoint SET link = sha256('x') WHERE seq = 11"),
    "a checkpoint's seq": ("what seal", "UPDATE ledger_checkpoint SET seq = 10 WHERE seq = 11"),
    "a checkpoint's place": ("root", "UPDATE ledger_checkpoint SET position = 7 WHERE seq = 12"),
    "a checkpoint's account": ("", "UPDATE ledger_checkpoint SET account_id = account_id + 1000 WHERE seq = 11"),
    "a missing checkpoint": ("root", "DELETE FROM ledger_checkpoint WHERE seq = 12"),
    "a seal's root": ("root", "UPDATE ledger_seal SET root = sha256('x') WHERE number = 1"),
    "a seal's digest": ("digest", "UPDATE ledger_seal SET digest = sha256('x') WHERE number = 2"),
    "a seal's predecessor": ("follow", "UPDATE ledger_seal SET previous = sha256('x') WHERE number = 2"),
    "a seal's count": ("digest", "UPDATE ledger_seal SET entries = entries + 1 WHERE number = 1"),
    "a seal's instant": ("digest", "UPDATE ledger_seal SET sealed_at = sealed_at - interval '1 second' WHERE number = 1"),
    "a seal's number": ("before it is missing", "UPDATE ledger_seal SET number = 9 WHERE number = 2"),
    "a missing first seal": ("before it is missing", "DELETE FROM ledger_seal WHERE number = 1"),
    "a missing newest seal": ("which is missing", "DELETE FROM ledger_seal WHERE number = 2"),
}


@pytest.mark.parametrize("name", LIES)
def test_a_table_that_lies_is_found(account: Account, name: str) -> None:
    seal()
    adjust(account, 1)
    adjust(factories.make_account(), 1)
    seal()
    assert invariant_14() == []
    words, sql = LIES[name]
    lie(sql)
    found = invariant_14()
    assert [detail for _, detail in found if words in detail], found


def test_only_the_account_that_lies_is_named_and_where(account: Account) -> None:
    other = factories.make_account()
    busy_history(other, calls=3)
    seal()
    adjust(account, 1)
    seal()
    lie("UPDATE ledger_entry SET source_id = 'x' WHERE account_id = %(account)s AND seq = 12", account=account.pk)
    assert invariant_14() == [(account.pk, "entries 12 to 12 are not what seal 2 sealed")]


def test_a_chain_that_is_shortened_at_its_end_cannot_be_found_from_inside(account: Account) -> None:
    seal()
    kept = bytes(Seal.objects.get().digest)
    lie("DELETE FROM ledger_checkpoint WHERE seal_id = 1")
    lie("DELETE FROM ledger_seal WHERE number = 1")
    lie("UPDATE ledger_entry SET source_id = 'x' WHERE account_id = %(account)s AND seq = 11", account=account.pk)
    seal()
    assert invariant_14() == []
    assert bytes(Seal.objects.get().digest) != kept


@pytest.mark.parametrize("size", range(1, 18))
def test_every_leaf_has_a_path_to_the_root(size: int) -> None:
    leaves = [sha256(bytes([number])).digest() for number in range(size)]
    for position in range(size):
        node, at, width = leaves[position], position, size
        beside = chain.path(chain.tree(leaves), position)
        while width > 1:
            if at % 2 or at + 1 < width:
                other = beside.pop(0)
                node = sha256(b"\x01" + (other + node if at % 2 else node + other)).digest()
            at, width = at // 2, (width + 1) // 2
        assert (node, beside) == (chain.root(leaves), [])
