"""Random histories of one account, through the product's own services and SQL, compared with a plain model after every step."""

import json
from copy import deepcopy
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from accounts.models import Account
from billing_platform.wiring import CHECKS
from core.errors import BillingError
from credits.books import Source
from credits.models import Allocation, Book, Category, Grant, Kind, LedgerEntry, Wallet
from credits.services.adjustments import adjust_balance
from credits.services.grants import GrantTerms, issue_grant
from credits.services.returns import return_usage
from credits.services.wallets import WalletView, read_wallet
from tests.properties.plain_ledger import FOREVER, PlainLedger, Refused
from usage.models import AiModel
from usage.rating import Prices
from usage.services.directory import ACCOUNTS
from usage.services.ingest import ingest
from usage.services.price_book import PRICE_BOOK
from usage.services.prices import activate_price_version, create_draft

BEGINNING = datetime(2026, 3, 1, tzinfo=UTC)
ONE_NANO_PER_TOKEN = Prices(10**6, 0, 0, 0, 0, 0, 0, 0, 10_000)
MODEL = "nano-per-token"

amounts = st.integers(1, 12)
steps = st.sampled_from([0, 1, 100, 300, 599, 600, 601, 1_000])
ago = st.sampled_from([0, 1, 100, 300, 599, 600, 700])
batches = st.lists(st.tuples(st.integers(0, 9), ago), min_size=1, max_size=5)


def at(seconds: int) -> datetime:
    """The model's seconds as an instant."""
    return BEGINNING + timedelta(seconds=seconds)


class LedgerMachine(RuleBasedStateMachine):
    """Each rule does one act twice: on the plain model and on the product."""

    def __init__(self) -> None:
        super().__init__()
        self.account = Account.objects.create(email="machine@example.com")
        self.plain = PlainLedger()
        self.now = 0
        self.acts = 0

    @rule(by=steps)
    def time_passes(self, by: int) -> None:
        self.now += by

    @rule(by=st.sampled_from([1, 300, 1_000]))
    def a_host_whose_clock_is_behind_takes_over(self, by: int) -> None:
        self.now = max(0, self.now - by)

    @rule()
    def somebody_reads(self) -> None:
        self.read()

    @rule(
        amount=amounts,
        promo=st.booleans(),
        priority=st.integers(0, 1),
        delay=steps,
        term=st.none() | st.sampled_from([1, 100, 300, 600]),
    )
    def give(self, amount: int, promo: bool, priority: int, delay: int, term: int | None) -> None:  # noqa: FBT001
        key, begins = self.key(), self.plain.clock + delay
        ends = FOREVER if term is None else begins + term
        category = Category.PROMO if promo else Category.PAID
        terms = GrantTerms(
            amount_nanos=amount,
            kind=Kind.PROMO,
            book=Book.PROMO,
            category=category,
            source=Source("test", key, key),
            priority=priority,
            effective_at=at(begins),
            expires_at=None if term is None else at(ends),
        )
        self.both(
            lambda: self.plain.give(key, amount, category, priority, begins, ends),
            lambda: issue_grant(account_id=self.account.pk, terms=terms, now=at(self.now)),
        )

    @rule(batch=batches)
    def spend(self, batch: list[tuple[int, int]]) -> None:
        self.plain.pass_time(self.now)
        items = [(cost, self.now - before) for cost, before in batch]
        self.plain.spend(items)
        events = [
            {
                "event_id": f"{self.key()}.{number}",
                "account": self.account.public_id,
                "model": MODEL,
                "input_tokens": cost,
                "occurred_at": at(occurred_at).isoformat(),
            }
            for number, (cost, occurred_at) in enumerate(items)
        ]
        answer = ingest(json.dumps(events).encode(), now=at(self.now))
        assert (answer.accepted, answer.rejected) == (len(items), [])
        again = ingest(json.dumps(events).encode(), now=at(self.now))
        assert (again.accepted, again.duplicates) == (0, len(items))

    @rule(amount=amounts)
    def an_operator_takes(self, amount: int) -> None:
        self.plain.pass_time(self.now)
        self.plain.take(amount)
        adjust_balance(
            account_id=self.account.pk,
            amount_nanos=-amount,
            reason="test",
            actor_id=None,
            source_key=self.key(),
            now=at(self.now),
        )

    @precondition(lambda self: any(kind == "usage" for kind, _, _ in self.plain.entries))
    @rule(pick=st.integers(0, 50), amount=amounts)
    def give_back(self, pick: int, amount: int) -> None:
        usage = [number for number, (kind, _, _) in enumerate(self.plain.entries) if kind == "usage"]
        entry, key = usage[pick % len(usage)], self.key()
        self.both(
            lambda: self.plain.refund(key, entry, amount),
            lambda: return_usage(
                account_id=self.account.pk,
                seq=entry + 1,
                amount_nanos=amount,
                source=Source("test", key, key),
                now=at(self.now),
            ),
        )

    @invariant()
    def the_books_are_equal(self) -> None:
        view, plain = self.read(), self.plain
        assert (view.balance_nanos, view.debt_nanos, view.lapsing_nanos) == (plain.balance, plain.debt, plain.lapsing)
        assert (view.spent_nanos, view.entries) == (len(plain.nanos), len(plain.entries))
        entries = LedgerEntry.objects.filter(account=self.account).order_by("seq")
        assert list(entries.values_list("kind", "amount_nanos", "balance_after_nanos")) == plain.entries

    @invariant()
    def every_nano_is_borne_by_the_same_grant(self) -> None:
        names = self.grant_names()
        left = {names[grant.pk]: (grant.amount_nanos, grant.remaining_nanos) for grant in Grant.objects.filter(account=self.account)}
        assert left == {lot.key: (lot.amount, lot.left) for lot in self.plain.lots}
        bearers: list[str | None] = [None] * len(self.plain.nanos)
        returned = [False] * len(self.plain.nanos)
        for row in Allocation.objects.filter(account=self.account).order_by("id"):
            for position in range(row.from_nanos, row.to_nanos):
                if row.role == "return":
                    returned[position] = True
                else:
                    bearers[position] = None if row.grant_id is None else names[row.grant_id]
        assert bearers == [nano.bearer.key if nano.bearer else None for nano in self.plain.nanos]
        assert returned == [nano.returned for nano in self.plain.nanos]

    @invariant()
    def the_proof_is_silent(self) -> None:
        found = {check.name: list(check.find(self.account.pk, self.account.pk)) for check in CHECKS}
        assert not {name: rows for name, rows in found.items() if rows}

    def both(self, plain: object, product: object) -> None:
        """Both do it, or both refuse."""
        assert callable(plain)
        assert callable(product)
        before = deepcopy(self.plain)
        self.plain.pass_time(self.now)
        try:
            plain()
        except Refused:
            self.plain = before
            with pytest.raises(BillingError):
                product()
        else:
            product()

    def read(self) -> WalletView:
        """What the product says. A read moves the wallet's clock only where something was due; the model follows."""
        view = read_wallet(account_id=self.account.pk, now=at(self.now))
        if Wallet.objects.filter(pk=self.account.pk).exists():
            self.plain.pass_time(int((view.updated_at - BEGINNING).total_seconds()))
        return view

    def key(self) -> str:
        self.acts += 1
        return f"act-{self.acts}"

    def grant_names(self) -> dict[int, str]:
        names: dict[int, str] = {}
        for grant in Grant.objects.filter(account=self.account).order_by("id"):
            undo = grant.source_key.split(":")[0]
            names[grant.pk] = f"{undo}>{names[grant.compensates_id]}" if grant.compensates_id else grant.source_key
        return names


@pytest.mark.django_db
def test_any_history_leaves_the_books_that_a_child_would_keep() -> None:
    now = at(0)
    model = AiModel.objects.create(code=MODEL, name=MODEL)
    draft = create_draft(model=model, prices=ONE_NANO_PER_TOKEN, effective_at=now - timedelta(days=365), now=now)
    activate_price_version(version_id=draft.pk, actor_id=None, reason="test", now=now)
    PRICE_BOOK.forget()
    ACCOUNTS.forget()
    run_state_machine_as_test(
        LedgerMachine,
        settings=settings(
            max_examples=40,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            database=None,
        ),
    )
    PRICE_BOOK.forget()
    ACCOUNTS.forget()
