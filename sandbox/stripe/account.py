"""The account that owns everything here: a merchant with all doors open."""

from sandbox.store import Json, Store
from sandbox.stripe.routing import Call, Route

NAME = "Sandbox"


def account_id(store: Store) -> str | None:
    """The account's id, made at the first start."""
    return store.setting("account")


def retrieve(call: Call) -> Json:
    """`GET /v1/account`."""
    return {
        "id": account_id(call.act.world.store),
        "object": "account",
        "business_profile": {"mcc": None, "name": NAME, "support_email": None, "support_phone": None, "support_url": None, "url": None},
        "business_type": "company",
        "capabilities": {"card_payments": "active", "transfers": "active"},
        "charges_enabled": True,
        "controller": {"type": "account"},
        "country": "US",
        "created": int(call.act.world.store.setting("account_created") or 0),
        "default_currency": "usd",
        "details_submitted": True,
        "email": "sandbox@example.com",
        "metadata": {},
        "payouts_enabled": True,
        "settings": {
            "branding": {"icon": None, "logo": None, "primary_color": None, "secondary_color": None},
            "card_payments": {
                "statement_descriptor_prefix": None,
                "statement_descriptor_prefix_kana": None,
                "statement_descriptor_prefix_kanji": None,
            },
            "dashboard": {"display_name": NAME, "timezone": "Etc/UTC"},
            "payments": {"statement_descriptor": "SANDBOX", "statement_descriptor_kana": None, "statement_descriptor_kanji": None},
        },
        "type": "standard",
    }


ROUTES = (Route("GET", "/v1/account", retrieve),)
