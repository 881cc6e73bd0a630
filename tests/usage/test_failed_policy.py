"""What of a failed call is charged, by its model's policy: in a batch, by a capture, in an estimate, and when it is proven."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

import pytest
from django.db import connection

from accounts.models import Account
from accounts.selectors import AccountRef
from credits.models import LedgerEntry, Policy
from credits.services.holds import HoldTerms, open_hold
from credits.services.policies import set_policy
from tests import factories
from tests.spending import OPERATOR, adjust
from tests.usage.counting import assert_all_agrees, sums_everywhere
from usage.models import AiModel, PriceVersion, UsageDay, UsageEvent
from usage.rating import FailedPolicy, Prices, Quantities
from usage.services.captures import CaptureRequest, capture
from usage.services.counting import count_account
from usage.services.directory import ACCOUNTS
from usage.services.estimates import estimate_cost
from usage.services.ingest import ingest
from usage.services.prices import activate_price_version, create_draft

pytestmark = pytest.mark.django_db
NOON: Final = datetime(2026, 3, 10, 12, tzinfo=UTC)
HOUR: Final = timedelta(hours=1)
PER_MILLION: Final = 10**6
PRICES: Final = Prices(
    input=PER_MILLION,
    output=10 * PER_MILLION,
    cache_read=100 * PER_MILLION,
    cache_write=1_000 * PER_MILLION,
    reasoning=10_000 * PER_MILLION,
    request=10**5,
    image=10**6,
    second=10**7,
    multiplier_bp=10_000,
)
"""Each kind of quantity has a digit of its own in the cost."""
USED: Final = {
    "input_tokens": 1,
    "output_tokens": 2,
    "cache_read_tokens": 3,
    "cache_write_tokens": 4,
    "reasoning_tokens": 5,
    "requests": 6,
    "images": 7,
    "seconds": 8,
}
WHOLE: Final = 87_654_321
COST: Final = {
    FailedPolicy.NEVER: 0,
    FailedPolicy.INPUT_ONLY: 4_301,
    FailedPolicy.REPORTED: 87_054_321,
    FailedPolicy.ALWAYS: WHOLE,
}
WAYS: Final = ("batch", "capture", "batch with a hold", "capture by hand")


@pytest.fixture(params=FailedPolicy)
def policy(request: pytest.FixtureRequest) -> FailedPolicy:
    found: FailedPolicy = request.param
    return found


@pytest.fixture
def version(policy: FailedPolicy) -> PriceVersion:
    model = AiModel.objects.create(code="model", name="Model")
    draft = create_draft(model=model, prices=PRICES, effective_at=NOON - HOUR, now=NOON - HOUR, failed_policy=policy, provider=PRICES)
    activated = activate_price_version(version_id=draft.pk, actor_id=OPERATOR, reason="Tests.", now=NOON - HOUR)
    factories.forget_memories()
    return activated


@pytest.fixture
def account(version: PriceVersion) -> Iterator[Account]:
    made = factories.make_account()
    adjust(made, 10**10, NOON)
    yield made
    assert_all_agrees()


def book(account: Account, way: str, event_id: str = "call", **said: object) -> UsageEvent:
    said = {"model": "model", "status": "failed"} | USED | said
    factories.end_of_transaction()
    if way == "batch":
        hold = None
    else:
        opened, *_ = open_hold(account_id=account.pk, terms=HoldTerms(5, HOUR), now=NOON)
        hold = opened.public_id
    if way == "capture by hand":
        set_policy(account_id=account.pk, policy=Policy.ABSORB, actor_id=OPERATOR, reason="Tests.", now=NOON)
    if way.startswith("capture"):
        said["amount"] = said.pop("cost", None)
        capture(CaptureRequest(account=account.public_id, event_id=event_id, **said), hold=hold or "", now=NOON)  # type: ignore[arg-type]
    else:
        event = factories.event(account, event_id, **said) | ({} if hold is None else {"hold": hold})
        assert ingest(json.dumps([event]).encode(), now=NOON).accepted == 1
    return UsageEvent.objects.get(account=account, event_id=event_id)


@pytest.mark.parametrize("way", WAYS)
def test_a_failed_call_is_charged_what_the_policy_says(account: Account, policy: FailedPolicy, way: str) -> None:
    event = book(account, way)
    assert (event.cost_nanos, event.charged_nanos, event.status) == (COST[policy], COST[policy], "failed")
    assert {name: getattr(event, name) for name in USED} == USED
    assert sums_everywhere(account).cost == COST[policy]
    assert LedgerEntry.objects.filter(kind="usage").count() == (1 if COST[policy] else 0)


@pytest.mark.parametrize("way", WAYS)
def test_a_call_that_succeeded_is_charged_whole(account: Account, way: str) -> None:
    assert book(account, way, status="success").charged_nanos == WHOLE


@pytest.mark.parametrize("way", WAYS)
def test_a_failed_call_whose_sender_names_its_cost_is_charged_that_whatever_the_policy(account: Account, way: str) -> None:
    event = book(account, way, cost="0.000000777")
    assert (event.cost_nanos, event.charged_nanos, event.price_version_id) == (777, 777, None)


def test_what_a_failed_call_costs_the_operator_is_counted_whole_beside_what_it_was_charged(account: Account, policy: FailedPolicy) -> None:
    book(account, "batch")
    count_account(account.pk)
    day = UsageDay.objects.get()
    assert (day.status, day.cost_nanos, day.provider_cost_nanos, day.costed_nanos) == ("failed", COST[policy], WHOLE, COST[policy])


def test_an_estimate_is_of_a_call_that_succeeds(account: Account) -> None:
    (named,) = ACCOUNTS.resolve({account.public_id}, NOON).values()
    assert isinstance(named, AccountRef)
    assert estimate_cost(account=named, model="model", used=Quantities(**USED), now=NOON).cost_nanos == WHOLE


def test_the_proof_rates_a_failed_call_by_its_policy(account: Account, policy: FailedPolicy) -> None:
    book(account, "batch")
    book(account, "batch", "other", status="success")
    others = [each for each in FailedPolicy if each is not policy]
    for other in others:
        rewrite("UPDATE usage_priceversion SET failed_policy = %s", other.value)
        assert [(number, detail) for number, _, detail in factories.disagreements()] == [
            (7, f"events cost what rating says: event call cost {COST[policy]}, which is not its rating")
        ]
    rewrite("UPDATE usage_priceversion SET failed_policy = %s", policy.value)


def rewrite(statement: str, value: str) -> None:
    """What the guards refuse, by somebody who has switched them off."""
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(statement, [value])
        cursor.execute("SET session_replication_role = DEFAULT")
