"""Multipliers: who pays other than the price book says, from when, until when; and that each call is rated by one of them."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from fractions import Fraction
from functools import partial

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction

from accounts.models import Account
from accounts.services.api_keys import IssuedKey
from core import clock
from core.errors import Conflict, InvalidInput, NotFound
from core.models import AuditRecord
from tests import factories
from tests.conftest import Api
from tests.credits.test_verification import corrupt
from tests.spending import GPT_4O, OPERATOR, price, report
from tests.threads import at_once, failures, successes
from usage.errors import PriceNotDraft
from usage.models import AiModel, PriceMultiplier, UsageEvent
from usage.rating import FailedPolicy, Quantities
from usage.services.estimates import estimate_cost
from usage.services.explaining import explain_cost
from usage.services.multipliers import (
    Scope,
    activate_multiplier,
    create_multiplier_draft,
    end_multiplier,
    multipliers_of_account,
    pays_at,
    take_back_multiplier,
)
from usage.services.price_book import PRICE_BOOK
from usage.services.prices import ACTIVATION_LEAD, activate_price_version, create_draft

NOW = clock.now()
DAY = timedelta(days=1)
USED = Quantities(1_000, 500)
LIST = 2_500_000 + 5_000_000
"""What those cost at the prices as they stand, in nanos."""


def draft(scope: Scope, bp: int = 9_000, *, effective_at: datetime = NOW, ends_at: datetime | None = None) -> PriceMultiplier:
    return create_multiplier_draft(scope=scope, multiplier_bp=bp, effective_at=effective_at, ends_at=ends_at, now=NOW)


def activate(row: PriceMultiplier, now: datetime = NOW) -> PriceMultiplier:
    return activate_multiplier(multiplier_id=row.pk, actor_id=OPERATOR, reason="Tests.", now=now)


def agree(scope: Scope, bp: int, *, since: datetime = NOW - DAY, ends_at: datetime | None = None) -> PriceMultiplier:
    """A multiplier that is in force, by default for a day."""
    row = activate(draft(scope, bp, effective_at=since, ends_at=ends_at), since - ACTIVATION_LEAD)
    PRICE_BOOK.forget()
    return row


@pytest.fixture
def account(db: None) -> Account:
    price(since=NOW - 9 * DAY)
    made = factories.make_account()
    made.price_tier = "gold"
    made.save()
    factories.forget_memories()
    return made


def model_id(code: str = "gpt-4o") -> int:
    return AiModel.objects.get(code=code).pk


def cost_of(account: Account, at: datetime = NOW) -> int:
    PRICE_BOOK.forget()
    return estimate_cost(account=account, model="gpt-4o", used=USED, now=at).cost_nanos


def test_the_most_specific_multiplier_applies_alone(account: Account) -> None:
    for scope, bp in (
        (Scope(tier="gold"), 9_000),
        (Scope(tier="gold", model_id=model_id()), 8_000),
        (Scope(account_id=account.pk), 7_000),
        (Scope(account_id=account.pk, model_id=model_id()), 15_000),
    ):
        agree(scope, bp)
        assert cost_of(account) == LIST * bp // 10_000
        assert pays_at(Scope(account.pk, model_id=model_id()), NOW) == bp, "what the console says"
    applies = multipliers_of_account(account.pk, NOW)
    assert [row.multiplier_bp for row in applies] == [15_000, 7_000, 8_000, 9_000]


def test_whoever_has_none_pays_the_prices_as_they_stand(account: Account) -> None:
    other_model = price("other").model
    agree(Scope(tier="silver"), 1)
    agree(Scope(account_id=factories.make_account().pk), 2)
    agree(Scope(account_id=account.pk, model_id=other_model.pk), 3)
    assert cost_of(account) == LIST


def test_a_multiplier_applies_within_the_one_rounding(account: Account) -> None:
    """A token at $0.0005 per million, times 1.5, times 1.5: rounded in between it would be another number."""
    price("cheap", replace(GPT_4O, input=500_000, multiplier_bp=15_000))
    agree(Scope(account_id=account.pk), 15_000)
    factories.forget_memories()
    report(account, "one", model="cheap", input_tokens=1)
    assert UsageEvent.objects.get().cost_nanos == round(Fraction(1, 2) * Fraction(3, 2) ** 2) == 1
    assert round(round(Fraction(1, 2) * Fraction(3, 2)) * Fraction(3, 2)) == 2


def test_events_estimates_and_holds_pay_the_same(api: Api, gateway_key: IssuedKey, account: Account) -> None:
    row = agree(Scope(account_id=account.pk), 9_000)
    factories.give(account, 10**9)
    report(account, "one", input_tokens=1_000, output_tokens=500)
    event = UsageEvent.objects.get()
    assert (event.multiplier_id, event.cost_nanos, cost_of(account)) == (row.pk, LIST * 9 // 10, LIST * 9 // 10)
    asked = {"account": account.public_id, "model": "gpt-4o", "input_tokens": 1_000, "output_tokens": 500}
    hold = api.post("/v1/holds", asked, gateway_key).json()
    assert hold["amount_nanos"] == str(LIST * 9 // 10)
    factories.end_of_transaction()
    path = f"/v1/holds/{hold['id']}/capture"
    captured = api.post(path, asked | {"event_id": "two"}, gateway_key).json()
    assert UsageEvent.objects.get(event_id="two").cost_nanos == LIST * 9 // 10, captured
    assert factories.disagreements() == []


def test_a_late_event_pays_by_the_multiplier_of_its_time(account: Account) -> None:
    agree(Scope(account_id=account.pk), 9_000, since=NOW - 3 * DAY, ends_at=NOW - 2 * DAY)
    for name, days in (("before", 4), ("inside", 2.5), ("after", 1.0)):
        report(account, name, input_tokens=1_000, occurred_at=(NOW - days * DAY).isoformat())
        factories.end_of_transaction()
    costs = dict(UsageEvent.objects.values_list("event_id", "cost_nanos"))
    assert costs == {"before": 2_500_000, "inside": 2_250_000, "after": 2_500_000}
    assert factories.disagreements() == []


def test_a_multiplier_of_nothing_charges_nothing(account: Account) -> None:
    agree(Scope(tier="gold"), 0)
    report(account, "one", input_tokens=1_000)
    event = UsageEvent.objects.get()
    assert (event.cost_nanos, event.charged_nanos) == (0, 0)
    assert factories.disagreements() == []


@pytest.mark.parametrize(
    ("policy", "nanos"),
    [
        (FailedPolicy.NEVER, 0),
        (FailedPolicy.INPUT_ONLY, 2_500_000),
        (FailedPolicy.REPORTED, LIST),
        (FailedPolicy.ALWAYS, LIST + 1_000_000),
    ],
)
def test_a_failed_call_pays_what_its_models_policy_says_times_the_multiplier(account: Account, policy: FailedPolicy, nanos: int) -> None:
    model = AiModel.objects.create(code="flaky", name="Flaky")
    version = create_draft(
        model=model, prices=replace(GPT_4O, request=1_000_000), effective_at=NOW - DAY, now=NOW, failed_policy=policy, provider=GPT_4O
    )
    activate_price_version(version_id=version.pk, actor_id=None, reason="Tests.", now=NOW)
    agree(Scope(tier="gold"), 8_000)
    for status in ("failed", "success"):
        report(account, status, model="flaky", status=status, input_tokens=1_000, output_tokens=500)
        factories.end_of_transaction()
    costs = dict(UsageEvent.objects.values_list("event_id", "cost_nanos"))
    assert costs == {"failed": nanos * 8 // 10, "success": (LIST + 1_000_000) * 8 // 10}
    assert factories.disagreements() == []


@pytest.mark.parametrize(("wanted", "begins"), [(-400 * DAY, ACTIVATION_LEAD), (0 * DAY, ACTIVATION_LEAD), (3 * DAY, 3 * DAY)])
def test_a_multiplier_takes_effect_a_minute_after_its_activation_at_the_soonest(
    account: Account, wanted: timedelta, begins: timedelta
) -> None:
    assert activate(draft(Scope(account_id=account.pk), effective_at=NOW + wanted)).effective_at == NOW + begins


def test_a_successor_of_the_same_scope_ends_the_one_before_where_it_begins(account: Account) -> None:
    scope = Scope(account_id=account.pk)
    first = agree(scope, 9_000)
    others = [agree(Scope(tier="gold"), 8_000), agree(Scope(account_id=account.pk, model_id=model_id()), 8_500)]
    last = activate(draft(scope, effective_at=NOW + 4 * DAY))
    between = activate(draft(scope, effective_at=NOW + 2 * DAY, ends_at=NOW + 3 * DAY))
    for row in (first, *others):
        row.refresh_from_db()
    assert [row.ends_at for row in (first, between, last, *others)] == [NOW + 2 * DAY, NOW + 3 * DAY, None, None, None]


def test_a_successor_leaves_the_end_of_one_that_ended_before(account: Account) -> None:
    scope = Scope(account_id=account.pk)
    ended = agree(scope, 9_000, since=NOW - 3 * DAY, ends_at=NOW - 2 * DAY)
    activate(draft(scope))
    ended.refresh_from_db()
    assert ended.ends_at == NOW - 2 * DAY


def test_a_multiplier_that_would_end_before_it_begins_stays_a_draft(account: Account) -> None:
    row = draft(Scope(account_id=account.pk), effective_at=NOW - DAY, ends_at=NOW + timedelta(seconds=60))
    with pytest.raises(InvalidInput, match="end before it takes effect"):
        activate(row)
    row.refresh_from_db()
    assert row.activated_at is None
    assert not AuditRecord.objects.filter(act="activate_price_multiplier").exists()


@pytest.mark.parametrize(
    ("scope", "bp", "lasts"),
    [
        (Scope(), 9_000, None),
        (Scope(account_id=1, tier="gold"), 9_000, None),
        (Scope(tier="gold"), -1, None),
        (Scope(tier="gold"), 1_000_001, None),
        (Scope(tier="gold"), 9_000, timedelta(0)),
    ],
)
def test_a_draft_that_could_never_be_in_force_is_refused(db: None, scope: Scope, bp: int, lasts: timedelta | None) -> None:
    with pytest.raises(InvalidInput):
        draft(scope, bp, ends_at=None if lasts is None else NOW + lasts)
    assert not PriceMultiplier.objects.exists()


def test_an_active_multiplier_is_not_activated_again_and_there_is_no_activating_what_is_not_there(account: Account) -> None:
    row = agree(Scope(tier="gold"), 9_000)
    with pytest.raises(PriceNotDraft):
        activate(row)
    with pytest.raises(NotFound):
        activate_multiplier(multiplier_id=10**9, actor_id=OPERATOR, reason="Tests.", now=NOW)
    assert AuditRecord.objects.filter(act="activate_price_multiplier").count() == 1


def test_activation_is_audited_with_what_was_paid_before(account: Account) -> None:
    agree(Scope(account_id=account.pk), 9_000)
    row = activate(draft(Scope(account_id=account.pk), 8_000))
    record = AuditRecord.objects.latest("pk")
    assert (record.act, record.object_id, record.account_id, record.reason) == (
        "activate_price_multiplier",
        str(row.pk),
        account.pk,
        "Tests.",
    )
    assert (record.before["multiplier_bp"], record.after["multiplier_bp"]) == (9_000, 8_000)


def end(row: PriceMultiplier) -> PriceMultiplier:
    return end_multiplier(multiplier_id=row.pk, actor_id=OPERATOR, reason="Tests.", now=NOW)


def test_what_is_ended_leaves_the_less_specific_one_from_a_minute_later_on(account: Account) -> None:
    agree(Scope(tier="gold"), 9_000)
    row = agree(Scope(account_id=account.pk), 5_000)
    assert end(row).ends_at == NOW + ACTIVATION_LEAD
    told = [cost_of(account, NOW + timedelta(seconds=seconds)) for seconds in (0, 59, 60)]
    assert told == [LIST // 2, LIST // 2, LIST * 9 // 10]
    assert AuditRecord.objects.latest("pk").act == "end_price_multiplier"


def test_there_is_no_ending_a_draft_or_what_ends_anyway(account: Account) -> None:
    ending = agree(Scope(tier="gold"), 9_000, ends_at=NOW + timedelta(seconds=60))
    for row in (draft(Scope(account_id=account.pk)), ending):
        with pytest.raises(Conflict):
            end(row)
    with pytest.raises(NotFound):
        end_multiplier(multiplier_id=10**9, actor_id=OPERATOR, reason="Tests.", now=NOW)
    ending.refresh_from_db()
    assert ending.ends_at == NOW + timedelta(seconds=60)


def take_back(row: PriceMultiplier) -> PriceMultiplier:
    return take_back_multiplier(multiplier_id=row.pk, actor_id=OPERATOR, reason="Tests.", now=NOW)


def test_one_that_begins_in_a_minute_or_later_is_taken_back_and_never_acts(account: Account) -> None:
    before = agree(Scope(account.pk), 9_000)
    row = activate(draft(Scope(account.pk), 5_000, effective_at=NOW + DAY))
    taken = take_back(row)
    assert (taken.activated_at, cost_of(account, NOW + DAY)) == (None, LIST)
    before.refresh_from_db()
    assert before.ends_at == NOW + DAY
    record = AuditRecord.objects.latest("pk")
    assert (record.act, record.object_id, record.account_id) == ("take_back_price_multiplier", str(row.pk), account.pk)
    assert activate(draft(Scope(account.pk), 9_000, effective_at=NOW + DAY)).effective_at == NOW + DAY
    assert cost_of(account, NOW + DAY) == LIST * 9 // 10


def test_what_begins_within_a_minute_is_ended_and_not_taken_back(account: Account) -> None:
    row = activate(draft(Scope(account.pk), 5_000), NOW - timedelta(microseconds=1))
    with pytest.raises(Conflict, match="end it"):
        take_back(row)
    assert end(row).ends_at == row.effective_at + timedelta(microseconds=1)


def test_what_begins_later_is_taken_back_and_not_ended(account: Account) -> None:
    row = activate(draft(Scope(account.pk), 5_000))
    with pytest.raises(Conflict, match="take it back"):
        end(row)
    for other in (draft(Scope(tier="gold")), agree(Scope(tier="gold"), 9_000)):
        with pytest.raises(Conflict, match="is a draft, or it has begun"):
            take_back(other)
    row.refresh_from_db()
    assert (row.activated_at, row.ends_at) == (NOW, None)


@pytest.mark.parametrize("change", ["activated_at = NULL, multiplier_bp = 1", "activated_at = NULL, effective_at = now()", "tier = 'x'"])
def test_raw_sql_may_take_back_what_is_to_come_and_change_nothing_else_of_it(account: Account, change: str) -> None:
    activate(draft(Scope(tier="gold"), effective_at=clock.now() + DAY))
    with pytest.raises(DatabaseError, match="what is in force stays"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"UPDATE usage_pricemultiplier SET {change}")  # noqa: S608  One of three texts of ours.


def test_raw_sql_cannot_take_back_what_has_begun(account: Account) -> None:
    agree(Scope(tier="gold"), 9_000)
    with pytest.raises(DatabaseError, match="what is in force stays"), transaction.atomic():
        PriceMultiplier.objects.update(activated_at=None)


Act = Callable[..., PriceMultiplier]


@pytest.mark.parametrize(("act", "begins"), [(activate_multiplier, None), (end_multiplier, -DAY), (take_back_multiplier, DAY)])
def test_an_act_that_others_keep_waiting_for_too_long_does_nothing(account: Account, act: Act, begins: timedelta | None) -> None:
    """Its lead counts from when it was asked for: what is committed much later would act before every process has read it."""
    row = draft(Scope(account.pk)) if begins is None else agree(Scope(account.pk), 9_000, since=NOW + begins)
    before = list(PriceMultiplier.objects.values_list()), AuditRecord.objects.count()
    with pytest.raises(Conflict, match="nothing was changed") as refused:
        act(multiplier_id=row.pk, actor_id=OPERATOR, reason="Tests.", now=NOW, has_time=lambda: False)
    assert refused.value.stable_code == "activation_too_slow"
    assert (list(PriceMultiplier.objects.values_list()), AuditRecord.objects.count()) == before


@pytest.mark.parametrize("kind", ["account", "account and model", "tier", "tier and model"])
def test_two_multipliers_of_a_scope_are_never_in_force_at_once_even_by_raw_sql(account: Account, kind: str) -> None:
    model = model_id() if "model" in kind else None
    scope = Scope(account_id=account.pk, model_id=model) if "account" in kind else Scope(tier="gold", model_id=model)
    agree(scope, 9_000)
    second = draft(scope)
    second.activated_at = NOW
    with pytest.raises(IntegrityError, match="price_multiplier_one_in_force"), transaction.atomic():
        second.save()


@pytest.mark.parametrize("days", [None, 5])
def test_the_end_of_an_active_multiplier_only_comes_nearer(account: Account, days: int | None) -> None:
    row = agree(Scope(tier="gold"), 9_000, ends_at=NOW + 4 * DAY)
    with pytest.raises(DatabaseError, match="what is in force stays"), transaction.atomic():
        PriceMultiplier.objects.filter(pk=row.pk).update(ends_at=None if days is None else NOW + days * DAY)
    PriceMultiplier.objects.filter(pk=row.pk).update(ends_at=NOW + 3 * DAY)


@pytest.mark.parametrize("lie", ["of another account", "of another model", "that had ended", "that had not begun", "that is a draft"])
def test_an_event_that_names_a_multiplier_which_was_not_its_own_is_found(account: Account, lie: str) -> None:
    other_model = price("other").model
    rows = {
        "of another account": agree(Scope(account_id=factories.make_account().pk), 10_000),
        "of another model": agree(Scope(tier="silver", model_id=other_model.pk), 10_000),
        "that had ended": agree(Scope(tier="bronze"), 10_000, since=NOW - 3 * DAY, ends_at=NOW - 2 * DAY),
        "that had not begun": agree(Scope(tier="copper"), 10_000, since=NOW + DAY),
        "that is a draft": draft(Scope(tier="lead"), 10_000, effective_at=NOW - DAY),
    }
    report(account, "one", occurred_at=(NOW - timedelta(minutes=1)).isoformat())
    assert factories.disagreements() == []
    corrupt("UPDATE usage_event SET multiplier_id = %(multiplier)s", multiplier=rows[lie].pk)
    found = [text for _, _, text in factories.disagreements()]
    assert [text for text in found if text.startswith("events name the multiplier in force: ")], found


@pytest.mark.parametrize(
    ("agreed", "named"), [("account", None), ("account", "tier"), ("account and model", "account"), ("account and model", None)]
)
def test_an_event_that_was_not_rated_by_what_its_account_had_agreed_on_is_found(account: Account, agreed: str, named: str | None) -> None:
    scopes = {"account": Scope(account.pk), "account and model": Scope(account.pk, model_id=model_id()), "tier": Scope(tier="gold")}
    rows = {name: agree(scopes[name], 10_000) for name in (agreed, named) if name is not None}
    report(account, "one")
    event = UsageEvent.objects.get()
    assert event.multiplier_id == rows[agreed].pk
    assert was_in_force(event)
    assert factories.disagreements() == []
    corrupt("UPDATE usage_event SET multiplier_id = nullif(%(other)s, 0)", other=rows[named].pk if named else 0)
    found = [text for _, _, text in factories.disagreements()]
    assert [text for text in found if text.startswith("no multiplier is left out: ")] == found != []
    assert not was_in_force(UsageEvent.objects.get())


def was_in_force(event: UsageEvent) -> bool:
    rating = explain_cost(event)
    return rating is not None and rating.was_in_force


def test_what_was_agreed_on_later_or_of_another_model_or_time_is_not_missed(account: Account) -> None:
    report(account, "before")
    agree(Scope(account.pk, model_id=price("other").model.pk), 10_000)
    agree(Scope(account.pk), 10_000, since=NOW - 3 * DAY, ends_at=NOW - 2 * DAY)
    agree(Scope(factories.make_account().pk), 10_000)
    factories.end_of_transaction()
    report(account, "after")
    agree(Scope(account.pk), 10_000, since=NOW + DAY)
    assert set(UsageEvent.objects.values_list("multiplier_id", flat=True)) == {None}
    assert factories.disagreements() == []


@pytest.mark.django_db(transaction=True)
def test_two_multipliers_of_a_tier_activated_at_once_never_overlap() -> None:
    drafts = [draft(Scope(tier="gold"), bp, effective_at=NOW + number * DAY) for number, bp in enumerate((9_000, 8_000, 7_000))]
    outcomes = at_once(*(partial(activate, row) for row in drafts))
    assert {type(error) for error in failures(outcomes)} <= {Conflict}
    assert successes(outcomes)
    for row in PriceMultiplier.objects.filter(activated_at=None):
        activate(row)
    periods = list(PriceMultiplier.objects.order_by("effective_at").values_list("effective_at", "ends_at"))
    assert [end for _, end in periods] == [begin for begin, _ in periods[1:]] + [None]


def test_a_standing_agreement_goes_on_after_a_passing_one(account: Account) -> None:
    agree(Scope(account.pk), 9_000)
    activate(draft(Scope(account.pk), 5_000, effective_at=NOW + 10 * DAY, ends_at=NOW + 17 * DAY))
    assert [cost_of(account, NOW + days * DAY) for days in (1, 11, 18)] == [6_750_000, 3_750_000, 6_750_000]
    rows = PriceMultiplier.objects.filter(account=account).order_by("effective_at").values_list("multiplier_bp", "ends_at")
    assert list(rows) == [(9_000, NOW + 10 * DAY), (5_000, NOW + 17 * DAY), (9_000, None)]
