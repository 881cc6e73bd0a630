"""Who belongs to an account: invites, roles, leaving. Every act locks the account first, so an owner is always left."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db import transaction

from accounts.errors import AlreadyMember, InvalidToken, LastOwner, PersonalAccount, RoleTooLow
from accounts.models import Account, Invite, Membership, User
from accounts.models.membership import Role
from core import ids, jobs
from core.errors import NotFound
from core.locks import lock_one

INVITE_LIFETIME: Final = timedelta(days=7)


@dataclass(frozen=True)
class Invitation:
    """An open invite, and whether this call made it (or renewed one)."""

    invite: Invite
    is_new: bool


def invite(*, account_id: int, email: str, role: Role, actor_id: int, now: datetime) -> Invitation:
    """
    Offer membership to an address by mail, for seven days. Asking again renews the open invite, with the new role, and mails a new secret.

    Raises AlreadyMember, RoleTooLow (an admin cannot make owners), NotFound for a closed account.
    """
    address = email.strip().lower()
    with transaction.atomic():
        account = _lock_account(account_id)
        _require_authority(account_id, actor_id, role)
        if Membership.objects.filter(account=account, user__email=address).exists():
            raise AlreadyMember("That address belongs to a member of the account.")
        offer, is_new = Invite.objects.update_or_create(
            account=account,
            email=address,
            accepted_at=None,
            defaults={"role": role, "invited_by_id": actor_id, "expires_at": now + INVITE_LIFETIME},
            # Nobody knows the first secret: the mail's task makes the one that counts.
            create_defaults={
                "role": role,
                "invited_by_id": actor_id,
                "created_at": now,
                "expires_at": now + INVITE_LIFETIME,
                "secret_hash": ids.secret_digest(ids.new_secret("")),
            },
        )
        jobs.enqueue("accounts.tasks.send_invite", invite_id=offer.pk)
    return Invitation(offer, is_new)


def accept_invite(*, secret: str, user_id: int, now: datetime) -> Membership:
    """
    Become a member by a mailed secret; it works once. A member with a higher role keeps it.

    Raises InvalidToken when it is unknown, used, too old or withdrawn, NotFound when the person is gone.
    """
    found = Invite.objects.filter(secret_hash=ids.secret_digest(secret), accepted_at=None).first()
    with transaction.atomic():
        offer = _lock_invite(found, now)
        if lock_one(User.objects.filter(pk=user_id, is_active=True)) is None:
            raise NotFound("There is no such person.")  # Closed their account a moment ago.
        member, is_new = Membership.objects.get_or_create(
            account_id=offer.account_id, user_id=user_id, defaults={"role": offer.role, "created_at": now}
        )
        if not is_new and not Role(member.role).reaches(Role(offer.role)):
            member.role = offer.role
            member.save(update_fields=["role"])
        offer.accepted_at = now
        offer.save(update_fields=["accepted_at"])
    return member


def withdraw_invite(*, account_id: int, invite_id: int, actor_id: int) -> None:
    """Take an open invite back. Twice is fine. Raises RoleTooLow."""
    with transaction.atomic():
        _lock_account(account_id)
        offer = lock_one(Invite.objects.filter(pk=invite_id, account_id=account_id, accepted_at=None))
        if offer is not None:
            _require_authority(account_id, actor_id, Role(offer.role))
            offer.delete()


def change_role(*, account_id: int, member_id: int, role: Role, actor_id: int) -> Membership:
    """
    Give a member another role.

    Raises RoleTooLow (only owners make or unmake owners), LastOwner, PersonalAccount, NotFound.
    """
    with transaction.atomic():
        account = _lock_account(account_id)
        member = _lock_member(account_id, member_id)
        _require_authority(account_id, actor_id, max(Role(member.role), role, key=_rank))
        if role is not Role.OWNER:
            _check_may_stop_owning(account, member)
        member.role = role
        member.save(update_fields=["role"])
    return member


def remove_member(*, account_id: int, member_id: int, actor_id: int) -> None:
    """
    End a membership: one's own with any role, somebody else's with the authority for it. API keys belong to the account and stay.

    Raises RoleTooLow, LastOwner, PersonalAccount, NotFound (also for the second call).
    """
    with transaction.atomic():
        account = _lock_account(account_id)
        member = _lock_member(account_id, member_id)
        if member.user_id != actor_id:
            _require_authority(account_id, actor_id, Role(member.role))
        _check_may_stop_owning(account, member)
        member.delete()


def _lock_account(account_id: int) -> Account:
    account = lock_one(Account.objects.filter(pk=account_id, closed_at=None))
    if account is None:
        raise NotFound("There is no such account.")
    return account


def _lock_member(account_id: int, member_id: int) -> Membership:
    member = lock_one(Membership.objects.filter(pk=member_id, account_id=account_id))
    if member is None:
        raise NotFound("There is no such member in this account.")
    return member


def _lock_invite(found: Invite | None, now: datetime) -> Invite:
    if found is not None:
        _lock_account(found.account_id)
        offer = lock_one(Invite.objects.filter(pk=found.pk, secret_hash=found.secret_hash, accepted_at=None, expires_at__gt=now))
        if offer is not None:
            return offer
    raise InvalidToken("This invite is unknown, used or too old; ask for a new one.", field="token")


def _require_authority(account_id: int, actor_id: int, touched: Role) -> None:
    """Owners may touch every role, admins all but owners; read under the account's lock, since it may have just changed."""
    actor = Membership.objects.filter(account_id=account_id, user_id=actor_id).first()
    needed = Role.OWNER if touched is Role.OWNER else Role.ADMIN
    if actor is None or not Role(actor.role).reaches(needed):
        raise RoleTooLow(f"This needs the role {needed.value}.", needed=needed.value)


def _check_may_stop_owning(account: Account, member: Membership) -> None:
    if member.user_id == account.personal_of_id:
        raise PersonalAccount("This is that person's own account; close it instead.")
    owners = Membership.objects.filter(account=account, role=Role.OWNER)
    if member.role == Role.OWNER and owners.count() == 1:
        raise LastOwner("An account keeps at least one owner; make somebody else one first.")


def _rank(role: Role) -> int:
    return (Role.VIEWER, Role.ADMIN, Role.OWNER).index(role)
