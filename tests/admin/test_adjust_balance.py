"""Adjusting a balance, as a person does it in a browser."""

import re

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse

from accounts.models import User
from billing_platform.console.roles import load_roles
from core.models import AuditRecord
from credits.models import Grant, Kind, LedgerEntry, Wallet
from tests.actors import PASSWORD
from tests.admin.house import DOLLAR, House, every_row, forget, logged_in, make_house
from tests.admin.pressing import fill_and_press, hidden_fields, open_dialog, press
from tests.threads import at_once, failures

REASON = "Goodwill after the outage, ticket 4711."


def dialog(house: House) -> str:
    return reverse("admin:accounts_account_adjust_balance", args=(house.account.pk,))


def newest(house: House) -> LedgerEntry:
    return LedgerEntry.objects.filter(account=house.account).order_by("-seq")[0]


def test_the_dialog_shows_the_present_balance_in_dollars_and_credits(house: House, boss: Client) -> None:
    html = boss.get(dialog(house)).content.decode()
    assert "$19.25 (19,250 credits)" in html


def test_the_first_press_shows_the_effect_and_does_nothing(house: House, boss: Client) -> None:
    before = every_row()
    answer = fill_and_press(boss, dialog(house), amount="-20", reason=REASON)
    html = answer.content.decode()
    assert (answer.status_code, "HX-Redirect" in answer) == (200, False)
    assert "$19.25 (19,250 credits) → -$0.75 (-750 credits)" in html
    assert "the rest becomes debt" in html
    assert hidden_fields(html)["shown"] == f"amount={-20 * DOLLAR}"
    assert every_row() == before


def test_the_second_press_does_it_and_says_before_and_after(house: House, boss: Client) -> None:
    url = dialog(house)
    filled = {"amount": "12.500000001", "reason": REASON}
    shown = hidden_fields(fill_and_press(boss, url, **filled).content.decode())
    answer = press(boss, url, shown | filled)
    assert answer["HX-Redirect"] == f"/admin/accounts/account/{house.account.pk}/change/"
    entry = newest(house)
    assert (entry.amount_nanos, entry.kind, entry.actor_id) == (12_500_000_001, Kind.MANUAL, house.boss.pk)
    page = boss.get(answer["HX-Redirect"]).content.decode()
    assert "Balance: $19.25 (19,250 credits) → $31.750000001 (31,750.000001 credits)" in page


def test_without_htmx_the_second_press_redirects(house: House, boss: Client) -> None:
    url = dialog(house)
    fields = open_dialog(boss, url) | {"amount": "1", "reason": REASON, "shown": f"amount={DOLLAR}"}
    assert boss.post(url, fields)["Location"] == f"/admin/accounts/account/{house.account.pk}/change/"


def test_another_amount_at_the_second_press_is_shown_first(house: House, boss: Client) -> None:
    before = every_row()
    shown = hidden_fields(fill_and_press(boss, dialog(house), amount="1", reason=REASON).content.decode())
    answer = press(boss, dialog(house), shown | {"amount": "1000", "reason": REASON})
    assert "$1,019.25" in answer.content.decode()
    assert every_row() == before


def test_it_leaves_an_audit_row_with_before_and_after(house: House, boss: Client) -> None:
    fill_and_press(boss, dialog(house), amount="-5", reason=REASON, shown=f"amount={-5 * DOLLAR}")
    record = AuditRecord.objects.order_by("-pk")[0]
    assert (record.act, record.reason, record.actor_id) == ("adjust_balance", REASON, house.boss.pk)
    assert (record.account_id, record.before, record.after["balance_usd"]) == (
        house.account.pk,
        {"balance_usd": "19.25"},
        "14.25",
    )
    assert record.request_id


def test_a_resent_press_adjusts_once(house: House, boss: Client) -> None:
    fields = open_dialog(boss, dialog(house)) | {"amount": "5", "reason": REASON, "shown": f"amount={5 * DOLLAR}"}
    first = press(boss, dialog(house), fields)
    after_first = every_row()
    assert press(boss, dialog(house), fields)["HX-Redirect"] == first["HX-Redirect"]
    assert every_row() == after_first
    assert newest(house).balance_after_nanos == 24_250_000_000


def test_a_used_dialog_refuses_another_amount(house: House, boss: Client) -> None:
    fields = open_dialog(boss, dialog(house)) | {"amount": "5", "reason": REASON, "shown": f"amount={5 * DOLLAR}"}
    press(boss, dialog(house), fields)
    before = every_row()
    answer = press(boss, dialog(house), fields | {"amount": "6", "shown": f"amount={6 * DOLLAR}"})
    assert (answer.status_code, "HX-Redirect" in answer) == (200, False)
    assert "This key has booked another adjustment" in answer.content.decode()
    assert every_row() == before


def test_each_opening_of_the_dialog_is_an_adjustment_of_its_own(house: House, boss: Client) -> None:
    for _ in range(2):
        fill_and_press(boss, dialog(house), amount="5", reason=REASON, shown=f"amount={5 * DOLLAR}")
    assert newest(house).balance_after_nanos == 29_250_000_000


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("amount", [5, -5])
def test_two_presses_at_once_adjust_once(amount: int) -> None:
    house = make_house()
    browsers = [logged_in(house.boss) for _ in range(2)]
    opened = open_dialog(browsers[0], dialog(house))
    fields = opened | {"amount": str(amount), "reason": REASON, "shown": f"amount={amount * DOLLAR}"}
    sent = [fields | {"csrfmiddlewaretoken": open_dialog(browser, dialog(house))["csrfmiddlewaretoken"]} for browser in browsers]
    outcomes = at_once(*(lambda i=i: press(browsers[i], dialog(house), sent[i])["HX-Redirect"] for i in range(2)))
    forget()
    assert failures(outcomes) == []
    assert Wallet.objects.get(pk=house.account.pk).balance_nanos == 19_250_000_000 + amount * DOLLAR
    assert LedgerEntry.objects.filter(account=house.account, kind=Kind.MANUAL, amount_nanos=amount * DOLLAR).count() == 1


@pytest.mark.parametrize(
    "amount", ["", "0", "0.00", "-0", "1e3", "NaN", "1,5", "1.0000000001", "+5", "$5", "٣", "99999999999", "5000000000"]
)
def test_an_amount_that_is_none_is_refused_beside_its_field(house: House, boss: Client, amount: str) -> None:
    before = every_row()
    answer = fill_and_press(boss, dialog(house), amount=amount, reason=REASON)
    assert (answer.status_code, "HX-Redirect" in answer) == (200, False)
    assert re.search(r"Give an amount in dollars|would do nothing|too large|required|at most 24", answer.content.decode())
    assert every_row() == before


@pytest.mark.parametrize("token", ["", "x" * 32, "../../etc", "0" * 200])
def test_a_crafted_token_does_nothing(house: House, boss: Client, token: str) -> None:
    before = every_row()
    answer = fill_and_press(boss, dialog(house), amount="5", reason=REASON, shown=f"amount={5 * DOLLAR}", token=token)
    assert (answer.status_code, "HX-Redirect" in answer) == (200, False)
    assert every_row() == before


def test_finance_may_adjust_and_support_may_not(house: House) -> None:
    load_roles()
    browsers = {}
    for role in ("finance", "support"):
        person = User.objects.create_user(f"{role}@example.com", PASSWORD, is_staff=True)
        person.groups.add(Group.objects.get(name=role))
        browsers[role] = logged_in(person)
    assert browsers["support"].get(dialog(house)).status_code == 403
    answer = fill_and_press(browsers["finance"], dialog(house), amount="5", reason=REASON, shown=f"amount={5 * DOLLAR}")
    assert "HX-Redirect" in answer
    assert newest(house).amount_nanos == 5 * DOLLAR


def test_a_positive_adjustment_is_a_promo_grant_without_end(house: House, boss: Client) -> None:
    fill_and_press(boss, dialog(house), amount="5", reason=REASON, shown=f"amount={5 * DOLLAR}")
    grant = Grant.objects.filter(account=house.account).order_by("-pk")[0]
    assert (grant.amount_nanos, grant.category, grant.expires_at) == (5 * DOLLAR, "promo", None)
