"""Refusals in Stripe's shape."""

from sandbox.store import Json

DOCS = "https://docs.stripe.com/error-codes/"


class StripeError(Exception):
    """
    A refusal. `executed`: work had begun, so what was written stays, and the answer is kept under its idempotency key.
    Without it nothing was written.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        kind: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
        executed: bool = False,
        more: Json | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.executed = executed
        self.error: Json = {"message": message, "type": kind} | (more or {})
        if code is not None:
            self.error |= {"code": code, "doc_url": DOCS + code.replace("_", "-")}
        if param is not None:
            self.error["param"] = param

    def body(self) -> Json:
        """What goes over the wire."""
        return {"error": self.error}


def missing(kind: str, id_: str, param: str = "id", status: int = 404) -> StripeError:
    """There is no such object. 404 where the path names it, 400 where a parameter does."""
    return StripeError(f"No such {kind.replace('.', ' ')}: '{id_}'", status=status, code="resource_missing", param=param)


def not_supported(param: str) -> StripeError:
    """Stripe knows it, this sandbox does not: better said than silently ignored."""
    return StripeError(f"The sandbox does not support `{param}`, although Stripe does.", param=param)


def unexpected_state(message: str, *, code: str = "payment_intent_unexpected_state", more: Json | None = None) -> StripeError:
    """The object is not in a state in which this can be done."""
    return StripeError(message, code=code, executed=True, more=more)
