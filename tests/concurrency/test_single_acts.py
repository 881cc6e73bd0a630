"""One act asked for by many at once happens once; an account used for the first time by many gets one wallet."""

import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from django.db import connection

from core import clock
from core.errors import Conflict
from core.models import AuditRecord
from credits.models import Grant, LedgerEntry, Wallet
from credits.services.adjustments import adjust_balance
from credits.services.wallets import read_wallet
from tests import factories
from tests.concurrency.test_spending import ONE_NANO, assert_exact, assert_nothing_failed, assert_silent, call, report
from tests.spending import GPT_4O, adjust, price, refund
from tests.threads import at_once, failures, successes
from usage.errors import PriceNotDraft
from usage.models import AiModel, PriceVersion, UsageEvent
from usage.services.prices import activate_price_version, create_draft
from usage.services.refunds import Refund

pytestmark = pytest.mark.django_db(transaction=True)
CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("amount", [500, -500])
def test_one_adjustment_asked_for_by_sixteen_at_once_is_booked_once(amount: int) -> None:
    account = factories.make_account()
    act = partial(
        adjust_balance,
        account_id=account.pk,
        amount_nanos=amount,
        reason="Tests.",
        actor_id=None,
        source_key="the-same-act",
        now=clock.now(),
    )
    outcomes = at_once(*[act] * 16)
    assert_nothing_failed(list(outcomes))
    assert {(entry.seq, entry.amount_nanos) for entry in successes(outcomes)} == {(1, amount)}
    assert AuditRecord.objects.filter(act="adjust_balance").count() == 1
    assert_exact(account, amount)
    assert_silent()


def test_one_grant_issued_by_sixteen_at_once_is_given_once() -> None:
    account = factories.make_account()
    outcomes = at_once(*[partial(factories.give, account, 9, key="checkin:2026-01-01")] * 16)
    assert_nothing_failed(list(outcomes))
    assert Grant.objects.count() == 1
    assert_exact(account, 9)


def test_many_returns_of_one_call_at_once_never_give_back_more_than_it_took() -> None:
    price("nano", ONE_NANO)
    account = factories.make_account()
    adjust(account, 60)
    report([call(account, "call", 100)])
    charged = LedgerEntry.objects.get(kind="usage")

    def give_back(number: int) -> Refund:
        return refund(account, charged.source_id, 9, key=f"return-{number}")

    outcomes = at_once(*(partial(give_back, number) for number in range(16)))
    assert {type(error) for error in failures(outcomes)} == {Conflict}
    assert len(successes(outcomes)) == 11
    assert_exact(account, 60 - 100 + 99)
    assert_silent()


def test_one_price_activated_by_eight_at_once_is_activated_once() -> None:
    model = AiModel.objects.create(code="new", name="New")
    draft = create_draft(model=model, prices=GPT_4O, effective_at=clock.now(), now=clock.now())
    act = partial(activate_price_version, version_id=draft.pk, actor_id=None, reason="Tests.", now=clock.now())
    outcomes = at_once(*[act] * 8)
    assert len(successes(outcomes)) == 1
    assert {type(error) for error in failures(outcomes)} == {PriceNotDraft}
    assert AuditRecord.objects.filter(act="activate_price_version").count() == 1


def test_two_first_prices_of_a_model_activated_at_once_follow_each_other() -> None:
    """Only one is the first, and may look back; the other takes effect a minute ahead, whoever wins."""
    model = AiModel.objects.create(code="new", name="New")
    now = clock.now()
    drafts = [create_draft(model=model, prices=GPT_4O, effective_at=now, now=now) for _ in range(2)]
    outcomes = at_once(*(partial(activate_price_version, version_id=it.pk, actor_id=None, reason="Tests.", now=now) for it in drafts))
    assert_nothing_failed(list(outcomes))
    instants = sorted(PriceVersion.objects.values_list("effective_at", flat=True))
    assert [(at - now).total_seconds() for at in instants] == [0, 60]


def test_sixteen_first_users_of_an_account_make_one_wallet() -> None:
    price("nano", ONE_NANO)
    accounts = [factories.make_account() for _ in range(2)]

    def first_use(number: int) -> object:
        match number % 3:
            case 0:
                return report([call(account, f"call-{number}") for account in accounts[:: 1 if number % 2 else -1]])
            case 1:
                return adjust(accounts[0], 10)
            case _:
                return read_wallet(account_id=accounts[1].pk, now=clock.now())

    outcomes = at_once(*(partial(first_use, number) for number in range(16)))
    assert_nothing_failed(list(outcomes))
    assert Wallet.objects.count() == 2
    assert_exact(accounts[0], 5 * 10 - 6)
    assert_exact(accounts[1], -6)
    assert_silent()


SPENDER = """
import sys, django
django.setup()
from core import clock
from usage.services.ingest import ingest
batches = sys.stdin.readline().split()
print("ready", flush=True)
sys.stdin.readline()
print(sum(ingest(batch.encode(), now=clock.now()).accepted for batch in batches), flush=True)
"""


def start_spender(batches: list[bytes]) -> subprocess.Popen[bytes]:
    """Another process of the product on this test's database; it remembers nothing yet."""
    database = os.environ["DATABASE_URL"].rpartition("/")[0] + "/" + str(connection.settings_dict["NAME"])
    spender = subprocess.Popen(
        [sys.executable, "-c", SPENDER],
        cwd=CHECKOUT,
        env={**os.environ, "DATABASE_URL": database, "DJANGO_SETTINGS_MODULE": "tests.settings"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    tell(spender, b" ".join(batches))
    return spender


def tell(spender: subprocess.Popen[bytes], line: bytes) -> None:
    assert spender.stdin is not None
    spender.stdin.write(line + b"\n")
    spender.stdin.flush()


def hear(spender: subprocess.Popen[bytes]) -> bytes:
    assert spender.stdout is not None
    return spender.stdout.readline().strip()


def test_two_processes_that_meet_accounts_for_the_first_time_charge_each_call_once() -> None:
    price("nano", ONE_NANO)
    accounts = [factories.make_account() for _ in range(3)]
    batches = [[call(account, f"{number}-{n}") for n in range(20) for account in accounts] for number in range(20)]
    spender = start_spender([json.dumps(batch, separators=(",", ":")).encode() for batch in batches])
    assert hear(spender) == b"ready"
    tell(spender, b"go")
    accepted_here = sum(report(batch).accepted for batch in batches)
    assert accepted_here + int(hear(spender)) == 20 * 60 == UsageEvent.objects.count()
    with spender:
        assert spender.wait(timeout=30) == 0
    for account in accounts:
        assert_exact(account, -20 * 20)
    assert_silent()
