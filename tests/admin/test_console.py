"""The dashboard, the account's page, prices, keys, people and roles, as operators meet them."""

import re
from datetime import timedelta
from io import StringIO

import pytest
from django.contrib.auth.models import Group
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from accounts.models import ApiKey, User
from accounts.selectors import find_presented_key
from billing_platform.console.roles import ROLES, load_roles
from core import clock
from core.models import AuditRecord
from credits.books import Source
from credits.models import Book, Category, Grant, Kind, LedgerEntry
from credits.services.grants import GrantTerms, issue_grant
from tests.actors import PASSWORD
from tests.admin.house import DOLLAR, House, every_row, logged_in
from tests.admin.looking import text_of
from tests.admin.pressing import fill_and_press, hidden_fields, open_dialog, press
from tests.spending import adjust
from usage.models import PriceVersion

REASON = "Because of ticket 4711."


def test_the_dashboard_shows_the_work_and_links_to_its_lists(house: House, boss: Client) -> None:
    adjust(house.account, -100 * DOLLAR)
    text = text_of(boss, "/admin/")
    assert "Accounts in debt 1" in text
    assert "$80.75 80,750 credits" in text
    assert "Price drafts 1" in text
    assert "Wallets overdue none" in text
    html = boss.get("/admin/").content.decode()
    for url in (
        "/admin/credits/wallet/?state=in_debt",
        "/admin/credits/wallet/?state=overdue",
        "/admin/usage/priceversion/?state=draft",
    ):
        assert url in html
        assert boss.get(url).status_code == 200


def test_the_dashboard_sums_today_from_roll_ups(boss: Client) -> None:
    text = text_of(boss, "/admin/")
    assert "Charged today $0.75 (750 credits)" in text
    assert "Events today 3" in text


def test_the_dashboard_shows_nobody_more_than_they_may_see(clerk: Client) -> None:
    text = text_of(clerk, "/admin/")
    assert "no permission to see anything" in text
    assert "$" not in text
    assert "Ledger" not in text


def test_the_accounts_page_shows_the_wallet_and_what_is_newest(house: House, boss: Client) -> None:
    text = text_of(boss, f"/admin/accounts/account/{house.account.pk}/change/")
    assert house.account.public_id in text
    assert "Balance $19.25 19,250 credits" in text
    assert "Spent in all $0.75 750 credits" in text
    for word in (
        "call-3",
        "gpt-4o",
        "-$0.25 -250 credits",
        "alice@example.com",
        "tests",
        "freeze_account",
        "For the tests.",
    ):
        assert word in text, word


def test_the_accounts_page_links_to_its_full_lists(house: House, boss: Client) -> None:
    html = boss.get(f"/admin/accounts/account/{house.account.pk}/change/").content.decode()
    for model in ("credits/ledgerentry", "credits/grant", "usage/usageevent", "accounts/membership", "accounts/apikey"):
        assert f"/admin/{model}/?account__id__exact={house.account.pk}" in html


def test_the_accounts_page_books_what_is_due_first(house: House, boss: Client) -> None:
    now = clock.now()
    source = Source("campaign", "spring", "promo:spring")
    terms = GrantTerms(DOLLAR, Kind.PROMO, Book.PROMO, Category.PROMO, source, effective_at=now + timedelta(milliseconds=1))
    issue_grant(account_id=house.account.pk, terms=terms, now=now)
    assert Grant.objects.get(source_key="promo:spring").booked_at is None
    text = text_of(boss, f"/admin/accounts/account/{house.account.pk}/change/")
    assert "Balance $20.25 20,250 credits" in text
    assert Grant.objects.get(source_key="promo:spring").booked_at is not None


def test_support_reads_the_accounts_page_without_any_act(house: House, clerk: Client) -> None:
    User.objects.get(email="clerk@example.com").groups.add(Group.objects.get(name="support"))
    text = text_of(clerk, f"/admin/accounts/account/{house.account.pk}/change/")
    assert "Balance $19.25" in text
    for act in ("Adjust balance", "Freeze account", "Close account"):
        assert act not in text


def test_times_are_shown_in_utc_and_say_so(house: House, boss: Client) -> None:
    entry = LedgerEntry.objects.filter(account=house.account).order_by("-seq")[0]
    assert f"{entry.created_at:%Y-%m-%d %H:%M:%S} UTC" in text_of(boss, "/admin/credits/ledgerentry/")


def test_ids_can_be_copied_whole(house: House, boss: Client) -> None:
    html = boss.get("/admin/accounts/account/").content.decode()
    assert f'data-copy="{house.account.public_id}"' in html


def test_a_name_with_markup_is_text(house: House, boss: Client) -> None:
    house.account.name = "<script>alert(1)</script>"
    house.account.save(update_fields=["name"])
    for url in (
        "/admin/",
        "/admin/accounts/account/",
        "/admin/credits/ledgerentry/",
        f"/admin/accounts/account/{house.account.pk}/change/",
    ):
        assert "<script>alert(1)" not in boss.get(url).content.decode(), url


def test_a_platform_key_is_shown_once(boss: Client) -> None:
    url = reverse("admin:accounts_apikey_issue_platform_key")
    answer = fill_and_press(boss, url, name="gateway eu-2", scopes=["usage:write"], reason=REASON)
    (secret,) = re.findall(r"sk_platform_[\w-]+", answer.content.decode())
    key = ApiKey.objects.get(name="gateway eu-2")
    found = find_presented_key(secret)
    assert found is not None
    assert (key.account_id, key.scopes, "no-store" in answer["Cache-Control"]) == (None, ["usage:write"], True)
    assert (answer["HX-Retarget"], answer["HX-Reselect"]) == ("#dialog", "#dialog")
    for page in (
        "/admin/",
        "/admin/accounts/apikey/",
        f"/admin/accounts/apikey/{key.pk}/change/",
        "/admin/core/auditrecord/",
    ):
        assert secret not in boss.get(page).content.decode(), page
    assert AuditRecord.objects.order_by("-pk")[0].act == "issue_platform_key"


def test_a_key_without_a_scope_is_not_issued(boss: Client) -> None:
    before = every_row()
    answer = fill_and_press(boss, reverse("admin:accounts_apikey_issue_platform_key"), name="k", reason=REASON)
    assert "This field is required." in answer.content.decode()
    assert every_row() == before


def test_a_platform_key_is_revoked_with_a_reason(house: House, boss: Client) -> None:
    url = reverse("admin:accounts_apikey_revoke", args=(house.gateway_key.pk,))
    assert "HX-Redirect" in fill_and_press(boss, url, reason=REASON)
    house.gateway_key.refresh_from_db()
    assert house.gateway_key.revoked_at is not None
    record = AuditRecord.objects.order_by("-pk")[0]
    assert (record.act, record.reason) == ("revoke_platform_key", REASON)


def test_no_page_shows_the_hash_of_a_secret(boss: Client) -> None:
    for key in ApiKey.objects.all():
        assert key.secret_hash not in boss.get(f"/admin/accounts/apikey/{key.pk}/change/").content.decode()


def test_a_price_is_written_in_dollars_and_kept_in_nanos(house: House, boss: Client) -> None:
    url = "/admin/usage/priceversion/add/"
    fields = open_dialog(boss, url) | {
        "model": house.draft.model_id,
        "effective_at_0": "2030-01-01",
        "effective_at_1": "00:00:00",
        "failed_policy": "never",
        "input": "2.5",
        "output": "10",
        "cache_read": "0.000000001",
        **dict.fromkeys(("cache_write", "reasoning", "request", "image", "second"), "0"),
        "multiplier_bp": "10000",
    }
    answer = boss.post(url, fields)
    assert answer.status_code == 302, answer.content
    made = PriceVersion.objects.order_by("-pk")[0]
    assert (made.input_nanos_per_million, made.cache_read_nanos_per_million, made.activated_at) == (2_500_000_000, 1, None)
    assert (made.failed_policy, hasattr(made, "provider_cost")) == ("never", False)


@pytest.mark.parametrize("price", ["-1", "1e3", "1000000.01", "NaN", ""])
def test_a_price_that_is_none_is_refused(house: House, boss: Client, price: str) -> None:
    url, before = "/admin/usage/priceversion/add/", every_row()
    fields = open_dialog(boss, url) | {
        "model": house.draft.model_id,
        "effective_at_0": "2030-01-01",
        "effective_at_1": "00:00",
        "failed_policy": "reported",
    }
    zeros = dict.fromkeys(("output", "cache_read", "cache_write", "reasoning", "request", "image", "second"), "0")
    assert boss.post(url, fields | zeros | {"input": price, "multiplier_bp": "10000"}).status_code == 200
    assert every_row() == before


def test_a_draft_is_activated_by_a_dialog_that_shows_what_changes(house: House, boss: Client) -> None:
    PriceVersion.objects.filter(pk=house.draft.pk).update(input_nanos_per_million=3 * DOLLAR)
    url = reverse("admin:usage_priceversion_activate", args=(house.draft.pk,))
    assert "$2.50 → $3.00" in boss.get(url).content.decode()
    assert "HX-Redirect" in fill_and_press(boss, url, reason=REASON)
    house.draft.refresh_from_db()
    assert house.draft.activated_at is not None
    assert AuditRecord.objects.order_by("-pk")[0].reason == REASON


def test_a_draft_can_be_thrown_away_and_an_active_price_cannot(house: House, boss: Client) -> None:
    active = PriceVersion.objects.get(activated_at__isnull=False)
    token = hidden_fields(boss.get(f"/admin/usage/priceversion/{house.draft.pk}/delete/").content.decode())
    assert boss.post(f"/admin/usage/priceversion/{active.pk}/delete/", token | {"post": "yes"}).status_code == 403
    assert boss.post(f"/admin/usage/priceversion/{house.draft.pk}/delete/", token | {"post": "yes"}).status_code == 302
    assert list(PriceVersion.objects.all()) == [active]


def test_an_activated_draft_cannot_be_activated_again(house: House, boss: Client) -> None:
    url = reverse("admin:usage_priceversion_activate", args=(house.draft.pk,))
    fields = open_dialog(boss, url) | {"reason": REASON}
    press(boss, url, fields)
    before = every_row()
    assert "is active already" in press(boss, url, fields).content.decode()
    assert every_row() == before


def test_only_a_superuser_changes_people_and_roles(clerk: Client) -> None:
    person = User.objects.get(email="clerk@example.com")
    person.groups.add(*Group.objects.all())
    fields = {"is_superuser": "on", "is_staff": "on", "is_active": "on", "csrfmiddlewaretoken": token_of(clerk)}
    assert clerk.post(f"/admin/accounts/user/{person.pk}/change/", fields).status_code == 403
    assert clerk.get("/admin/auth/group/").status_code == 403
    person.refresh_from_db()
    assert not person.is_superuser


def test_a_superuser_makes_somebody_an_operator(boss: Client) -> None:
    person = User.objects.get(email="alice@example.com")
    url = f"/admin/accounts/user/{person.pk}/change/"
    group = Group.objects.get(name="support")
    answer = boss.post(url, open_dialog(boss, url) | {"is_active": "on", "is_staff": "on", "groups": [group.pk]})
    assert answer.status_code == 302, answer.content
    person.refresh_from_db()
    assert (person.is_staff, person.is_superuser, list(person.groups.all())) == (True, False, [group])


def test_roles_are_set_back_to_what_the_code_says(house: House) -> None:
    Group.objects.get(name="support").permissions.set(Group.objects.get(name="finance").permissions.all())
    call_command("load_roles", verbosity=0, stdout=StringIO())
    may_adjust = Group.objects.filter(permissions__codename="adjust_balance")
    assert list(may_adjust.values_list("name", flat=True)) == ["finance"]
    assert load_roles() == list(ROLES)
    assert not Group.objects.filter(permissions__codename__in=["issue_platform_key", "close_account"]).exists()


def test_logging_in_by_the_form_works(house: House) -> None:
    browser = Client(enforce_csrf_checks=True)
    fields = hidden_fields(browser.get("/admin/login/").content.decode())
    answer = browser.post("/admin/login/", fields | {"username": house.boss.email, "password": PASSWORD, "next": "/admin/"})
    assert (answer.status_code, answer["Location"]) == (302, "/admin/")
    assert browser.get("/admin/").status_code == 200


def test_a_customer_does_not_get_in(house: House) -> None:
    browser = logged_in(User.objects.get(email="alice@example.com"))
    assert browser.get("/admin/")["Location"].startswith("/admin/login/")


def token_of(browser: Client) -> str:
    browser.get("/admin/password_change/")
    return browser.cookies["csrftoken"].value
