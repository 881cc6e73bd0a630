"""Every page of every model, for everybody."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.apps import apps
from django.contrib.admin import ModelAdmin, site
from django.contrib.auth.models import Group
from django.db.models import Model
from django.test import Client
from django.urls import reverse

from accounts.models import User
from core.console.filters import UtcDayFilter
from core.console.pages import ConsoleAdmin, ReadOnlyAdmin
from tests.admin.house import APPS, House, every_row

pytestmark = pytest.mark.usefixtures("sales")

WITHOUT_PAGE = {
    *("core.IdempotentRequest", "credits.Checkpoint", "credits.LimitBucket", "payments.OrderLine", "usage.ProviderCost"),
    *("credits.RevenueDay", "credits.RevenueMark", "credits.RevenueTotal"),
    *("usage.AccountDay", "usage.FoldMark", "usage.FoldedAccount", "usage.PlatformDay", "usage.PlatformHour", "usage.UncountedBlock"),
}
"""Answers kept for a day; what the page of its order, seal, limit or price shows; what analytics show; marks of what is not counted yet."""
ALL = [model for app in APPS for model in apps.get_app_config(app).get_models()]
OURS = [model for model in ALL if model._meta.label not in WITHOUT_PAGE]
LEDGER = [
    "core.AuditRecord",
    "core.VerificationFinding",
    "core.VerificationRun",
    "credits.Allocation",
    "credits.Grant",
    "credits.Hold",
    "credits.HouseAccount",
    "credits.HouseEntry",
    "credits.LedgerEntry",
    "credits.LimitNotice",
    "credits.Seal",
    "credits.SpendingLimit",
    "credits.Wallet",
    "payments.Order",
    "payments.PaymentAttempt",
    "payments.PaymentReview",
    "payments.ProviderCustomer",
    "payments.ProviderEvent",
    "payments.ProviderFeed",
    "usage.UsageDay",
    "usage.UsageEvent",
    "usage.UsageLifetime",
    "usage.UsageQuarter",
]
WRITABLE = {"accounts.User", "usage.AiModel", "usage.PriceMultiplier", "usage.PriceVersion"}


def labels(models: list[type[Model]]) -> list[str]:
    return [model._meta.label for model in models]


def page(model: type[Model]) -> "ModelAdmin[Model]":
    return site.get_model_admin(model)


def address(label: str, kind: str, *args: object) -> str:
    return reverse(f"admin:{label.lower().replace('.', '_')}_{kind}", args=args)


def first(label: str) -> Model:
    row: Model | None = apps.get_model(label)._default_manager.first()
    assert row is not None, f"the house has no {label}"
    return row


def every_address(label: str) -> Iterator[str]:
    pk = first(label).pk
    yield address(label, "changelist")
    yield address(label, "add")
    yield from (address(label, kind, pk) for kind in ("change", "delete", "history"))


def test_every_model_of_ours_has_a_page() -> None:
    assert set(ALL) & set(site._registry) == set(OURS)


def test_only_pages_made_for_the_console_are_registered() -> None:
    assert [model for model, found in site._registry.items() if not isinstance(found, ConsoleAdmin)] == []


def test_dj_stripe_and_the_token_blacklist_have_no_page() -> None:
    assert {model._meta.app_label for model in site._registry} == {*APPS, "auth"}


def test_all_but_settings_are_read_only() -> None:
    writable = {model._meta.label for model in OURS if not isinstance(page(model), ReadOnlyAdmin)}
    assert writable == WRITABLE
    assert set(LEDGER) <= set(labels(OURS)) - writable


def test_a_superuser_opens_every_page_without_an_error(boss: Client) -> None:
    for label in labels(OURS):
        for url in every_address(label):
            assert boss.get(url).status_code in {200, 403}, url
        assert boss.get(address(label, "changelist")).status_code == 200, label
        assert boss.get(address(label, "change", first(label).pk)).status_code == 200, label


def test_every_search_and_filter_answers(house: House, boss: Client) -> None:
    searches = [{"q": text} for text in (house.account.public_id, "alice@example.com", "call-1", "x" * 300, "%", "a@b", "0" * 32)]
    for label in labels(OURS):
        for query in (*searches, *filter_queries(label, house)):
            assert boss.get(address(label, "changelist"), query).status_code == 200, (label, query)


def filter_queries(label: str, house: House) -> Iterator[dict[str, str]]:
    entries: list[Any] = list(page(apps.get_model(label)).list_filter)
    for entry in entries:
        if not isinstance(entry, tuple):
            yield from ({entry.parameter_name: value} for value in (*entry.questions, "nonsense"))
        elif issubclass(entry[1], UtcDayFilter):
            yield {f"{entry[0]}_from": "2026-01-01", f"{entry[0]}_to": "2999-12-31"}
            yield {f"{entry[0]}_from": "no day", f"{entry[0]}_to": "9999-12-31"}
        elif entry[1].__name__ == "RelatedDropdownFilter":
            yield {f"{entry[0]}__id__exact": "1"}
        else:
            yield {f"{entry[0]}__exact": "1"}
    yield {"account__id__exact": str(house.account.pk)} if "account" in field_names(label) else {"p": "1"}


def field_names(label: str) -> set[str]:
    return {field.name for field in apps.get_model(label)._meta.get_fields()}


def test_a_page_that_is_not_there_answers_like_one_that_never_was(boss: Client) -> None:
    for label in labels(OURS):
        for pk in ("999999999", "nonsense", "9" * 30):
            assert boss.get(address(label, "change", pk)).status_code in {302, 404}, (label, pk)


def test_staff_without_permissions_see_nothing(clerk: Client) -> None:
    for url in (url for label in labels(OURS) for url in every_address(label)):
        assert clerk.get(url).status_code == 403, url


def test_nobody_gets_in_without_logging_in(house: House, client: Client) -> None:
    for url in (url for label in labels(OURS) for url in every_address(label)):
        answer = client.get(url)
        assert (answer.status_code, answer["Location"].split("?")[0]) == (302, "/admin/login/"), url


def test_a_superuser_cannot_add_change_or_delete_in_the_ledger(boss: Client) -> None:
    before, token = every_row(), csrf(boss)
    for label in LEDGER:
        row = first(label)
        fields = {field.attname: "7" for field in row._meta.concrete_fields} | {
            "csrfmiddlewaretoken": token,
            "post": "yes",
        }
        for url in (address(label, "add"), address(label, "change", row.pk), address(label, "delete", row.pk)):
            assert boss.post(url, fields).status_code == 403, url
    assert every_row() == before


def test_a_crafted_bulk_delete_deletes_nothing(boss: Client) -> None:
    before = every_row()
    crafted = {"action": "delete_selected", "post": "yes", "csrfmiddlewaretoken": csrf(boss)}
    for label in labels(OURS):
        boss.post(address(label, "changelist"), crafted | {"_selected_action": [str(first(label).pk)]})
    assert every_row() == before


def test_no_page_offers_a_bulk_action(boss: Client) -> None:
    request = boss.get("/admin/").wsgi_request
    assert {
        model._meta.label: list(found.get_actions(request)) for model, found in site._registry.items() if found.get_actions(request)
    } == {}


def test_a_role_sees_what_it_may_and_no_more(clerk: Client) -> None:
    User.objects.get(email="clerk@example.com").groups.add(Group.objects.get(name="support"))
    for label in labels(OURS):
        assert clerk.get(address(label, "changelist")).status_code == 200, label
        assert clerk.get(address(label, "add")).status_code == 403, label
        assert clerk.get(address(label, "delete", first(label).pk)).status_code == 403, label


def csrf(browser: Client) -> str:
    browser.get("/admin/password_change/")
    return browser.cookies["csrftoken"].value
