"""Who may do what among operators: three roles, made by `manage.py load_roles`."""

from typing import Final

from django.contrib.auth.models import Group, Permission
from django.db import transaction
from django.db.models import F, Value
from django.db.models.functions import Concat

VIEWED_APPS: Final = ("core", "accounts", "credits", "usage", "payments")
ROLES: Final[dict[str, tuple[str, ...]]] = {
    "support": ("credits.void_hold",),
    "billing operations": (
        "accounts.freeze_account",
        "core.verify_account",
        "credits.freeze_grant",
        "credits.set_limit",
        "credits.void_hold",
        "payments.cancel_order",
        "payments.reprocess_providerevent",
        "usage.add_aimodel",
        "usage.change_aimodel",
        "usage.add_priceversion",
        "usage.change_priceversion",
        "usage.delete_priceversion",
        "usage.import_prices",
        "usage.add_pricemultiplier",
        "usage.delete_pricemultiplier",
        "usage.run_shadow",
        "usage.view_analytics",
    ),
    "finance": (
        "accounts.set_price_tier",
        "core.verify_account",
        "core.verify_books",
        "credits.adjust_balance",
        "credits.freeze_grant",
        "credits.issue_grant",
        "credits.reverse_entry",
        "credits.set_limit",
        "credits.set_policy",
        "credits.void_grant",
        "credits.void_hold",
        "credits.write_off_debt",
        "payments.resolve_paymentreview",
        "usage.activate_pricemultiplier",
        "usage.activate_priceversion",
        "usage.refund_usageevent",
        "usage.run_shadow",
        "usage.view_analytics",
    ),
}
"""
Beyond viewing every object, which all may; what all accounts together are charged, cost and earn is for operations and finance.

Support frees what a hold keeps aside: that moves no money. Operations also keep credits from being spent (a grant under dispute, a
limit). Whatever gives, takes or forgives money is finance's, as are who bears an overrun and who pays what of the prices. Platform keys
are for superusers: one posts usage for any account.
"""


def load_roles() -> list[str]:
    """
    Make the roles, or set them back to exactly what this module says. Members stay. Returns the roles' names.

    Raises Permission.DoesNotExist where a permission is not migrated yet.
    """
    with transaction.atomic():
        of_models = Permission.objects.filter(codename=Concat(Value("view_"), F("content_type__model")))
        views = list(of_models.filter(content_type__app_label__in=VIEWED_APPS))
        for name, acts in ROLES.items():
            group, _ = Group.objects.get_or_create(name=name)
            group.permissions.set([*views, *(_permission(act) for act in acts)])
    return list(ROLES)


def _permission(label: str) -> Permission:
    app, codename = label.split(".")
    return Permission.objects.get(content_type__app_label=app, codename=codename)
