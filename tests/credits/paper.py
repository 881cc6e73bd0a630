"""Statements and proofs on paper: asked for over HTTP, forged, and given to the program that customers check them with."""

import csv
import json
import runpy
from collections.abc import Callable
from functools import cache
from hashlib import sha256
from io import StringIO
from pathlib import Path
from typing import Any

from accounts.models import Account
from core import clock
from credits.api.history import VERIFIER
from credits.models import LedgerEntry
from credits.services.sealing import seal_ledger
from tests import factories
from tests.actors import Person
from tests.conftest import Api
from tests.spending import adjust, price, report

Cells = dict[str, str]
Paper = list[list[str]]
"""The rows of a statement, the first with the names of its columns."""


def busy_history(account: Account, calls: int = 8) -> None:
    """A few entries of several kinds: given, spent, taken, with debt and without."""
    price()
    factories.forget_memories()
    adjust(account, 30_000_000)
    report(account, *[f"call-{number}" for number in range(calls)])
    factories.end_of_transaction()
    factories.give(account, 5_000_000)
    adjust(account, -1_234_567)


def seal() -> None:
    """Seal everything there is."""
    seal_ledger(now=clock.now())


def fetch(api: Api, person: Person, query: str = "") -> str:
    answer = api.get(f"/v1/statement{query}", person)
    assert answer.status_code == 200, answer.content
    return b"".join(answer.streaming_content).decode()


def rows_of(text: str) -> Paper:
    return list(csv.reader(StringIO(text, newline="")))


def text_of(rows: Paper) -> str:
    written = StringIO()
    csv.writer(written, lineterminator="\r\n").writerows(rows)
    return written.getvalue()


def cells_of(rows: Paper, record: str = "entry") -> list[Cells]:
    return [dict(zip(rows[0], row, strict=True)) for row in rows[1:] if row[0] == record]


def proof_of(api: Api, person: Person, seq: int) -> Any:
    entry = LedgerEntry.objects.get(account=person.account, seq=seq)
    answer = api.get(f"/v1/ledger/{entry.pk}/proof", person)
    assert answer.status_code == 200, answer.content
    return answer.json()


def forge(rows: Paper, seq: int, change: Callable[[Cells], object]) -> Paper:
    """Change one entry and write everything after it anew, as somebody would who knows how links are made."""
    names, forged = rows[0], [list(row) for row in rows]
    lines = [dict(zip(names, row, strict=True)) for row in forged[1:]]
    change(next(line for line in lines if line["record"] == "entry" and line["seq"] == str(seq)))
    before = lines[0]
    for line in lines:
        if line["record"] == "entry":
            amount = int(line["amount_nanos"])
            line["balance_after_nanos"] = str(int(before["balance_after_nanos"]) + amount)
            line["spent_after_nanos"] = str(int(before["spent_after_nanos"]) + max(-amount, 0))
            line["link"] = sha256(bytes.fromhex(before["link"]) + digest(line)).hexdigest()
            before = line
        elif line["record"] == "closing":
            line |= {name: before[name] for name in ("seq", "balance_after_nanos", "spent_after_nanos", "link")}
    _sum_up(lines)
    for line in lines:
        for name in ("amount", "balance_after", "spent_after"):
            line[f"{name}_usd"] = "" if line[f"{name}_nanos"] == "" else dollars(int(line[f"{name}_nanos"]))
    return [names, *[[line[name] for name in names] for line in lines]]


def _sum_up(lines: list[Cells]) -> None:
    entries = [line for line in lines if line["record"] == "entry"]
    for line in lines:
        if line["record"] == "total":
            amounts = [int(entry["amount_nanos"]) for entry in entries if line["kind"] in {entry["kind"], "all"}]
            line |= {"amount_nanos": str(sum(amounts)), "count": str(len(amounts))}


def digest(line: Cells) -> bytes:
    """Written down from docs/proof.md, apart from the product's code and from the verifier's."""
    order = (
        "id",
        "seq",
        "kind",
        "book",
        "amount_nanos",
        "balance_after_nanos",
        "spent_after_nanos",
        "reverses",
        "occurred_at",
        "created_at",
        "source",
    )
    return sha256(json.dumps([line[name] for name in order], ensure_ascii=False, separators=(",", ":")).encode()).digest()


def dollars(nanos: int) -> str:
    whole, rest = divmod(abs(nanos), 10**9)
    return f"{'-' if nanos < 0 else ''}{whole}.{f'{rest:09}'.rstrip('0').ljust(2, '0')}"


@cache
def _program() -> dict[str, Any]:
    return runpy.run_path(str(VERIFIER))


class Desk:
    """Where a customer checks papers."""

    def __init__(self, folder: Path, capsys: Any) -> None:
        self.folder, self.capsys = folder, capsys

    def write(self, name: str, content: object) -> str:
        path = self.folder / name
        text = content if isinstance(content, str) else json.dumps(content)
        path.write_bytes(text.encode())
        return str(path)

    def check(self, statement: str | Paper, *proofs: object) -> tuple[int, str]:
        """The verifier's exit code, and what it says."""
        text = statement if isinstance(statement, str) else text_of(statement)
        names = [self.write("statement.csv", text), *[self.write(f"proof-{n}.json", proof) for n, proof in enumerate(proofs)]]
        return self.run(*names)

    def run(self, *names: str) -> tuple[int, str]:
        """The same for files that are written already."""
        code: int = _program()["main"](list(names))
        return code, str(self.capsys.readouterr().out).replace(f"{self.folder}/", "")
