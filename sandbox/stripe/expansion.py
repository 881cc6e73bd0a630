"""`expand[]`: an id in an answer is replaced by its object, or something is included that is left out by default."""

import copy
from collections.abc import Callable, Mapping

from sandbox.store import Json, Record
from sandbox.stripe.act import Act
from sandbox.stripe.errors import StripeError

DEPTH_MAX = 4

Include = Callable[[Act, Json], object]
"""Makes what is left out by default, from the object in which it is left out; None where there is nothing to show."""

REFERENCES: Mapping[str, frozenset[str]] = {
    "checkout.session": frozenset({"customer", "payment_intent", "invoice", "setup_intent", "subscription", "payment_link"}),
    "payment_intent": frozenset({"customer", "latest_charge", "payment_method", "application", "on_behalf_of", "review"}),
    "charge": frozenset({"customer", "payment_intent", "balance_transaction", "application", "application_fee", "on_behalf_of", "review"}),
    "payment_method": frozenset({"customer"}),
    "balance_transaction": frozenset({"source"}),
    "price": frozenset({"product"}),
    "product": frozenset({"default_price", "tax_code"}),
    "customer": frozenset({"default_source", "test_clock"}),
    "customer.invoice_settings": frozenset({"default_payment_method"}),
}
"""Fields that hold an id, by the object (or the record in it) that has them."""


def expanded(act: Act, body: Json, paths: list[str], included: Mapping[tuple[str, str], Include]) -> Json:
    """A copy of an answer with every path expanded. Raises for one that cannot be."""
    body = copy.deepcopy(body)
    for path in paths:
        steps = path.split(".")
        if len(steps) > DEPTH_MAX + (body.get("object") == "list"):
            raise StripeError(f"You cannot expand more than {DEPTH_MAX} levels of a property. Property: {path}", param="expand")
        _Walk(act, path, included).walk(body, steps, "")
    return body


class _Walk:
    """One path, followed step by step."""

    def __init__(self, act: Act, path: str, included: Mapping[tuple[str, str], Include]) -> None:
        self.act = act
        self.path = path
        self.included = included

    def walk(self, node: object, steps: list[str], context: str) -> None:
        if isinstance(node, list):
            for each in node:
                self.walk(each, steps, context)
            return
        if not isinstance(node, dict):
            raise self._impossible()
        context = str(node.get("object", context))
        step, rest = steps[0], steps[1:]
        opened = self._open(node, step, context)
        if rest and node.get(step) is not None:
            self.walk(node[step], rest, f"{context}.{step}")
        elif not rest and not opened:
            raise self._impossible()

    def _open(self, node: Json, step: str, context: str) -> bool:
        """Put in place what this step names; whether it is something that can be expanded."""
        include = self.included.get((context, step))
        if include is not None:
            value = include(self.act, node) if step not in node else None
            if value is not None:
                node[step] = value
            return True
        if step in REFERENCES.get(context, ()):
            value = node.get(step)
            if isinstance(value, str):
                node[step] = shown(self.act.world.store.get(value), value)
            return True
        if step not in node:
            raise self._impossible()
        return False

    def _impossible(self) -> StripeError:
        return StripeError(f"This property cannot be expanded ({self.path}).", param="expand")


def shown(record: Record | None, id_: str) -> object:
    """An object as others see it: one that was deleted says only that. The id itself if the object is not kept here."""
    if record is None:
        return id_
    if record.private.get("deleted"):
        return {"id": record.id, "object": record.kind, "deleted": True}
    return record.body
