"""How an operator names an account: by its public id, or by an address of a member or of its bills."""

from accounts.models import Account, Membership

FOUND_MAX = 50
"""One person is in few accounts; a list of more would be no answer."""


def find_account_ids(text: str) -> list[int]:
    """The accounts of this public id or e-mail; of an address, those it is a member of, else those billed to it."""
    if "@" not in text:
        return list(Account.objects.filter(public_id=text.lower()).values_list("pk", flat=True))
    members = Membership.objects.filter(user__email=text.lower())
    found = list(members.order_by("account_id").values_list("account_id", flat=True)[:FOUND_MAX])
    return found or list(Account.objects.filter(email__iexact=text).order_by("pk").values_list("pk", flat=True)[:FOUND_MAX])
