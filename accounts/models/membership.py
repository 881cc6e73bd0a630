"""Who belongs to an account, and who is asked to."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from core import clock, ids


class Role(models.TextChoices):
    """What a member may do: an owner everything, an admin all but owners and closing, a viewer reads."""

    OWNER = "owner"
    ADMIN = "admin"
    VIEWER = "viewer"

    def reaches(self, needed: "Role") -> bool:
        """Whether this role may do what `needed` may."""
        ranks = (Role.VIEWER, Role.ADMIN, Role.OWNER)
        return ranks.index(self) >= ranks.index(needed)


class Membership(models.Model):
    """One person in one account. Written by registration, invites and owners; deleted when the person leaves."""

    public_id = models.CharField(max_length=32, unique=True, default=ids.new_public_id, editable=False)
    account = models.ForeignKey("accounts.Account", on_delete=models.PROTECT, related_name="memberships")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="memberships")
    role = models.CharField(max_length=8, choices=Role.choices)
    created_at = models.DateTimeField(default=clock.now, editable=False)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["account", "user"], name="membership_once_per_account"),
            models.CheckConstraint(condition=Q(role__in=Role.values), name="membership_role_known"),
        )

    def __str__(self) -> str:
        return f"{self.role} {self.user_id} of {self.account_id}"


class Invite(models.Model):
    """
    An offer of membership to an address, taken by whoever proves it with the mailed secret. Only the secret's hash is stored.

    Written by owners and admins; ends by acceptance, removal or time.
    """

    public_id = models.CharField(max_length=32, unique=True, default=ids.new_public_id, editable=False)
    account = models.ForeignKey("accounts.Account", on_delete=models.PROTECT, related_name="invites")
    email = models.EmailField()
    role = models.CharField(max_length=8, choices=Role.choices)
    secret_hash = models.CharField(max_length=64, unique=True)
    invited_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=clock.now, editable=False)
    expires_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["account", "email"], condition=Q(accepted_at=None), name="invite_open_once_per_address"),
            models.CheckConstraint(condition=Q(role__in=Role.values), name="invite_role_known"),
        )

    def __str__(self) -> str:
        return f"invite {self.public_id[:8]} to {self.account_id}"
