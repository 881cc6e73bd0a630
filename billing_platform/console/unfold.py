"""django-unfold's settings: names, colours, and the navigation in operators' words."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse_lazy


def _may_view(app: str, model: str) -> Callable[[HttpRequest], bool]:
    def permitted(request: HttpRequest) -> bool:
        return request.user.has_perm(f"{app}.view_{model}") or request.user.has_perm(f"{app}.change_{model}")

    return permitted


def _page(title: str, icon: str, app: str, model: str) -> dict[str, Any]:
    return {
        "title": title,
        "icon": icon,
        "link": reverse_lazy(f"admin:{app}_{model}_changelist"),
        "permission": _may_view(app, model),
    }


def _stylesheet(_request: HttpRequest) -> str:
    return static("console/console.css")


NAVIGATION: list[dict[str, Any]] = [
    {
        "title": "",
        "items": [
            {"title": "What needs a hand", "icon": "inbox", "link": reverse_lazy("admin:index")},
            {
                "title": "Usage and revenue",
                "icon": "bar_chart",
                "link": reverse_lazy("admin:analytics"),
                "permission": lambda request: request.user.has_perm("usage.view_analytics"),
            },
        ],
    },
    {
        "title": "Customers",
        "separator": True,
        "items": [
            _page("Accounts", "business", "accounts", "account"),
            _page("Members", "group", "accounts", "membership"),
            _page("Invites", "mail", "accounts", "invite"),
            _page("API keys", "key", "accounts", "apikey"),
            _page("People", "person", "accounts", "user"),
        ],
    },
    {
        "title": "Credits",
        "separator": True,
        "items": [
            _page("Wallets", "account_balance_wallet", "credits", "wallet"),
            _page("Ledger", "receipt_long", "credits", "ledgerentry"),
            _page("Grants", "redeem", "credits", "grant"),
            _page("Holds", "lock_clock", "credits", "hold"),
            _page("Spending limits", "speed", "credits", "spendinglimit"),
            _page("Limit notices", "notifications", "credits", "limitnotice"),
            _page("What paid for what", "call_split", "credits", "allocation"),
            _page("Seals", "verified", "credits", "seal"),
        ],
    },
    {
        "title": "Payments",
        "separator": True,
        "items": [
            _page("Orders", "shopping_cart", "payments", "order"),
            _page("Attempts", "credit_card", "payments", "paymentattempt"),
            _page("Reviews", "gavel", "payments", "paymentreview"),
            _page("Inbox", "move_to_inbox", "payments", "providerevent"),
            _page("Customers at providers", "contacts", "payments", "providercustomer"),
            _page("Provider lists read", "playlist_add_check", "payments", "providerfeed"),
        ],
    },
    {
        "title": "Usage",
        "separator": True,
        "items": [
            _page("Events", "bolt", "usage", "usageevent"),
            _page("By day", "calendar_month", "usage", "usageday"),
            _page("By quarter-hour", "schedule", "usage", "usagequarter"),
            _page("Lifetime", "all_inclusive", "usage", "usagelifetime"),
        ],
    },
    {
        "title": "Price book",
        "separator": True,
        "items": [
            _page("Models", "smart_toy", "usage", "aimodel"),
            _page("Prices", "sell", "usage", "priceversion"),
            _page("Multipliers", "percent", "usage", "pricemultiplier"),
            _page("Shadow runs", "science", "usage", "shadowrun"),
        ],
    },
    {
        "title": "House",
        "separator": True,
        "items": [
            _page("Verifications", "fact_check", "core", "verificationrun"),
            _page("Found by verification", "report", "core", "verificationfinding"),
            _page("House accounts", "menu_book", "credits", "houseaccount"),
            _page("House entries", "list_alt", "credits", "houseentry"),
            _page("What operators did", "history_edu", "core", "auditrecord"),
            _page("Roles", "badge", "auth", "group"),
        ],
    },
]

UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Billing",
    "SITE_HEADER": "Billing",
    "SITE_SUBHEADER": "Operators' console",
    "SITE_SYMBOL": "account_balance",
    "SITE_URL": None,
    "SHOW_VIEW_ON_SITE": False,
    "SHOW_BACK_BUTTON": True,
    "STYLES": [_stylesheet],
    "DASHBOARD_CALLBACK": "billing_platform.console.dashboard.add_work",
    "SIDEBAR": {"show_search": False, "show_all_applications": False, "navigation": NAVIGATION},
    "COLORS": {
        "primary": {
            "50": "#eff6ff",
            "100": "#dbeafe",
            "200": "#bfdbfe",
            "300": "#93c5fd",
            "400": "#60a5fa",
            "500": "#3b82f6",
            "600": "#2563eb",
            "700": "#1d4ed8",
            "800": "#1e40af",
            "900": "#1e3a8a",
            "950": "#172554",
        }
    },
}
