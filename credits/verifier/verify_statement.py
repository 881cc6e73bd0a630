"""
Checks a statement of credits offline, and proofs that its lines are what was sealed. Nothing but Python 3.8 or newer.

    python -I verify_statement.py statement.csv [proof.json …] [seals.json …]

A statement is what GET /v1/statement answers, a proof GET /v1/ledger/{id}/proof, and seals GET /v1/seals. Every line is added up
and hashed anew. Without proofs a statement can only be shown to agree with itself: whoever wrote it could have written another
one. A proof leads from one of its lines to the digest of a seal: compare that digest with one that you kept, or that others did.

Exit code 0: everything agrees. 1: something is wrong; its line and seq are printed. 2: nothing was checked.
"""

from __future__ import annotations

import csv
import json
import sys
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterator

FIELDS = (
    "id", "seq", "kind", "book", "amount_nanos", "balance_after_nanos", "spent_after_nanos", "reverses", "occurred_at", "created_at",
    "source",
)  # fmt: skip
COLUMNS = (
    "record", "id", "seq", "kind", "book", "amount_usd", "amount_nanos", "balance_after_usd", "balance_after_nanos", "spent_after_usd",
    "spent_after_nanos", "reverses", "occurred_at", "created_at", "source", "count", "link",
)  # fmt: skip
DOLLARS = (("amount_usd", "amount_nanos"), ("balance_after_usd", "balance_after_nanos"), ("spent_after_usd", "spent_after_nanos"))
RUNNING = ("balance_after_nanos", "spent_after_nanos")
FILLED = {
    "opening": {"seq", "balance_after_nanos", "spent_after_nanos", "occurred_at", "created_at", "source", "link"},
    "entry": {*FIELDS, "link"},
    "closing": {"seq", "balance_after_nanos", "spent_after_nanos", "occurred_at", "created_at", "source", "count", "link"},
    "total": {"kind", "amount_nanos", "count"},
}
"""Which columns a record may fill; the dollars beside nanos come with them."""
NANOS, DIGEST_SIZE = 1_000_000_000, 32


class Wrong(Exception):
    """Something does not agree: where, and what."""


class Unreadable(ValueError):
    """Not a file that can be checked."""


class Sums(NamedTuple):
    """Where the statement is: after which seq, on which line, with which sums and link."""

    line: int
    seq: int
    balance: int
    spent: int
    link: bytes
    created_at: str


class Step(NamedTuple):
    """What a proof says of one entry: its digest, and the link after it."""

    digest: bytes
    link: bytes
    proof: Proof


class Line(NamedTuple):
    """One record: the number of its first line in the file, and its cells by column."""

    number: int
    cells: dict[str, str]


def hash_of(*parts: bytes) -> bytes:
    return sha256(b"".join(parts)).digest()


def canonical(cells: list[str]) -> bytes:
    return json.dumps(cells, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


def entry_digest(cells: dict[str, str]) -> bytes:
    return hash_of(canonical([cells[name] for name in FIELDS]))


def seal_digest(seal: dict[str, Any]) -> bytes:
    names = ("number", "previous", "root", "checkpoints", "entries", "sealed_at")
    return hash_of(canonical(["seal", *(str(seal[name]) for name in names)]))


def root_over(leaf: bytes, position: int, size: int, path: list[bytes]) -> bytes | None:
    """The root that a leaf and the nodes beside its way up lead to; None where the path has another length than such a tree's."""
    left, node = list(path), leaf
    while size > 1:
        if position % 2 == 1 or position + 1 < size:
            if not left:
                return None
            beside = left.pop(0)
            node = hash_of(b"\x01", beside, node) if position % 2 == 1 else hash_of(b"\x01", node, beside)
        position, size = position // 2, (size + 1) // 2
    return None if left else node


class Proof:
    """A proof whose inside agrees: from `entry` by links to a checkpoint, by a path to a root, by a header to a digest."""

    def __init__(self, name: str, said: dict[str, Any]) -> None:
        self.name = name
        self.account: str = said["account"]
        self.entry: dict[str, str] = {field: str(said["entry"][field]) for field in FIELDS}
        self.seq = whole(self.entry["seq"])
        self.link_before, self.link = bytes.fromhex(said["link_before"]), bytes.fromhex(said["link"])
        self.following = [bytes.fromhex(digest) for digest in said["following"]]
        self.seal: dict[str, Any] = said["seal"]
        self.newest: dict[str, Any] = said["newest"]
        self.end = self.seq + len(self.following)
        self._follow(said["checkpoint"], [bytes.fromhex(node) for node in said["path"]])

    def _follow(self, checkpoint: dict[str, Any], path: list[bytes]) -> None:
        link = hash_of(self.link_before, entry_digest(self.entry))
        self._must("its link is not that of its entry and the link before", holds=link == self.link)
        link = [step.link for _, step in self.steps()][-1]
        self._must("its entry does not lead to its checkpoint", holds=(self.end, link.hex()) == (checkpoint["seq"], checkpoint["link"]))
        leaf = hash_of(b"\x00", canonical([self.account, str(self.end), link.hex()]))
        root = root_over(leaf, checkpoint["position"], self.seal["checkpoints"], path)
        self._must("its path does not lead to the root of its seal", holds=root is not None and root.hex() == self.seal["root"])
        self._must("the digest of its seal is not that of the seal", holds=seal_digest(self.seal).hex() == self.seal["digest"])
        self._must("the newest seal is older than its own", holds=self.newest["number"] >= self.seal["number"])

    def _must(self, what: str, *, holds: bool) -> None:
        if not holds:
            raise Wrong(f"{self.name}: entry seq {self.seq}: {what}")

    def steps(self) -> Iterator[tuple[int, Step]]:
        """What it says of its entry and of each that follows."""
        link = self.link_before
        for place, digest in enumerate([entry_digest(self.entry), *self.following]):
            link = hash_of(link, digest)
            yield self.seq + place, Step(digest, link, self)


def check_seals(name: str, seals: list[dict[str, Any]], known: dict[int, str]) -> None:
    """Seals that follow each other; fills `known` with the digest of each."""
    for seal in seals:
        number = seal["number"]
        if seal_digest(seal).hex() != seal["digest"]:
            raise Wrong(f"{name}: seal {number}: its digest is not its own")
        if known.get(number - 1, seal["previous"] if number > 1 else "0" * 64) != seal["previous"]:
            raise Wrong(f"{name}: seal {number} does not follow seal {number - 1}")
        if known.setdefault(number, seal["digest"]) != seal["digest"]:
            raise Wrong(f"{name}: seal {number} is not the same as in another file")


def check_against(proofs: list[Proof], known: dict[int, str]) -> None:
    """Proofs agree with each other, and with the seals that were given."""
    for proof in proofs:
        for seal in (proof.seal, proof.newest):
            if known.setdefault(seal["number"], seal["digest"]) != seal["digest"]:
                raise Wrong(f"{proof.name}: entry seq {proof.seq}: its seal {seal['number']} has another digest elsewhere")


class Statement:
    """Reads a statement line by line; what it remembers does not grow with it, but with the proofs."""

    def __init__(self, name: str, proofs: list[Proof]) -> None:
        self.name, self.proofs = name, proofs
        self.at = {proof.seq: proof for proof in proofs}
        self.steps = {seq: step for proof in proofs for seq, step in proof.steps()}
        self.sums = Sums(0, 0, 0, 0, b"", "")
        self.account = ""
        self.counts: dict[str, int] = {}
        self.amounts: dict[str, int] = {}
        self.proven = self.proven_line = self.begin = 0
        """The last entry that agrees with a proof, by its seq (0: none) and line; the seq of the opening row."""

    def check(self) -> None:
        with Path(self.name).open(encoding="utf-8", newline="") as file:
            lines = self._lines(csv.reader(file, strict=True))
            closing = self._entries(lines, self._open(next(lines, None)))
            self._totals(lines, closing)

    def _lines(self, rows: Any) -> Iterator[Line]:  # noqa: ANN401  The csv module's reader has no public type.
        number = 1
        for row in rows:
            if number == 1:
                if tuple(row) != COLUMNS:
                    self._wrong(1, None, "the first line does not name the columns of a statement")
            elif len(row) != len(COLUMNS):
                self._wrong(number, None, f"it has {len(row)} cells instead of {len(COLUMNS)}")
            else:
                yield self._checked(Line(number, dict(zip(COLUMNS, row))))
            number = rows.line_num + 1

    def _checked(self, line: Line) -> Line:
        """What holds for a record by itself: known, its cells filled or empty as they should be, dollars equal to nanos."""
        cells, seq = line.cells, line.cells["seq"]
        filled = FILLED.get(cells["record"])
        if filled is None:
            self._wrong(line.number, seq, f"there is no record {cells['record']!r}")
        for dollars, nanos in DOLLARS:
            expected = in_dollars(cells[nanos]) if nanos in filled else ""
            if cells[dollars] != expected:
                self._wrong(line.number, seq, f"{dollars} is {cells[dollars]!r} and {nanos} {cells[nanos]!r}")
        plain = {name for name in COLUMNS[1:] if not name.endswith("_usd")}
        stray = sorted(name for name in plain - filled if cells[name])
        if stray:
            self._wrong(line.number, seq, f"{stray[0]} must be empty in this record")
        for name in ("seq", "count"):
            if name in filled and not is_whole(cells[name]):
                self._wrong(line.number, seq, f"{name} is {cells[name]!r}, which is no whole number")
        return line

    def _open(self, line: Line | None) -> Line:
        if line is None or line.cells["record"] != "opening":
            self._wrong(2 if line is None else line.number, None, "the statement does not begin with its opening row")
        cells = line.cells
        self.sums = self._sums(line)
        self.begin = self.sums.seq
        self.account = cells["source"].partition(":")[2]
        begin = hash_of(f"account:{self.account}".encode())
        if self.sums.seq == 0 and (self.sums.link, self.sums.balance, self.sums.spent) != (begin, 0, 0):
            self._wrong(line.number, "0", f"an account begins with 0 and the link {begin.hex()}")
        self._confirm_opening(line)
        return line

    def _confirm_opening(self, line: Line) -> None:
        for each in self.proofs:
            if each.account != self.account:
                raise Wrong(f"{each.name}: it is of account {each.account}, the statement of account {self.account}")
        step, proof = self.steps.get(self.sums.seq), self.at.get(self.sums.seq)
        if step is not None and step.link != self.sums.link:
            self._wrong(line.number, line.cells["seq"], f"{step.proof.name} proves another link here")
        if proof is not None and any(proof.entry[name] != line.cells[name] for name in RUNNING):
            self._wrong(line.number, line.cells["seq"], f"{proof.name} proves another balance here")

    def _entries(self, lines: Iterator[Line], opening: Line) -> Line:
        line = next(lines, None)
        while line is not None and line.cells["record"] == "entry":
            self._follow(line, opening.cells)
            line = next(lines, None)
        if line is None:
            self._wrong(self.sums.line + 1, None, "the statement ends without its closing row")
        return self._close(line, opening.cells)

    def _follow(self, line: Line, opening: dict[str, str]) -> None:
        cells, before, now, since, until = line.cells, self.sums, self._sums(line), opening["occurred_at"], opening["created_at"]
        amount = whole(cells["amount_nanos"])
        if now.seq != before.seq + 1:
            self._wrong(line.number, cells["seq"], f"seq {before.seq + 1} must follow seq {before.seq}")
        if now.balance != before.balance + amount:
            self._wrong(line.number, cells["seq"], f"balance_after_nanos must be {before.balance + amount}, the one before and the amount")
        if now.spent != before.spent + max(-amount, 0):
            self._wrong(line.number, cells["seq"], f"spent_after_nanos must be {before.spent + max(-amount, 0)}")
        if now.link != hash_of(before.link, entry_digest(cells)):
            self._wrong(line.number, cells["seq"], f"its cells and the link of line {before.line} do not lead to its link")
        self._confirm(line, now.seq, now.link)
        if now.created_at < before.created_at or now.created_at < since or (until and now.created_at >= until):
            self._wrong(line.number, cells["seq"], "created_at is before the line above, or outside of the period")
        self.counts[cells["kind"]] = self.counts.get(cells["kind"], 0) + 1
        self.amounts[cells["kind"]] = self.amounts.get(cells["kind"], 0) + amount
        self.sums = now

    def _confirm(self, line: Line, seq: int, link: bytes) -> None:
        """Compare a line with the proofs that speak of it."""
        proof, step = self.at.get(seq), self.steps.get(seq)
        if proof is not None and line.cells != (proven := {**line.cells, **proof.entry}):
            name = next(name for name in FIELDS if line.cells[name] != proven[name])
            what = f"{name} is {line.cells[name]!r}, {proof.name} proves {proven[name]!r}"
            if name in RUNNING:
                self._wrong_before(line, seq, what)
            self._wrong(line.number, str(seq), what)
        if step is None:
            return
        if step.digest != entry_digest(line.cells):
            self._wrong(line.number, str(seq), f"it is not the entry that {step.proof.name} proves to be there")
        if step.link != link:
            self._wrong_before(line, seq, f"{step.proof.name} proves another link here")
        self.proven, self.proven_line = seq, line.number

    def _wrong_before(self, line: Line, seq: int, what: str) -> NoReturn:
        """What the line says for itself is right, and what leads to it is not: the lie is behind the last line that was proven."""
        last, above = (self.proven, self.proven_line) if self.proven else (self.begin, 1 if self.begin else 2)
        where = (
            f"one of lines {above + 1} to {line.number - 1} (seq {last + 1} to {seq - 1})" if seq > last + 1 else "the opening row, line 2,"
        )
        self._wrong(line.number, str(seq), f"{what}: {where} is not what was sealed")

    def _close(self, line: Line, opening: dict[str, str]) -> Line:
        cells, until = line.cells, opening["created_at"]
        if cells["record"] != "closing":
            self._wrong(line.number, None, "the closing row must follow the entries")
        if any(cells[name] != opening[name] for name in ("occurred_at", "created_at", "source")):
            self._wrong(line.number, cells["seq"], "account or period are not those of the opening row, line 2")
        if self._sums(line)[1:5] != self.sums[1:5]:
            self._wrong(line.number, cells["seq"], f"seq, balance, spent or link are not those of line {self.sums.line}")
        if whole(cells["count"]) != sum(self.counts.values()):
            self._wrong(line.number, cells["seq"], f"the statement has {sum(self.counts.values())} entries")
        for proof in self.proofs:
            if proof.seq > self.sums.seq and until and proof.entry["created_at"] < until:
                self._wrong(line.number, cells["seq"], f"seq {proof.seq}, an entry of the period by {proof.name}, is missing before")
        return line

    def _totals(self, lines: Iterator[Line], closing: Line) -> None:
        expected = [(kind, self.counts[kind], self.amounts[kind]) for kind in sorted(self.amounts)]
        expected.append(("all", sum(self.counts.values()), sum(self.amounts.values())))
        number = closing.number
        for kind, count, nanos in expected:
            line = next(lines, None)
            number = number + 1 if line is None else line.number
            cells = {} if line is None else line.cells
            if (cells.get("record"), cells.get("kind")) != ("total", kind):
                self._wrong(number, None, f"the total of {kind} must be here")
            if (cells["count"], cells["amount_nanos"]) != (str(count), str(nanos)):
                self._wrong(number, None, f"the total of {kind} must be {count} entries and {nanos} nanos")
        line = next(lines, None)
        if line is not None:
            self._wrong(line.number, None, "nothing may follow the last total")

    def _sums(self, line: Line) -> Sums:
        cells = line.cells
        try:
            link = bytes.fromhex(cells["link"])
        except ValueError:
            link = b""
        if len(link) != DIGEST_SIZE or link.hex() != cells["link"]:
            self._wrong(line.number, cells["seq"], "its link is not 64 hexadecimal characters")
        created_at = cells["created_at"] if cells["record"] == "entry" else ""
        return Sums(line.number, int(cells["seq"]), int(cells["balance_after_nanos"]), int(cells["spent_after_nanos"]), link, created_at)

    def _wrong(self, number: int, seq: str | None, what: str) -> NoReturn:
        raise Wrong(f"{self.name}: line {number}{f', seq {seq}' if seq else ''}: {what}")


def is_whole(text: str) -> bool:
    digits = text[text.startswith("-") :]
    return digits.isascii() and digits.isdigit() and str(int(text)) == text


def whole(text: str) -> int:
    if not is_whole(text):
        raise Unreadable(f"{text!r} is no whole number")
    return int(text)


def in_dollars(nanos: str) -> str | None:
    """Exact dollars, with 2 to 9 decimals; None where `nanos` is no whole number."""
    if not is_whole(nanos):
        return None
    dollars, rest = divmod(abs(int(nanos)), NANOS)
    return f"{'-' if int(nanos) < 0 else ''}{dollars}.{str(rest).zfill(9).rstrip('0').ljust(2, '0')}"


def read_json(name: str) -> dict[str, Any]:
    said = json.loads(Path(name).read_text(encoding="utf-8"))
    if not isinstance(said, dict) or not ("items" in said or "entry" in said):
        raise Unreadable(f"{name} is neither a proof nor a list of seals")
    return said


def run(statement: str, others: list[str]) -> Iterator[str]:
    read = [(name, read_json(name)) for name in others]
    known: dict[int, str] = {}
    for name, said in read:
        check_seals(name, said.get("items", []), known)
    proofs = [Proof(name, said) for name, said in read if "entry" in said]
    check_against(proofs, known)
    checked = Statement(statement, proofs)
    checked.check()
    first, sums = checked.begin + 1, checked.sums
    yield f"OK: {statement}: account {checked.account}, {sum(checked.counts.values())} entries, closing {in_dollars(str(sums.balance))} USD"
    if checked.proven:
        yield f"Proven: seq {first} to {checked.proven} are what was sealed."
    if checked.proven < sums.seq >= first:
        yield f"Not proven: seq {max(first, checked.proven + 1)} to {sums.seq} agree with themselves only; prove seq {sums.seq}."
    yield from (f"Seal {number}: {digest}" for number, digest in sorted(known.items()))


def main(arguments: list[str]) -> int:
    code, said = 0, [__doc__ or ""]
    if not arguments or arguments[0].startswith("-"):
        code = 2
    else:
        try:
            said = list(run(arguments[0], arguments[1:]))
        except Wrong as wrong:
            code, said = 1, [f"WRONG: {wrong}"]
        except (OSError, ValueError, KeyError, TypeError, AttributeError, csv.Error) as error:
            code, said = 2, [f"NOT CHECKED: {type(error).__name__}: {error}"]
    sys.stdout.write("\n".join([*said, ""]))
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
