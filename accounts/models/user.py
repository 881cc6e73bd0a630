"""The person who logs in."""

from typing import ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower

from core import clock


class UserManager(BaseUserManager["User"]):
    """Finds people by e-mail, whatever its case: addresses are stored in lower case. The two constructors are for Django's own commands."""

    def get_by_natural_key(self, username: str | None) -> "User":
        """The user of this address. Raises User.DoesNotExist."""
        return self.get(email=(username or "").strip().lower())

    def create_user(self, email: str, password: str | None = None, *, is_staff: bool = False, is_superuser: bool = False) -> "User":
        """A user without an account of their own. `accounts.services.registration.register` makes both."""
        user = self.model(email=email.strip().lower(), is_staff=is_staff, is_superuser=is_superuser)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None) -> "User":
        """An operator who may do everything."""
        return self.create_user(email, password, is_staff=True, is_superuser=True)


class User(AbstractBaseUser, PermissionsMixin):
    """
    One person, logging in by e-mail; named by id wherever a text is kept (logs, the admin's history). Written by registration and
    by the person; operators are users with `is_staff`.

    Closing the personal account replaces the address by a tombstone and disables the password: rows that hold ids stay true.
    """

    email = models.EmailField(unique=True)
    email_verified_at = models.DateTimeField(null=True, blank=True)
    is_staff = models.BooleanField(default=False)
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(default=clock.now, editable=False)

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"

    class Meta:
        constraints = (models.CheckConstraint(condition=Q(email=Lower("email")), name="user_email_is_lower_case"),)

    def __str__(self) -> str:
        return f"user {self.pk}"
