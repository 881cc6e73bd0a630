"""The story's purchase: a checkout, a declined card, a good one, the signed webhook, and the webhook again."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from html import unescape
from typing import Any, Final

from launcher.client import Answer, Browser, Client
from launcher.console import Failure, say

DECLINED_CARD: Final = "4000 0000 0000 0002"
GOOD_CARD: Final = "4242 4242 4242 4242"
API: Final = "/api-account/user/billing"
PATIENCE_SECONDS: Final = 60
POLL_SECONDS: Final = 0.1


@dataclass(frozen=True)
class Order:
    """An order with the page to pay it on."""

    id: str
    page: str
    session: str


@dataclass(frozen=True)
class Purchase:
    """A customer who buys credits: the platform's client, where the sandbox is, and the key that names the request."""

    client: Client
    sandbox: Client
    key: str

    def buy(self, dollars: int) -> None:
        """All of it. Raises Failure where something is not as it must be."""
        known = {each["id"] for each in self._deliveries()}
        order = self._open(dollars)
        self._decline(order)
        self._pay(order)
        self._tell_again(order, known)

    def _open(self, dollars: int) -> Order:
        body, key = {"credit_usd": dollars, "currency": "USD"}, {"Idempotency-Key": self.key}
        first, again = (self.client.post(f"{API}/create-checkout", body, key).must_be(200).body for _ in range(2))
        if first != again:
            raise Failure("story", f"the same Idempotency-Key opened two checkouts: {first}, {again}", "see the web server's log")
        say("buy", f"${dollars}.00 of credits: order {first['order_id']}; the same request again has the same answer")
        return Order(first["order_id"], first["checkout_url"], first["session_id"])

    def _decline(self, order: Order) -> None:
        page = _submit(order.page, DECLINED_CARD)
        found = re.search(r'role="alert"[^>]*>(.*?)</', page.text, re.DOTALL)
        if found is None:
            raise page.unexpected("a page that says why the card was declined")
        said = unescape(found.group(1)).strip()
        known = self._await(order, lambda status: status["failure_reason"] == said)
        say("pay", f'a card that is declined: the page says "{said}", and so does the order, which is {known["status"]}')

    def _pay(self, order: Order) -> None:
        """The webhook comes by itself; that a person came back from paying proves nothing."""
        _submit(order.page, GOOD_CARD)
        paid = self._await(order, lambda status: status["status"] == "paid")
        thanks = self.sandbox.get(f"/_sandbox/objects/{order.session}").must_be(200).body["success_url"]
        title = _title(Browser(thanks).open(thanks).must_be(200))
        say("pay", f'the test card 4242 …: the signed webhook made the order {paid["status"]}; the page to return to says "{title}"')

    def _tell_again(self, order: Order, known: set[int]) -> None:
        """The webhooks of this purchase once more, as providers do: what they credit is seen in the balance that follows."""
        events = dict.fromkeys(each["event"] for each in self._deliveries() if each["id"] not in known)
        for event in events:
            self.sandbox.post(f"/_sandbox/events/{event}/resend", {}).must_be(200)
        if not self.sandbox.post("/_sandbox/webhooks/drain", {}).must_be(200).body["drained"]:
            raise Failure("story", "the sandbox could not deliver its webhooks again", "see the sandbox's log")
        self._await(order, lambda status: status["status"] == "paid")
        say("pay", f"its {len(events)} webhooks once more: nothing is credited twice")

    def _deliveries(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.sandbox.get("/_sandbox/deliveries").must_be(200).body["deliveries"]
        return found

    def _await(self, order: Order, is_so: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Look at the order until it is so, for a while; what it says then."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            found: dict[str, Any] = self.client.get(f"{API}/payment-status/{order.id}").must_be(200).body
            if is_so(found):
                return found
            if time.monotonic() > deadline:
                reason = f"order {order.id} is {found['status']} ({found['failure_reason'] or 'no reason given'}), and stays so"
                raise Failure("story", reason, "see the logs of worker, web and sandbox")
            time.sleep(POLL_SECONDS)


def _submit(page: str, card: str) -> Answer:
    """What a person does: open the page, fill in the form, press the button, follow where it leads."""
    browser = Browser(page)
    form = browser.open(page).must_be(200)
    return browser.submit(page, form, number=card, exp="12 / 34", cvc="123", name="Ada Lovelace", email="ada@example.com").must_be(200)


def _title(page: Answer) -> str:
    found = re.search(r"<h1>(.*?)</h1>", page.text, re.DOTALL)
    if found is None:
        raise page.unexpected("a page with a title")
    return unescape(found.group(1)).strip()
