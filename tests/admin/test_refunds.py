"""How operators refund a usage event: shown before, done once, with a reason, by their own permission."""

from dataclasses import dataclass

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from accounts.models import Account, User
from core.models import AuditRecord
from credits.models import LedgerEntry
from tests import factories
from tests.actors import make_person
from tests.admin.house import DOLLAR, House, every_row, in_role
from tests.admin.looking import text_of
from tests.admin.pressing import fill_and_press, hidden_fields, press, press_twice
from tests.admin.test_credit_acts import REASON, all_but_clocks, done_as_shown, effect_shown, newest_act, shown_first
from tests.spending import report
from usage.models import UsageEvent


@dataclass(frozen=True)
class Called:
    """A customer with $10 who has made a call of $2.50."""

    account: Account
    event: UsageEvent
    url: str
    page: str


@pytest.fixture
def called(house: House) -> Called:
    account = make_person("dora").account
    factories.give(account, 10 * DOLLAR)
    factories.end_of_transaction()
    report(account, "doras/call", input_tokens=1_000_000)
    event = UsageEvent.objects.get(account=account)
    return Called(
        account,
        event,
        reverse("admin:usage_usageevent_refund", args=(event.pk,)),
        f"/admin/usage/usageevent/{event.pk}/change/",
    )


def test_a_refund_is_shown_before_it_is_done_and_told_after(called: Called, boss: Client) -> None:
    opened = boss.get(called.url).content.decode()
    assert 'value="2.50"' in opened
    shown = done_as_shown(boss, called.url, amount="1")
    assert ("Given back", "$0.00 (0 credits) → $1.00 (1,000 credits)") in shown
    assert ("Counted as", "success, as before") in shown
    assert ("Balance", "$7.50 (7,500 credits) → $8.50 (8,500 credits)") in shown
    shown = done_as_shown(boss, called.url, amount="1.5")
    assert ("Counted as", "success → refunded") in shown
    act, reason, before, after = newest_act()
    assert (act, reason) == ("refund_usage_event", REASON)
    assert (before["refunded_usd"], after["refunded_usd"], after["event_id"]) == ("1.00", "2.50", "doras/call")


def test_the_page_shows_what_was_given_back_and_by_which_entries(called: Called, boss: Client) -> None:
    assert called.url in boss.get(called.page).content.decode()
    done_as_shown(boss, called.url, amount="1")
    entry = LedgerEntry.objects.get(account=called.account, kind="usage_refund")
    text = text_of(boss, called.page)
    assert f"entry {entry.seq} $1.00" in text
    assert called.url in boss.get(called.page).content.decode()
    done_as_shown(boss, called.url, amount="1.5")
    assert called.url not in boss.get(called.page).content.decode()
    assert "refunded" in text_of(boss, called.page)
    assert "refunded" in text_of(boss, f"/admin/usage/usageevent/?q={called.account.public_id}")


def test_the_charge_and_its_refund_lead_to_the_event_and_offer_no_reversal(called: Called, boss: Client) -> None:
    done_as_shown(boss, called.url, amount="1")
    for entry in LedgerEntry.objects.filter(account=called.account, source_type="usage_event"):
        html = boss.get(f"/admin/credits/ledgerentry/{entry.pk}/change/").content.decode()
        assert f"/admin/usage/usageevent/?q={called.account.public_id}+doras%2Fcall" in html
        assert reverse("admin:credits_ledgerentry_reverse", args=(entry.pk,)) not in html
    found = text_of(boss, f"/admin/usage/usageevent/?q={called.account.public_id}+doras%2Fcall")
    assert "doras/call" in found


def test_a_reversal_of_usage_is_refused_even_where_its_dialog_is_opened(called: Called, boss: Client) -> None:
    entry = LedgerEntry.objects.get(account=called.account, kind="usage")
    url = reverse("admin:credits_ledgerentry_reverse", args=(entry.pk,))
    assert "is refunded at its event" in shown_first(boss, url, amount="1")


def test_the_same_press_again_gives_back_once(called: Called, boss: Client) -> None:
    filled = {"reason": REASON, "amount": "1"}
    shown = hidden_fields(fill_and_press(boss, called.url, **filled).content.decode())
    assert "HX-Redirect" in press(boss, called.url, shown | filled)
    before = all_but_clocks()
    press(boss, called.url, shown | filled)
    assert all_but_clocks() == before
    assert AuditRecord.objects.filter(act="refund_usage_event").count() == 1


@pytest.mark.parametrize(
    ("amount", "said"),
    [("2.500000001", "No more than what was charged"), ("0", "more than 0"), ("-1", "more than 0"), ("x", "Give an amount")],
)
def test_an_amount_that_cannot_be_given_back_is_refused(called: Called, boss: Client, amount: str, said: str) -> None:
    assert said.lower() in shown_first(boss, called.url, amount=amount).lower()


def test_a_call_that_charged_nothing_offers_no_refund_and_refuses_one(called: Called, boss: Client) -> None:
    report(called.account, "free", input_tokens=0)
    free = UsageEvent.objects.get(event_id="free")
    url = reverse("admin:usage_usageevent_refund", args=(free.pk,))
    assert url not in boss.get(f"/admin/usage/usageevent/{free.pk}/change/").content.decode()
    assert "charged nothing" in shown_first(boss, url, amount="1")


def test_it_needs_its_own_permission_which_finance_has(called: Called, clerk: Client) -> None:
    person = User.objects.get(email="clerk@example.com")
    views = Permission.objects.filter(codename__startswith="view_")
    person.user_permissions.set([*views, *Permission.objects.exclude(codename="refund_usageevent")])
    before = every_row()
    assert clerk.get(called.url).status_code == 403
    assert press(clerk, called.url, {"amount": "1", "reason": REASON}).status_code == 403
    assert every_row() == before
    person.user_permissions.set([*views, Permission.objects.get(codename="refund_usageevent")])
    assert clerk.get(called.url).status_code == 200
    answers = {role: in_role(role).get(called.url).status_code for role in ("support", "billing operations", "finance")}
    assert answers == {"support": 403, "billing operations": 403, "finance": 200}


def test_another_amount_at_the_second_press_is_shown_first(called: Called, boss: Client) -> None:
    shown = hidden_fields(fill_and_press(boss, called.url, reason=REASON, amount="1").content.decode())
    before = every_row()
    html = press(boss, called.url, shown | {"reason": REASON, "amount": "2"}).content.decode()
    assert ("Given back", "$0.00 (0 credits) → $2.00 (2,000 credits)") in effect_shown(html)
    assert every_row() == before


def test_without_a_reason_nothing_happens(called: Called, boss: Client) -> None:
    before = every_row()
    first, second = press_twice(boss, called.url, amount="1", reason="short")
    assert "HX-Redirect" not in first
    assert "HX-Redirect" not in second
    assert every_row() == before
