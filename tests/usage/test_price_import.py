"""A public price list becomes drafts: exactly, once, with a markup; and what cannot be taken says why."""

import json
from dataclasses import replace
from datetime import date, timedelta
from fractions import Fraction
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Any, Final

import pytest
from django.core.management import CommandError, call_command
from hypothesis import given
from hypothesis import strategies as st

from core import clock
from core.errors import Conflict, InvalidInput
from core.models import AuditRecord
from tests import factories
from tests.spending import GPT_4O, OPERATOR
from tests.threads import at_once, failures, successes
from usage.models import AiModel, PriceVersion, ProviderCost
from usage.models.price_book import PRICE_MAX_NANOS
from usage.rating import FailedPolicy, Prices, Quantities
from usage.services.estimates import estimate_cost
from usage.services.price_import import Imported, ImportTerms, Outcome, import_prices, plan_import, told_changes
from usage.services.price_list import LIST_MAX_BYTES, Listed, Unusable, read_price_list
from usage.services.prices import ACTIVATED_AT_ONCE, ACTIVATION_LEAD, activate_price_version, activate_price_versions, create_draft

NOW: Final = clock.now()
DAY: Final = timedelta(days=1)
LIST: Final = """{
    "sample_spec": {"input_cost_per_token": 0.0, "mode": "one of: chat, embedding", "litellm_provider": "one of the providers"},
    "chat-1": {
        "input_cost_per_token": 2.5e-06, "output_cost_per_token": 1e-05, "cache_read_input_token_cost": 1.25e-06,
        "cache_creation_input_token_cost": 0.0, "litellm_provider": "openai", "max_tokens": 16384, "mode": "chat",
        "input_cost_per_token_above_128k_tokens": 5e-06, "output_cost_per_token_batches": 0.0, "supports_vision": true
    },
    "reasons": {
        "input_cost_per_token": 1.5e-07, "output_cost_per_token": 6e-07, "output_cost_per_reasoning_token": 9e-07,
        "litellm_provider": "deepseek", "mode": "chat"
    },
    "paints": {"output_cost_per_image": 0.04, "litellm_provider": "openai", "mode": "image_generation"},
    "hears": {"input_cost_per_second": 0.0001, "output_cost_per_second": 0.0001, "litellm_provider": "openai"},
    "embeds": {"input_cost_per_token": 2e-08, "output_cost_per_token": 0, "litellm_provider": "openai", "mode": "embedding"}
}"""


def terms(**said: Any) -> ImportTerms:
    usual: dict[str, Any] = {"markup_bp": 12_000, "effective_at": NOW}
    return ImportTerms(**(usual | said))


def take(text: str = LIST, **said: Any) -> Imported:
    return import_prices(raw=text.encode(), terms=terms(**said), actor_id=OPERATOR, reason="Tests, all of them.", now=NOW)


def take_in_force(text: str = LIST) -> tuple[Imported, int]:
    """Import and activate; what was imported, and how many prices were activated."""
    done = take(text)
    return done, activate_price_versions(version_ids=done.waiting, actor_id=OPERATOR, reason="Tests.", now=NOW)


def one(**said: object) -> Listed | Unusable:
    """How a model that says this is read."""
    (read,) = read_price_list(json.dumps({"m": said}).encode())
    return read


def prices_of(**said: object) -> Prices:
    read = one(**said)
    assert isinstance(read, Listed), read
    return read.prices


def why(text: str) -> str:
    """Why the only model of this list is refused. `text`: its fields as JSON."""
    (read,) = read_price_list(f'{{"m": {text}}}'.encode())
    assert isinstance(read, Unusable), read
    return read.why


def rows() -> tuple[object, ...]:
    return tuple(sorted(map(repr, model.objects.values_list())) for model in (AiModel, PriceVersion, ProviderCost, AuditRecord))


def test_a_list_is_read_to_the_nano_and_its_sample_is_no_model() -> None:
    read = {each.code: each for each in read_price_list(LIST.encode())}
    assert {code: each.prices for code, each in read.items() if isinstance(each, Listed)} == {
        "chat-1": Prices(2_500_000_000, 10_000_000_000, 1_250_000_000, 0, 10_000_000_000, 0, 0, 0, 10_000),
        "reasons": Prices(150_000_000, 600_000_000, 150_000_000, 150_000_000, 900_000_000, 0, 0, 0, 10_000),
        "paints": Prices(0, 0, 0, 0, 0, 0, 40_000_000, 0, 10_000),
        "hears": Prices(0, 0, 0, 0, 0, 0, 0, 100_000, 10_000),
        "embeds": Prices(20_000_000, 0, 20_000_000, 20_000_000, 0, 0, 0, 0, 10_000),
    }


def test_a_price_field_that_has_no_unit_here_is_named_unless_it_says_nothing() -> None:
    read = one(
        input_cost_per_token=1e-6,
        input_cost_per_token_above_128k_tokens=2e-6,
        output_cost_per_token_batches=0.0,
        tiered_pricing=[{"input_cost_per_token": 1e-7}],
        search_context_cost_per_query={"high": 0.01},
        off_peak_pricing={},
        max_tokens=5,
        input_cost_per_pixel=None,
    )
    assert isinstance(read, Listed)
    assert read.unused == ("input_cost_per_token_above_128k_tokens", "search_context_cost_per_query", "tiered_pricing")


def test_no_class_of_tokens_becomes_free_by_being_left_out() -> None:
    left_out = prices_of(input_cost_per_token=3e-6, output_cost_per_token=7e-6)
    assert (left_out.cache_read, left_out.cache_write, left_out.reasoning) == (left_out.input, left_out.input, left_out.output)
    said = prices_of(input_cost_per_token=3e-6, cache_read_input_token_cost=0, output_cost_per_token=7e-6)
    assert (said.cache_read, said.cache_write) == (0, left_out.input)


def test_a_number_may_be_written_as_text_with_or_without_an_exponent() -> None:
    for text in ("0.0000025", "2.5e-06", "2.5E-6", "25e-7", "0.00000250"):
        assert prices_of(input_cost_per_token=text).input == 2_500_000_000


@given(st.integers(min_value=1, max_value=PRICE_MAX_NANOS), st.integers(min_value=-8, max_value=8))
def test_every_price_down_to_a_nano_per_million_is_read_exactly_however_it_is_written(nanos: int, shift: int) -> None:
    digits, exponent = f"{nanos}{'0' * max(shift, 0)}", -15 - max(shift, 0)
    whole, fraction = digits[:-3] or "0", digits[-3:]
    for text in (f"{digits}e{exponent}", f"{whole}.{fraction.zfill(3)}E{exponent + 3}"):
        read = read_price_list(f'{{"m": {{"input_cost_per_token": {text}}}}}'.encode())[0]
        assert isinstance(read, Listed)
        assert read.prices.input == nanos == Fraction(text) * 10**15


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ("{}", "no price"),
        ('{"mode": "chat"}', "no price"),
        ('{"input_cost_per_token": 0, "output_cost_per_token": 0.0}', "no price for it, or 0"),
        ('{"input_cost_per_token": null}', "no price"),
        ('{"input_cost_per_pixel": 1.9e-08, "output_cost_per_pixel": 0.0}', "only input_cost_per_pixel"),
        ('{"tiered_pricing": [{"input_cost_per_token": 1e-07}]}', "only tiered_pricing"),
        ('{"input_cost_per_token": -1}', "negative: -1"),
        ('{"input_cost_per_token": 1e-6, "output_cost_per_token": -1e-6}', "output_cost_per_token is negative"),
        ('{"input_cost_per_token": "free"}', "not a number: free"),
        ('{"input_cost_per_token": ""}', "not a number"),
        ('{"input_cost_per_token": " 1e-6"}', "not a number"),
        ('{"input_cost_per_token": "0x1"}', "not a number"),
        ('{"input_cost_per_token": "\u0661e-6"}', "not a number"),
        ('{"input_cost_per_token": true}', "not a number: True"),
        ('{"input_cost_per_token": [1e-6]}', "not a number"),
        ('{"input_cost_per_token": NaN}', "not a number: NaN"),
        ('{"input_cost_per_token": -Infinity}', "not a number"),
        ('{"input_cost_per_token": 1e999999999}', "not a number"),
        ('{"input_cost_per_token": 9.499999999999999e-07}', "finer than a nano-dollar per million tokens"),
        ('{"output_cost_per_image": 0.0000000001}', "finer than a nano-dollar: "),
        ('{"input_cost_per_token": 1.1}', "above any price"),
        ('{"input_cost_per_token": 9e99}', "above any price"),
        ('{"input_cost_per_image": 0.0011, "output_cost_per_image": 0.134}', "two prices for one image"),
        ('"2.5e-06"', "not an object"),
        ("[]", "not an object"),
        ("null", "not an object"),
    ],
)
def test_a_model_whose_price_cannot_be_taken_exactly_is_refused_and_says_why(fields: str, reason: str) -> None:
    assert reason in why(fields)


def test_a_unit_that_is_said_twice_is_taken_where_both_agree_or_one_says_nothing() -> None:
    assert prices_of(input_cost_per_second=0.25, output_cost_per_second=0.25).second == 250_000_000
    assert prices_of(input_cost_per_second=0.25, output_cost_per_second=0.0).second == 250_000_000
    assert prices_of(input_cost_per_request=0.005).request == 5_000_000


@pytest.mark.parametrize("code", ["", "two words", "n" * 129, "modèle", "a\\u0000b"])
def test_a_name_that_usage_could_not_report_is_refused(code: str) -> None:
    (read,) = read_price_list(f'{{"{code}": {{"input_cost_per_token": 1e-6}}}}'.encode())
    assert isinstance(read, Unusable)
    assert "its name" in read.why


BAD_FILES: Final = [
    b"",
    b"[]",
    b"null",
    b"5",
    b"{}",
    b'{"sample_spec": {}}',
    b"{",
    b'{"m": {}} x',
    b"\xff\xfe",
    b"[" * 100_000,
    b'{"m": {"input_cost_per_token": 1e-6}, "m": {"input_cost_per_token": 2e-6}}',
    b'{"m": {"input_cost_per_token": 1e-6, "input_cost_per_token": 2e-6}}',
    b" " * LIST_MAX_BYTES + b"{}",
]


@pytest.mark.django_db
@pytest.mark.parametrize("raw", BAD_FILES, ids=range(len(BAD_FILES)))
def test_a_file_that_is_no_price_list_is_refused_and_nothing_is_written(raw: bytes) -> None:
    before = rows()
    with pytest.raises(InvalidInput) as refused:
        import_prices(raw=raw, terms=terms(), actor_id=None, reason="Tests.", now=NOW)
    assert refused.value.stable_code == "invalid_price_list"
    assert len(refused.value.message) <= 300
    assert rows() == before


@pytest.mark.django_db
@pytest.mark.parametrize(
    "said", [{"markup_bp": 0}, {"markup_bp": -1}, {"markup_bp": 1_000_001}, {"only": "none-*"}, {"provider": "nobody"}]
)
def test_terms_that_cannot_be_meant_are_refused(said: dict[str, Any]) -> None:
    before = rows()
    with pytest.raises(InvalidInput):
        take(**said)
    assert rows() == before


@pytest.mark.django_db
def test_an_import_makes_models_and_drafts_at_a_markup_and_keeps_what_the_provider_asks() -> None:
    done = take()
    assert done.waiting == [draft.pk for draft in done.drafts]
    assert PriceVersion.objects.filter(activated_at=None).count() == 5
    version = PriceVersion.objects.select_related("model").get(model__code="chat-1")
    asked = Prices(2_500_000_000, 10_000_000_000, 1_250_000_000, 0, 10_000_000_000, 0, 0, 0, 10_000)
    assert (version.rates, version.provider_cost.prices()) == (replace(asked, multiplier_bp=12_000), asked)
    assert (version.activated_at, version.effective_at, version.failed_policy) == (None, NOW, "reported")
    assert (version.model.name, version.model.provider) == ("chat-1", "openai")


@pytest.mark.django_db
def test_an_import_is_audited_once_with_its_terms() -> None:
    take(only="*s", provider="openai")
    record = AuditRecord.objects.get()
    assert (record.act, record.actor_id, record.reason) == ("import_prices", OPERATOR, "Tests, all of them.")
    assert record.after == {"drafts": 3, "markup_bp": 12_000, "only": "*s", "provider": "openai"}


@pytest.mark.django_db
def test_the_same_list_again_makes_nothing_new_neither_beside_drafts_nor_beside_active_prices() -> None:
    take()
    before = rows()
    assert {line.outcome for line in take().plan.lines} == {Outcome.UNCHANGED}
    assert rows() == before
    for version in PriceVersion.objects.all():
        activate_price_version(version_id=version.pk, actor_id=None, reason="Tests.", now=NOW)
    before = rows()
    assert take(effective_at=NOW + DAY).drafts == []
    assert rows() == before


@pytest.mark.django_db
def test_only_what_has_changed_gets_a_draft() -> None:
    take_in_force()
    dearer = LIST.replace("0.04", "0.05")
    done = take(dearer)
    assert [(draft.model.code, draft.image_nanos) for draft in done.drafts] == [("paints", 50_000_000)]
    (line,) = done.plan.wanted
    assert told_changes(line, done.plan.terms) == ["image 0.04 → 0.05"]
    assert [told_changes(line, terms(markup_bp=10_000)) for line in plan(dearer, markup_bp=10_000).of(Outcome.CHANGED)][-1] == [
        "multiplier 12000 → 10000 basis points"
    ]


def plan(text: str = LIST, **said: Any) -> Any:
    return plan_import(raw=text.encode(), terms=terms(**said), now=NOW)


@pytest.mark.django_db
def test_a_price_without_its_provider_cost_is_told_what_the_provider_asks() -> None:
    model = AiModel.objects.create(code="paints", name="Paints")
    create_draft(model=model, prices=Prices(0, 0, 0, 0, 0, 0, 40_000_000, 0, 12_000), effective_at=NOW, now=NOW)
    (line,) = take(only="paints").plan.wanted
    assert (line.outcome, told_changes(line, terms())) == (Outcome.CHANGED, ["what the provider asks is written down"])


@pytest.mark.django_db
def test_what_a_model_charges_of_failed_calls_stays_when_its_price_is_imported() -> None:
    model = AiModel.objects.create(code="chat-1", name="Chat")
    first = create_draft(model=model, prices=GPT_4O, effective_at=NOW - DAY, now=NOW, failed_policy=FailedPolicy.NEVER)
    activate_price_version(version_id=first.pk, actor_id=None, reason="Tests.", now=NOW)
    (draft,) = take(only="chat-1").drafts
    assert draft.failed_policy == "never"


@pytest.mark.django_db
def test_a_model_that_is_gone_is_not_added_but_one_that_is_known_is_kept_up_to_date() -> None:
    text = json.dumps({"old": {"input_cost_per_token": 1e-6, "deprecation_date": str(date(2020, 1, 1))}})
    assert [(line.outcome, line.why) for line in plan(text).lines] == [(Outcome.REFUSED, "it is gone since 2020-01-01")]
    AiModel.objects.create(code="old", name="Old")
    assert [line.outcome for line in plan(text).lines] == [Outcome.CHANGED]
    text = json.dumps({"new": {"input_cost_per_token": 1e-6, "deprecation_date": "date when the model is gone"}})
    assert [line.outcome for line in plan(text).lines] == [Outcome.NEW]


@pytest.mark.django_db
def test_activated_prices_are_in_force_and_charge_the_list_and_the_markup() -> None:
    _, activated = take_in_force()
    assert activated == 5
    factories.forget_memories()
    estimate = estimate_cost(account=factories.make_account(), model="chat-1", used=Quantities(1_000, 500), now=NOW)
    assert estimate.cost_nanos == (2_500_000 + 5_000_000) * 12 // 10
    later, _ = take_in_force(LIST.replace("2.5e-06", "3e-06"))
    assert [draft.model.code for draft in later.drafts] == ["chat-1"]
    newest = PriceVersion.objects.filter(model__code="chat-1").latest("pk")
    assert newest.effective_at == NOW + ACTIVATION_LEAD


@pytest.mark.django_db
def test_drafts_that_wait_are_activated_by_the_same_list() -> None:
    take()
    done, activated = take_in_force()
    assert (done.drafts, activated) == ([], 5)
    assert not PriceVersion.objects.filter(activated_at=None).exists()
    assert take_in_force()[1] == 0


@pytest.mark.django_db
def test_a_lot_that_others_keep_waiting_for_too_long_is_not_put_in_force() -> None:
    waiting = take().waiting
    before = rows()
    with pytest.raises(Conflict, match="try again"):
        activate_price_versions(version_ids=waiting, actor_id=OPERATOR, reason="Tests.", now=NOW, has_time=lambda: False)
    assert rows() == before


@pytest.mark.django_db
def test_the_command_activates_in_lots_and_says_how_far_it_came(tmp_path: Path) -> None:
    path = tmp_path / "many.json"
    path.write_text(
        json.dumps({f"model-{number}": {"input_cost_per_token": f"{number + 1}e-9"} for number in range(ACTIVATED_AT_ONCE + 5)})
    )
    at = "2100-01-01T00:00Z"
    command(path, "--effective-at", at)
    last = AiModel.objects.get(code=f"model-{ACTIVATED_AT_ONCE + 4}")
    version = PriceVersion.objects.get(model=last)
    other = create_draft(model=last, prices=GPT_4O, effective_at=version.effective_at, now=NOW)
    activate_price_version(version_id=other.pk, actor_id=None, reason="Tests.", now=NOW - DAY)
    with pytest.raises(CommandError, match=f"{ACTIVATED_AT_ONCE} prices were activated, 5 wait as drafts"):
        command(path, "--activate", "--reason", "The list of March.", "--effective-at", at)
    assert PriceVersion.objects.filter(activated_at=None).count() == 5


@pytest.mark.django_db
def test_an_import_takes_a_fixed_number_of_statements(django_assert_max_num_queries: Any) -> None:
    many = json.dumps({f"model-{number}": {"input_cost_per_token": f"{number + 1}e-9"} for number in range(300)})
    with django_assert_max_num_queries(15):
        take(many)
    assert PriceVersion.objects.count() == 300


@pytest.mark.django_db(transaction=True)
def test_two_imports_at_once_make_each_draft_once() -> None:
    outcomes = at_once(*[partial(take)] * 3)
    assert {type(error) for error in failures(outcomes)} <= {Conflict}
    assert sum(len(done.drafts) for done in successes(outcomes)) == 5 == PriceVersion.objects.count()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "prices.json"
    path.write_text(LIST.replace('"chat-1"', '"free": {"input_cost_per_token": 0}, "chat-1"'))
    return path


def command(*arguments: object) -> str:
    out = StringIO()
    call_command("import_prices", *map(str, arguments), stdout=out)
    return out.getvalue()


@pytest.mark.django_db
def test_the_command_says_what_it_would_do_and_does_it(file: Path) -> None:
    before = rows()
    told = command(file, "--markup-bp", 12_000, "--dry-run")
    assert "new chat-1: input 2.50; output 10.00" in told
    assert "refused free: the list has no price for it, or 0" in told
    assert "not imported: input_cost_per_token_above_128k_tokens, which 1 of these models have" in told
    assert "6 models of the list: 5 new, 0 changed, 0 unchanged, 1 refused." in told
    assert told.endswith("5 drafts would be made; nothing was written.\n")
    assert rows() == before
    assert command(file, "--markup-bp", 12_000).endswith("5 drafts made, 0 prices activated.\n")
    assert command(file, "--markup-bp", 12_000).endswith("0 drafts made, 0 prices activated.\n")


@pytest.mark.django_db
def test_the_command_activates_with_a_reason_only(file: Path) -> None:
    before = rows()
    for reason in ((), ("--reason", "no")):
        with pytest.raises(CommandError, match="at least 10 characters"):
            command(file, "--activate", *reason)
    assert rows() == before
    command(file, "--activate", "--reason", "The list of March.", "--only", "chat-*", "--effective-at", "2026-01-31T00:00")
    version = PriceVersion.objects.get()
    assert (version.model.code, version.effective_at.isoformat()) == ("chat-1", "2026-01-31T00:00:00+00:00")
    assert AuditRecord.objects.get(act="activate_price_version").reason == "The list of March."


@pytest.mark.django_db
def test_the_command_refuses_what_it_cannot_read_and_writes_nothing(tmp_path: Path) -> None:
    bad = tmp_path / "bad.json"
    bad.write_bytes(b"{")
    before = rows()
    for path, words in ((bad, "not JSON.* Nothing was written"), (tmp_path / "none.json", "cannot be read"), (tmp_path, "cannot be read")):
        with pytest.raises(CommandError, match=words):
            command(path)
    assert rows() == before
