"""What operators do to credits: each act shows its effect, does it once, leaves an audit row, and says why it is refused."""

import re
from dataclasses import dataclass
from datetime import timedelta
from html import unescape
from typing import Final

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from accounts.models import Account, User
from core import clock
from core.models import AuditRecord
from credits.books import Source
from credits.models import Allocation, Book, Category, Grant, Hold, Kind, LedgerEntry, Policy, Role, SpendingLimit, Wallet
from credits.services.grants import GrantTerms, freeze_grant, issue_grant, void_grant
from credits.services.holds import void_hold
from tests import factories
from tests.actors import make_person
from tests.admin.house import DOLLAR, House, every_row, forget, in_role, logged_in, make_house
from tests.admin.looking import text_of
from tests.admin.pressing import fill_and_press, hidden_fields, open_dialog, press, press_twice
from tests.spending import adjust
from tests.threads import at_once, failures
from usage.models import UsageEvent

REASON: Final = "Because of ticket 4711."


@dataclass(frozen=True)
class Books:
    """A customer with a paid grant of $10 behind a promotional one of $3, of which $5 were taken in one entry."""

    account: Account
    promo: Grant
    paid: Grant
    taken: LedgerEntry


@pytest.fixture
def books(house: House) -> Books:
    account = make_person("dora").account
    now = clock.now()
    promo = factories.give(account, 3 * DOLLAR, now=now, expires_at=now + timedelta(days=5))
    paid = factories.give(account, 10 * DOLLAR, kind=Kind.OPENING, category=Category.PAID, now=now)
    return Books(account, promo, paid, adjust(account, -5 * DOLLAR, now))


def page(books: Books) -> str:
    return f"/admin/accounts/account/{books.account.pk}/change/"


def on_account(act: str, books: Books) -> str:
    return reverse(f"admin:accounts_account_{act}", args=(books.account.pk,))


def on_grant(act: str, grant: Grant) -> str:
    return reverse(f"admin:credits_grant_{act}", args=(grant.pk,))


def on_entry(entry: LedgerEntry) -> str:
    return reverse("admin:credits_ledgerentry_reverse", args=(entry.pk,))


def on_hold(hold: Hold) -> str:
    return reverse("admin:credits_hold_void", args=(hold.pk,))


def effect_shown(html: str) -> list[tuple[str, str]]:
    """The lines of a preview, as words and values."""
    (box,) = re.findall(r'<div class="console-effect".*?</div>', html, re.DOTALL)
    return [(unescape(word), unescape(value)) for word, value in re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", box)]


def done_as_shown(browser: Client, url: str, **fields: object) -> list[tuple[str, str]]:
    """Press twice: the first press changes nothing, and what it shows is what the second one says that it did. Returns that."""
    before = every_row()
    first, second = press_twice(browser, url, reason=REASON, **fields)
    shown = effect_shown(first.content.decode())
    assert "HX-Redirect" not in first
    assert "HX-Redirect" in second, second.content.decode()
    assert before != every_row()
    said = text_of(browser, second["HX-Redirect"])
    for word, value in shown:
        assert f"{word}: {value}" in said, (word, value)
    assert factories.disagreements() == []
    return shown


def shown_first(browser: Client, url: str, **fields: object) -> str:
    """The first press, which must change nothing."""
    before = every_row()
    answer = fill_and_press(browser, url, reason=REASON, **fields)
    assert (answer.status_code, "HX-Redirect" in answer) == (200, False)
    assert every_row() == before
    return unescape(answer.content.decode())


def all_but_clocks() -> tuple[object, ...]:
    """Every row, of wallets without the clock: asking under a wallet's lock moves it, whatever comes of it."""
    rows = every_row()
    names = [field.attname for field in Wallet._meta.concrete_fields if field.attname != "clock_at"]
    rows["credits.Wallet"] = list(Wallet.objects.order_by("pk").values_list(*names))
    return tuple(rows.items())


def newest_act() -> tuple[str, str, dict[str, object], dict[str, object]]:
    record = AuditRecord.objects.order_by("-pk")[0]
    return record.act, record.reason, record.before, record.after


def acts_on(books: Books, house: House) -> dict[str, tuple[str, dict[str, str]]]:
    """Each act on these books: its permission, and its address with what is filled in."""
    debtor = make_person("erin").account
    adjust(debtor, -2 * DOLLAR)
    return {
        on_account("issue_grant", books): ("issue_grant", {"amount": "1", "kind": "promo", "category": "promo", "priority": "0"}),
        reverse("admin:accounts_account_write_off", args=(debtor.pk,)): ("write_off_debt", {"amount": "1"}),
        on_account("set_limit", books): ("set_limit", {"whose": "", "amount": "1", "duration": "daily", "strategy": "fixed"}),
        reverse("admin:accounts_account_remove_limit", args=(house.account.pk,)): ("set_limit", {"whose": ""}),
        on_account("set_policy", books): ("set_policy", {"policy": "absorb"}),
        on_grant("freeze", books.paid): ("freeze_grant", {"amount": "1"}),
        on_grant("void", books.paid): ("void_grant", {}),
        on_entry(books.taken): ("reverse_entry", {"amount": "1"}),
        on_hold(house.hold): ("void_hold", {}),
    }


def test_each_act_shows_its_effect_does_it_once_and_leaves_one_audit_row(house: House, books: Books, boss: Client) -> None:
    for url, (_, fields) in acts_on(books, house).items():
        filled = {"reason": REASON, **fields}
        acts = AuditRecord.objects.count()
        shown = hidden_fields(shown_first(boss, url, **fields))
        assert "HX-Redirect" in press(boss, url, shown | filled), url
        assert AuditRecord.objects.count() == acts + 1, url
        assert newest_act()[1] == REASON
        record = AuditRecord.objects.order_by("-pk")[0]
        assert (record.actor_id, record.before != record.after) == (house.boss.pk, True), url
        before = all_but_clocks()
        press(boss, url, shown | filled)
        assert all_but_clocks() == before, url


def test_each_act_needs_its_own_permission(house: House, books: Books, clerk: Client) -> None:
    person = User.objects.get(email="clerk@example.com")
    views = Permission.objects.filter(codename__startswith="view_")
    acts = acts_on(books, house)
    before = every_row()
    for url, (permission, _) in acts.items():
        others = Permission.objects.exclude(codename=permission)
        person.user_permissions.set([*views, *others])
        assert clerk.get(url).status_code == 403, url
    person.user_permissions.set([])
    assert every_row() == before
    for url, (permission, _) in acts.items():
        person.user_permissions.set([*views, Permission.objects.get(codename=permission)])
        assert clerk.get(url).status_code == 200, url


def test_roles_may_what_their_words_say(house: House, books: Books) -> None:
    allowed = {
        "support": {"void_hold"},
        "billing operations": {"void_hold", "freeze_grant", "set_limit"},
        "finance": {"issue_grant", "write_off_debt", "set_limit", "set_policy", "void_grant", "freeze_grant", "reverse_entry", "void_hold"},
    }
    acts = acts_on(books, house)
    for role, may in allowed.items():
        browser = in_role(role)
        answers = {url: browser.get(url).status_code for url in acts}
        assert answers == {url: 200 if permission in may else 403 for url, (permission, _) in acts.items()}, role


def test_another_input_at_the_second_press_is_shown_first(books: Books, boss: Client) -> None:
    url = on_entry(books.taken)
    shown = hidden_fields(fill_and_press(boss, url, reason=REASON, amount="1").content.decode())
    before = every_row()
    html = press(boss, url, shown | {"reason": REASON, "amount": "2"}).content.decode()
    assert ("Back into grant " + str(books.paid.pk), "$2.00 (2,000 credits)") in effect_shown(html)
    assert every_row() == before


def test_another_reason_at_the_second_press_needs_no_third(books: Books, boss: Client) -> None:
    url = on_entry(books.taken)
    shown = hidden_fields(fill_and_press(boss, url, reason=REASON, amount="1").content.decode())
    assert "HX-Redirect" in press(boss, url, shown | {"reason": REASON + " Mended.", "amount": "1"})


def test_voiding_a_hold_frees_what_it_keeps(house: House, boss: Client) -> None:
    shown = done_as_shown(boss, on_hold(house.hold))
    assert shown == [
        ("Hold", "open → voided"),
        ("Available", "$18.25 (18,250 credits) → $19.25 (19,250 credits)"),
        ("Reserved", "$1.00 (1,000 credits) → $0.00 (0 credits)"),
    ]
    assert newest_act() == ("void_hold", REASON, {"available_usd": "18.25"}, {"available_usd": "19.25", "status": "voided"})


def test_a_hold_that_has_ended_offers_no_void_and_says_why(house: House, boss: Client) -> None:
    url = f"/admin/credits/hold/{house.hold.pk}/change/"
    assert on_hold(house.hold) in boss.get(url).content.decode()
    void_hold(account_id=house.account.pk, public_id=house.hold.public_id, now=clock.now())
    assert on_hold(house.hold) not in boss.get(url).content.decode()
    assert "This hold was voided at" in shown_first(boss, on_hold(house.hold))


def test_issuing_a_grant_books_it_on_its_terms(books: Books, boss: Client) -> None:
    fields = {"amount": "7.5", "kind": "opening", "category": "paid", "priority": "-3", "expires_at": "2099-01-01T12:30"}
    shown = done_as_shown(boss, on_account("issue_grant", books), **fields)
    assert shown == [
        ("Grant", "$7.50 (7,500 credits), opening, counts as paid"),
        ("Ends", "2099-01-01 12:30 UTC"),
        ("Balance", "$8.00 (8,000 credits) → $15.50 (15,500 credits)"),
        ("Available", "$8.00 (8,000 credits) → $15.50 (15,500 credits)"),
    ]
    grant = Grant.objects.latest("pk")
    assert (grant.amount_nanos, grant.kind, grant.category, grant.priority, grant.book) == (
        7_500_000_000,
        "opening",
        "paid",
        -3,
        Book.ADJUSTMENT,
    )
    assert f"{grant.expires_at:%Y-%m-%d %H:%M}" == "2099-01-01 12:30"


def test_a_grant_for_later_moves_nothing_yet(books: Books, boss: Client) -> None:
    fields = {"amount": "1", "kind": "promo", "category": "promo", "priority": "0", "effective_at": "2099-01-01T00:00"}
    shown = done_as_shown(boss, on_account("issue_grant", books), **fields)
    assert shown[-1] == ("Note", "nothing moves before 2099-01-01 00:00 UTC")
    assert Grant.objects.latest("pk").booked_at is None


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"amount": "0"}, "above 0"),
        ({"amount": "-1"}, "above 0"),
        ({"expires_at": "2020-01-01T00:00"}, "must end in the future"),
        ({"category": "paid"}, "Only an opening balance is paid"),
        ({"kind": "purchase"}, "Select a valid choice"),
        ({"kind": "usage"}, "Select a valid choice"),
        ({"priority": "100000"}, "less than or equal to 1000"),
        ({"effective_at": "soon"}, "Enter a valid date/time"),
    ],
)
def test_bad_terms_are_refused_in_words(books: Books, boss: Client, fields: dict[str, str], words: str) -> None:
    usual = {"amount": "1", "kind": "promo", "category": "promo", "priority": "0"}
    assert words in shown_first(boss, on_account("issue_grant", books), **(usual | fields))


def test_voiding_a_grant_ends_what_remains(books: Books, boss: Client) -> None:
    shown = done_as_shown(boss, on_grant("void", books.paid))
    assert shown[:2] == [("Grant", "voided"), ("Remaining", "$8.00 (8,000 credits) → $0.00 (0 credits)")]
    assert ("Balance", "$8.00 (8,000 credits) → $0.00 (0 credits)") in shown
    act, _, before, after = newest_act()
    assert (act, before["balance_usd"], after["balance_usd"], after["is_void"]) == ("void_grant", "8.00", "0.00", True)


def test_a_spent_grant_cannot_be_voided_and_its_page_does_not_offer_it(books: Books, boss: Client) -> None:
    html = boss.get(f"/admin/credits/grant/{books.promo.pk}/change/").content.decode()
    assert (on_grant("void", books.promo) in html, on_grant("freeze", books.promo) in html) == (False, True)
    assert "Nothing remains of this grant" in shown_first(boss, on_grant("void", books.promo))


def test_a_part_of_a_grant_is_frozen_and_released(books: Books, boss: Client) -> None:
    shown = done_as_shown(boss, on_grant("freeze", books.paid), amount="3")
    assert shown[:2] == [("Split off and frozen", "$3.00 (3,000 credits)"), ("Remaining of this grant", "$5.00 (5,000 credits)")]
    assert ("Frozen", "$0.00 (0 credits) → $3.00 (3,000 credits)") in shown
    part = Grant.objects.get(root=books.paid)
    text = text_of(boss, f"/admin/credits/grant/{books.paid.pk}/change/")
    assert f"grant {part.pk} split off $3.00 3,000 credits" in text
    shown = done_as_shown(boss, on_grant("release", part))
    assert ("Frozen", "$3.00 (3,000 credits) → $0.00 (0 credits)") in shown
    assert newest_act()[0] == "release_grant"


def test_freezing_all_of_a_grant_twice_is_refused_in_words(books: Books, boss: Client) -> None:
    done_as_shown(boss, on_grant("freeze", books.paid), amount="")
    html = boss.get(f"/admin/credits/grant/{books.paid.pk}/change/").content.decode()
    assert (on_grant("freeze", books.paid) in html, on_grant("release", books.paid) in html) == (False, True)
    assert "has ended or is frozen already" in shown_first(boss, on_grant("freeze", books.paid), amount="")


def test_releasing_a_grant_that_is_not_frozen_would_do_nothing(books: Books, boss: Client) -> None:
    assert "none: nothing would change" in shown_first(boss, on_grant("release", books.paid))


def test_reversing_gives_back_the_last_first_to_those_who_bore_it(books: Books, boss: Client) -> None:
    opened = boss.get(on_entry(books.taken)).content.decode()
    assert 'value="5.00"' in opened
    shown = done_as_shown(boss, on_entry(books.taken), amount="4")
    assert shown[:3] == [
        (f"Back into grant {books.paid.pk}", "$2.00 (2,000 credits)"),
        (f"Back into grant {books.promo.pk}", "$2.00 (2,000 credits)"),
        ("Left to give back", "$5.00 (5,000 credits) → $1.00 (1,000 credits)"),
    ]
    undoing = LedgerEntry.objects.get(account=books.account, reverses=books.taken.seq)
    text = text_of(boss, f"/admin/credits/ledgerentry/{books.taken.pk}/change/")
    assert f"entry {undoing.seq} Reversal $4.00" in text
    assert f"entry {books.taken.seq}" in text_of(boss, f"/admin/credits/ledgerentry/{undoing.pk}/change/")
    assert newest_act()[0] == "reverse_entry"


def test_what_an_ended_grant_bore_comes_back_as_compensation_and_the_page_said_so(books: Books, boss: Client) -> None:
    void_grant(account_id=books.account.pk, grant_id=books.paid.pk, reason=REASON, actor_id=None, now=clock.now())
    text = text_of(boss, f"/admin/credits/ledgerentry/{books.taken.pk}/change/")
    assert f"grant {books.promo.pk} $3.00 3,000 credits $3.00 3,000 credits the grant itself" in text
    assert f"grant {books.paid.pk} $2.00 2,000 credits $2.00 2,000 credits a compensation grant: this one has ended" in text
    shown = done_as_shown(boss, on_entry(books.taken), amount="2")
    assert (f"Back into a compensation grant for grant {books.paid.pk}", "$2.00 (2,000 credits)") in shown
    made = Grant.objects.get(compensates=books.paid)
    assert f"grant {made.pk} carries returns to this one" in text_of(boss, f"/admin/credits/grant/{books.paid.pk}/change/")


def test_no_more_is_given_back_than_was_taken(books: Books, boss: Client) -> None:
    assert "No more than what was charged" in shown_first(boss, on_entry(books.taken), amount="5.000000001")
    assert "more than 0" in shown_first(boss, on_entry(books.taken), amount="-1")
    done_as_shown(boss, on_entry(books.taken), amount="5")
    assert on_entry(books.taken) not in boss.get(f"/admin/credits/ledgerentry/{books.taken.pk}/change/").content.decode()
    assert "No more than what was charged" in shown_first(boss, on_entry(books.taken), amount="1")


def test_an_entry_that_gave_credits_is_not_reversed(books: Books, boss: Client) -> None:
    booking = LedgerEntry.objects.get(account=books.account, source_key=f"grant:{books.paid.pk}:effective")
    assert on_entry(booking) not in boss.get(f"/admin/credits/ledgerentry/{booking.pk}/change/").content.decode()
    assert "Only what took credits can be undone" in shown_first(boss, on_entry(booking), amount="1")


def test_debt_is_written_off_and_only_debt(books: Books, boss: Client) -> None:
    assert on_account("write_off", books) not in boss.get(page(books)).content.decode()
    assert "No more can be written off than is owed" in shown_first(boss, on_account("write_off", books), amount="1")
    adjust(books.account, -10 * DOLLAR)
    assert on_account("write_off", books) in boss.get(page(books)).content.decode()
    assert 'value="2.00"' in boss.get(on_account("write_off", books)).content.decode()
    shown = done_as_shown(boss, on_account("write_off", books), amount="1.5")
    assert shown == [
        ("We bear", "$1.50 (1,500 credits)"),
        ("Balance", "-$2.00 (-2,000 credits) → -$0.50 (-500 credits)"),
        ("Debt", "$2.00 (2,000 credits) → $0.50 (500 credits)"),
    ]
    act, _, before, after = newest_act()
    assert (act, before["debt_usd"], after["debt_usd"]) == ("write_off", "2.00", "0.50")


def test_what_was_written_off_is_told_apart_from_what_can_be_given_back(books: Books, boss: Client) -> None:
    short = adjust(books.account, -10 * DOLLAR)
    done_as_shown(boss, on_account("write_off", books), amount="2")
    text = text_of(boss, f"/admin/credits/ledgerentry/{short.pk}/change/")
    assert "debt that no grant has paid $2.00 2,000 credits $0.00 0 credits nothing is left of it" in text


def test_debt_that_a_later_grant_settled_is_borne_by_that_grant(books: Books, boss: Client) -> None:
    short = adjust(books.account, -10 * DOLLAR)
    later = factories.give(books.account, DOLLAR)
    text = text_of(boss, f"/admin/credits/ledgerentry/{short.pk}/change/")
    assert f"grant {books.paid.pk} $8.00 8,000 credits $8.00 8,000 credits the grant itself" in text
    assert f"grant {later.pk}, which settled debt later $1.00 1,000 credits $1.00 1,000 credits the grant itself" in text
    assert "debt that no grant has paid $1.00 1,000 credits $1.00 1,000 credits the debt, which falls" in text
    shown = done_as_shown(boss, on_entry(short), amount="3")
    assert shown[:3] == [
        ("Back into the debt", "$1.00 (1,000 credits)"),
        (f"Back into grant {later.pk}", "$1.00 (1,000 credits)"),
        (f"Back into grant {books.paid.pk}", "$1.00 (1,000 credits)"),
    ]


def test_the_policy_is_set_and_leaves_before_and_after(books: Books, boss: Client) -> None:
    shown = done_as_shown(boss, on_account("set_policy", books), policy="absorb")
    assert shown == [("Borne by", "the customer, into debt → us: we absorb it")]
    assert Wallet.objects.get(pk=books.account.pk).policy == Policy.ABSORB
    assert newest_act() == ("set_policy", REASON, {"policy": "debt"}, {"policy": "absorb"})
    assert "A call beyond its hold is borne by us: we absorb it" in text_of(boss, page(books))
    assert "none: nothing would change" in shown_first(boss, on_account("set_policy", books), policy="absorb")


def test_a_limit_is_set_shown_and_removed(books: Books, boss: Client) -> None:
    fields = {"whose": "", "amount": "5", "duration": "weekly", "strategy": "sliding"}
    assert on_account("remove_limit", books) not in boss.get(page(books)).content.decode()
    shown = done_as_shown(boss, on_account("set_limit", books), **fields)
    assert shown == [("Limit", "none → $5.00 (5,000 credits) weekly, sliding"), ("Used now", "$0.00 (0 credits)")]
    text = text_of(boss, page(books))
    assert "the whole account weekly, sliding $5.00 5,000 credits $0.00 0 credits 0 %" in text
    shown = done_as_shown(boss, on_account("remove_limit", books), whose="")
    assert shown == [("Limit", "$5.00 (5,000 credits) weekly, sliding → none")]
    assert not SpendingLimit.objects.filter(account=books.account).exists()
    assert newest_act()[0] == "remove_limit"


def test_a_limit_that_is_reached_at_once_says_so(house: House, books: Books, boss: Client) -> None:
    url = reverse("admin:accounts_account_set_limit", args=(house.account.pk,))
    html = shown_first(boss, url, whose="", amount="1", duration="daily", strategy="fixed")
    assert ("Note", "it is reached: holds are refused at once") in effect_shown(html)
    key = house.hold.api_key_id
    shown = done_as_shown(boss, url, whose=str(key), amount="4", duration="monthly", strategy="fixed")
    assert shown[1] == ("Used now", "$1.00 (1,000 credits)")
    assert SpendingLimit.objects.get(api_key=key).amount_nanos == 4 * DOLLAR


def test_a_key_of_another_account_has_no_limit_here(house: House, books: Books, boss: Client) -> None:
    fields = {"whose": str(house.hold.api_key_id), "amount": "5", "duration": "daily", "strategy": "fixed"}
    assert "Select a valid choice" in shown_first(boss, on_account("set_limit", books), **fields)


def test_a_closed_account_offers_neither_grants_nor_limits(books: Books, boss: Client) -> None:
    fill_and_press(boss, on_account("close", books), reason=REASON)
    html = boss.get(page(books)).content.decode()
    assert {act: on_account(act, books) in html for act in ("issue_grant", "set_limit", "set_policy", "freeze", "adjust_balance")} == {
        "issue_grant": False,
        "set_limit": False,
        "set_policy": False,
        "freeze": False,
        "adjust_balance": True,
    }


def test_a_grants_page_shows_what_it_paid_for(books: Books, boss: Client) -> None:
    text = text_of(boss, f"/admin/credits/grant/{books.promo.pk}/change/")
    assert f"Pay $3.00 3,000 credits entry {books.taken.seq}" in text
    (row,) = Allocation.objects.filter(account=books.account, grant=books.promo, role=Role.PAY)
    assert row.to_nanos - row.from_nanos == 3 * DOLLAR


def test_a_pending_grant_waits_and_can_be_voided_without_an_entry(books: Books, boss: Client) -> None:
    terms = GrantTerms(DOLLAR, Kind.PURCHASE, Book.CLEARING_STRIPE, Category.PAID, Source("tests", "", "pending"), is_pending=True)
    grant = issue_grant(account_id=books.account.pk, terms=terms, now=clock.now())
    url = f"/admin/credits/grant/{grant.pk}/change/"
    assert "waits for its money" in text_of(boss, url)
    assert done_as_shown(boss, on_grant("void", grant))[1][1].startswith("it was never booked")
    assert "voided" in text_of(boss, url)


def test_a_frozen_grant_is_found_by_its_state(books: Books, boss: Client) -> None:
    freeze_grant(account_id=books.account.pk, grant_id=books.promo.pk, reason=REASON, actor_id=None, now=clock.now())
    for state, found in (("frozen", {books.promo.pk}), ("effective", {books.paid.pk}), ("ended", set()), ("pending", set())):
        cl = boss.get("/admin/credits/grant/", {"state": state, "account__id__exact": str(books.account.pk)}).context["cl"]
        assert {row.pk for row in cl.result_list} == found, state


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("act", ["issue", "reverse", "refund", "freeze"])
def test_two_presses_at_once_do_it_once(act: str) -> None:
    house = make_house()
    account = house.account
    entry = adjust(account, -DOLLAR)
    event = UsageEvent.objects.filter(account=account).latest("pk")
    url, fields = {
        "issue": (
            reverse("admin:accounts_account_issue_grant", args=(account.pk,)),
            {"amount": "1", "kind": "promo", "category": "promo", "priority": "0"},
        ),
        "reverse": (on_entry(entry), {"amount": "0.1"}),
        "refund": (reverse("admin:usage_usageevent_refund", args=(event.pk,)), {"amount": "0.1"}),
        "freeze": (on_grant("freeze", Grant.objects.get(account=account)), {"amount": "1"}),
    }[act]
    browsers = [logged_in(house.boss) for _ in range(2)]
    shown = hidden_fields(fill_and_press(browsers[0], url, reason=REASON, **fields).content.decode()) | fields | {"reason": REASON}
    sent = [shown | {"csrfmiddlewaretoken": open_dialog(browser, url)["csrfmiddlewaretoken"]} for browser in browsers]
    acts, grants, entries = AuditRecord.objects.count(), Grant.objects.count(), LedgerEntry.objects.count()
    outcomes = at_once(*(lambda i=i: press(browsers[i], url, sent[i])["HX-Redirect"] for i in range(2)))
    forget()
    assert failures(outcomes) == []
    assert AuditRecord.objects.count() == acts + 1
    more = (Grant.objects.count() - grants, LedgerEntry.objects.count() - entries)
    assert more == {"issue": (1, 1), "reverse": (0, 1), "refund": (0, 1), "freeze": (1, 2)}[act]


def test_opening_a_dialog_by_get_tries_nothing(house: House, books: Books, boss: Client) -> None:
    before = every_row()
    for url, (_, fields) in acts_on(books, house).items():
        before = every_row()
        assert boss.get(url, {"reason": REASON, **fields}).status_code == 200
        assert open_dialog(boss, url)
        assert every_row() == before, url
