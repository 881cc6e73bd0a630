"""The page on which a person pays a checkout session, and the page on which a bank asks to confirm (3-D Secure)."""

from urllib.parse import urlencode, urlsplit

from sandbox import pages
from sandbox.exchange import Answer, Request, redirect
from sandbox.forms import BadForm, Tree, decode
from sandbox.money import shown
from sandbox.store import Record
from sandbox.stripe import cards, charging, checkout, checkout_form, payment_methods
from sandbox.stripe.act import Act, World, acting
from sandbox.stripe.checkout_form import Form
from sandbox.stripe.errors import StripeError
from sandbox.stripe.payment_methods import BANK

PLACEHOLDER = "{CHECKOUT_SESSION_ID}"
NOTHING_HERE = pages.message("Nothing here", "There is no such page in the sandbox.", 404)
METHODS = {"card": "Card", BANK: "Bank debit (settles later)"}


def answer(world: World, request: Request) -> Answer:
    """What a browser gets at `/c/…`."""
    _, _, what, id_ = (*request.path.split("/"), "", "", "", "")[:4]
    places = {"pay": _pay, "authenticate": _authenticate, "receipt": _receipt}
    if what not in places or request.path != f"/c/{what}/{id_}" or request.method not in {"GET", "POST"}:
        return NOTHING_HERE
    try:
        sent = decode(request.body.decode() if request.method == "POST" else request.query)
        with acting(world) as act:
            return places[what](act, id_, sent, request.method)
    except StripeError:
        return NOTHING_HERE
    except (BadForm, UnicodeDecodeError):
        return pages.message("Not understood", "The form that your browser sent cannot be read.", 400)


def _pay(act: Act, id_: str, sent: Tree, method: str) -> Answer:
    session = checkout.find(act, id_)
    if session.body["status"] != "open":
        return _closed(session)
    if method == "GET":
        return _blank(act, session, sent)
    return _submitted(act, session, checkout_form.of(sent))


def _closed(session: Record) -> Answer:
    if session.body["status"] == "complete":
        return pages.message("Already paid", "This checkout is complete.", back=_success(session), back_text="Back to the shop")
    back = session.body["cancel_url"]
    return pages.message(
        "This checkout has expired", "Nothing was paid. Start again in the shop.", 410, back=back, back_text="Back to the shop"
    )


def _success(session: Record) -> str:
    return str(session.body["success_url"]).replace(PLACEHOLDER, session.id)


def _blank(act: Act, session: Record, sent: Tree) -> Answer:
    form = checkout_form.with_card(str(sent.get("card", "")))
    alert = ""
    if "refused" in sent and session.body["payment_intent"] is not None:
        intent = act.find("payment_intent", session.body["payment_intent"])
        alert = (intent.body["last_payment_error"] or {}).get("message", "")
    return _form(session, form, alert)


def _submitted(act: Act, session: Record, form: Form) -> Answer:
    known = _known_email(session)
    types = session.body["payment_method_types"]
    card = checkout_form.check(form, now=act.now, secret=act.world.api_key, known_email=known, methods=types)
    if form.errors:
        return _form(session, form, "Something is missing or wrong. Nothing was paid.")
    billing = payment_methods.billing_details({"email": known or form.value("email"), "name": form.value("name")})
    if card is None:
        method = payment_methods.new_bank_debit(act, billing)
    else:
        method = payment_methods.new_card(act, card, billing, allow_redisplay="limited")
    why = checkout.pay(act, session, method)
    if why is not None:
        return _form(session, form, why.message)
    if session.body["status"] == "complete":
        return redirect(_success(session))
    return redirect(f"/c/authenticate/{session.body['payment_intent']}")


def _known_email(session: Record) -> str | None:
    value = (session.body["customer_details"] or {}).get("email")
    return None if value is None else str(value)


def _form(session: Record, form: Form, alert: str) -> Answer:
    unit = session.body["currency"]
    lines = [
        {
            "name": line["description"],
            "quantity": str(line["quantity"]),
            "several": line["quantity"] > 1,
            "each": shown(line["price"]["unit_amount"], unit),
            "amount": shown(line["amount_total"], unit),
        }
        for line in session.private["lines"]
    ]
    facts = {
        "lines": lines,
        "total": shown(session.body["amount_total"], unit),
        "cancel_url": session.body["cancel_url"],
        "known_email": _known_email(session),
        "values": form.shown(),
        "errors": form.errors,
        "alert": alert,
        "methods": _methods(session, form),
        "test_cards": [{"name": card.name, "number": _grouped(card), "label": _label(card)} for card in cards.TEST_CARDS],
    }
    return pages.page("pay.html", facts)


def _methods(session: Record, form: Form) -> list[dict[str, object]]:
    types = session.body["payment_method_types"]
    chosen = form.value("method") or types[0]
    return [{"value": name, "label": METHODS[name], "chosen": name == chosen} for name in types]


def _grouped(card: cards.TestCard) -> str:
    return " ".join(card.number[index : index + 4] for index in range(0, len(card.number), 4))


def _label(card: cards.TestCard) -> str:
    return cards.BEHAVIORS[card.behavior].label


def _authenticate(act: Act, id_: str, sent: Tree, method: str) -> Answer:
    intent = act.find("payment_intent", id_, "intent", 404)
    if intent.body["status"] != "requires_action":
        return pages.message("Nothing to confirm", "This payment does not wait for an answer, or has been answered.", 410)
    if method == "GET":
        return pages.page("challenge.html", {"amount": shown(intent.body["amount"], intent.body["currency"])})
    if sent.get("answer") not in {"complete", "fail"}:
        return pages.message("Not understood", "Answer with Complete or Fail.", 400, back=f"/c/authenticate/{id_}", back_text="Back")
    why = charging.answer_challenge(act, intent, completed=sent["answer"] == "complete")
    if "session" not in intent.private:
        return _returned(intent)
    session = checkout.find(act, intent.private["session"])
    checkout.complete_if_paid(act, session, intent)
    return redirect(f"/c/pay/{session.id}?refused=1" if why is not None else _success(session))


def _returned(intent: Record) -> Answer:
    """Back to the merchant's own address, as Stripe does it for an intent that the API confirmed."""
    url = intent.private.get("return_url")
    if url is None:
        return pages.message("Answered", "The bank has your answer. You may close this page.")
    status = "succeeded" if intent.body["status"] == "succeeded" else "failed"
    facts = {"payment_intent": intent.id, "payment_intent_client_secret": intent.body["client_secret"], "redirect_status": status}
    return redirect(f"{url}{'&' if urlsplit(url).query else '?'}{urlencode(facts)}")


def _receipt(act: Act, id_: str, _sent: Tree, _method: str) -> Answer:
    charge = act.find("charge", id_, "charge", 404)
    amount = shown(charge.body["amount"], charge.body["currency"])
    return pages.message("Receipt", f"{amount}, paid in the sandbox by charge {charge.id}. No money has moved.")
