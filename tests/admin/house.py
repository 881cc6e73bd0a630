"""A house with one of everything an operator can open."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.apps import apps
from django.contrib.auth.models import Group
from django.test import Client

from accounts.models import Account, ApiKey, User
from accounts.models.membership import Role
from accounts.services.account import set_frozen
from accounts.services.membership import invite
from billing_platform.console.roles import load_roles
from core import clock, verification_runs
from core.models import VerificationRun
from core.verification import Discrepancy
from credits.models import Hold
from credits.services.holds import HoldTerms, open_hold
from credits.services.house import House as HouseBook
from credits.services.house import HouseItem, book_house
from credits.services.limits import Duration, LimitTerms, Strategy, set_limit
from credits.services.sealing import seal_ledger
from tests.actors import PASSWORD, Person, customer_key, make_operator, make_person, platform_key
from tests.spending import GPT_4O, adjust, price, report
from usage.models import PriceMultiplier, PriceVersion
from usage.services.counting import count_account
from usage.services.directory import ACCOUNTS, KEYS
from usage.services.multipliers import Scope, create_multiplier_draft
from usage.services.price_book import PRICE_BOOK
from usage.services.prices import create_draft
from usage.services.shadow_runs import ask_for_shadow_run, work_off

DOLLAR = 1_000_000_000
APPS = ("core", "accounts", "credits", "usage", "payments")


@dataclass(frozen=True)
class House:
    """A customer who has done everything once, and the people who work here."""

    account: Account
    draft: PriceVersion
    multiplier: PriceMultiplier
    gateway_key: ApiKey
    boss: User
    hold: Hold


def make_house() -> House:
    forget()
    now = clock.now()
    boss, owner = make_operator(), make_person("alice")
    active = price()
    adjust(owner.account, 20 * DOLLAR)
    report(owner.account, "call-1", "call-2", "call-3", input_tokens=100_000)
    count_account(owner.account.pk)
    invite(account_id=owner.account.pk, email="bob@example.com", role=Role.VIEWER, actor_id=owner.user.pk, now=now)
    for frozen in (True, False):
        set_frozen(account_id=owner.account.pk, is_frozen=frozen, actor_id=boss.pk, reason="For the tests.", now=now)
    verified(owner.account, now)
    book_house(house=HouseBook.ABSORBED, items=[HouseItem(5, "tests:1", now.date(), owner.account.pk)], now=now)
    hold = keep_aside(owner)
    seal_ledger(now=now)
    draft = create_draft(model=active.model, prices=GPT_4O, effective_at=now + timedelta(days=1), now=now)
    run = ask_for_shadow_run(version_id=draft.pk, days=7, actor_id=boss.pk, reason="For the tests.", now=now, by_worker=False)
    work_off(run_id=run.pk, tell_time=clock.now)
    multiplier = create_multiplier_draft(scope=Scope(owner.account.pk), multiplier_bp=9_000, effective_at=now, now=now)
    load_roles()
    return House(owner.account, draft, multiplier, platform_key().key, boss, hold)


def keep_aside(owner: Person) -> Hold:
    """An open hold of $1 by a key, which brings the account's limit to three quarters."""
    now = clock.now()
    terms = LimitTerms(2_000_000_000, Duration.DAILY, Strategy.FIXED)
    set_limit(account_id=owner.account.pk, terms=terms, actor_id=None, reason="For the tests.", now=now)
    key = customer_key(owner).key.pk
    view, *_ = open_hold(account_id=owner.account.pk, terms=HoldTerms(DOLLAR, timedelta(hours=1), api_key_id=key), now=now)
    return Hold.objects.get(account=owner.account, public_id=view.public_id)


def verified(account: Account, now: datetime) -> VerificationRun:
    """A verification that has found something in this account's books."""
    run = verification_runs.begin_run(asked_by=VerificationRun.AskedBy.COMMAND, account_id=account.pk, checks=30, now=now)
    verification_runs.keep_findings(run, [Discrepancy(account.pk, 1, "balances chain", "entry 2: balance 7 after 5 and 1")])
    return verification_runs.finish_run(run, late_wallets=0, now=now)


def forget() -> None:
    """What processes remember of the price book and of accounts, which another test has made anew."""
    PRICE_BOOK.forget()
    ACCOUNTS.forget()
    KEYS.forget()


def logged_in(user: User) -> Client:
    browser = Client(enforce_csrf_checks=True, raise_request_exception=True)
    browser.force_login(user)
    return browser


def in_role(role: str) -> Client:
    """A browser of somebody with one of the roles."""
    person = User.objects.create_user(f"{role.replace(' ', '.')}@example.com", PASSWORD, is_staff=True)
    person.groups.add(Group.objects.get(name=role))
    return logged_in(person)


def every_row() -> dict[str, list[tuple[object, ...]]]:
    """All rows of all our tables: equal before and after means that nothing moved."""
    models = [model for app in APPS for model in apps.get_app_config(app).get_models()]
    return {model._meta.label: sorted(model._default_manager.values_list(), key=repr) for model in models}
