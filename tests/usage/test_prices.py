"""The price book: a first price may look back, later ones look ahead, none is ever rewritten."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from core import clock
from core.errors import Conflict, InvalidInput, NotFound
from core.models import AuditRecord
from tests import factories
from tests.spending import GPT_4O, OPERATOR, price
from usage.errors import PriceNotDraft, StalePriceBook, UnknownModel, UnpricedModel
from usage.models import AiModel, PriceMultiplier, PriceVersion, ProviderCost
from usage.rating import FailedPolicy, Quantities
from usage.services.estimates import estimate_cost
from usage.services.price_book import KEPT, PRICE_BOOK, REFRESH_AFTER, read_price_book
from usage.services.prices import ACTIVATION_LEAD, Draft, activate_price_version, create_draft, create_drafts
from usage.services.staging import PAST_TOLERANCE
from usage.services.starter_prices import load_starter_prices

pytestmark = pytest.mark.django_db
NOW = clock.now()
DAY = timedelta(days=1)
DEARER = replace(GPT_4O, input=2 * GPT_4O.input)


def draft(model: AiModel, **said: object) -> PriceVersion:
    return create_draft(**{"model": model, "prices": DEARER, "effective_at": NOW, "now": NOW} | said)  # type: ignore[arg-type]


def activate(version: PriceVersion) -> PriceVersion:
    return activate_price_version(version_id=version.pk, actor_id=OPERATOR, reason="Tests.", now=NOW)


def model_without_price() -> AiModel:
    return AiModel.objects.create(code="fresh", name="Fresh")


def test_a_models_first_price_may_take_effect_in_the_past() -> None:
    version = activate(draft(model_without_price(), effective_at=NOW - 400 * DAY))
    assert (version.effective_at, version.activated_at) == (NOW - 400 * DAY, NOW)


@pytest.mark.parametrize("wanted", [-400 * DAY, timedelta(0), timedelta(seconds=59)])
def test_a_later_price_takes_effect_a_minute_after_its_activation_at_the_soonest(wanted: timedelta) -> None:
    model = price(since=NOW - DAY).model
    assert activate(draft(model, effective_at=NOW + wanted)).effective_at == NOW + ACTIVATION_LEAD
    assert timedelta(seconds=60) == ACTIVATION_LEAD


@pytest.mark.parametrize("wanted", [timedelta(seconds=60), timedelta(seconds=61), 30 * DAY])
def test_a_price_for_later_takes_effect_when_it_says(wanted: timedelta) -> None:
    model = price(since=NOW - DAY).model
    assert activate(draft(model, effective_at=NOW + wanted)).effective_at == NOW + wanted


def test_an_active_price_is_not_activated_again() -> None:
    version = price(since=NOW - DAY)
    with pytest.raises(PriceNotDraft):
        activate(version)
    assert PriceVersion.objects.get() == version


def test_two_prices_of_a_model_never_take_effect_at_one_instant() -> None:
    model = price(since=NOW - DAY).model
    activate(draft(model, effective_at=NOW + DAY))
    second = draft(model, effective_at=NOW + DAY)
    with pytest.raises(InvalidInput):
        activate(second)
    second.refresh_from_db()
    assert second.activated_at is None


def test_there_is_no_activating_what_is_not_there() -> None:
    with pytest.raises(NotFound):
        activate_price_version(version_id=10**9, actor_id=OPERATOR, reason="Tests.", now=NOW)


def test_an_activation_that_others_keep_waiting_for_too_long_does_nothing() -> None:
    """Its lead counts from when it was asked for: what is committed much later would act before every process has read it."""
    version = draft(price(since=NOW - DAY).model)
    with pytest.raises(Conflict, match="nothing was changed"):
        activate_price_version(version_id=version.pk, actor_id=OPERATOR, reason="Tests.", now=NOW, has_time=lambda: False)
    version.refresh_from_db()
    assert version.activated_at is None
    assert AuditRecord.objects.filter(act="activate_price_version").count() == 1


def test_activation_is_audited_with_its_reason() -> None:
    version = activate(draft(model_without_price()))
    record = AuditRecord.objects.get(act="activate_price_version")
    assert (record.object_id, record.actor_id, record.reason) == (str(version.pk), OPERATOR, "Tests.")


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE usage_priceversion SET input_nanos_per_million = 0 WHERE id = %s",
        "UPDATE usage_priceversion SET effective_at = now() WHERE id = %s",
        "UPDATE usage_priceversion SET activated_at = NULL WHERE id = %s",
        "DELETE FROM usage_priceversion WHERE id = %s",
    ],
)
def test_an_active_price_is_never_rewritten_even_by_raw_sql(sql: str) -> None:
    version = price(since=NOW - DAY)
    with pytest.raises(DatabaseError, match="what is in force stays"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql, [version.pk])
    kept = PriceVersion.objects.get(pk=version.pk)
    assert (kept.input_nanos_per_million, kept.activated_at) == (version.input_nanos_per_million, version.activated_at)


def test_a_price_between_two_others_ends_where_the_later_one_begins_and_shortens_the_earlier_one() -> None:
    first = price(since=NOW - DAY)
    last = activate(draft(first.model, effective_at=NOW + 4 * DAY))
    between = activate(draft(first.model, effective_at=NOW + 2 * DAY))
    first.refresh_from_db()
    assert (first.ends_at, between.ends_at, last.ends_at) == (NOW + 2 * DAY, NOW + 4 * DAY, None)


def test_a_first_price_that_looks_back_and_its_successors_leave_no_gap() -> None:
    model = model_without_price()
    activate(draft(model, effective_at=NOW - 9 * DAY))
    for days in (5, 1, 3):
        activate(draft(model, effective_at=NOW + days * DAY))
    periods = list(PriceVersion.objects.order_by("effective_at").values_list("effective_at", "ends_at"))
    assert [end for _, end in periods] == [begin for begin, _ in periods[1:]] + [None]


@pytest.mark.parametrize(
    ("wanted", "days"), [("later than its end", 5), ("never", None), ("before it began", -9), ("at once as it began", -1)]
)
def test_the_end_of_a_price_in_force_only_comes_nearer(wanted: str, days: int | None) -> None:
    version = price(since=NOW - DAY)
    activate(draft(version.model, effective_at=NOW + 4 * DAY))
    with pytest.raises(DatabaseError), transaction.atomic():
        PriceVersion.objects.filter(pk=version.pk).update(ends_at=None if days is None else NOW + days * DAY)
    version.refresh_from_db()
    assert version.ends_at == NOW + 4 * DAY, wanted
    PriceVersion.objects.filter(pk=version.pk).update(ends_at=NOW + 3 * DAY)


@pytest.mark.parametrize(("begins", "ends"), [(-9, None), (-9, 1), (0, 1), (3, None), (3, 9), (-1, 4)])
def test_two_prices_of_a_model_are_never_in_force_at_once_even_by_raw_sql(begins: int, ends: int | None) -> None:
    first = price(since=NOW - DAY)
    activate(draft(first.model, effective_at=NOW + 4 * DAY))
    second = draft(first.model, effective_at=NOW + begins * DAY)
    second.ends_at, second.activated_at = None if ends is None else NOW + ends * DAY, NOW
    with pytest.raises(IntegrityError, match="price_version_one_in_force"), transaction.atomic():
        second.save()
    assert PriceVersion.objects.filter(activated_at__isnull=False).count() == 2


def test_prices_of_different_models_are_in_force_at_once() -> None:
    assert [price(code, since=NOW - DAY).ends_at for code in ("one", "two")] == [None, None]


def test_the_providers_cost_is_written_with_the_draft_and_fixed_once_that_is_active() -> None:
    version = draft(model_without_price(), provider=GPT_4O)
    ProviderCost.objects.filter(version=version).update(input_nanos_per_million=5)
    activate(version)
    for change in (
        lambda: ProviderCost.objects.filter(version=version).update(input_nanos_per_million=6),
        lambda: ProviderCost.objects.filter(version=version).delete(),
    ):
        with pytest.raises(DatabaseError, match="its price is in force"), transaction.atomic():
            change()
    assert ProviderCost.objects.get(version=version).prices() == replace(GPT_4O, input=5)


def test_no_provider_cost_is_slipped_under_an_active_price() -> None:
    version, other = price(since=NOW - DAY), draft(model_without_price(), provider=GPT_4O)
    with pytest.raises(DatabaseError, match="its price is in force"), transaction.atomic():
        ProviderCost.objects.create(version=version, input_nanos_per_million=1, output_nanos_per_million=1)
    with pytest.raises(DatabaseError, match="its price is in force"), transaction.atomic():
        ProviderCost.objects.filter(version=other).update(version=version)
    assert not ProviderCost.objects.filter(version=version).exists()


def test_a_draft_that_is_deleted_takes_its_provider_cost_with_it() -> None:
    draft(model_without_price(), provider=GPT_4O).delete()
    assert not ProviderCost.objects.exists()


def test_many_drafts_are_written_at_once_and_each_keeps_what_it_was_given() -> None:
    model = model_without_price()
    wanted = [
        Draft(model, GPT_4O, NOW, FailedPolicy.NEVER),
        Draft(model, DEARER, NOW + DAY, provider=GPT_4O),
    ]
    with CaptureQueriesContext(connection) as captured:
        first, second = create_drafts(drafts=wanted, now=NOW)
    assert len([query for query in captured if "INSERT" in query["sql"]]) == 2
    assert (first.rates, first.failed_policy, hasattr(first, "provider_cost")) == (GPT_4O, "never", False)
    assert (second.rates, second.effective_at, second.provider_cost.prices()) == (DEARER, NOW + DAY, GPT_4O)


def test_a_draft_prices_nothing() -> None:
    draft(model_without_price(), effective_at=NOW - DAY)
    with pytest.raises(UnpricedModel):
        read_price_book(now=NOW).in_force("fresh", NOW)


def test_the_price_in_force_is_the_last_that_took_effect() -> None:
    model = price("gpt-4o", since=NOW - DAY).model
    activate(draft(model, effective_at=NOW + DAY))
    book = read_price_book(now=NOW)
    just_before = NOW + DAY - timedelta(microseconds=1)
    told = [book.in_force("gpt-4o", at).prices for at in (NOW - DAY, NOW, just_before, NOW + DAY, NOW + 99 * DAY)]
    assert told == [GPT_4O, GPT_4O, GPT_4O, DEARER, DEARER]
    with pytest.raises(UnpricedModel):
        book.in_force("gpt-4o", NOW - DAY - timedelta(microseconds=1))
    with pytest.raises(UnknownModel):
        book.in_force("gpt-none", NOW)


def test_the_book_keeps_what_can_still_price_an_event_and_no_more() -> None:
    account = factories.make_account()
    ends = {"gone": NOW - KEPT, "late": NOW - KEPT + timedelta(seconds=1)}
    for code, at in ends.items():
        first = price(code, since=NOW - 400 * DAY)
        second = create_draft(model=first.model, prices=DEARER, effective_at=at, now=NOW)
        activate_price_version(version_id=second.pk, actor_id=None, reason="Tests.", now=at - ACTIVATION_LEAD)
    for bp, at in enumerate(ends.values()):
        then = at - timedelta(milliseconds=5)
        PriceMultiplier.objects.create(account=account, multiplier_bp=bp, effective_at=then, ends_at=at, activated_at=then)
        PriceMultiplier.objects.create(account=account, multiplier_bp=7, effective_at=at, ends_at=at + timedelta(microseconds=1))
    book = read_price_book(now=NOW)
    assert {code: len(versions) for code, (_, versions) in book.versions.items()} == {"gone": 1, "late": 2}
    assert [row.bp for row in book.multipliers[account.pk, 0]] == [1]
    assert PAST_TOLERANCE + DAY <= KEPT


def test_an_estimate_is_what_the_call_would_cost() -> None:
    version = price(since=NOW - DAY)
    estimate = estimate_cost(account=factories.make_account(), model="gpt-4o", used=Quantities(1_000, 500, 200), now=NOW)
    assert (estimate.price_version, estimate.cost_nanos) == (version.pk, 2_500_000 + 5_000_000 + 250_000)


def test_the_book_is_remembered_for_fifteen_seconds_and_then_read_again() -> None:
    price("first", since=NOW - DAY)
    PRICE_BOOK.current(NOW)
    AiModel.objects.create(code="second", name="Second")
    almost = NOW + REFRESH_AFTER - timedelta(microseconds=1)
    assert set(PRICE_BOOK.current(almost).versions) == {"first"}
    assert set(PRICE_BOOK.current(NOW + REFRESH_AFTER).versions) == {"first", "second"}


def test_a_book_that_cannot_be_read_serves_for_45_seconds_and_then_refuses() -> None:
    price("first", since=NOW - DAY)
    PRICE_BOOK.current(NOW)
    with transaction.atomic():
        spoil_transaction()
        book = PRICE_BOOK.current(NOW + timedelta(seconds=45))
        assert book.read_at == NOW
        with pytest.raises(StalePriceBook):
            PRICE_BOOK.current(NOW + timedelta(seconds=46))
        transaction.set_rollback(True)


def spoil_transaction() -> None:
    """PostgreSQL refuses everything after an error until the transaction ends: a database that does not answer."""
    with pytest.raises(DatabaseError), connection.cursor() as cursor:
        cursor.execute("SELECT 1/0")


def test_starter_prices_are_loaded_once() -> None:
    loaded = load_starter_prices(now=NOW)
    assert loaded == AiModel.objects.count() == PriceVersion.objects.filter(activated_at=NOW).count()
    assert load_starter_prices(now=NOW) == 0
