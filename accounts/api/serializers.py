"""What identity's endpoints take and answer."""

from typing import Any

from rest_framework import serializers

from accounts.selectors import CUSTOMER_SCOPES, Account, Membership, Role, Scope, User
from core import zones
from core.api.times import iso_z_or_none
from core.money import usd_text

_MAIL_LENGTH = 254
_PASSWORD_LENGTH = 128
CUSTOMER_SCOPE_CHOICES = [(scope.value, scope.label) for scope in CUSTOMER_SCOPES]


class RegisterInput(serializers.Serializer[Any]):
    email = serializers.EmailField(max_length=_MAIL_LENGTH)
    password = serializers.CharField(max_length=_PASSWORD_LENGTH, trim_whitespace=False)
    name = serializers.CharField(max_length=120, required=False, default="", allow_blank=True, help_text="The account's name.")
    zone = serializers.CharField(max_length=64, required=False, default="UTC", help_text="IANA zone of the account's local days.")

    def validate_zone(self, value: str) -> str:
        return _known_zone(value)


class LoginInput(serializers.Serializer[Any]):
    email = serializers.CharField(max_length=_MAIL_LENGTH)
    password = serializers.CharField(max_length=_PASSWORD_LENGTH, trim_whitespace=False)


class RefreshInput(serializers.Serializer[Any]):
    refresh = serializers.CharField(max_length=4096)


class VerifyEmailInput(serializers.Serializer[Any]):
    """Either the mailed `token`, or the `email` that another one is to be mailed to."""

    token = serializers.CharField(max_length=256, required=False)
    email = serializers.EmailField(max_length=_MAIL_LENGTH, required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if len(attrs) != 1:
            raise serializers.ValidationError("Send either the token, or the email that another one is to be mailed to.", "one_of")
        return attrs


class EmailInput(serializers.Serializer[Any]):
    email = serializers.EmailField(max_length=_MAIL_LENGTH)


class NewPasswordInput(serializers.Serializer[Any]):
    token = serializers.CharField(max_length=256)
    password = serializers.CharField(max_length=_PASSWORD_LENGTH, trim_whitespace=False)


class TokensOutput(serializers.Serializer[Any]):
    access = serializers.CharField(help_text="For `Authorization: Bearer`; short-lived.")
    refresh = serializers.CharField(help_text="Trade it once at /auth/token/refresh.")


class UserOutput(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    email = serializers.EmailField()
    email_verified = serializers.SerializerMethodField()
    last_login_at = serializers.DateTimeField(source="last_login", allow_null=True)
    created_at = serializers.DateTimeField()

    def get_email_verified(self, user: User) -> bool:
        return user.email_verified_at is not None


class AccountSummaryOutput(serializers.Serializer[Any]):
    id = serializers.CharField(source="public_id", help_text="32 hexadecimal characters.")
    name = serializers.CharField()
    is_personal = serializers.BooleanField()


class RegisteredOutput(TokensOutput):
    user = UserOutput()
    account = AccountSummaryOutput()


class MyAccountOutput(serializers.Serializer[Any]):
    """One membership, seen from the person."""

    id = serializers.CharField(source="account.public_id")
    name = serializers.CharField(source="account.name")
    is_personal = serializers.SerializerMethodField()
    role = serializers.ChoiceField(Role.choices)

    def get_is_personal(self, membership: Membership) -> bool:
        """A person's own account; somebody else's own account is just an account to them."""
        return membership.account.personal_of_id == membership.user_id


class MeOutput(serializers.Serializer[Any]):
    user = UserOutput()
    accounts = MyAccountOutput(many=True)


class EmptyOutput(serializers.Serializer[Any]):
    """`{}`: done, or nothing to tell."""


class ApiKeyInput(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=120)
    scopes = serializers.ListField(
        child=serializers.ChoiceField(CUSTOMER_SCOPE_CHOICES),
        allow_empty=False,
        max_length=len(CUSTOMER_SCOPES),
        default=[Scope.USAGE_READ.value, Scope.BILLING_READ.value],
    )
    expires_at = serializers.DateTimeField(required=False, allow_null=True, default=None)


class ApiKeyNameInput(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=120)


class ApiKeyOutput(serializers.Serializer[Any]):
    id = serializers.CharField(source="public_id")
    name = serializers.CharField()
    prefix = serializers.CharField(help_text="The start of the secret, to recognise it by.")
    scopes = serializers.ListField(child=serializers.ChoiceField(Scope.choices))
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(allow_null=True)
    revoked_at = serializers.DateTimeField(allow_null=True)


class NewApiKeyOutput(ApiKeyOutput):
    secret = serializers.CharField(help_text="Shown this once: only its hash is kept.")


class ApiKeyListOutput(serializers.Serializer[Any]):
    items = ApiKeyOutput(many=True)
    total = serializers.IntegerField()
    limit = serializers.IntegerField()
    offset = serializers.IntegerField()


class AccountInput(serializers.Serializer[Any]):
    """Only what is sent is changed."""

    name = serializers.CharField(max_length=120, required=False, allow_blank=True)
    email = serializers.EmailField(max_length=_MAIL_LENGTH, required=False, allow_blank=True, help_text="Where bills and notices go.")
    zone = serializers.CharField(max_length=64, required=False, help_text="IANA zone; acts from the next local midnight.")
    low_balance = serializers.CharField(
        max_length=24, required=False, allow_null=True, help_text="Dollars, exact, such as `10.00`; null for no notice."
    )

    def validate_zone(self, value: str) -> str:
        return _known_zone(value)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if not attrs:
            raise serializers.ValidationError("Send at least one of: name, email, zone, low_balance.", "nothing_to_change")
        return attrs


class AccountOutput(serializers.Serializer[Any]):
    id = serializers.CharField(source="public_id", help_text="32 hexadecimal characters.")
    name = serializers.CharField()
    email = serializers.CharField(help_text="Where bills and notices go.")
    is_personal = serializers.BooleanField()
    is_frozen = serializers.BooleanField()
    zone = serializers.SerializerMethodField(help_text="The zone in force.")
    next_zone = serializers.SerializerMethodField(help_text="The zone announced, if any.")
    next_zone_at = serializers.SerializerMethodField(help_text="When it takes effect.")
    low_balance = serializers.SerializerMethodField(help_text="Dollars, exact.")
    created_at = serializers.DateTimeField()

    def get_zone(self, account: Account) -> str:
        return str(self.context["zone"])

    def get_next_zone(self, account: Account) -> str | None:
        return account.next_zone if self._is_announced(account) else None

    def get_next_zone_at(self, account: Account) -> str | None:
        return iso_z_or_none(account.next_zone_at) if self._is_announced(account) else None

    def get_low_balance(self, account: Account) -> str | None:
        return None if account.low_balance_nanos is None else usd_text(account.low_balance_nanos)

    def _is_announced(self, account: Account) -> bool:
        """A change that has taken effect is the zone, and no announcement any more."""
        return bool(account.next_zone) and self.context["zone"] != account.next_zone


class CloseInput(serializers.Serializer[Any]):
    password = serializers.CharField(max_length=_PASSWORD_LENGTH, trim_whitespace=False, help_text="The owner's, to be sure.")
    reason = serializers.CharField(max_length=500, required=False, default="Closed by its owner.")


class InviteInput(serializers.Serializer[Any]):
    email = serializers.EmailField(max_length=_MAIL_LENGTH)
    role = serializers.ChoiceField(Role.choices, default=Role.VIEWER)


class RoleInput(serializers.Serializer[Any]):
    role = serializers.ChoiceField(Role.choices)


class AcceptInput(serializers.Serializer[Any]):
    token = serializers.CharField(max_length=128)


class MemberOutput(serializers.Serializer[Any]):
    id = serializers.CharField(source="public_id")
    email = serializers.EmailField(source="user.email")
    role = serializers.ChoiceField(Role.choices)
    created_at = serializers.DateTimeField()


class InviteOutput(serializers.Serializer[Any]):
    id = serializers.CharField(source="public_id")
    email = serializers.EmailField()
    role = serializers.ChoiceField(Role.choices)
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()


class MembersOutput(serializers.Serializer[Any]):
    items = MemberOutput(many=True)
    invites = InviteOutput(many=True)


def _known_zone(value: str) -> str:
    if value not in zones.zone_names():
        raise serializers.ValidationError("Give an IANA zone such as Europe/Berlin.", "unknown_zone")
    return value
