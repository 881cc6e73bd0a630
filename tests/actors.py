"""
The people of the tests, made through services: Alice owns an account, Bob views it, Charlie is a stranger, Oscar operates the platform.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from accounts.models import Account, Membership, User
from accounts.models.membership import Role
from accounts.services.api_keys import IssuedKey, issue_api_key, issue_platform_key
from accounts.services.registration import register
from accounts.services.tokens import issue_tokens
from core import clock

PASSWORD: Final = "correct horse battery"
EVERY_CUSTOMER_SCOPE: Final = ("usage:read", "billing:read", "billing:write")
EVERY_SCOPE: Final = (*EVERY_CUSTOMER_SCOPE, "usage:write")


@dataclass(frozen=True)
class Person:
    """Somebody with an account of their own."""

    user: User
    account: Account
    token: str
    refresh: str


@dataclass(frozen=True)
class Cast:
    """Everybody."""

    alice: Person
    bob: Person
    charlie: Person
    oscar: User


def make_cast() -> Cast:
    """Alice (owner of her account), Bob (viewer of Alice's), Charlie (stranger to both), Oscar (operator)."""
    alice, bob, charlie = (make_person(name) for name in ("alice", "bob", "charlie"))
    join(bob, alice.account, Role.VIEWER)
    return Cast(alice, bob, charlie, make_operator())


def make_person(name: str) -> Person:
    """A registered person, logged in."""
    made = register(email=f"{name}@example.com", password=PASSWORD, name=f"{name.title()}'s", now=clock.now())
    pair = issue_tokens(user=made.user, now=clock.now())
    return Person(made.user, made.account, pair.access, pair.refresh)


def make_operator(email: str = "oscar@example.com") -> User:
    """An operator who may do everything in the admin."""
    return User.objects.create_superuser(email, PASSWORD)


def join(person: Person, account: Account, role: Role) -> Membership:
    """Make somebody a member, as accepting an invite does."""
    return Membership.objects.create(account=account, user=person.user, role=role, created_at=clock.now())


def customer_key(person: Person, scopes: Collection[str] = EVERY_CUSTOMER_SCOPE) -> IssuedKey:
    """A key of the person's own account."""
    return issue_api_key(account_id=person.account.pk, name="tests", scopes=scopes, actor_id=person.user.pk, now=clock.now())


def platform_key(scopes: Collection[str] = EVERY_SCOPE) -> IssuedKey:
    """A key of the platform's own gateway."""
    return issue_platform_key(name="gateway", scopes=scopes, actor_id=None, reason="Tests.", now=clock.now())


def bearer(credential: Person | IssuedKey | str) -> str:
    """The bearer secret of whoever asks."""
    if isinstance(credential, Person):
        return credential.token
    return credential.secret if isinstance(credential, IssuedKey) else credential
