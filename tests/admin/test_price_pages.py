"""The price book as operators see and change it: prices with their margin, who pays otherwise, and lists that are imported."""

from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse, reverse_lazy

from core import clock
from core.models import AuditRecord
from tests.admin.house import DOLLAR, House, every_row, in_role
from tests.admin.looking import shown, text_of
from tests.admin.pressing import fill_and_press, hidden_fields, open_dialog, press
from tests.spending import GPT_4O, price
from usage.models import AiModel, PriceMultiplier, PriceVersion
from usage.services.multipliers import Scope, activate_multiplier, create_multiplier_draft
from usage.services.price_list import LIST_MAX_BYTES
from usage.services.prices import activate_price_version, create_draft

REASON: Final = "Because of ticket 4711."
ADD_PRICE: Final = "/admin/usage/priceversion/add/"
ADD_MULTIPLIER: Final = "/admin/usage/pricemultiplier/add/"
PRICES: Final = "/admin/usage/priceversion/"
MULTIPLIERS: Final = "/admin/usage/pricemultiplier/"
LIST: Final = b"""{"gpt-4o": {"input_cost_per_token": 3e-06, "output_cost_per_token": 1e-05, "litellm_provider": "openai"},
    "new-1": {"input_cost_per_token": 1e-06, "litellm_provider": "openai", "input_cost_per_audio_token": 1e-4},
    "free-1": {"input_cost_per_token": 0, "litellm_provider": "openai"}}"""
NOTHING: Final = dict.fromkeys(("cache_read", "cache_write", "reasoning", "request", "image", "second"), "0")


def price_fields(boss: Client, house: House, **said: str) -> dict[str, Any]:
    usual = {"model": house.draft.model_id, "effective_at_0": "2030-01-01", "effective_at_1": "00:00:00", "multiplier_bp": "10000"}
    return open_dialog(boss, ADD_PRICE) | usual | NOTHING | {"failed_policy": "reported", "input": "2.5", "output": "10"} | said


def test_a_draft_keeps_what_the_provider_asks_and_its_page_shows_the_margin_per_class(house: House, boss: Client) -> None:
    fields = price_fields(boss, house, provider_input="2", provider_output="12.5", multiplier_bp="12000", failed_policy="input_only")
    assert boss.post(ADD_PRICE, fields).status_code == 302
    made = PriceVersion.objects.latest("pk")
    assert (made.provider_cost.prices(), made.failed_policy) == (
        replace(GPT_4O, input=2 * DOLLAR, output=12_500_000_000, cache_read=0, reasoning=0),
        "input_only",
    )
    page = text_of(boss, f"{PRICES}{made.pk}/change/")
    assert "Input $3.00 $2.00 33.3 %" in page
    assert "Output $12.00 $12.50 -4.2 %" in page
    assert "input and cached tokens" in page


def test_a_page_without_a_provider_cost_says_that_it_is_not_known(house: House, boss: Client) -> None:
    assert "What the provider asks is not known." in text_of(boss, f"{PRICES}{house.draft.pk}/change/")


@pytest.mark.parametrize(
    "said", [{"provider_input": "2"}, {"provider_input": "-1", "provider_output": "1"}, {"failed_policy": "sometimes"}]
)
def test_a_provider_cost_that_is_incomplete_or_none_is_refused(house: House, boss: Client, said: dict[str, str]) -> None:
    before = every_row()
    assert boss.post(ADD_PRICE, price_fields(boss, house, **said)).status_code == 200
    assert every_row() == before


def test_prices_are_told_apart_by_where_they_stand(house: House, boss: Client) -> None:
    now = clock.now()
    first = PriceVersion.objects.get(activated_at__isnull=False)
    old = price("old", since=now - timedelta(days=2))
    coming = create_draft(model=first.model, prices=GPT_4O, effective_at=now + timedelta(days=2), now=now)
    activate_price_version(version_id=coming.pk, actor_id=None, reason=REASON, now=now)
    newer = create_draft(model=old.model, prices=GPT_4O, effective_at=now, now=now)
    activate_price_version(version_id=newer.pk, actor_id=None, reason=REASON, now=now - timedelta(hours=1))
    found = {state: set(shown(boss, PRICES, state=state)) for state in ("draft", "coming", "in_force", "past")}
    coming.refresh_from_db()
    newer.refresh_from_db()
    assert found == {"draft": {str(house.draft)}, "coming": {str(coming)}, "in_force": {str(first), str(newer)}, "past": {str(old)}}
    page = text_of(boss, PRICES)
    assert all(word in page for word in ("draft", "coming", "in force", "superseded"))


def test_the_dialog_of_a_price_shows_its_multiplier_and_policy_before_it_takes_effect(house: House, boss: Client) -> None:
    PriceVersion.objects.filter(pk=house.draft.pk).update(multiplier_bp=12_500, failed_policy="never")
    page = text_of(boss, reverse("admin:usage_priceversion_activate", args=(house.draft.pk,)))
    assert "1 → 1.25" in page
    assert "what was reported, but the price per request → nothing" in page


def multiplier_fields(boss: Client, **said: object) -> dict[str, Any]:
    usual = {"tier": "", "model": "", "effective_at_0": "2030-01-01", "effective_at_1": "00:00:00", "multiplier_bp": "9000"}
    return open_dialog(boss, ADD_MULTIPLIER) | usual | {"account": "", "ends_at_0": "", "ends_at_1": ""} | said


def test_a_multiplier_is_drafted_for_a_tier_or_an_account(house: House, boss: Client) -> None:
    for said, scope in (
        ({"tier": "gold"}, (None, "gold", None)),
        ({"account": house.account.pk, "model": house.draft.model_id}, (house.account.pk, "", house.draft.model_id)),
    ):
        assert boss.post(ADD_MULTIPLIER, multiplier_fields(boss, **said)).status_code == 302
        made = PriceMultiplier.objects.latest("pk")
        assert (made.account_id, made.tier, made.model_id, made.multiplier_bp, made.activated_at) == (*scope, 9_000, None)


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"tier": "gold", "account": "the house's"},
        {"tier": "gold", "multiplier_bp": "-1"},
        {"tier": "gold", "multiplier_bp": "1000001"},
        {"tier": "gold", "ends_at_0": "2029-12-31", "ends_at_1": "00:00:00"},
    ],
)
def test_a_multiplier_that_could_never_be_in_force_is_refused(house: House, boss: Client, said: dict[str, object]) -> None:
    before = every_row()
    if "account" in said:
        said = said | {"account": house.account.pk}
    assert boss.post(ADD_MULTIPLIER, multiplier_fields(boss, **said)).status_code == 200
    assert every_row() == before


def act(name: str, pk: int) -> str:
    return reverse(f"admin:usage_{name}", args=(pk,))


def test_a_multiplier_is_activated_and_ended_by_dialogs_that_show_who_will_pay_what(house: House, boss: Client) -> None:
    url = act("pricemultiplier_activate", house.multiplier.pk)
    assert "× 1 → × 0.9" in text_of(boss, url)
    assert "HX-Redirect" in fill_and_press(boss, url, reason=REASON)
    house.multiplier.refresh_from_db()
    assert house.multiplier.activated_at is not None
    record = AuditRecord.objects.latest("pk")
    assert (record.act, record.reason, record.actor_id) == ("activate_price_multiplier", REASON, house.boss.pk)
    assert "HX-Redirect" in fill_and_press(boss, act("pricemultiplier_end", house.multiplier.pk), reason=REASON)
    assert AuditRecord.objects.latest("pk").act == "end_price_multiplier"
    before = every_row()
    assert "already" in fill_and_press(boss, url, reason=REASON).content.decode()
    assert every_row() == before


def test_a_multiplier_that_is_to_come_is_taken_back_by_a_dialog(house: House, boss: Client) -> None:
    row = create_multiplier_draft(scope=Scope(tier="gold"), multiplier_bp=1, effective_at=clock.now() + timedelta(days=1), now=clock.now())
    activate_multiplier(multiplier_id=row.pk, actor_id=None, reason=REASON, now=clock.now())
    page = boss.get(f"{MULTIPLIERS}{row.pk}/change/").content.decode()
    offered = [act(f"pricemultiplier_{name}", row.pk) in page for name in ("activate", "take_back", "end")]
    assert offered == [False, True, False]
    assert "HX-Redirect" in fill_and_press(boss, act("pricemultiplier_take_back", row.pk), reason=REASON)
    row.refresh_from_db()
    record = AuditRecord.objects.latest("pk")
    assert (row.activated_at, record.act, record.reason) == (None, "take_back_price_multiplier", REASON)


def test_finance_puts_an_account_into_a_tier_and_sees_what_it_will_pay(house: House) -> None:
    then = clock.now() - timedelta(hours=1)
    PriceMultiplier.objects.create(tier="gold", multiplier_bp=8_000, effective_at=then, activated_at=then)
    finance, url = in_role("finance"), reverse("admin:accounts_account_set_price_tier", args=(house.account.pk,))
    before = every_row()
    first = fill_and_press(finance, url, tier="gold", reason=REASON)
    page = first.content.decode()
    assert ("none → gold" in page, "the prices as they stand → × 0.8 of every model" in page, every_row() == before) == (True, True, True)
    assert "HX-Redirect" in press(finance, url, hidden_fields(page) | {"tier": "gold", "reason": REASON})
    house.account.refresh_from_db()
    record = AuditRecord.objects.latest("pk")
    assert (house.account.price_tier, record.act, record.reason) == ("gold", "set_price_tier", REASON)
    assert [in_role(role).get(url).status_code for role in ("support", "billing operations")] == [403, 403]


def test_a_multiplier_offers_what_its_state_allows(house: House, boss: Client) -> None:
    page = f"{MULTIPLIERS}{house.multiplier.pk}/change/"
    urls = [act(f"pricemultiplier_{name}", house.multiplier.pk) for name in ("activate", "end")]
    assert [url in boss.get(page).content.decode() for url in urls] == [True, False]
    fill_and_press(boss, urls[0], reason=REASON)
    assert [url in boss.get(page).content.decode() for url in urls] == [False, True]


def test_a_draft_of_a_multiplier_can_be_thrown_away_and_an_active_one_cannot(house: House, boss: Client) -> None:
    active = create_multiplier_draft(scope=Scope(tier="gold"), multiplier_bp=1, effective_at=clock.now(), now=clock.now())
    activate_multiplier(multiplier_id=active.pk, actor_id=None, reason=REASON, now=clock.now())
    token = hidden_fields(boss.get(f"{MULTIPLIERS}{house.multiplier.pk}/delete/").content.decode())
    assert boss.post(f"{MULTIPLIERS}{active.pk}/delete/", token | {"post": "yes"}).status_code == 403
    assert boss.post(f"{MULTIPLIERS}{active.pk}/change/", multiplier_fields(boss, tier="silver")).status_code == 403
    assert boss.post(f"{MULTIPLIERS}{house.multiplier.pk}/delete/", token | {"post": "yes"}).status_code == 302
    assert [row.pk for row in PriceMultiplier.objects.all()] == [active.pk]


def test_the_list_and_the_account_say_who_pays_other_than_the_price(house: House, boss: Client) -> None:
    then = clock.now() - timedelta(hours=1)
    activate_multiplier(multiplier_id=house.multiplier.pk, actor_id=None, reason=REASON, now=then - timedelta(hours=1))
    PriceMultiplier.objects.create(tier="gold", multiplier_bp=1, effective_at=then)
    assert shown(boss, MULTIPLIERS, state="in_force") == [str(PriceMultiplier.objects.get(pk=house.multiplier.pk))]
    account = text_of(boss, f"/admin/accounts/account/{house.account.pk}/change/")
    assert "Multipliers in force" in account
    assert "× 0.9" in account


def test_who_may_do_what_with_prices(house: House) -> None:
    urls = {
        "import": str(IMPORT),
        "activate": act("pricemultiplier_activate", house.multiplier.pk),
        "add": ADD_MULTIPLIER,
        "look": MULTIPLIERS,
    }
    browsers = {role: in_role(role) for role in ("support", "billing operations", "finance")}
    may = {role: {name for name, url in urls.items() if browser.get(url).status_code == 200} for role, browser in browsers.items()}
    assert may == {"support": {"look"}, "billing operations": {"import", "add", "look"}, "finance": {"activate", "look"}}


IMPORT: Final = reverse_lazy("admin:usage_priceversion_import_list")
TERMS: Final = {"markup_bp": "12000", "only": "", "provider": "", "effective_at": "", "reason": REASON}


def send(browser: Client, raw: bytes = LIST, **said: object) -> Any:
    """The first press, with a file."""
    fields = open_dialog(browser, str(IMPORT)) | TERMS | said
    return press(browser, str(IMPORT), fields | {"file": SimpleUploadedFile("prices.json", raw)})


def send_again(browser: Client, first: Any, **said: object) -> Any:
    """The second press: the dialog holds the file."""
    return press(browser, str(IMPORT), hidden_fields(first.content.decode()) | TERMS | said)


def test_an_import_shows_what_it_would_change_and_then_makes_drafts(house: House, boss: Client) -> None:
    before = every_row()
    first = send(boss)
    page = first.content.decode()
    for words in (
        "1 new, 1 changed, 0 unchanged, 1 refused; 2 drafts",
        "input 2.50 → 3.00",
        "new: new-1",
        "refused: free-1",
        "audio_token",
    ):
        assert words in page, words
    assert every_row() == before
    assert "HX-Redirect" in send_again(boss, first)
    made = PriceVersion.objects.filter(multiplier_bp=12_000)
    assert {version.model.code: version.activated_at for version in made} == {"gpt-4o": None, "new-1": None}
    record = AuditRecord.objects.latest("pk")
    assert (record.act, record.actor_id, record.reason) == ("import_prices", house.boss.pk, REASON)


def test_other_terms_are_shown_anew_and_the_same_press_twice_makes_each_draft_once(boss: Client) -> None:
    first = send(boss)
    other = send_again(boss, first, markup_bp="13000")
    assert (other.status_code, "2 drafts" in other.content.decode()) == (200, True)
    assert not AiModel.objects.filter(code="new-1").exists()
    for _ in range(2):
        assert "HX-Redirect" in send_again(boss, other, markup_bp="13000")
    assert PriceVersion.objects.filter(multiplier_bp=13_000).count() == 2


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"{", "not JSON"),
        (b"[]", "not a price list"),
        (b" " * LIST_MAX_BYTES + b"{}", "larger than 5 MiB"),
        (b'{"m": {"input_cost_per_token": 1e-6}, "m": {}}', "stands twice"),
    ],
)
def test_a_file_that_is_no_price_list_is_refused_in_the_dialog(house: House, boss: Client, raw: bytes, words: str) -> None:
    before = every_row()
    answer = send(boss, raw)
    assert (answer.status_code, words in answer.content.decode()) == (200, True)
    assert every_row() == before


def test_a_dialog_without_a_file_or_with_one_that_it_never_held_does_nothing(house: House, boss: Client) -> None:
    before = every_row()
    first = send(boss)
    for held in ("", "e30=", f"{hidden_fields(first.content.decode())['held']}x"):
        answer = send_again(boss, first, held=held)
        assert (answer.status_code, "Choose a file." in answer.content.decode()) == (200, True), held
    assert every_row() == before
