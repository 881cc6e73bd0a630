"""A house with one of everything an operator can open."""

from dataclasses import dataclass
from datetime import timedelta

from django.apps import apps
from django.contrib.auth.models import Group
from django.test import Client

from accounts.models import Account, ApiKey, User
from accounts.models.membership import Role
from accounts.services.account import set_frozen
from accounts.services.membership import invite
from billing_platform.console.roles import load_roles
from core import clock
from tests.actors import PASSWORD, customer_key, make_operator, make_person, platform_key
from tests.spending import GPT_4O, adjust, price, report
from usage.models import PriceVersion
from usage.services.directory import ACCOUNTS, KEYS
from usage.services.price_book import PRICE_BOOK
from usage.services.prices import create_draft

DOLLAR = 1_000_000_000
APPS = ("core", "accounts", "credits", "usage", "payments")


@dataclass(frozen=True)
class House:
    """A customer who has done everything once, and the people who work here."""

    account: Account
    draft: PriceVersion
    gateway_key: ApiKey
    boss: User


def make_house() -> House:
    forget()
    now = clock.now()
    boss, owner = make_operator(), make_person("alice")
    active = price()
    adjust(owner.account, 20 * DOLLAR)
    report(owner.account, "call-1", "call-2", "call-3", input_tokens=100_000)
    customer_key(owner)
    invite(account_id=owner.account.pk, email="bob@example.com", role=Role.VIEWER, actor_id=owner.user.pk, now=now)
    for frozen in (True, False):
        set_frozen(account_id=owner.account.pk, is_frozen=frozen, actor_id=boss.pk, reason="For the tests.", now=now)
    draft = create_draft(model=active.model, prices=GPT_4O, effective_at=now + timedelta(days=1), now=now)
    load_roles()
    return House(owner.account, draft, platform_key().key, boss)


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
