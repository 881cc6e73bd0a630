"""
Every list and report, asked at two sizes of the books in turn: the same server, the same accounts, a database of ten thousand events beside
one of millions.

A route that does not exist is no row left out: it is printed, and the run fails.
"""

import http.client
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from typing import Final

BAR: Final = 1.5
AIM: Final = 1.1
REQUESTS: Final = 30
QUIET: Final = 5
_NOISE_MS: Final = 1.0
_OK: Final = 200
_HOURS_OF: Final = timedelta(days=30)
"""A history by the hour takes no more than 32 days."""
_HISTORY: Final = "/accounts/{account}/ai-gateway/billing/usage-history?start_time={since_ms}"
_ANALYTICS: Final = "/admin/analytics/"


@dataclass(frozen=True)
class Endpoint:
    """One request: its name, its path, and whether an operator's session asks or the gateway's key."""

    name: str
    path: str
    is_admin: bool = False


@dataclass(frozen=True)
class Place:
    """
    What paths speak of: an account, one of its first entries and one of its first events, a cursor far back, half of its entries; its usage
    from `began_at` to `until` is the same at both sizes, so a bounded period has the same answer.
    """

    account_id: int
    account: str
    entry: int
    event: int
    event_id: str
    cursor: str
    half: int
    began_at: datetime
    until: datetime
    now: datetime

    def path(self, template: str) -> str:
        """The path for this account."""
        words = {
            "id": self.account_id,
            "account": self.account,
            "entry": self.entry,
            "event": self.event,
            "event_id": self.event_id,
            "cursor": self.cursor,
            "half": self.half,
            "first": f"{self.began_at:%Y-%m-%d}",
            "today": f"{self.now:%Y-%m-%d}",
            "since": f"{self.began_at:%Y-%m-%dT%H:%M:%SZ}",
            "until": f"{self.until:%Y-%m-%dT%H:%M:%SZ}",
            "since_ms": int(self.began_at.timestamp() * 1000),
            "until_ms": int(self.until.timestamp() * 1000),
            "hours_ms": int(min(self.until, self.began_at + _HOURS_OF).timestamp() * 1000),
        }
        return template.format(**words)


ENDPOINTS: Final = (
    Endpoint("models (a control)", "/v1/models"),
    Endpoint("usage, this month", "/api-account/user/usage?account={account}"),
    Endpoint("usage, all of it", "/api-account/user/usage?account={account}&start_date={first}&end_date={today}"),
    Endpoint("recent usage", "/api-account/user/usage/recent?account={account}&limit=100"),
    Endpoint("recent usage, far back", "/api-account/user/usage/recent?account={account}&limit=100&cursor={cursor}"),
    Endpoint("ledger", "/auth/account/ledger?account={account}&limit=100"),
    Endpoint("ledger, far back", "/auth/account/ledger?account={account}&limit=100&offset={half}"),
    Endpoint("ledger, debits", "/auth/account/ledger?account={account}&limit=100&type=debit"),
    Endpoint("ledger, credits", "/auth/account/ledger?account={account}&limit=100&type=credit"),
    Endpoint("ledger, a period", "/auth/account/ledger?account={account}&limit=100&from={since}&to={until}"),
    Endpoint("account usage", "/auth/account/usage?account={account}"),
    Endpoint("account usage, yearly", "/auth/account/usage?account={account}&period=yearly"),
    Endpoint("account summary", "/auth/account/summary?account={account}"),
    Endpoint("account credits", "/auth/account/credits?account={account}"),
    Endpoint("transactions", "/credits/transactions?account={account}&limit=100"),
    Endpoint("transactions, far back", "/credits/transactions?account={account}&limit=100&offset={half}"),
    Endpoint("grants", "/v1/grants?account={account}"),
    Endpoint("balance at an instant", "/v1/balance?account={account}&at={until}"),
    Endpoint("statement of a period", "/v1/statement?account={account}&from={since}&to={until}"),
    Endpoint("proof of an entry", "/v1/ledger/{entry}/proof?account={account}"),
    Endpoint("explanation of an entry", "/v1/ledger/{entry}/explain?account={account}"),
    Endpoint("seals", "/v1/seals"),
    Endpoint("one event", "/v1/usage/events/{event_id}?account={account}"),
    Endpoint("balance", "/credits/balance?account={account}"),
    Endpoint("balance, of a user", "/api-account/user/balance?account={account}"),
    Endpoint("orders", "/orders?account={account}"),
    Endpoint("orders, of a user", "/api-account/user/billing/orders?account={account}"),
    Endpoint("gateway: usage history, days", f"{_HISTORY}&end_time={{until_ms}}&value_grouping_window=day"),
    Endpoint("gateway: usage history, hours", f"{_HISTORY}&end_time={{hours_ms}}&value_grouping_window=hour"),
    Endpoint("gateway: spending limit", "/accounts/{account}/ai-gateway/billing/spending-limit"),
    Endpoint("gateway: credit balance", "/accounts/{account}/ai-gateway/billing/credit-balance"),
    Endpoint("admin: ledger", "/admin/credits/ledgerentry/", is_admin=True),
    Endpoint("admin: ledger of the account", "/admin/credits/ledgerentry/?q={account}", is_admin=True),
    Endpoint("admin: events", "/admin/usage/usageevent/", is_admin=True),
    Endpoint("admin: allocations", "/admin/credits/allocation/", is_admin=True),
    Endpoint("admin: days", "/admin/usage/usageday/", is_admin=True),
    Endpoint("admin: quarters", "/admin/usage/usagequarter/", is_admin=True),
    Endpoint("admin: wallets", "/admin/credits/wallet/", is_admin=True),
    Endpoint("admin: the account", "/admin/accounts/account/{id}/change/", is_admin=True),
    Endpoint("admin: dashboard", "/admin/", is_admin=True),
    Endpoint("admin: analytics, 24 hours", f"{_ANALYTICS}?period=24h", is_admin=True),
    Endpoint("admin: analytics, 90 days", f"{_ANALYTICS}?period=90d", is_admin=True),
    Endpoint("admin: analytics by account, 7 d", f"{_ANALYTICS}?period=7d&by=account", is_admin=True),
    Endpoint("admin: analytics by account, 90 d", f"{_ANALYTICS}?period=90d&by=account", is_admin=True),
    Endpoint("admin: analytics by key, 90 d", f"{_ANALYTICS}?period=90d&by=key", is_admin=True),
    Endpoint("admin: analytics of it, 24 hours", f"{_ANALYTICS}?period=24h&account={{account}}", is_admin=True),
    Endpoint("admin: analytics of it, 90 days", f"{_ANALYTICS}?period=90d&account={{account}}", is_admin=True),
    Endpoint("admin: analytics CSV, by model", f"{_ANALYTICS}model.csv?period=90d", is_admin=True),
    Endpoint("admin: the entry", "/admin/credits/ledgerentry/{entry}/change/", is_admin=True),
    Endpoint("admin: the event", "/admin/usage/usageevent/{event}/change/", is_admin=True),
    Endpoint("admin: lifetimes", "/admin/usage/usagelifetime/", is_admin=True),
    Endpoint("admin: models", "/admin/usage/aimodel/", is_admin=True),
    Endpoint("admin: prices", "/admin/usage/priceversion/", is_admin=True),
    Endpoint("admin: multipliers", "/admin/usage/pricemultiplier/", is_admin=True),
    Endpoint("admin: grants", "/admin/credits/grant/", is_admin=True),
    Endpoint("admin: holds", "/admin/credits/hold/", is_admin=True),
    Endpoint("admin: seals", "/admin/credits/seal/", is_admin=True),
    Endpoint("admin: house", "/admin/credits/houseentry/", is_admin=True),
    Endpoint("admin: orders", "/admin/payments/order/", is_admin=True),
    Endpoint("admin: attempts", "/admin/payments/paymentattempt/", is_admin=True),
    Endpoint("admin: accounts", "/admin/accounts/account/", is_admin=True),
    Endpoint("admin: keys", "/admin/accounts/apikey/", is_admin=True),
    Endpoint("admin: audit", "/admin/core/auditrecord/", is_admin=True),
)


@dataclass(frozen=True)
class Asker:
    """Who asks: a gateway's key, an operator's session."""

    key: str
    session: str


@dataclass(frozen=True)
class Side:
    """One of the two servers, and what is asked of it by whom."""

    port: int
    place: Place
    asker: Asker

    def connect(self) -> http.client.HTTPConnection:
        """A connection of its own for each row, kept open within it."""
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)

    def ask(self, web: http.client.HTTPConnection, endpoint: Endpoint) -> tuple[int, float, int]:
        """Status, milliseconds, bytes."""
        asker = self.asker
        headers = {"Cookie": f"sessionid={asker.session}"} if endpoint.is_admin else {"Authorization": f"Bearer {asker.key}"}
        try:
            return _timed(web, self.place.path(endpoint.path), headers)
        except (ConnectionError, http.client.CannotSendRequest):
            web.close()  # The other side took longer than a server keeps an idle connection.
            return _timed(web, self.place.path(endpoint.path), headers)


def _timed(web: http.client.HTTPConnection, path: str, headers: dict[str, str]) -> tuple[int, float, int]:
    started = time.perf_counter()
    web.request("GET", path, headers=headers)
    answer = web.getresponse()
    body = answer.read()
    return answer.status, (time.perf_counter() - started) * 1000, len(body)


@dataclass(frozen=True)
class Measured:
    """One endpoint at both sizes: medians in milliseconds, bytes; or the status that was no 200."""

    name: str
    small: float = 0.0
    large: float = 0.0
    small_bytes: int = 0
    large_bytes: int = 0
    failed: str = ""

    @property
    def ratio(self) -> float:
        """How many times longer it takes in the large one."""
        return self.large / self.small if self.small else 0.0

    @property
    def is_slow(self) -> bool:
        """Beyond the bar, and by more than the machine's noise."""
        return self.ratio > BAR and self.large - self.small > _NOISE_MS

    def line(self) -> str:
        """As it is printed."""
        if self.failed:
            return f"  {self.name:<32} {self.failed}"
        size = f"{self.small_bytes:,} B" if self.small_bytes == self.large_bytes else f"{self.small_bytes:,} B, {self.large_bytes:,} B"
        mark = "  MISSED" if self.is_slow else ""
        return f"  {self.name:<32} {self.small:7.1f} ms  {self.large:7.1f} ms  ratio {self.ratio:5.2f}{mark}  ({size})"


def measure_endpoints(small: Side, large: Side, requests: int) -> Iterator[Measured]:
    """Each endpoint: a quiet warm-up, then both sides in turn, one request at a time."""
    for endpoint in ENDPOINTS:
        webs = (small.connect(), large.connect())
        try:
            yield _measure(endpoint, (small, large), webs, requests)
        finally:
            for web in webs:
                web.close()


def _measure(
    endpoint: Endpoint, sides: tuple[Side, Side], webs: tuple[http.client.HTTPConnection, http.client.HTTPConnection], requests: int
) -> Measured:
    times: tuple[list[float], list[float]] = ([], [])
    sizes = [0, 0]
    for number in range(QUIET + requests):
        for which, (side, web) in enumerate(zip(sides, webs, strict=True)):
            status, took, sizes[which] = side.ask(web, endpoint)
            if status != _OK:
                return Measured(endpoint.name, failed=f"FAILED: {status} of {side.place.path(endpoint.path)[:90]}")
            if number >= QUIET:
                times[which].append(took)
    return Measured(endpoint.name, median(times[0]), median(times[1]), sizes[0], sizes[1])
