"""What operators can do: behind dialogs only, by permission only, and never by looking."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.admin import site
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from core.models import AuditRecord
from credits.models import Grant, Kind, LedgerEntry
from tests.admin.house import House, every_row
from tests.admin.pressing import fill_and_press, open_dialog
from tests.admin.sales import Sales
from usage.models import UsageEvent

KINDS = ("list", "detail", "row", "submit_line")
REASON = "Because of ticket 4711."


def acts() -> Iterator[tuple[Any, Any]]:
    """Every unfold action of every page, and every classic one."""
    for page in site._registry.values():
        for kind in KINDS:
            for act in getattr(page, f"_get_base_actions_{kind}")():
                yield page, act


def addresses(house: House, sales: Sales) -> list[str]:
    """Where every act is, on an object it applies to."""
    pks = {
        "accounts_account": house.account.pk,
        "accounts_apikey": house.gateway_key.pk,
        "credits_grant": Grant.objects.filter(account=house.account).latest("pk").pk,
        "credits_hold": house.hold.pk,
        "credits_ledgerentry": LedgerEntry.objects.filter(account=house.account, kind=Kind.USAGE).latest("seq").pk,
        "payments_order": sales.waiting.pk,
        "payments_paymentreview": sales.review.pk,
        "payments_providerevent": sales.failed.pk,
        "usage_pricemultiplier": house.multiplier.pk,
        "usage_priceversion": house.draft.pk,
        "usage_usageevent": UsageEvent.objects.filter(account=house.account).latest("pk").pk,
    }
    found = []
    for page, act in acts():
        model = f"{page.opts.app_label}_{page.opts.model_name}"
        is_list = act.action_name in {other.action_name for other in page._get_base_actions_list()}
        found.append(reverse(f"admin:{act.action_name}", args=() if is_list else (pks[model],)))
    return found


def test_there_are_acts_to_test() -> None:
    assert sorted(act.action_name for _, act in acts()) == [
        "accounts_account_adjust_balance",
        "accounts_account_close",
        "accounts_account_freeze",
        "accounts_account_issue_grant",
        "accounts_account_release",
        "accounts_account_remove_limit",
        "accounts_account_set_limit",
        "accounts_account_set_policy",
        "accounts_account_set_price_tier",
        "accounts_account_verify",
        "accounts_account_write_off",
        "accounts_apikey_issue_platform_key",
        "accounts_apikey_revoke",
        "core_verificationrun_verify_all",
        "credits_grant_freeze",
        "credits_grant_release",
        "credits_grant_void",
        "credits_hold_void",
        "credits_ledgerentry_reverse",
        "payments_order_cancel",
        "payments_paymentreview_close",
        "payments_paymentreview_credit",
        "payments_providerevent_reprocess",
        "usage_pricemultiplier_activate",
        "usage_pricemultiplier_end",
        "usage_pricemultiplier_take_back",
        "usage_priceversion_activate",
        "usage_priceversion_import_list",
        "usage_priceversion_shadow_run",
        "usage_usageevent_refund",
    ]


def test_every_act_is_behind_a_dialog_that_asks_for_a_reason() -> None:
    assert [act.action_name for _, act in acts() if not act.dialog or "reason" not in act.dialog["form_class"].base_fields] == []


def test_no_act_is_a_button_of_a_form_or_of_a_row() -> None:
    """Those run without a dialog, or without the object's permission check."""
    pages: list[Any] = list(site._registry.values())
    assert [page for page in pages if page.actions_submit_line or page.actions_row or page.actions] == []


def test_every_act_asks_for_permissions_that_exist(house: House) -> None:
    known = {f"{app}.{code}" for app, code in Permission.objects.values_list("content_type__app_label", "codename")}
    for _, act in acts():
        assert act.method.allowed_permissions, act.action_name
        assert set(act.method.allowed_permissions) <= known, act.action_name


def test_looking_at_a_dialog_changes_nothing(house: House, sales: Sales, boss: Client) -> None:
    before = every_row()
    for url in addresses(house, sales):
        assert boss.get(url).status_code == 200, url
        assert boss.get(url, {"reason": REASON, "amount": "5", "_form_submitted": "True"}).status_code == 200, url
    assert every_row() == before


def test_a_press_without_a_csrf_token_is_refused(house: House, sales: Sales, boss: Client) -> None:
    before = every_row()
    for url in addresses(house, sales):
        fields = open_dialog(boss, url) | {"reason": REASON, "amount": "5", "shown": "amount=5000000000", "name": "k"}
        assert boss.post(url, {**fields, "csrfmiddlewaretoken": "forged"}).status_code == 403, url
    assert every_row() == before


def test_a_press_without_a_reason_does_nothing(house: House, sales: Sales, boss: Client) -> None:
    before = every_row()
    for url in addresses(house, sales):
        answer = fill_and_press(boss, url, reason="  no  ", amount="5", shown="amount=5000000000", name="k", scopes="usage:write")
        assert answer.status_code == 200, url
        assert "at least 10 characters" in answer.content.decode(), url
    assert every_row() == before


def test_staff_without_the_permission_get_no_dialog(house: House, sales: Sales, clerk: Client) -> None:
    before = every_row()
    for url in addresses(house, sales):
        assert clerk.get(url).status_code == 403, url
        token = csrf(clerk)
        assert clerk.post(url, {"reason": REASON, "amount": "5", "csrfmiddlewaretoken": token}).status_code == 403, url
    assert every_row() == before


def test_nobody_acts_without_logging_in(house: House, sales: Sales, client: Client) -> None:
    for url in addresses(house, sales):
        assert client.get(url).status_code == 302, url


@pytest.mark.parametrize("pk", ["999999", "nonsense"])
def test_an_act_on_nothing_is_not_found(boss: Client, pk: str) -> None:
    urls = [
        reverse(f"admin:{name}", args=(pk,))
        for name in (
            "accounts_account_adjust_balance",
            "accounts_account_freeze",
            "accounts_account_issue_grant",
            "accounts_account_remove_limit",
            "accounts_account_set_limit",
            "accounts_account_set_policy",
            "accounts_account_set_price_tier",
            "accounts_account_verify",
            "accounts_account_write_off",
            "accounts_apikey_revoke",
            "credits_grant_freeze",
            "credits_grant_release",
            "credits_grant_void",
            "credits_hold_void",
            "credits_ledgerentry_reverse",
            "payments_order_cancel",
            "payments_paymentreview_close",
            "payments_paymentreview_credit",
            "payments_providerevent_reprocess",
            "usage_pricemultiplier_activate",
            "usage_pricemultiplier_end",
            "usage_pricemultiplier_take_back",
            "usage_priceversion_activate",
            "usage_usageevent_refund",
            "usage_priceversion_shadow_run",
        )
    ]
    assert [boss.get(url).status_code for url in urls] == [404] * len(urls)


def test_freezing_and_releasing_leave_their_reasons(house: House, boss: Client) -> None:
    known = AuditRecord.objects.count()
    for act, is_frozen in (("freeze", True), ("release", False)):
        url = reverse(f"admin:accounts_account_{act}", args=(house.account.pk,))
        assert fill_and_press(boss, url, reason=REASON)["HX-Redirect"] == f"/admin/accounts/account/{house.account.pk}/change/"
        house.account.refresh_from_db()
        assert house.account.is_frozen is is_frozen
    newest = AuditRecord.objects.order_by("-pk")[:2]
    assert [(row.act, row.reason, row.actor_id) for row in newest] == [
        ("release_account", REASON, house.boss.pk),
        ("freeze_account", REASON, house.boss.pk),
    ]
    assert AuditRecord.objects.count() == known + 2


def test_closing_ends_the_account(house: House, boss: Client) -> None:
    url = reverse("admin:accounts_account_close", args=(house.account.pk,))
    assert "HX-Redirect" in fill_and_press(boss, url, reason=REASON)
    house.account.refresh_from_db()
    assert (house.account.is_closed, house.account.name) == (True, "")
    assert AuditRecord.objects.order_by("-pk")[0].act == "close_account"


def test_a_refusal_of_the_service_is_said_in_the_dialog(house: House, boss: Client) -> None:
    close, freeze = (reverse(f"admin:accounts_account_{act}", args=(house.account.pk,)) for act in ("close", "freeze"))
    fill_and_press(boss, close, reason=REASON)
    before = every_row()
    answer = fill_and_press(boss, freeze, reason=REASON)
    assert answer.status_code == 200
    assert "There is no such account." in answer.content.decode()
    assert every_row() == before


def csrf(browser: Client) -> str:
    browser.get("/admin/password_change/")
    return browser.cookies["csrftoken"].value
