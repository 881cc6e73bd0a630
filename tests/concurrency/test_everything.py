"""A minute of everything at once on few accounts: no deadlock, and every invariant holds when it is over."""

import json
import random
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Final

import pytest
from django.db import connection

from accounts.models import Account, ApiKey
from accounts.services.api_keys import issue_api_key
from billing_platform.verification import verify_ledger
from core import clock
from core.errors import BillingError
from credits.models import Duration, Grant, Hold, Kind, LedgerEntry, Policy, Strategy, Wallet
from credits.services.adjustments import adjust_balance, write_off
from credits.services.clawbacks import claw_back, undo_claw_back
from credits.services.grants import freeze_grant, release_grant, void_grant
from credits.services.holds import HoldTerms, open_hold, void_hold
from credits.services.limits import LimitTerms, forget_old_buckets, remove_limit, set_limit
from credits.services.policies import set_policy
from credits.services.reversals import reverse_entry
from credits.services.sealing import seal_ledger
from credits.services.wallets import read_wallet, sweep_due_wallets
from tests import factories
from tests.spending import price
from tests.threads import at_once, failures
from usage.models import UsageEvent
from usage.rating import Prices
from usage.services.captures import CaptureRequest, capture
from usage.services.ingest import ingest
from usage.services.refunds import refund_event

ACCOUNTS: Final = 20
THREADS: Final = 10
SECONDS: Final = 60
ONE_NANO: Final = Prices(10**6, 0, 0, 0, 0, request=0, image=0, second=0, multiplier_bp=10_000)


class Somebody:
    """One thread's share of the traffic: random acts, each named once; a refusal is an answer."""

    def __init__(self, number: int, accounts: dict[Account, ApiKey]) -> None:
        self.random = random.Random(number)
        self.number, self.accounts, self.keys, self.acts = number, list(accounts), accounts, 0

    def work(self, until: float) -> dict[str, int]:
        """Act until the time is over; how often each act was done."""
        done: dict[str, int] = {}
        acts = [self.batch, self.batch, self.hold_and_settle, self.hold_and_settle, self.give, self.adjust, self.claw_back, self.undo]
        acts += [self.end_or_free, self.freeze, self.freeze_a_part, self.reverse, self.limit, self.limit_a_key, self.read, self.sweep]
        acts += [self.refund, self.write_off, self.hold_with_short_life, self.policy, self.forget]
        acts += [self.seal] if self.number == 0 else []
        acts += [self.verify] if self.number == 1 else []
        while time.monotonic() < until:
            act = self.random.choice(acts)
            try:
                act()
            except BillingError:
                continue
            done[act.__name__] = done.get(act.__name__, 0) + 1
        return done

    def name(self) -> str:
        self.acts += 1
        return f"{self.number}-{self.acts}"

    def account(self) -> Account:
        return self.random.choice(self.accounts)

    def key_of(self, account: Account) -> ApiKey | None:
        """Its key, or none: half of the calls are of each."""
        return self.keys[account] if self.random.random() < 0.5 else None

    def operator(self) -> dict[str, object]:
        return {"reason": "test", "actor_id": None, "now": clock.now()}

    def batch(self) -> None:
        chosen = self.random.sample(self.accounts, 6)
        events = [factories.event(account, self.name(), model="nano", input_tokens=self.random.randrange(9)) for account in chosen * 3]
        open_holds = Hold.objects.filter(account=chosen[0], status="open").values_list("public_id", flat=True)[:3]
        events += [factories.event(chosen[0], self.name(), model="nano", input_tokens=5, hold=hold) for hold in open_holds]
        for event in events:
            if self.random.random() < 0.3:
                event["api_key"] = next(self.keys[account].public_id for account in chosen if account.public_id == event["account"])
        self.random.shuffle(events)
        ingest(json.dumps(events).encode(), now=clock.now())

    def hold_and_settle(self) -> None:
        account = self.account()
        of, by = self.key_of(account), self.key_of(account)
        terms = HoldTerms(8, timedelta(seconds=30), None if of is None else of.pk, self.name())
        hold, *_ = open_hold(account_id=account.pk, terms=terms, now=clock.now())
        if self.random.random() < 0.3:
            void_hold(account_id=account.pk, public_id=hold.public_id, now=clock.now())
        else:
            cost, key = self.random.randrange(12), None if by is None else by.public_id
            asked = CaptureRequest(account=account.public_id, event_id=self.name(), model="nano", input_tokens=cost, api_key=key)
            capture(asked, hold=hold.public_id, now=clock.now())

    def hold_with_short_life(self) -> None:
        account = self.account()
        open_hold(account_id=account.pk, terms=HoldTerms(3, timedelta(seconds=1), hold_key=self.name()), now=clock.now())

    def give(self) -> None:
        ends = None if self.random.random() < 0.5 else clock.now() + timedelta(seconds=self.random.randrange(1, 20))
        factories.give(self.account(), 200, key=self.name(), expires_at=ends, effective_at=clock.now() + timedelta(seconds=1))

    def adjust(self) -> None:
        amount = self.random.choice([-5, 50])
        adjust_balance(account_id=self.account().pk, amount_nanos=amount, source_key=self.name(), **self.operator())  # type: ignore[arg-type]

    def grant(self) -> Grant | None:
        return Grant.objects.filter(account=self.account(), is_empty=False).order_by("?").first()

    def end_or_free(self) -> None:
        if grant := self.grant():
            act: Callable[..., object] = void_grant if self.random.random() < 0.2 else release_grant
            act(account_id=grant.account_id, grant_id=grant.pk, **self.operator())

    def freeze(self) -> None:
        if grant := self.grant():
            freeze_grant(account_id=grant.account_id, grant_id=grant.pk, **self.operator())  # type: ignore[arg-type]

    def freeze_a_part(self) -> None:
        if grant := self.grant():
            said = self.operator() | {"amount_nanos": 3, "part": self.name()}
            freeze_grant(account_id=grant.account_id, grant_id=grant.pk, **said)  # type: ignore[arg-type]

    def claw_back(self) -> None:
        grant = Grant.objects.filter(account=self.account()).order_by("?").first()
        if grant is not None:
            claw_back(account_id=grant.account_id, grant_id=grant.pk, amount_nanos=7, key=self.name(), kind=Kind.REFUND, now=clock.now())

    def undo(self) -> None:
        taken = LedgerEntry.objects.filter(account=self.account(), kind__in=(Kind.REFUND, Kind.DISPUTE_LOST))
        if entry := taken.order_by("-seq").first():
            undo_claw_back(account_id=entry.account_id, seq=entry.seq, key=self.name(), now=clock.now())

    def reverse(self) -> None:
        taken = LedgerEntry.objects.filter(account=self.account(), amount_nanos__lt=0).exclude(kind=Kind.USAGE)
        entry = taken.order_by("-seq").first()
        if entry is not None:
            said = self.operator() | {"source_key": self.name()}
            reverse_entry(account_id=entry.account_id, seq=entry.seq, amount_nanos=1, **said)  # type: ignore[arg-type]

    def refund(self) -> None:
        """A part or the whole of one of the last calls: others are after the same ones."""
        event = UsageEvent.objects.filter(account=self.account(), charged_nanos__gt=0).order_by("-id")[self.random.randrange(4) :].first()
        if event is not None:
            said = self.operator() | {"source_key": self.name(), "amount_nanos": self.random.choice([None, 1, 2])}
            refund_event(account_id=event.account_id, event_id=event.event_id, **said)  # type: ignore[arg-type]

    def limit(self) -> None:
        self.set_or_remove(self.account(), None)

    def limit_a_key(self) -> None:
        account = self.account()
        self.set_or_remove(account, self.keys[account].pk)

    def set_or_remove(self, account: Account, key_id: int | None) -> None:
        if self.random.random() < 0.3:
            remove_limit(account_id=account.pk, api_key_id=key_id, **self.operator())  # type: ignore[arg-type]
        else:
            terms = LimitTerms(self.random.randrange(2_000), self.random.choice(list(Duration)), self.random.choice(list(Strategy)), key_id)
            set_limit(account_id=account.pk, terms=terms, **self.operator())  # type: ignore[arg-type]

    def forget(self) -> None:
        forget_old_buckets(now=clock.now() + timedelta(days=self.random.randrange(60)))

    def policy(self) -> None:
        set_policy(account_id=self.account().pk, policy=self.random.choice(list(Policy)), **self.operator())  # type: ignore[arg-type]

    def write_off(self) -> None:
        if owing := Wallet.objects.filter(debt_nanos__gte=3).order_by("?").first():
            write_off(account_id=owing.pk, amount_nanos=3, source_key=self.name(), **self.operator())  # type: ignore[arg-type]

    def verify(self) -> None:
        """Beside the traffic: what it reads is of one moment, so nothing disagrees."""
        assert verify_ledger(now=clock.now()).discrepancies == []

    def read(self) -> None:
        read_wallet(account_id=self.account().pk, now=clock.now())

    def sweep(self) -> None:
        sweep_due_wallets(now=clock.now())

    def seal(self) -> None:
        seal_ledger(now=clock.now())


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_minute_of_everything_at_once_makes_no_deadlock_and_no_discrepancy() -> None:
    price("nano", ONE_NANO, since=clock.now() - timedelta(days=80))
    accounts = {account: a_key(account) for account in (factories.make_account() for _ in range(ACCOUNTS))}
    for account in accounts:
        factories.give(account, 500)
    before, until = deadlocks(), time.monotonic() + SECONDS

    def share(number: int) -> Callable[[], dict[str, int]]:
        return lambda: Somebody(number, accounts).work(until)

    outcomes = at_once(*[share(number) for number in range(THREADS)])
    assert failures(outcomes) == []
    done = {act for outcome in outcomes if isinstance(outcome, dict) for act in outcome}
    everything = {
        "batch",
        "hold_and_settle",
        "hold_with_short_life",
        "give",
        "adjust",
        "end_or_free",
        "freeze",
        "freeze_a_part",
        "claw_back",
        "undo",
        "reverse",
        "refund",
        "limit",
        "limit_a_key",
        "forget",
        "policy",
        "write_off",
        "read",
        "sweep",
        "seal",
        "verify",
    }
    assert everything <= done
    assert deadlocks() == before
    assert verify_ledger(now=clock.now()).discrepancies == []


def a_key(account: Account) -> ApiKey:
    """A key of the customer."""
    owner = account.personal_of_id or 0
    return issue_api_key(account_id=account.pk, name="key", scopes=["usage:read"], actor_id=owner, now=clock.now()).key


def deadlocks() -> int:
    """How often PostgreSQL had to break one up in this database."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_force_next_flush(), pg_stat_clear_snapshot()")
        cursor.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        (found,) = cursor.fetchone()
    return int(found)
