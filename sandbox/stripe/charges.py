"""Charges: each try to take money, and the balance transaction of each that succeeded."""

from sandbox.money import fee
from sandbox.store import Json, Record
from sandbox.stripe import listing
from sandbox.stripe.act import Act
from sandbox.stripe.cards import Decline
from sandbox.stripe.parameters import PAGING, text
from sandbox.stripe.payment_methods import BANK
from sandbox.stripe.routing import Call, Route

PAYOUT_SECONDS = 2 * 24 * 3600
BANK_DETAILS = ("account_holder_type", "account_type", "bank_name", "fingerprint", "last4", "routing_number")
DETAILS = ("brand", "checks", "country", "exp_month", "exp_year", "fingerprint", "funding", "last4", "regulated_status")


def new(act: Act, intent: Record, method: Record, status: str, *, why: Decline | None = None, challenged: bool = False) -> Record:
    """Store a try to take a payment intent's amount by a payment method: `succeeded`, `pending`, or `failed` and why. Says nothing yet."""
    taken = status == "succeeded"
    id_ = act.new_id("ch_3", 23)
    body: Json = {
        "id": id_,
        "object": "charge",
        "amount": intent.body["amount"],
        "amount_captured": intent.body["amount"] if taken else 0,
        "amount_refunded": 0,
        "application": None,
        "application_fee": None,
        "application_fee_amount": None,
        "balance_transaction": None,
        "billing_details": method.body["billing_details"],
        "calculated_statement_descriptor": "SANDBOX",
        "captured": taken,
        "created": act.now,
        "currency": intent.body["currency"],
        "customer": intent.body["customer"],
        "description": intent.body["description"],
        "disputed": False,
        "failure_balance_transaction": None,
        "failure_code": why.code if why else None,
        "failure_message": why.message if why else None,
        "fraud_details": {},
        "livemode": False,
        "metadata": intent.body["metadata"],
        "on_behalf_of": None,
        "outcome": outcome(why),
        "paid": status != "failed",
        "payment_intent": intent.id,
        "payment_method": method.id,
        "payment_method_details": _details(method, intent.body["amount"], challenged=challenged),
        "radar_options": {},
        "receipt_email": intent.body["receipt_email"],
        "receipt_number": None,
        "receipt_url": f"{act.world.base_url}/c/receipt/{id_}" if taken else None,
        "refunded": False,
        "review": None,
        "shipping": None,
        "source_transfer": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": None,
        "status": status,
        "transfer_data": None,
        "transfer_group": None,
    }
    return act.add(Record(body))


def outcome(why: Decline | None) -> Json:
    """How the network judged a try."""
    if why is None:
        return {
            "advice_code": None,
            "network_advice_code": None,
            "network_decline_code": None,
            "network_status": "approved_by_network",
            "reason": None,
            "risk_level": "normal",
            "risk_score": 20,
            "seller_message": "Payment complete.",
            "type": "authorized",
        }
    return {
        "advice_code": why.advice,
        "network_advice_code": None,
        "network_decline_code": None,
        "network_status": "declined_by_network",
        "reason": why.decline_code,
        "risk_level": "normal",
        "risk_score": 20,
        "seller_message": f"The bank returned the decline code `{why.decline_code}`.",
        "type": "issuer_declined",
    }


def _details(method: Record, amount: int, *, challenged: bool) -> Json:
    kind = method.body["type"]
    if kind == BANK:
        return {"type": kind, BANK: {name: method.body[BANK][name] for name in BANK_DETAILS} | {"payment_reference": None}}
    card = method.body["card"]
    secure = {"authentication_flow": "challenge", "result": "authenticated", "version": "2.2.0"} if challenged else None
    details = {name: card[name] for name in DETAILS} | {
        "amount_authorized": amount,
        "authorization_code": None,
        "installments": None,
        "mandate": None,
        "network": card["brand"],
        "network_token": {"used": False},
        "network_transaction_id": None,
        "three_d_secure": secure,
        "wallet": None,
    }
    return {"type": kind, "card": details}


def settle(act: Act, charge: Record) -> None:
    """Book the balance transaction of a charge that succeeded, and say so."""
    before = dict(charge.body)
    kept = fee(charge.body["amount"])
    currency = charge.body["currency"]
    body: Json = {
        "id": act.new_id("txn_3", 23),
        "object": "balance_transaction",
        "amount": charge.body["amount"],
        "available_on": act.now + PAYOUT_SECONDS,
        "balance_type": "payments",
        "created": act.now,
        "currency": currency,
        "description": charge.body["description"],
        "exchange_rate": None,
        "fee": kept,
        "fee_details": [
            {"amount": kept, "application": None, "currency": currency, "description": "Stripe processing fees", "type": "stripe_fee"}
        ],
        "net": charge.body["amount"] - kept,
        "reporting_category": "charge",
        "source": charge.id,
        "status": "pending",
        "type": "charge" if charge.body["payment_method_details"]["type"] == "card" else "payment",
    }
    act.add(Record(body))
    charge.body["balance_transaction"] = body["id"]
    act.change("charge.updated", charge, before)


def retrieve(call: Call) -> Json:
    """`GET /v1/charges/{id}`."""
    return call.act.find("charge", call.ids["id"], "id", 404).body


def many(call: Call) -> Json:
    """`GET /v1/charges`."""
    filters = [*listing.by("customer", call.text("customer")), *listing.by("payment_intent", call.text("payment_intent"))]
    return listing.listed(call, "charge", filters)


def transaction(call: Call) -> Json:
    """`GET /v1/balance_transactions/{id}`."""
    return call.act.find("balance_transaction", call.ids["id"], "id", 404).body


def transactions(call: Call) -> Json:
    """`GET /v1/balance_transactions`."""
    filters = [each for name in ("source", "type", "currency") for each in listing.by(name, call.text(name))]
    return listing.listed(call, "balance_transaction", filters)


BY = {"customer": text(), "payment_intent": text()}

ROUTES = (
    Route("GET", "/v1/charges", many, PAGING | BY, unsupported=("transfer_group",)),
    Route("GET", "/v1/charges/{id}", retrieve),
    Route(
        "GET",
        "/v1/balance_transactions",
        transactions,
        PAGING | {"source": text(), "type": text(), "currency": text()},
        unsupported=("payout",),
    ),
    Route("GET", "/v1/balance_transactions/{id}", transaction),
)

INCLUDED = {
    ("charge", "refunds"): lambda _, body: listing.whole(f"/v1/charges/{body['id']}/refunds"),
}
