"""What a price would have charged: real usage replayed, every number counted by hand."""

from datetime import datetime, timedelta
from typing import Any, Final

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import Account
from core import clock
from core.errors import InvalidInput
from credits.books import Source
from credits.models import Grant, LedgerEntry, Policy
from credits.services.holds import HoldTerms, open_hold
from credits.services.policies import set_policy
from credits.services.returns import return_usage
from tests import factories
from tests.admin.looking import queries
from tests.spending import adjust, price, report
from usage.models import AiModel, PriceMultiplier, PriceVersion, ShadowRun, UsageEvent
from usage.rating import FailedPolicy, Prices
from usage.services import shadow
from usage.services.counting import count_account
from usage.services.platform_days import fold_platform_usage
from usage.services.prices import activate_price_version, create_draft
from usage.services.shadow import nearest_rank
from usage.services.shadow_runs import ask_for_shadow_run, work_off

pytestmark = pytest.mark.django_db

USD: Final = 10**9


def per_token(nanos: int, *, out: int = 0, request: int = 0) -> Prices:
    """So many nanos an input token, and an output token, and a request."""
    return Prices(nanos * 10**6, out * 10**6, 0, 0, 0, request=request, image=0, second=0, multiplier_bp=10_000)


def a_price(prices: Prices, *, policy: FailedPolicy = FailedPolicy.REPORTED, provider: Prices | None = None) -> PriceVersion:
    """A model `plain` with a price in force for half a year."""
    now = clock.now()
    model, _ = AiModel.objects.get_or_create(code="plain", defaults={"name": "Plain"})
    since = now - timedelta(days=180)
    version = create_draft(model=model, prices=prices, effective_at=since, now=now, failed_policy=policy, provider=provider)
    activate_price_version(version_id=version.pk, actor_id=None, reason="Tests.", now=now)
    factories.forget_memories()
    return version


def a_draft(prices: Prices, *, policy: FailedPolicy = FailedPolicy.REPORTED, provider: Prices | None = None) -> PriceVersion:
    now = clock.now()
    model = AiModel.objects.get(code="plain")
    return create_draft(model=model, prices=prices, effective_at=now, now=now, failed_policy=policy, provider=provider)


def rich(nanos: int = USD) -> Account:
    account = factories.make_account()
    adjust(account, nanos, clock.now() - timedelta(days=100))
    return account


def call(account: Account, event_id: str, tokens: int, *, ago: timedelta = timedelta(hours=1), **said: object) -> None:
    report(account, event_id, now=clock.now() - ago, model="plain", input_tokens=tokens, **said)
    factories.end_of_transaction()


def replayed(version: PriceVersion, days: int = 30) -> Any:
    """The result, and that nothing but the run was written."""
    before = factories.books_now()
    run = ask_for_shadow_run(version_id=version.pk, days=days, actor_id=None, reason="For the tests.", now=clock.now())
    done = work_off(run_id=run.pk, tell_time=clock.now)
    assert done is not None
    assert (done.status, done.accounts_done, done.lease) == ("done", done.accounts, "")
    assert factories.books_now() == before
    return done.result


def test_revenue_changes_by_what_each_call_would_have_cost() -> None:
    a_price(per_token(10))
    one, two, three, idle = rich(), rich(), rich(), rich()
    call(one, "a", 100)
    call(one, "b", 200)
    call(two, "c", 50)
    call(three, "d", 7, output_tokens=1_000)
    price("other")
    report(idle, "elsewhere", model="other")
    factories.end_of_transaction()
    result = replayed(a_draft(per_token(12, request=1)))
    # one: 3,000 → 3,602; two: 500 → 601; three: 70 → 85
    assert (result["before_nanos"], result["after_nanos"], result["change_nanos"]) == (3_570, 4_288, 718)
    assert result["change_bp"] == 2_011  # 718 / 3570 = 20.112 %
    assert (result["events"], result["customers"], result["events_by_sender"]) == (4, 3, 0)
    assert (result["p50_nanos"], result["p95_nanos"]) == (101, 602)
    assert result["most_more"] == [
        {"account": one.pk, "before_nanos": 3_000, "after_nanos": 3_602},
        {"account": two.pk, "before_nanos": 500, "after_nanos": 601},
        {"account": three.pk, "before_nanos": 70, "after_nanos": 85},
    ]
    assert (result["most_less"], result["dry"], result["margin"]["events"]) == ([], {"customers": 0, "driest": []}, 0)
    assert idle.pk not in {row["account"] for row in result["most_more"]}


def test_the_version_that_priced_it_changes_nothing_at_all() -> None:
    version = a_price(Prices(2_500_001, 10_000_003, 0, 0, 0, 5, 700, 9, 10_500), policy=FailedPolicy.INPUT_ONLY, provider=per_token(1))
    accounts = [rich(), rich(5_000_000), rich()]
    multiply(accounts[0], 9_001)
    set_policy(account_id=accounts[1].pk, policy=Policy.ABSORB, reason="For the tests.", actor_id=None, now=clock.now())
    for number, account in enumerate(accounts):
        call(account, f"long-{number}", 1_234_567, output_tokens=7, images=2, ago=timedelta(days=9))
        call(account, f"failed-{number}", 54_321, output_tokens=99, status="failed")
        call(account, f"sent-{number}", 1, cost="0.000000777")
    captured(accounts[1], "absorbed", 10**7)
    refund(accounts[2], "long-2", None)
    refund(accounts[2], "failed-2", 11)
    result = replayed(version)
    assert UsageEvent.objects.filter(absorbed_nanos__gt=0).exists()
    assert (result["events"], result["customers"], result["events_by_sender"]) == (7, 3, 3)
    assert result["before_nanos"] == result["after_nanos"] > 0
    assert (result["change_nanos"], result["change_bp"], result["p50_nanos"], result["p95_nanos"]) == (0, 0, 0, 0)
    assert (result["most_more"], result["most_less"], result["dry"]["customers"]) == ([], [], 0)
    assert result["margin"]["before_nanos"] == result["margin"]["after_nanos"]


@pytest.mark.parametrize(
    ("policy", "after"),
    [(FailedPolicy.NEVER, 0), (FailedPolicy.INPUT_ONLY, 200), (FailedPolicy.REPORTED, 350), (FailedPolicy.ALWAYS, 357)],
)
def test_failed_calls_are_replayed_by_the_drafts_policy(policy: FailedPolicy, after: int) -> None:
    a_price(per_token(1, out=1, request=1))
    account = rich()
    call(account, "failed", 100, output_tokens=50, status="failed")
    result = replayed(a_draft(per_token(2, out=3, request=7), policy=policy))
    assert (result["before_nanos"], result["after_nanos"]) == (150, after)


def test_a_customers_multiplier_is_the_one_that_was_applied() -> None:
    a_price(per_token(10))
    account, plain = rich(), rich()
    multiplier = multiply(account, 5_000)
    call(account, "half", 100)
    call(plain, "whole", 100)
    assert UsageEvent.objects.get(event_id="half").multiplier_id == multiplier.pk
    result = replayed(a_draft(per_token(11)))
    assert [(row["before_nanos"], row["after_nanos"]) for row in result["most_more"]] == [(1_000, 1_100), (500, 550)]


def test_refunds_count_net_and_what_was_given_back_whole_counts_nothing() -> None:
    a_price(per_token(10))
    account = rich()
    for name in ("whole", "part", "more"):
        call(account, name, 100)
    refund(account, "whole", None)
    refund(account, "part", 300)
    refund(account, "more", 900)
    dearer = replayed(a_draft(per_token(20)))
    # 0, 1,000 − 300, 1,000 − 900; dearer: 0, 2,000 − 300, 2,000 − 900; cheaper: 0, 500 − 300, and no more than the 500 is given back
    assert (dearer["events"], dearer["before_nanos"], dearer["after_nanos"]) == (3, 800, 2_800)
    assert replayed(a_draft(per_token(5)))["after_nanos"] == 200


def test_where_the_operator_absorbed_a_part_nobody_pays_more_than_he_could() -> None:
    a_price(per_token(10))
    account = rich(1_000)
    set_policy(account_id=account.pk, policy=Policy.ABSORB, reason="For the tests.", actor_id=None, now=clock.now())
    captured(account, "absorbed", 500)
    assert UsageEvent.objects.get().charged_nanos == 1_000
    assert replayed(a_draft(per_token(20)))["after_nanos"] == 1_000
    assert replayed(a_draft(per_token(1)))["after_nanos"] == 500


def test_who_would_have_run_dry_is_found_in_the_order_of_booking() -> None:
    a_price(per_token(10))
    dry, saved, poor, refilled = rich(2_500), rich(5_000), rich(1_500), rich(1_500)
    for account in (dry, saved, poor):
        call(account, f"first-{account.pk}", 100, ago=timedelta(hours=5))
    call(refilled, "before", 100, ago=timedelta(hours=5))
    adjust(refilled, 2_000, clock.now() - timedelta(hours=4))
    for account in (dry, saved, poor, refilled):
        call(account, f"second-{account.pk}", 100)
    # By 20: dry has 500, then −1,500; saved 3,000, then 1,000; poor was at −500 in truth; refilled −500, then −500
    result = replayed(a_draft(per_token(20)))
    assert result["dry"] == {
        "customers": 2,
        "driest": [{"account": dry.pk, "lowest_nanos": -1_500}, {"account": refilled.pk, "lowest_nanos": -500}],
    }


def test_calls_of_other_models_bring_a_customer_down_as_well() -> None:
    a_price(per_token(10))
    price("other", per_token(1))
    account = rich(2_500)
    call(account, "dear", 100, ago=timedelta(hours=5))
    report(account, "other", model="other", input_tokens=700)
    factories.end_of_transaction()
    # 1,500, then 800; by 19: 600, then −100
    assert replayed(a_draft(per_token(19)))["dry"]["driest"] == [{"account": account.pk, "lowest_nanos": -100}]
    assert replayed(a_draft(per_token(18)))["dry"]["customers"] == 0


def test_a_call_that_was_free_counts_where_it_stands() -> None:
    a_price(per_token(0, out=1))
    account = rich(1_000)
    call(account, "free", 100, ago=timedelta(hours=5))
    call(account, "charged", 0, output_tokens=900)
    assert LedgerEntry.objects.filter(account=account, kind="usage").count() == 1
    result = replayed(a_draft(per_token(2, out=1)))
    assert (result["before_nanos"], result["after_nanos"]) == (900, 1_100)
    assert result["dry"]["driest"] == [{"account": account.pk, "lowest_nanos": -100}]


def test_a_call_that_would_be_out_of_range_is_named_and_stays_as_it_was() -> None:
    a_price(per_token(1))
    account = rich()
    call(account, "long", 2 * 10**9)
    call(account, "short", 10)
    result = replayed(a_draft(per_token(10**6)))
    assert result["out_of_range"] == {"events": 1, "first": [{"account": account.pk, "event_id": "long"}]}
    assert (result["before_nanos"], result["after_nanos"]) == (2 * 10**9 + 10, 2 * 10**9 + 10**7)


def test_the_margin_is_over_calls_whose_provider_cost_is_known() -> None:
    a_price(per_token(10), provider=per_token(4))
    account = rich()
    call(account, "known", 100)
    call(account, "failed", 10, status="failed", output_tokens=3)
    result = replayed(a_draft(per_token(12)))
    # (1,000 − 400) + (100 − 40); then (1,200 − 400) + (120 − 40)
    assert result["margin"] == {"events": 2, "before_nanos": 660, "after_nanos": 880}
    assert replayed(a_draft(per_token(12), provider=per_token(5)))["margin"]["after_nanos"] == 770


def test_only_what_was_booked_in_the_last_days_is_replayed() -> None:
    a_price(per_token(10))
    account = rich()
    call(account, "old", 1, ago=timedelta(days=8))
    call(account, "late", 10, ago=timedelta(days=6), occurred_at=(clock.now() - timedelta(days=60)).isoformat())
    call(account, "new", 100)
    draft = a_draft(per_token(20))
    assert [replayed(draft, days)["before_nanos"] for days in (1, 7, 9)] == [1_000, 1_100, 1_110]


def test_the_events_of_one_account_are_streamed_and_never_in_memory_at_once() -> None:
    a_price(per_token(1))
    account = rich()
    report(account, *(f"call-{number}" for number in range(40)), model="plain", input_tokens=3)
    factories.end_of_transaction()
    trial = shadow.trial_of(a_draft(per_token(2)), days=1, until=clock.now())
    with CaptureQueriesContext(connection) as asked:
        sizes = [len(events) for events in shadow.events_of(account.pk, trial, chunk=7)]
    assert sizes == [7, 7, 7, 7, 7, 5]
    assert len(asked.captured_queries) == 5  # the next seq, the first seq, and one cursor between SET and RESET


def test_percentiles_go_by_nearest_rank() -> None:
    assert nearest_rank([], 50) is None
    assert [nearest_rank([5], percent) for percent in (1, 50, 95, 100)] == [5, 5, 5, 5]
    numbers = list(range(1, 21))
    assert [nearest_rank(numbers, percent) for percent in (5, 50, 51, 95, 96)] == [1, 10, 11, 19, 20]


def test_twenty_customers_are_named_each_way_the_most_changed_first() -> None:
    a_price(per_token(10, out=10))
    accounts = [rich() for _ in range(25)]
    for number, account in enumerate(accounts):
        call(account, f"in-{number}", number + 1)
        call(account, f"out-{number}", 0, output_tokens=13)
    result = replayed(a_draft(per_token(20, out=0)))
    changes = [row["after_nanos"] - row["before_nanos"] for row in result["most_more"]]
    assert changes == [10 * number - 130 for number in range(25, 13, -1)]
    assert [row["after_nanos"] - row["before_nanos"] for row in result["most_less"]] == [10 * number - 130 for number in range(1, 13)]
    every = replayed(a_draft(per_token(30, out=20)))["most_more"]
    assert [row["account"] for row in every] == [account.pk for account in reversed(accounts[5:])]


def multiply(account: Account, bp: int) -> PriceMultiplier:
    now = clock.now()
    since = now - timedelta(days=90)
    made = PriceMultiplier.objects.create(account=account, multiplier_bp=bp, effective_at=since, activated_at=now, created_at=now)
    factories.forget_memories()
    return made


def captured(account: Account, event_id: str, tokens: int) -> None:
    hold, *_ = open_hold(account_id=account.pk, terms=HoldTerms(1, timedelta(minutes=5)), now=clock.now())
    report(account, event_id, model="plain", input_tokens=tokens, hold=hold.public_id)
    factories.end_of_transaction()


def refund(account: Account, event_id: str, nanos: int | None, now: datetime | None = None) -> None:
    """Give back, in the ledger and on the event, as a refund does; None: all of it."""
    event = UsageEvent.objects.get(account=account, event_id=event_id)
    amount = event.charged_nanos if nanos is None else nanos
    seq = LedgerEntry.objects.get(account=account, source_id=event_id, kind="usage").seq
    source = Source("tests", "", f"back:{event_id}")
    return_usage(account_id=account.pk, seq=seq, amount_nanos=amount, source=source, now=now or clock.now())
    UsageEvent.objects.filter(account=account, event_id=event_id).update(refunded_nanos=amount)


def test_a_run_is_of_1_to_90_days() -> None:
    a_price(per_token(1))
    draft = a_draft(per_token(2))
    for days in (0, 91, -1):
        with pytest.raises(InvalidInput, match="1 to 90"):
            ask_for_shadow_run(version_id=draft.pk, days=days, actor_id=None, reason="For the tests.", now=clock.now())
    assert not ShadowRun.objects.exists()
    assert Grant.objects.count() == 0


def test_whoever_may_have_used_a_model_is_found_by_an_index_of_days() -> None:
    version = a_price(per_token(10))
    price("other")
    folded, elsewhere, counted, booked = rich(), rich(), rich(), rich()
    call(folded, "folded", 1)
    report(elsewhere, "other", model="other")
    fold_platform_usage(now=clock.now(), has_time=clock.forever)
    call(counted, "counted", 1)
    count_account(account_id=counted.pk)
    call(booked, "booked", 1)
    trial = shadow.trial_of(version, days=7, until=clock.now())
    with queries() as asked:
        assert shadow.accounts_with_usage(trial) == [folded.pk, counted.pk, booked.pk]
    (days,) = (statement for statement in asked if "usage_account_day" in statement)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN {days}")
        assert "Seq Scan" not in str(cursor.fetchall())
    assert not any("usage_day" in statement for statement in asked)
