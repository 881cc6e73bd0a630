"""The story's one call with a promise: held before, captured after; and the customer's own check of the statement, offline."""

import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from launcher.client import Client
from launcher.console import Failure, say

HELD_USD: Final = "0.50"


@dataclass(frozen=True)
class HeldCall:
    """A gateway's call for a customer, by the account's public id; `name` is the call's own."""

    gateway: Client
    account: str
    name: str

    def make(self, model: str) -> int:
        """Hold, be told what is left, capture, capture again. Returns what was charged, in nanos."""
        hold = self._send("/v1/holds", 201, amount=HELD_USD, hold_key=self.name)
        say("hold", f"the gateway asks before a call: ${hold['amount_usd']} are kept aside until {hold['expires_at']}")
        refused = self._send("/v1/holds", 402, amount="1000000")
        say("hold", f"a call for $1,000,000: {refused['code']}, ${refused['available']} are available and ${refused['held']} held")
        used = {"event_id": self.name, "model": model, "input_tokens": 2_000, "output_tokens": 500}
        captured = self._send(f"/v1/holds/{hold['id']}/capture", 200, **used)
        again = self._send(f"/v1/holds/{hold['id']}/capture", 200, **used)
        if again != captured:
            raise Failure("story", f"a capture sent twice answers {again}, and at first {captured}", "see the web server's log")
        say("capture", f"the call cost ${captured['charged_usd']}; the rest is free again; sent twice, it has one answer")
        return int(captured["charged_nanos"])

    def _send(self, path: str, status: int, **said: object) -> dict[str, Any]:
        body: dict[str, Any] = self.gateway.post(path, {"account": self.account, **said}).must_be(status).body
        return body


def check_statement(customer: Client) -> None:
    """Download the statement and the program that checks it, and run the one on the other, as a customer would. Raises Failure."""
    with tempfile.TemporaryDirectory() as folder:
        statement, verifier = Path(folder, "statement.csv"), Path(folder, "verify_statement.py")
        statement.write_text(customer.get("/v1/statement").must_be(200).text, encoding="utf-8", newline="")
        verifier.write_text(customer.get("/v1/statement/verifier").must_be(200).text, encoding="utf-8")
        done = subprocess.run(
            [sys.executable, "-I", str(verifier), str(statement)], capture_output=True, text=True, check=False, timeout=120
        )
    if done.returncode:
        raise Failure("story", f"the statement's verifier says: {done.stdout}{done.stderr}", "see the web server's log")
    say("statement", f"downloaded as CSV and checked offline: {done.stdout.strip().splitlines()[0]}")
