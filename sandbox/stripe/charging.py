"""
A payment intent's way: what happens when one is confirmed, challenged, settled, declined or canceled.

Whoever confirms (the API, or a checkout's page) gets back the bank's reason, or None if there was no refusal.
"""

from sandbox.store import Json, Record
from sandbox.stripe import cards, charges, payment_methods
from sandbox.stripe.act import Act
from sandbox.stripe.cards import Decline
from sandbox.stripe.errors import DOCS
from sandbox.stripe.payment_methods import BANK

CONFIRMABLE = ("requires_payment_method", "requires_confirmation", "requires_action")
CANCELLABLE = ("requires_payment_method", "requires_confirmation", "requires_action", "requires_capture")
FAILED_CHALLENGE = Decline("payment_intent_authentication_failure", None, cards.NOT_AUTHENTICATED, None)
RETURNED_DEBIT = Decline("payment_method_provider_decline", "generic_decline", "The bank debit was returned.", None)


def confirm(act: Act, intent: Record, method: Record, *, off_session: bool = False, return_url: str | None = None) -> Decline | None:
    """Try to take the money. May end in `succeeded`, `processing`, `requires_action`, or a refusal, whose reason is returned."""
    intent.body |= {"payment_method": method.id, "last_payment_error": None, "next_action": None}
    behavior = cards.BEHAVIORS[method.private["behavior"]]
    if behavior.challenge and not (off_session and behavior.remembers and method.private.get("remembered")):
        if off_session:
            return refuse(act, intent, method, cards.AUTHENTICATION_REQUIRED)
        _challenge(act, intent, return_url)
        return None
    return _take(act, intent, method)


def _challenge(act: Act, intent: Record, return_url: str | None) -> None:
    page = f"{act.world.base_url}/c/authenticate/{intent.id}"
    intent.body["status"] = "requires_action"
    intent.body["next_action"] = {"type": "redirect_to_url", "redirect_to_url": {"return_url": return_url, "url": page}}
    intent.private["return_url"] = return_url
    act.save(intent)
    act.emit("payment_intent.requires_action", intent)


def answer_challenge(act: Act, intent: Record, *, completed: bool) -> Decline | None:
    """The person has confirmed the payment with the bank, or has not."""
    method = act.find("payment_method", intent.body["payment_method"])
    intent.body["next_action"] = None
    if not completed:
        return refuse(act, intent, method, FAILED_CHALLENGE, charged=False)
    if intent.body["setup_future_usage"] == "off_session":
        method.private["remembered"] = True
        act.save(method)
    return _take(act, intent, method, challenged=True)


def _take(act: Act, intent: Record, method: Record, *, challenged: bool = False) -> Decline | None:
    decline = cards.BEHAVIORS[method.private["behavior"]].decline
    if decline is not None:
        return refuse(act, intent, method, decline)
    _save_method(act, intent, method)
    if method.body["type"] == BANK:
        _begin_debit(act, intent, method)
    else:
        charge = charges.new(act, intent, method, "succeeded", challenged=challenged)
        _succeed(act, intent, charge)
    return None


def _save_method(act: Act, intent: Record, method: Record) -> None:
    customer = intent.body["customer"]
    if customer is not None and intent.body["setup_future_usage"] is not None and method.body["customer"] is None:
        payment_methods.attach(act, method, customer)


def _succeed(act: Act, intent: Record, charge: Record) -> None:
    act.emit("charge.succeeded", charge)
    intent.body |= {"status": "succeeded", "latest_charge": charge.id, "amount_received": intent.body["amount"], "next_action": None}
    act.save(intent)
    act.emit("payment_intent.succeeded", intent)
    charges.settle(act, charge)


def _begin_debit(act: Act, intent: Record, method: Record) -> None:
    charge = charges.new(act, intent, method, "pending")
    intent.body |= {"status": "processing", "latest_charge": charge.id}
    act.save(intent)
    act.emit("payment_intent.processing", intent)
    act.emit("charge.pending", charge)


def end_debit(act: Act, intent: Record, *, settled: bool) -> None:
    """A bank debit that was under way has arrived, or came back."""
    charge = act.find("charge", intent.body["latest_charge"])
    if settled:
        paid = {"status": "succeeded", "captured": True, "amount_captured": charge.body["amount"]}
        charge.body |= paid | {"receipt_url": f"{act.world.base_url}/c/receipt/{charge.id}"}
        act.save(charge)
        _succeed(act, intent, charge)
        return
    failed = {"failure_code": RETURNED_DEBIT.code, "failure_message": RETURNED_DEBIT.message, "outcome": charges.outcome(RETURNED_DEBIT)}
    charge.body |= failed | {"status": "failed", "paid": False}
    act.save(charge)
    act.emit("charge.failed", charge)
    _fail(act, intent, act.find("payment_method", charge.body["payment_method"]), RETURNED_DEBIT)


def refuse(act: Act, intent: Record, method: Record, why: Decline, *, charged: bool = True) -> Decline:
    """The bank says no. `charged`: it was asked for the money, so a failed charge stays."""
    if charged:
        charge = charges.new(act, intent, method, "failed", why=why)
        intent.body["latest_charge"] = charge.id
        act.emit("charge.failed", charge)
    _fail(act, intent, method, why)
    return why


def _fail(act: Act, intent: Record, method: Record, why: Decline) -> None:
    intent.body |= {
        "status": "requires_payment_method",
        "payment_method": None,
        "next_action": None,
        "last_payment_error": error(intent, method, why),
    }
    act.save(intent)
    act.emit("payment_intent.payment_failed", intent)


def error(intent: Record, method: Record, why: Decline) -> Json:
    """A refusal as it stands in the intent."""
    facts = {
        "advice_code": why.advice,
        "charge": intent.body["latest_charge"],
        "code": why.code,
        "decline_code": why.decline_code,
        "doc_url": DOCS + why.code.replace("_", "-"),
        "message": why.message,
        "payment_method": method.body,
        "type": "card_error" if why is not FAILED_CHALLENGE else "invalid_request_error",
    }
    return {name: value for name, value in facts.items() if value is not None}


def cancel(act: Act, intent: Record, reason: str | None) -> None:
    """End an intent that has not been paid, and say so."""
    intent.body |= {"status": "canceled", "canceled_at": act.now, "cancellation_reason": reason, "next_action": None}
    act.save(intent)
    act.emit("payment_intent.canceled", intent)
