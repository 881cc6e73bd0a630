"""
The main job, once, over HTTP: a customer registers, buys $20.00 of credits by card, an operator adds $5.00, a gateway reports
usage and holds credits for a call, every dialect tells the same balance, and the customer checks the statement. Each step prints
real numbers and stops the story if they are not what they must be.
"""

import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any, Final

from launcher.calling import HeldCall, check_statement
from launcher.client import Answer, Browser, Client
from launcher.console import Failure, say
from launcher.shopping import Purchase

BOUGHT_USD: Final = 20
GIVEN_USD: Final = 5
BOUGHT_NANOS: Final = 20_000_000_000
GRANTED_NANOS: Final = 25_000_000_000
NANOS_PER_USD: Final = 1_000_000_000
NANOS_PER_CREDIT: Final = 1_000_000
NANOS_PER_CENT: Final = 10_000_000
EVENTS: Final = 1_000
SHAPES: Final = (
    {"input_tokens": 1_200, "output_tokens": 350},
    {"input_tokens": 87, "output_tokens": 1_021, "reasoning_tokens": 640},
    {"input_tokens": 410, "output_tokens": 77, "cache_read_tokens": 9_001},
    {"input_tokens": 3, "output_tokens": 1},
)
"""Four kinds of requests, sent in turn; the last costs little, so that its rounding shows."""


@dataclass(frozen=True)
class Customer:
    """Who registers in this run: a new person each time."""

    email: str
    client: Client
    account: str


@dataclass
class Story:
    """What the steps share."""

    base: str
    sandbox: str
    operator: tuple[str, str]
    platform_key: str
    manage: Callable[..., str]
    run: str = field(default_factory=lambda: secrets.token_hex(4))

    @property
    def gateway(self) -> Client:
        """The gateway that reports usage."""
        return Client(self.base, self.platform_key)

    def play(self) -> None:
        """All of it. Raises Failure at the first number that is not what it must be."""
        customer = self._register()
        self._balances(customer, 0)
        Purchase(customer.client, Client(self.sandbox), f"story-{self.run}").buy(BOUGHT_USD)
        self._balances(customer, BOUGHT_NANOS)
        self._adjust(customer)
        self._balances(customer, GRANTED_NANOS)
        model = self._model()
        events = self._events(customer, model)
        cost = self._expected_cost(customer, events)
        self._report(events)
        self._report_again(events)
        self._report_changed(events[0])
        self._balances(customer, GRANTED_NANOS - cost)
        self._ledger(customer, cost)
        cost += HeldCall(self.gateway, customer.account, f"story-{self.run}-held").make(model)
        self._balances(customer, GRANTED_NANOS - cost)
        check_statement(customer.client)
        self._verify()

    def _register(self) -> Customer:
        email = f"customer-{self.run}@example.com"
        answer = Client(self.base).post("/auth/register", {"email": email, "password": secrets.token_urlsafe(16)})
        client = Client(self.base, answer.must_be(201).body["access"])
        account = client.get("/auth/me").must_be(200).body["accounts"][0]["id"]
        say("register", f"{email} has account {account}")
        return Customer(email, client, account)

    def _adjust(self, customer: Customer) -> None:
        said = adjust(self, customer.account, f"{GIVEN_USD}.00", "Welcome credit, agreed by phone")
        say("adjust", f"{self.operator[0]} adds ${GIVEN_USD}.00 in the admin's dialog, with a reason: {said}")

    def _balances(self, customer: Customer, nanos: int) -> None:
        """The same balance in the four dialects, each in its own unit, exact."""
        read = [
            ("/api-account/user/balance", ("balance_str",), usd_text(nanos)),
            ("/auth/account/credits", ("balance_str",), usd_text(nanos)),
            ("/credits/balance", ("data", "balance"), plain(nanos, NANOS_PER_CREDIT)),
            (
                f"/accounts/{customer.account}/ai-gateway/billing/credit-balance",
                ("result", "balance"),
                plain(nanos, NANOS_PER_CENT),
            ),
        ]
        for path, keys, wanted in read:
            found = dig(customer.client.get(path).must_be(200).body, *keys)
            expect(f"GET {path}", found, wanted)
        say(
            "balance",
            f'{nanos} nanos = "{read[0][2]}" = "{read[1][2]}" dollars = {read[2][2]} credits = {read[3][2]} cents',
        )

    def _model(self) -> str:
        items = self.gateway.get("/v1/models").must_be(200).body["items"]
        model: str = items[0]["code"]
        say("models", f"{len(items)} in the price book; the gateway calls {model}")
        return model

    def _events(self, customer: Customer, model: str) -> list[dict[str, Any]]:
        begun = datetime.now(UTC) - timedelta(minutes=1)
        return [
            {
                "event_id": f"story-{self.run}-{number:04}",
                "account": customer.account,
                "model": model,
                "status": "success",
                "occurred_at": (begun + timedelta(milliseconds=50 * number)).isoformat().replace("+00:00", "Z"),
                **SHAPES[number % len(SHAPES)],
            }
            for number in range(EVENTS)
        ]

    def _expected_cost(self, customer: Customer, events: list[dict[str, Any]]) -> int:
        """What the price book says, asked once per kind of request, before anything is charged."""
        costs = [self._estimate(customer, events[0]["model"], shape) for shape in SHAPES]
        total = sum(costs[number % len(SHAPES)] for number in range(len(events)))
        say(
            "estimate",
            f"the four kinds of requests cost {costs} nanos; {len(events)} of them {total} (${usd_text(total)})",
        )
        return total

    def _estimate(self, customer: Customer, model: str, tokens: dict[str, int]) -> int:
        body = {"account": customer.account, "model": model, **tokens}
        return int(self.gateway.post("/v1/estimate", body).must_be(200).body["cost_nanos"])

    def _report(self, events: list[dict[str, Any]]) -> None:
        answer = self.gateway.post("/v1/usage/events", events).must_be(200).body
        expect("the first report", answer, {"accepted": EVENTS, "duplicates": 0, "rejected": []})
        say("usage", f"the gateway reports {EVENTS} events: {answer['accepted']} accepted")

    def _report_again(self, events: list[dict[str, Any]]) -> None:
        answer = self.gateway.post("/v1/usage/events", events).must_be(200).body
        expect("the same report again", answer, {"accepted": 0, "duplicates": EVENTS, "rejected": []})
        say("usage", f"the same {EVENTS} again: {answer['duplicates']} duplicates, nothing charged")

    def _report_changed(self, event: dict[str, Any]) -> None:
        changed = {**event, "output_tokens": event["output_tokens"] + 1}
        answer = self.gateway.post("/v1/usage/events", [changed]).must_be(200).body
        codes = [refused["code"] for refused in answer["rejected"]]
        expect("a known event with other content", (answer["accepted"], codes), (0, ["event_id_conflict"]))
        say("usage", "one of them with other content: rejected as event_id_conflict")

    def _ledger(self, customer: Customer, cost: int) -> None:
        ledger = customer.client.get("/auth/account/ledger?limit=1").must_be(200).body
        expect("ledger entries", ledger["total"], EVENTS + 2)
        expect("the newest entry's balance", ledger["items"][0]["balance_after_str"], usd_text(GRANTED_NANOS - cost))
        recent = customer.client.get("/api-account/user/usage/recent?limit=100").must_be(200).body
        expect("the first page of recent usage", (len(recent["items"]), recent["has_more"]), (100, True))
        say("ledger", f"{ledger['total']} entries, one per event and per grant; recent usage pages through them")

    def _verify(self) -> None:
        said = self.manage("verify_ledger").strip()
        expect("what verify_ledger says", said, "")
        say("verify", "verify_ledger recomputed every balance, grant and charge, and found nothing to say")


def play(base: str, *, sandbox: str, operator: tuple[str, str], platform_key: str, manage: Callable[..., str]) -> None:
    """Play the story against a running platform. Raises Failure if any step is not as it must be."""
    Story(base, sandbox, operator, platform_key, manage).play()


def adjust(story: Story, account: str, dollars: str, reason: str) -> str:
    """
    What an operator does in a browser: log in, find the account, open its dialog, see the effect, press again.

    Returns what the account's page says then. Raises Failure where a page is not as it must be.
    """
    browser = Browser(story.base)
    login = browser.open("/admin/login/?next=/admin/").must_be(200)
    browser.submit("/admin/login/?next=/admin/", login, username=story.operator[0], password=story.operator[1]).must_be(200)
    found = browser.open(f"/admin/accounts/account/?q={account}").must_be(200)
    page = _link(found, r"/admin/accounts/account/\d+/change/")
    dialog = _link(browser.open(page).must_be(200), r"/admin/accounts/account/\d+/adjust-balance/")
    empty = browser.open(dialog).must_be(200)
    shown = browser.submit(dialog, empty, amount=dollars, reason=reason).must_be(200)
    if "→" not in shown.text:
        raise shown.unexpected("the effect of the adjustment, before → after")
    after = browser.submit(dialog, shown, amount=dollars, reason=reason).must_be(200)
    said = re.search(r"Added: [^<]*Balance: [^<]*→[^<]*", after.text)
    if said is None:
        raise after.unexpected("the account's page with what was booked")
    return unescape(said.group())


def _link(page: Answer, pattern: str) -> str:
    found = re.search(pattern, page.text)
    if found is None:
        raise page.unexpected(f"a link like {pattern}")
    return found.group()


def usd_text(nanos: int) -> str:
    """Dollars, exact, 2 to 9 decimals, by integers alone: the story checks the platform, so it computes by itself."""
    whole, rest = divmod(nanos, NANOS_PER_USD)
    return f"{whole}.{f'{rest:09}'.rstrip('0').ljust(2, '0')}"


def plain(nanos: int, unit: int) -> int | float:
    """The number that a dialect's JSON holds: an integer when whole."""
    return nanos // unit if nanos % unit == 0 else nanos / unit


def dig(body: Any, *keys: str) -> Any:  # noqa: ANN401 - JSON is whatever was sent
    """The value under these keys. Raises Failure if there is none."""
    found = body
    for key in keys:
        if not isinstance(found, dict) or key not in found:
            raise Failure("story", f"no {'.'.join(keys)} in {str(body)[:400]}", "see the web server's log")
        found = found[key]
    return found


def expect(what: str, found: object, wanted: object) -> None:
    """Raise Failure unless they are equal."""
    if found != wanted:
        raise Failure("story", f"{what}: {str(found)[:400]}, where it must be {wanted}", "see the web server's log")
