"""Random histories of one account, through the product's own services and SQL, compared with a plain model after every step."""

import json
from collections.abc import Callable
from copy import deepcopy
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db.models import Sum
from django.db.models.functions import Coalesce
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from accounts.services.api_keys import issue_api_key
from billing_platform.overview.explain import explain_entry
from billing_platform.wiring import CHECKS
from core.errors import BillingError
from credits.books import Source
from credits.models import Allocation, Book, Category, Duration, Grant, Hold, Kind, LedgerEntry, Strategy, Wallet
from credits.services.adjustments import adjust_balance, write_off
from credits.services.clawbacks import ClawBackKind, claw_back, undo_claw_back
from credits.services.grants import GrantTerms, freeze_grant, issue_grant, release_grant, settle_grant, void_grant
from credits.services.holds import HoldTerms, open_hold, void_hold
from credits.services.limits import LimitTerms, forget_old_buckets, list_limits, remove_limit, set_limit
from credits.services.reversals import reverse_entry
from credits.services.wallets import WalletView, read_wallet
from tests import factories
from tests.properties.plain_ledger import BEGINNING, FOREVER, Lot, PlainLedger, Refused, Said
from usage.models import AiModel, UncountedBlock, UsageDay, UsageEvent, UsageLifetime, UsageQuarter
from usage.rating import Prices
from usage.services.captures import CaptureRequest, capture
from usage.services.counting import count_account
from usage.services.ingest import ingest
from usage.services.prices import activate_price_version, create_draft
from usage.services.refunds import refund_event

ONE_NANO_PER_TOKEN = Prices(10**6, 0, 0, 0, 0, 0, 0, 0, 10_000)
MODEL = "nano-per-token"

amounts = st.integers(1, 12)
picks = st.integers(0, 50)
steps = st.sampled_from([0, 1, 100, 300, 599, 600, 601, 1_000])
ago = st.sampled_from([0, 1, 100, 300, 599, 600, 700])
EXPLAINED_OF_A_KIND = 3

batches = st.lists(st.tuples(st.integers(0, 9), ago, picks, st.booleans()), min_size=1, max_size=5)


def at(seconds: int) -> datetime:
    """The model's seconds as an instant."""
    return BEGINNING + timedelta(seconds=seconds)


class LedgerMachine(RuleBasedStateMachine):
    """
    Each rule does one act twice: on the plain model and on the product. One that has nothing to act on does nothing: a precondition
    would make what is drawn depend on the books.
    """

    def __init__(self) -> None:
        super().__init__()
        self.account = factories.make_account()
        person = self.account.personal_of_id or 0
        issued = issue_api_key(account_id=self.account.pk, name="key", scopes=["usage:read"], actor_id=person, now=at(-(10**6)))
        self.api_key = issued.key
        self.plain = PlainLedger()
        self.now = 0
        self.acts = 0
        self.public_ids: dict[str, str] = {}

    # Time

    @rule(by=steps)
    def time_passes(self, by: int) -> None:
        self.now += by

    @rule(by=st.sampled_from([20_000, 86_400, 700_000]))
    def much_time_passes(self, by: int) -> None:
        self.now += by

    @rule(by=st.sampled_from([1, 300, 1_000]))
    def a_host_whose_clock_is_behind_takes_over(self, by: int) -> None:
        self.now = max(0, self.now - by)

    @rule(ahead=st.sampled_from([0, 86_400, 4_000_000]))
    def the_nightly_job_forgets_old_buckets(self, ahead: int) -> None:
        forget_old_buckets(now=at(self.now + ahead))

    @rule()
    def somebody_reads(self) -> None:
        self.read()

    @rule()
    def somebody_reads_a_report(self) -> None:
        count_account(self.account.pk)

    # Grants

    @rule(
        amount=amounts,
        promo=st.booleans(),
        priority=st.integers(0, 1),
        delay=steps,
        term=st.none() | st.sampled_from([1, 100, 300, 600]),
        pending=st.sampled_from([False, False, False, True]),
    )
    def give(self, amount: int, promo: bool, priority: int, delay: int, term: int | None, pending: bool) -> None:  # noqa: FBT001, PLR0917
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
            is_pending=pending,
        )
        self.both(
            lambda: self.plain.give(key, amount, (category, priority, begins, ends), pending=pending),
            lambda: issue_grant(account_id=self.account.pk, terms=terms, now=at(self.now)),
        )

    @rule(pick=picks)
    def the_money_of_a_grant_settles(self, pick: int) -> None:
        pending = [lot for lot in self.plain.lots if lot.pending]
        if not pending:
            return
        lot = pending[pick % len(pending)]
        self.both(
            lambda: self.plain.settle_money(lot),
            lambda: settle_grant(account_id=self.account.pk, source_key=lot.key, now=at(self.now)),
        )

    @rule(pick=picks)
    def void(self, pick: int) -> None:
        if not self.plain.lots:
            return
        lot, grant = self.lot(pick)
        self.both(
            lambda: self.plain.void(lot),
            lambda: void_grant(account_id=self.account.pk, grant_id=grant, reason="test", actor_id=None, now=at(self.now)),
        )

    @rule(pick=picks, part=st.none() | amounts)
    def freeze(self, pick: int, part: int | None) -> None:
        if not self.plain.lots:
            return
        (lot, grant), key = self.lot(pick), self.key()
        said: dict[str, Any] = {"account_id": self.account.pk, "grant_id": grant, "reason": "test", "actor_id": None}
        self.both(
            lambda: self.plain.freeze(lot, part, key),
            lambda: freeze_grant(**said, amount_nanos=part, part=key, now=at(self.now)),
        )

    @rule(pick=picks)
    def release(self, pick: int) -> None:
        frozen = [lot for lot in self.plain.lots if lot.frozen]
        if not frozen:
            return
        lot = frozen[pick % len(frozen)]
        grant = self.grant_ids()[lot.key]
        self.both(
            lambda: self.plain.release(lot),
            lambda: release_grant(account_id=self.account.pk, grant_id=grant, reason="test", actor_id=None, now=at(self.now)),
        )

    @rule(pick=picks, amount=amounts, lost=st.booleans())
    def claw_back(self, pick: int, amount: int, lost: bool) -> None:  # noqa: FBT001
        if not self.plain.lots:
            return
        (lot, grant), key = self.lot(pick), self.key()
        kind: ClawBackKind = Kind.DISPUTE_LOST if lost else Kind.REFUND
        self.both(
            lambda: self.plain.claw_back(lot, amount, kind),
            lambda: claw_back(account_id=self.account.pk, grant_id=grant, amount_nanos=amount, key=key, kind=kind, now=at(self.now)),
        )

    # Usage and holds

    @rule(amount=amounts, lasts=st.sampled_from([1, 100, 300, 700]), by_key=st.booleans())
    def hold(self, amount: int, lasts: int, by_key: bool) -> None:  # noqa: FBT001
        key = self.key()
        terms = HoldTerms(amount, timedelta(seconds=lasts), self.api_key.pk if by_key else None, key)

        def product() -> None:
            first, left, _ = open_hold(account_id=self.account.pk, terms=terms, now=at(self.now))
            assert open_hold(account_id=self.account.pk, terms=terms, now=at(self.now)) == (first, left, True)
            self.public_ids[key] = first.public_id

        self.both(lambda: self.plain.hold(key, amount, lasts, by_key=by_key), product)

    @rule(pick=picks)
    def void_a_hold(self, pick: int) -> None:
        if not self.plain.holds:
            return
        key = list(self.plain.holds)[pick % len(self.plain.holds)]
        self.both(
            lambda: self.plain.void_hold(key),
            lambda: void_hold(account_id=self.account.pk, public_id=self.public_ids[key], now=at(self.now)),
        )

    @rule(pick=picks, cost=st.integers(0, 15), before=ago, by_key=st.booleans())
    def capture(self, pick: int, cost: int, before: int, by_key: bool) -> None:  # noqa: FBT001
        if not self.plain.holds:
            return
        key = list(self.plain.holds)[pick % len(self.plain.holds)]
        said = Said(self.key(), cost, self.now - before, key, by_key)
        asked = CaptureRequest(
            account=self.account.public_id,
            event_id=said.event,
            model=MODEL,
            input_tokens=cost,
            occurred_at=at(said.occurred),
            api_key=self.api_key.public_id if by_key else None,
        )

        def product() -> None:
            factories.end_of_transaction()
            first = capture(asked, hold=self.public_ids[key], now=at(self.now))
            again = capture(asked, hold=self.public_ids[key], now=at(self.now))
            assert (first.is_repeat, again.is_repeat) == (False, True)
            assert (again.charged_nanos, again.absorbed_nanos, again.flag) == (first.charged_nanos, first.absorbed_nanos, first.flag)

        self.both(lambda: self.plain.capture(said), product)

    @rule(batch=batches)
    def spend(self, batch: list[tuple[int, int, int, bool]]) -> None:
        before = deepcopy(self.plain.__dict__)
        self.plain.pass_time(self.now)
        holds = [*self.plain.holds, *([None] * 3)]
        said = [
            Said(f"{self.key()}.{number}", cost, self.now - before, holds[pick % len(holds)], by_key)
            for number, (cost, before, pick, by_key) in enumerate(batch)
        ]
        refused = self.plain.spend(said)
        if refused == len(said):
            self.plain.__dict__.update(before)
        body = json.dumps([self.event(one) for one in said]).encode()
        factories.end_of_transaction()
        answer = ingest(body, now=at(self.now))
        assert (answer.accepted, len(answer.rejected)) == (len(said) - refused, refused), answer
        assert {rejection.code for rejection in answer.rejected} <= {"hold_already_captured"}
        factories.end_of_transaction()
        again = ingest(body, now=at(self.now))
        assert (again.accepted, again.duplicates, len(again.rejected)) == (0, len(said) - refused, refused)

    @rule(absorbs=st.booleans())
    def the_operator_sets_who_bears_an_excess(self, absorbs: bool) -> None:  # noqa: FBT001
        if Wallet.objects.filter(pk=self.account.pk).update(policy="absorb" if absorbs else "debt"):
            self.plain.absorbs = absorbs

    @rule(
        most=st.integers(0, 30),
        duration=st.sampled_from(Duration),
        strategy=st.sampled_from(Strategy),
        of_key=st.booleans(),
        removed=st.sampled_from([False, False, True]),
    )
    def limit(self, most: int, duration: Duration, strategy: Strategy, of_key: bool, removed: bool) -> None:  # noqa: FBT001
        api_key_id = self.api_key.pk if of_key else None
        self.plain.pass_time(self.now)
        if removed:
            self.plain.limits.pop(of_key, None)
            remove_limit(account_id=self.account.pk, api_key_id=api_key_id, actor_id=None, reason="test", now=at(self.now))
        else:
            self.plain.limits[of_key] = (most, duration.value, strategy.value)
            terms = LimitTerms(most, duration, strategy, api_key_id)
            set_limit(account_id=self.account.pk, terms=terms, actor_id=None, reason="test", now=at(self.now))

    # Operators

    @rule(amount=amounts)
    def an_operator_takes(self, amount: int) -> None:
        self.plain.pass_time(self.now)
        self.plain.take(amount)
        adjust_balance(account_id=self.account.pk, amount_nanos=-amount, **self.operator())

    @rule(amount=amounts)
    def an_operator_writes_off(self, amount: int) -> None:
        self.both(
            lambda: self.plain.write_off(amount),
            lambda: write_off(account_id=self.account.pk, amount_nanos=amount, **self.operator()),
        )

    @rule(pick=picks, amount=st.none() | amounts)
    def reverse(self, pick: int, amount: int | None) -> None:
        if not self.plain.entries:
            return
        entry, act = pick % len(self.plain.entries), self.operator()
        reversal = {"account_id": self.account.pk, "seq": entry + 1, "amount_nanos": amount} | act
        if self.plain.entries[entry][0] == "usage":
            with pytest.raises(BillingError):
                reverse_entry(**reversal)
            return
        self.both(lambda: self.plain.undo(act["source_key"], entry, amount), lambda: reverse_entry(**reversal))

    @rule(pick=picks, amount=st.none() | amounts)
    def refund(self, pick: int, amount: int | None) -> None:
        if not self.plain.calls:
            return
        event, act = list(self.plain.calls)[pick % len(self.plain.calls)], self.operator()
        entry = next((number for number, call in self.plain.call_of_entry.items() if call is self.plain.calls[event]), None)
        asked: dict[str, Any] = {"account_id": self.account.pk, "event_id": event, "amount_nanos": amount} | act

        def product() -> None:
            first = refund_event(**asked)
            again = refund_event(**asked)
            assert (again.event.refunded_nanos, again.given.entry) == (first.event.refunded_nanos, first.given.entry)
            assert (again.given.is_repeat, again.given.compensations) == (True, first.given.compensations)

        self.both(lambda: self.plain.refund(act["source_key"], entry, amount), product)

    @rule(pick=picks)
    def a_claw_back_fails(self, pick: int) -> None:
        clawed = [number for number, (kind, _, _) in enumerate(self.plain.entries) if kind in {"refund", "dispute_lost"}]
        if not clawed:
            return
        entry, key = clawed[pick % len(clawed)], self.key()
        self.both(
            lambda: self.plain.undo(key, entry, None),
            lambda: undo_claw_back(account_id=self.account.pk, seq=entry + 1, key=key, now=at(self.now)),
        )

    # What must hold after every step

    @invariant()
    def all_is_equal_and_proven(self) -> None:
        self.the_books_are_equal()  # First: it reads, which books what is due.
        self.every_hold_and_call_stands_as_the_child_says()
        self.every_limit_counts_what_the_child_counts()
        self.every_nano_is_borne_by_the_same_grant()
        self.the_proof_is_silent()

    def the_books_are_equal(self) -> None:
        view, plain = self.read(), self.plain
        assert (view.balance_nanos, view.debt_nanos, view.lapsing_nanos) == (plain.balance, plain.debt, plain.lapsing)
        assert (view.reserved_nanos, view.frozen_nanos) == (plain.reserved, plain.frozen)
        assert (view.spent_nanos, view.entries) == (len(plain.nanos), len(plain.entries))
        entries = LedgerEntry.objects.filter(account=self.account).order_by("seq")
        assert list(entries.values_list("kind", "amount_nanos", "balance_after_nanos")) == plain.entries

    def every_hold_and_call_stands_as_the_child_says(self) -> None:
        holds = Hold.objects.filter(account=self.account).values_list("hold_key", "status", "event_id")
        assert set(holds) == {(hold.key, hold.status, hold.event) for hold in self.plain.holds.values()}
        calls = UsageEvent.objects.filter(account=self.account).values_list("event_id", "charged_nanos", "refunded_nanos")
        assert set(calls) == {(event, call.charged, call.refunded) for event, call in self.plain.calls.items()}
        waiting = UncountedBlock.objects.filter(account=self.account).aggregate(events=Coalesce(Sum("events"), 0))["events"]
        events, cost = UsageLifetime.objects.filter(account=self.account).values_list("events", "cost_nanos").first() or (0, 0)
        assert events + waiting == len(self.plain.calls)
        if not waiting:
            assert cost == sum(call.charged - call.refunded for call in self.plain.calls.values())
            self.every_status_counts_what_the_child_counts()

    def every_status_counts_what_the_child_counts(self) -> None:
        counted = dict.fromkeys(("success", "refunded"), 0)
        for call in self.plain.calls.values():
            counted["refunded" if 0 < call.charged == call.refunded else "success"] += 1
        for rollup in (UsageDay, UsageQuarter):
            rows = rollup._default_manager.filter(account=self.account).values_list("status", "events")
            assert all(events for _, events in rows)
            assert {status: sum(events for name, events in rows if name == status) for status in counted} == counted

    def every_limit_counts_what_the_child_counts(self) -> None:
        views = list_limits(account_id=self.account.pk, now=at(self.now))
        counted = {view.api_key_id is not None: view.used_nanos for view in views}
        assert counted == {of_key: self.plain.limit_used(of_key, max(self.now, self.plain.clock)) for of_key in self.plain.limits}

    def every_nano_is_borne_by_the_same_grant(self) -> None:
        names = {number: key for key, number in self.grant_ids().items()}
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

    def the_proof_is_silent(self) -> None:
        found = {check.name: list(check.find(self.account.pk, self.account.pk)) for check in CHECKS}
        assert not {name: rows for name, rows in found.items() if rows}

    def teardown(self) -> None:
        """At the end of a history all is counted; what a customer is told of an entry is what was booked: of some of each kind."""
        count_account(self.account.pk)
        self.every_hold_and_call_stands_as_the_child_says()
        self.the_proof_is_silent()
        said = dict[str, int]()
        for entry in LedgerEntry.objects.filter(account=self.account).order_by("-seq"):
            said[entry.kind] = said.get(entry.kind, 0) + 1
            if said[entry.kind] <= EXPLAINED_OF_A_KIND:
                told = explain_entry(account_id=self.account.pk, entry_id=entry.pk, now=at(self.now))
                assert (told.recomputed_nanos, told.matches) == (entry.amount_nanos, True), entry.kind

    def both(self, plain: Callable[[], object], product: Callable[[], object]) -> None:
        """Both do it, or both refuse."""
        before = deepcopy(self.plain.__dict__)
        self.plain.pass_time(self.now)
        try:
            plain()
        except Refused:
            self.plain.__dict__.update(before)
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

    def operator(self) -> dict[str, Any]:
        """An operator's act at this moment."""
        return {"reason": "test", "actor_id": None, "source_key": self.key(), "now": at(self.now)}

    def event(self, said: Said) -> dict[str, object]:
        """A call as a gateway reports it."""
        event: dict[str, object] = {
            "event_id": said.event,
            "account": self.account.public_id,
            "model": MODEL,
            "input_tokens": said.cost,
            "occurred_at": at(said.occurred).isoformat(),
        }
        event |= {"hold": self.public_ids[said.hold]} if said.hold else {}
        return event | ({"api_key": self.api_key.public_id} if said.by_key else {})

    def lot(self, pick: int) -> tuple[Lot, int]:
        """One of the lots, and the id of its grant."""
        lot = self.plain.lots[pick % len(self.plain.lots)]
        return lot, self.grant_ids()[lot.key]

    def grant_ids(self) -> dict[str, int]:
        """Grants by the names that the model gives to its lots."""
        names: dict[int, str] = {}
        for grant in Grant.objects.filter(account=self.account).order_by("id"):
            parts = grant.source_key.split(":")
            if grant.compensates_id:
                names[grant.pk] = f"{parts[0]}>{names[grant.compensates_id]}"
            else:
                names[grant.pk] = f"{names[int(parts[1])]}/{parts[3]}" if grant.root_id else grant.source_key
        return {name: number for number, name in names.items()}


@pytest.mark.django_db
def test_any_history_leaves_the_books_that_a_child_would_keep() -> None:
    now = at(0)
    model = AiModel.objects.create(code=MODEL, name=MODEL)
    draft = create_draft(model=model, prices=ONE_NANO_PER_TOKEN, effective_at=now - timedelta(days=365), now=now)
    activate_price_version(version_id=draft.pk, actor_id=None, reason="test", now=now)
    factories.forget_memories()
    run_state_machine_as_test(
        LedgerMachine,
        settings=settings(
            max_examples=40,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            database=None,
        ),
    )
    factories.forget_memories()
