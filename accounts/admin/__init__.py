"""
People, memberships, invites and keys in the admin.

The account itself is in `billing_platform.console.account_page`: its page shows credits and usage, above this app.
"""

from accounts.admin.keys import ApiKeyAdmin
from accounts.admin.people import InviteAdmin, MembershipAdmin, UserAdmin
from accounts.admin.search import find_account_ids

__all__ = ("ApiKeyAdmin", "InviteAdmin", "MembershipAdmin", "UserAdmin", "find_account_ids")
