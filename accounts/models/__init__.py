"""People, billing accounts, memberships, API keys."""

from accounts.models.account import Account
from accounts.models.api_key import ApiKey
from accounts.models.membership import Invite, Membership
from accounts.models.user import User

__all__ = ("Account", "ApiKey", "Invite", "Membership", "User")
